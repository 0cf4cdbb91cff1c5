//! Signed notes, checkpoints, verifier keys, proofs and addresses of tiles.

use crate::bytes::Bytes;
use ledger::checkpoint::{Checkpoint, SignedCheckpoint, SigningKey, VerifierKey};
use ledger::tree::{TileId, TlogProof};

const ORIGIN: &str = "ledger.example.org/fuzzed";
const WITNESS: &str = "witness.example.org";

/// First byte: what the rest is taken for.
///
/// # Panics
/// Something parsed is not written as it was read; or a changed checkpoint still counts as signed.
pub fn checkpoint(data: &[u8]) {
    let mut bytes = Bytes(data);
    match bytes.byte() % 5 {
        0 => note(&String::from_utf8_lossy(bytes.0)),
        1 => changed(&mut bytes),
        2 => signed(&mut bytes),
        3 => {
            let Ok(key) = String::from_utf8_lossy(bytes.0).parse::<VerifierKey>() else { return };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        _ => {
            let text = String::from_utf8_lossy(bytes.0);
            if let Ok(proof) = text.parse::<TlogProof>() {
                let again: TlogProof = proof.to_string().parse().expect("what was written can be read");
                assert_eq!(again.to_string(), proof.to_string());
                assert!(proof.verify([0; 32], &log()).is_err(), "nobody signed this");
            }
            if let Ok(tile) = text.parse::<TileId>() {
                assert_eq!(tile.to_string(), text, "a tile has one address");
            }
        }
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).expect("any 32 bytes are a seed")
}

fn log() -> VerifierKey {
    key().verifier(ORIGIN)
}

/// Any text: nobody signed it.
fn note(text: &str) {
    let claimed = Checkpoint::claimed_origin(text);
    let verified = SignedCheckpoint::verify(text, &log());
    assert!(verified.is_err() || claimed.as_deref() == Ok(ORIGIN));
    if let Ok(found) = verified {
        // Replayed from the corpus, or the key is broken: only what this key signs anyway.
        assert_eq!(found.text(), text);
        assert!(text.starts_with(&found.clone().text_of_checkpoint()), "the note says what was read from it");
    }
}

trait TextOf {
    fn text_of_checkpoint(self) -> String;
}

impl TextOf for SignedCheckpoint {
    fn text_of_checkpoint(self) -> String {
        Checkpoint::text(&self)
    }
}

fn sample() -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 2_026, root: [9; 32] };
    let mut signed = checkpoint.sign(&key()).expect("the origin is fit for a name");
    let witness = SigningKey::from_seed(&[8; 32]).expect("any 32 bytes are a seed");
    let line = signed.cosign(&witness, WITNESS, 1_788_000_000).expect("the name is fit");
    assert!(signed.add(&line, &witness.cosigner(WITNESS)));
    signed
}

/// A cosigned checkpoint with bytes replaced, inserted or removed.
fn changed(bytes: &mut Bytes<'_>) {
    let original = sample();
    let mut text = original.text().as_bytes().to_vec();
    for _ in 0..=bytes.byte() % 4 {
        let [how, high, low, with] = bytes.array();
        let at = usize::from(u16::from_be_bytes([high, low])) % text.len().max(1);
        match how % 3 {
            0 if at < text.len() => text[at] = with,
            1 => text.insert(at, with),
            _ if at < text.len() => drop(text.remove(at)),
            _ => {}
        }
    }
    let Ok(text) = String::from_utf8(text) else { return };
    if let Ok(found) = SignedCheckpoint::verify(&text, &log()) {
        assert_eq!(*found, *original, "another checkpoint passes as signed");
    }
}

/// Any checkpoint: signed, it is read as what it is.
fn signed(bytes: &mut Bytes<'_>) {
    let (size, root) = (u64::from_be_bytes(bytes.array()), bytes.array());
    let origin = String::from_utf8_lossy(bytes.0).into_owned();
    let checkpoint = Checkpoint { origin: origin.clone(), size, root };
    let Some(signed) = checkpoint.clone().sign(&key()) else { return };
    let found = SignedCheckpoint::verify(signed.text(), &key().verifier(&origin));
    assert_eq!(found.as_deref(), Ok(&checkpoint));
}
