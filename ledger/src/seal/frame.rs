//! The frame that holds an event's sealed segments.

use super::{Cipher, SealError, TAG_LEN, random};
use crate::leaf::{Hash, finish, sha256};
use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::digest;
use domain::ids::SubjectId;
use uuid::Uuid;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const BLIND_LEN: usize = 32;

/// Where an event stands: what its ciphertexts are bound to.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub stream_type: &'a str,
    pub stream_id: &'a str,
    pub sequence: u64,
    pub event_type: &'a str,
}

/// A segment's subject and the hash that the leaf commits to.
pub(crate) type Commitment = (Uuid, Hash);

/// One sealed segment, borrowed from its frame.
#[derive(Clone, Copy)]
pub(crate) struct Sealed<'a> {
    pub subject: SubjectId,
    pub commitment: Hash,
    pub nonce: [u8; NONCE_LEN],
    body: &'a [u8],
}

impl Place<'_> {
    /// The associated data of an event's segments, with room for index and subject at a fixed place.
    fn write_aad(&self, aad: &mut Vec<u8>) {
        aad.push(FORMAT);
        aad.extend_from_slice(&self.sequence.to_be_bytes());
        aad.extend_from_slice(&[0; 18]);
        for text in [self.stream_type, self.stream_id, self.event_type] {
            aad.extend_from_slice(&(text.len() as u32).to_be_bytes());
            aad.extend_from_slice(text.as_bytes());
        }
    }
}

fn bind(aad: &mut [u8], index: u16, subject: SubjectId) {
    aad[9..11].copy_from_slice(&index.to_be_bytes());
    aad[11..27].copy_from_slice(subject.0.as_bytes());
}

/// Seals the segments of one event: the frame, and for the leaf each subject with its commitment.
pub(crate) fn seal_segments<'k>(
    place: Place<'_>,
    segments: &[(SubjectId, Zeroizing<Vec<u8>>)],
    mut key: impl FnMut(SubjectId) -> Option<&'k Cipher>,
) -> Result<(Vec<u8>, Vec<Commitment>), SealError> {
    if segments.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let size: usize = segments.iter().map(|(_, plain)| plain.len() + 112).sum();
    let mut frame = Vec::with_capacity(3 + size);
    let mut committed = Vec::with_capacity(segments.len());
    let mut aad = Vec::with_capacity(128);
    place.write_aad(&mut aad);
    frame.push(FORMAT);
    frame.extend_from_slice(&(segments.len() as u16).to_be_bytes());
    for (index, (subject, plain)) in segments.iter().enumerate() {
        let fresh: [u8; BLIND_LEN + NONCE_LEN] = random()?;
        let (blind, nonce) = fresh.split_at(BLIND_LEN);
        let nonce: [u8; NONCE_LEN] = nonce.try_into().expect("what is left after the blind is a nonce");
        let commitment = commit(blind, plain);
        bind(&mut aad, index as u16, *subject);
        let length = u32::try_from(BLIND_LEN + plain.len() + TAG_LEN)
            .map_err(|_| SealError::Malformed("a segment of more than 4 GiB"))?;
        frame.extend_from_slice(subject.0.as_bytes());
        frame.extend_from_slice(&commitment);
        frame.extend_from_slice(&nonce);
        frame.extend_from_slice(&length.to_be_bytes());
        let from = frame.len();
        frame.extend_from_slice(blind);
        frame.extend_from_slice(plain);
        key(*subject).ok_or(SealError::NoKey(*subject))?.seal_in_place(nonce, &aad, &mut frame, from)?;
        committed.push((subject.0, commitment));
    }
    Ok((frame, committed))
}

/// The segments of a frame, one after the other.
pub(crate) struct Segments<'a> {
    rest: &'a [u8],
    left: u16,
}

