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
    pub(crate) fn aad(&self) -> Vec<u8> {
        let mut aad = Vec::with_capacity(40 + self.stream_type.len() + self.stream_id.len() + self.event_type.len());
        aad.push(FORMAT);
        aad.extend_from_slice(&self.sequence.to_be_bytes());
        aad.extend_from_slice(&[0; 18]);
        for text in [self.stream_type, self.stream_id, self.event_type] {
            aad.extend_from_slice(&(text.len() as u32).to_be_bytes());
            aad.extend_from_slice(text.as_bytes());
        }
        aad
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
    let mut aad = place.aad();
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

/// Splits a frame into its segments.
pub(crate) fn parse(frame: &[u8]) -> Result<Vec<Sealed<'_>>, SealError> {
    let short = || SealError::Malformed("cut short");
    let Some((format, rest)) = frame.split_first() else { return Ok(Vec::new()) };
    if *format != FORMAT {
        return Err(SealError::Malformed("unknown format version"));
    }
    let (count, mut rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let count = u16::from_be_bytes(*count);
    let mut segments = Vec::with_capacity(usize::from(count).min(64));
    for _ in 0..count {
        let (subject, after) = rest.split_first_chunk::<16>().ok_or_else(short)?;
        let (commitment, after) = after.split_first_chunk::<32>().ok_or_else(short)?;
        let (nonce, after) = after.split_first_chunk::<NONCE_LEN>().ok_or_else(short)?;
        let (length, after) = after.split_first_chunk::<4>().ok_or_else(short)?;
        let (body, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(short)?;
        rest = after;
        segments.push(Sealed {
            subject: SubjectId(Uuid::from_bytes(*subject)),
            commitment: *commitment,
            nonce: *nonce,
            body,
        });
    }
    if rest.is_empty() { Ok(segments) } else { Err(SealError::Malformed("more bytes than segments")) }
}

/// Opens one segment and checks it against its commitment. `aad` is [`Place::aad`], made once for all of an event's
/// segments.
pub(crate) fn open_segment(
    place: Place<'_>,
    aad: &mut [u8],
    index: u16,
    sealed: &Sealed<'_>,
    key: &Cipher,
) -> Result<Opened, SealError> {
    bind(aad, index, sealed.subject);
    let opened = key.open_with(sealed.nonce, aad, sealed.body).ok_or_else(|| {
        SealError::DoesNotOpen(format!(
            "segment {index} of {} {}/{}",
            place.stream_type, place.stream_id, place.sequence
        ))
    })?;
    if opened.len() < BLIND_LEN {
        return Err(SealError::Malformed("shorter than its blind"));
    }
    // Blind and plaintext follow one another as they are hashed.
    if sha256(&opened) != sealed.commitment {
        return Err(SealError::Commitment(index));
    }
    Ok(Opened(opened))
}

/// A segment in clear; cleared when dropped.
pub(crate) struct Opened(Zeroizing<Vec<u8>>);

impl Opened {
    /// The random bytes that hide the plaintext from whoever guesses at its commitment.
    pub(crate) fn blind(&self) -> &[u8] {
        &self.0[..BLIND_LEN]
    }

    pub(crate) fn plaintext(&self) -> &[u8] {
        &self.0[BLIND_LEN..]
    }
}

fn commit(blind: &[u8], plain: &[u8]) -> Hash {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(blind);
    hash.update(plain);
    finish(hash)
}
