//! The incident reference: short enough for the phone, in French and in English, and self-checking.
//!
//! Nine random symbols and a check symbol of an alphabet of 23, which leaves out what is confused by ear
//! (B, C, D, E, G, P, T, V; M beside N; S beside F) or by eye (1 and I, O beside 0, S beside 5, B beside 8).
//! 23 is prime: the weighted sum modulo 23 catches every single wrong symbol and every swap of two neighbours.

use std::fmt;
use std::str::FromStr;

/// The alphabet; a symbol's value is its place.
const ALPHABET: &[u8; 23] = b"023456789AFHJKLNQRUWXYZ";
const LEN: usize = 10;

/// One reference, e.g. `K7R-2WA-Q0XZ`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reference([u8; LEN]);

/// What was typed is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAReference {
    /// Wrong number of symbols.
    #[error("a reference has 10 symbols, such as K7R-2WA-Q0XZ; this one has {0}")]
    Length(usize),
    /// A symbol that is not in the alphabet, nor looks like one of it.
    #[error("`{0}` never occurs in a reference (its symbols are 0 2-9 A F H J K L N Q R U W X Y Z)")]
    Symbol(char),
    /// A slip of the pen or the ear.
    #[error("the check symbol does not fit: a symbol is wrong, or two are swapped. Ask for the reference again")]
    Check,
}

impl Reference {
    /// A reference from random bytes, as many as it asks for.
    ///
    /// 23⁹ ≈ 1.8·10¹², so two requests may one day share one: look-ups give every match.
    pub fn draw(mut random_byte: impl FnMut() -> u8) -> Self {
        // Bytes from 253 = 11 × 23 on would favour the first symbols.
        const FAIR: u8 = 253;
        let mut symbols = [0; LEN - 1];
        for symbol in &mut symbols {
            *symbol = loop {
                let byte = random_byte();
                if byte < FAIR {
                    break byte % 23;
                }
            };
        }
        Self::from_values(symbols)
    }

    fn from_values(values: [u8; LEN - 1]) -> Self {
        let mut symbols = [0; LEN];
        for (symbol, value) in symbols.iter_mut().zip(values) {
            *symbol = ALPHABET[usize::from(value)];
        }
        symbols[LEN - 1] = ALPHABET[usize::from(check(&values))];
        Self(symbols)
    }

    /// The ten symbols without dashes, as they are stored.
    pub fn compact(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

/// Weights 2…10 on the nine symbols and 1 on the check symbol; the whole sums to 0 modulo 23. All weights differ
/// and none is 0 modulo 23, which is what catches swaps and slips.
fn check(values: &[u8; LEN - 1]) -> u8 {
    let sum: u32 = values.iter().zip(2..).map(|(value, weight)| u32::from(*value) * weight).sum();
    // The remainder is below 23.
    ((23 - sum % 23) % 23) as u8
}

/// Reads what a person typed or heard: any case, dashes and spaces, and look-alikes (O for 0, and so on).
impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(typed: &str) -> Result<Self, NotAReference> {
        let symbols = typed.chars().filter(|c| !c.is_whitespace() && !is_dash(*c));
        let values = symbols.map(value).collect::<Result<Vec<u8>, _>>()?;
        let values: [u8; LEN] = values.as_slice().try_into().map_err(|_| NotAReference::Length(values.len()))?;
        let (random, last) = values.split_at(LEN - 1);
        let random: [u8; LEN - 1] = random.try_into().map_err(|_| NotAReference::Length(LEN - 1))?;
        if check(&random) == last[0] { Ok(Self::from_values(random)) } else { Err(NotAReference::Check) }
    }
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '.' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn value(typed: char) -> Result<u8, NotAReference> {
    // Only symbols that are not in the alphabet can stand for one that is.
    let meant = match typed.to_ascii_uppercase() {
        'O' | 'D' => '0',
        'S' => '5',
        'B' => '8',
        'G' => '6',
        'V' => 'U',
        '1' | 'I' => 'L',
        'M' => 'N',
        other => other,
    };
    let place = ALPHABET.iter().position(|symbol| char::from(*symbol) == meant);
    place.map(|place| place as u8).ok_or(NotAReference::Symbol(typed))
}

/// In groups, as it is shown and read out.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.compact();
        write!(f, "{}-{}-{}", &all[..3], &all[3..6], &all[6..])
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A linear congruential generator (Knuth's MMIX): enough to try many references, the same at each run.
    fn bytes() -> impl FnMut() -> u8 {
        let mut state = 7u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        }
    }

    #[test]
    fn what_is_shown_reads_back_however_it_is_typed() {
        let mut random = bytes();
        for _ in 0..1_000 {
            let reference = Reference::draw(&mut random);
            let shown = reference.to_string();
            assert_eq!(shown.len(), 12);
            for typed in [
                shown.clone(),
                shown.to_lowercase(),
                reference.compact().to_owned(),
                shown.replace('-', " – "),
                shown.replace('0', "o").replace('5', "s").replace('8', "b"),
            ] {
                assert_eq!(typed.parse(), Ok(reference), "{typed}");
            }
        }
    }

    /// Every single slip and every swap of neighbours, at every place, for many references; and, at every
    /// place, for every pair of values (which is all that the sum can see).
    #[test]
    fn every_slip_and_every_swap_is_caught() {
        let mut random = bytes();
        for _ in 0..500 {
            let good = Reference::draw(&mut random);
            for place in 0..LEN {
                for symbol in ALPHABET {
                    let mut slipped = good.0;
                    slipped[place] = *symbol;
                    let read = std::str::from_utf8(&slipped).unwrap().parse::<Reference>();
                    assert_eq!(read.is_ok(), slipped == good.0);
                }
                if place + 1 < LEN {
                    let mut swapped = good.0;
                    swapped.swap(place, place + 1);
                    let read = std::str::from_utf8(&swapped).unwrap().parse::<Reference>();
                    assert_eq!(read.is_ok(), swapped == good.0);
                }
            }
        }
        let weights: [u32; LEN] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 1];
        for place in 0..LEN {
            for a in 0..23u32 {
                for b in (0..23u32).filter(|b| *b != a) {
                    assert_ne!(weights[place] * a % 23, weights[place] * b % 23);
                    if let Some(next) = weights.get(place + 1) {
                        assert_ne!((weights[place] * a + next * b) % 23, (weights[place] * b + next * a) % 23);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!("K7R".parse::<Reference>(), Err(NotAReference::Length(3)));
        assert_eq!("K7R-2WA-Q0XÉ".parse::<Reference>(), Err(NotAReference::Symbol('É')));
        let good = Reference::from_values([1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(good.to_string(), "234-567-89AN");
        assert_eq!("234-567-89AF".parse::<Reference>(), Err(NotAReference::Check));
    }

    #[test]
    fn every_symbol_is_as_likely() {
        let mut seen = [0u32; 23];
        let mut random = bytes();
        for _ in 0..20_000 {
            for symbol in &Reference::draw(&mut random).0[..LEN - 1] {
                seen[ALPHABET.iter().position(|s| s == symbol).unwrap()] += 1;
            }
        }
        let mean = 20_000.0 * 9.0 / 23.0;
        assert!(seen.iter().all(|n| (f64::from(*n) / mean - 1.0).abs() < 0.1), "{seen:?}");
    }
}