/// Begins to take a frame apart.
pub(crate) fn segments(frame: &[u8]) -> Result<Segments<'_>, SealError> {
    let Some((format, rest)) = frame.split_first() else { return Ok(Segments { rest: frame, left: 0 }) };
    if *format != FORMAT {
        return Err(SealError::Malformed("unknown format version"));
    }
    let (count, rest) = rest.split_first_chunk::<2>().ok_or(SHORT)?;
    Ok(Segments { rest, left: u16::from_be_bytes(*count) })
}

const SHORT: SealError = SealError::Malformed("cut short");

impl<'a> Segments<'a> {
    /// How many are still to come.
    pub(crate) fn left(&self) -> usize {
        usize::from(self.left)
    }

    fn take(&mut self) -> Result<Sealed<'a>, SealError> {
        let (subject, rest) = self.rest.split_first_chunk::<16>().ok_or(SHORT)?;
        let (commitment, rest) = rest.split_first_chunk::<32>().ok_or(SHORT)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SHORT)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let (body, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(SHORT)?;
        self.left -= 1;
        self.rest = rest;
        if self.left == 0 && !rest.is_empty() {
            return Err(SealError::Malformed("more bytes than segments"));
        }
        let subject = SubjectId(Uuid::from_bytes(*subject));
        Ok(Sealed { subject, commitment: *commitment, nonce: *nonce, body })
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Sealed<'a>, SealError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            // A frame that says it has none may hold nothing else.
            let surplus = std::mem::take(&mut self.rest);
            return (!surplus.is_empty()).then_some(Err(SealError::Malformed("more bytes than segments")));
        }
        let taken = self.take();
        if taken.is_err() {
            (self.left, self.rest) = (0, &[]);
        }
        Some(taken)
    }
}

/// Splits a frame into its segments.
pub(crate) fn parse(frame: &[u8]) -> Result<Vec<Sealed<'_>>, SealError> {
    segments(frame)?.collect()
}

/// Room to open segments in, one after the other. The plaintext in it is cleared when it is dropped.
#[derive(Default)]
pub(crate) struct Room {
    aad: Vec<u8>,
    plain: Zeroizing<Vec<u8>>,
}

impl Room {
    /// For the segments of the event that stands there.
    pub(crate) fn enter(&mut self, place: Place<'_>) {
        self.aad.clear();
        place.write_aad(&mut self.aad);
    }

    /// Opens one segment of that event and checks it against its commitment; the plaintext is there until the next.
    pub(crate) fn open(
        &mut self,
        place: Place<'_>,
        index: u16,
        sealed: &Sealed<'_>,
        key: &Cipher,
    ) -> Result<&[u8], SealError> {
        self.open_blinded(place, index, sealed, key).map(|(_, plain)| plain)
    }

    /// [`Room::open`], with the random bytes that hide the plaintext from whoever guesses at its commitment.
    pub(crate) fn open_blinded(
        &mut self,
        place: Place<'_>,
        index: u16,
        sealed: &Sealed<'_>,
        key: &Cipher,
    ) -> Result<(&[u8], &[u8]), SealError> {
        bind(&mut self.aad, index, sealed.subject);
        if self.plain.capacity() < sealed.body.len() {
            // Grown in place, it would leave what it held behind in memory.
            self.plain = Zeroizing::new(Vec::with_capacity(2 * sealed.body.len()));
        }
        self.plain.clear();
        self.plain.extend_from_slice(sealed.body);
        let opened = key.open_in_place(sealed.nonce, &self.aad, &mut self.plain).ok_or_else(|| {
            SealError::DoesNotOpen(format!(
                "segment {index} of {} {}/{}",
                place.stream_type, place.stream_id, place.sequence
            ))
        })?;
        let Some(parts) = opened.split_at_checked(BLIND_LEN) else {
            return Err(SealError::Malformed("shorter than its blind"));
        };
        // Blind and plaintext follow one another as they are hashed.
        if sha256(opened) != sealed.commitment {
            return Err(SealError::Commitment(index));
        }
        Ok(parts)
    }
}

fn commit(blind: &[u8], plain: &[u8]) -> Hash {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(blind);
    hash.update(plain);
    finish(hash)
}
