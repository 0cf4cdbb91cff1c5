//! A tile's place in the tree, and its path.

use super::TILE_WIDTH;
use std::fmt;
use std::str::FromStr;

/// Which tile, and how much of it: a full tile has 256 hashes, one at the tree's right edge may have fewer.
///
/// Printed and parsed as tlog-tiles writes it: `tile/<L>/<N>[.p/<W>]`, e.g. `tile/0/x001/x234/067.p/12`. (Not as
/// `tlog_tiles::Tile::path` does, which is the form of Go's checksum database with the tile's height in it.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

/// A path that names no tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile: write it as tile/<level>/<number>[.p/<width>], the number as in x001/x234/067")]
pub struct BadTilePath;

impl TileId {
    /// The tile of a level (0 to 63), by its number within it (below 2^55), with so many hashes (1 to 256). None outside
    /// of these bounds.
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        let fits = level < 64 && index < 1 << 55 && (1..=TILE_WIDTH as u16).contains(&width);
        fits.then_some(Self { level, index, width })
    }

    /// The tile of a tree of `size` leaves at this place, as wide as it is there; none where the tree has nothing.
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let width = hashes.checked_sub(index.checked_mul(TILE_WIDTH)?)?.min(TILE_WIDTH);
        Self::new(level, index, width as u16)
    }

    /// 0: leaves.
    pub fn level(self) -> u8 {
        self.level
    }

    /// From 0 within its level.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Number of hashes.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Whether it will never change.
    pub fn is_full(self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// Number of its first hash within its level.
    pub fn first(self) -> u64 {
        self.index * TILE_WIDTH
    }

    /// Whether a tree of `size` leaves has all its hashes.
    pub fn is_within(self, size: u64) -> bool {
        let hashes = size.checked_shr(8 * u32::from(self.level)).unwrap_or(0);
        self.first() + u64::from(self.width) <= hashes
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TileId {
    type Err = BadTilePath;

    fn from_str(path: &str) -> Result<Self, BadTilePath> {
        let rest = path.strip_prefix("tile/").ok_or(BadTilePath)?;
        let (level, rest) = rest.split_once('/').ok_or(BadTilePath)?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().map_err(|_| BadTilePath)?),
            None => (rest, TILE_WIDTH as u16),
        };
        let mut index = 0_u64;
        for group in number.split('/') {
            let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().map_err(|_| BadTilePath)?;
            index = index.checked_mul(1000).and_then(|n| n.checked_add(group)).ok_or(BadTilePath)?;
        }
        let tile = Self::new(level.parse().map_err(|_| BadTilePath)?, index, width).ok_or(BadTilePath)?;
        // Each tile has one path: no sign, no other zeros, no width of 256.
        if tile.to_string() == path { Ok(tile) } else { Err(BadTilePath) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = TileId::new(3, 1_234_067, 256).unwrap();
        assert_eq!(tile.to_string(), "tile/3/x001/x234/067");
        assert_eq!(TileId::new(0, 0, 70).unwrap().to_string(), "tile/0/000.p/70");
        assert_eq!(TileId::new(0, 1000, 256).unwrap().to_string(), "tile/0/x001/000");
    }

    #[test]
    fn whatever_else_is_no_path() {
        for path in [
            "tile/0/0",
            "tile/0/1000",
            "tile/0/x000/001",
            "tile/0/+01",
            "tile/00/001",
            "tile/64/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/001.p",
            "tile/0/x001",
            "tile/0/001/002",
            "tile/0/",
            "tile/0",
            "tile/entries/000",
            "tile/8/0/000",
            "/tile/0/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(path.parse::<TileId>(), Err(BadTilePath), "{path}");
        }
    }

    #[test]
    fn a_tree_of_seventy_thousand_has_the_tiles_of_the_specification() {
        let tiles = |level| -> Vec<u16> {
            (0..).map_while(|index| TileId::in_tree(level, index, 70_000).map(TileId::width)).collect()
        };
        let level0 = tiles(0);
        assert_eq!((level0.len(), level0[272], level0[273]), (274, 256, 112));
        assert_eq!((tiles(1), tiles(2), tiles(3)), (vec![256, 17], vec![1], vec![]));
        assert!(TileId::new(1, 1, 17).unwrap().is_within(70_000));
        assert!(!TileId::new(1, 1, 18).unwrap().is_within(70_000));
        assert!(!TileId::new(40, 0, 1).unwrap().is_within(70_000));
    }

    proptest! {
        #[test]
        fn a_path_reads_back(level in 0_u8..7, index in 0_u64..1 << 40, width in 1_u16..=256) {
            if let Some(tile) = TileId::new(level, index, width) {
                prop_assert_eq!(tile.to_string().parse(), Ok(tile));
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "tile/[0-9x./p]{0,40}") {
            if let Ok(tile) = text.parse::<TileId>() {
                prop_assert_eq!(tile.to_string(), text);
            }
        }
    }
}
