//! Whether a nonce was ever used twice for one subject, in bounded memory: sorted runs on disk, merged at the end.

use aws_lc_rs::aead::NONCE_LEN;
use domain::ids::SubjectId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

/// Uses held in memory before a run is written: 64 MiB.
const RUN: usize = (64 << 20) / USE_LEN;
const USE_LEN: usize = 24;

/// One use: nonce and the subject's first four bytes, then the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use(u128, u64);

impl Use {
    pub(super) fn new(nonce: [u8; NONCE_LEN], subject: SubjectId, position: u64) -> Self {
        let mut both = [0; 16];
        both[..NONCE_LEN].copy_from_slice(&nonce);
        // Two subjects may share a nonce: their keys differ. Four bytes tell all but one pair in 2^128 apart.
        both[NONCE_LEN..].copy_from_slice(&subject.0.as_bytes()[..4]);
        Self(u128::from_be_bytes(both), position)
    }
}

/// All uses so far.
#[derive(Default)]
pub(super) struct Nonces {
    recent: Vec<Use>,
    runs: Vec<File>,
}

impl Nonces {
    pub(super) fn extend(&mut self, uses: &[Use]) -> io::Result<()> {
        self.recent.extend_from_slice(uses);
        if self.recent.len() >= RUN { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.recent.sort_unstable();
        let mut out = BufWriter::new(tempfile::tempfile()?);
        for Use(key, position) in self.recent.drain(..) {
            out.write_all(&key.to_be_bytes())?;
            out.write_all(&position.to_be_bytes())?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// Each repeated use: the position of the first and of the second.
    pub(super) fn repeated(mut self, mut tell: impl FnMut(u64, u64)) -> io::Result<()> {
        self.recent.sort_unstable();
        let mut runs: Vec<_> = self.runs.into_iter().map(BufReader::new).collect();
        let mut recent = self.recent.into_iter();
        let last = runs.len();
        let mut heap = BinaryHeap::with_capacity(last + 1);
        for (index, run) in runs.iter_mut().enumerate() {
            heap.extend(read(run)?.map(|next| Reverse((next, index))));
        }
        heap.extend(recent.next().map(|next| Reverse((next, last))));
        let mut previous: Option<Use> = None;
        while let Some(Reverse((used, index))) = heap.pop() {
            if let Some(earlier) = previous.filter(|earlier| earlier.0 == used.0) {
                tell(earlier.1, used.1);
            }
            previous = Some(used);
            let next = match runs.get_mut(index) {
                Some(run) => read(run)?,
                None => recent.next(),
            };
            heap.extend(next.map(|next| Reverse((next, index))));
        }
        Ok(())
    }
}

fn read(run: &mut impl Read) -> io::Result<Option<Use>> {
    let mut bytes = [0; USE_LEN];
    match run.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let (key, position) = bytes.split_first_chunk::<16>().expect("a use is longer than its key");
    let position = position.try_into().expect("what is left is the position");
    Ok(Some(Use(u128::from_be_bytes(*key), u64::from_be_bytes(position))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn used(nonce: u8, subject: u128, position: u64) -> Use {
        Use::new([nonce; NONCE_LEN], SubjectId(Uuid::from_u128(subject << 96)), position)
    }

    #[test]
    fn a_nonce_used_twice_for_one_subject_is_found_within_and_across_runs() {
        let mut nonces = Nonces::default();
        nonces.extend(&[used(1, 1, 0), used(2, 1, 1), used(3, 1, 2), used(3, 1, 3)]).unwrap();
        nonces.spill().unwrap();
        nonces.extend(&[used(1, 2, 4), used(2, 1, 5)]).unwrap();
        nonces.spill().unwrap();
        nonces.extend(&[used(9, 1, 6), used(2, 1, 7)]).unwrap();
        let mut found = Vec::new();
        nonces.repeated(|first, second| found.push((first, second))).unwrap();
        assert_eq!(found, [(1, 5), (5, 7), (2, 3)]);
    }
}
