//! Being a witness: per log, the last cosigned checkpoint lies in a file, replaced before any answer.

use super::AddCheckpoint;
use crate::checkpoint::keep::Keep;
use crate::checkpoint::key::{SigningKey, VerifierKey};
use crate::checkpoint::note::{Checkpoint, NoteError, SignedCheckpoint};
use crate::leaf::sha256;
use crate::tree::verify_consistency;
use std::collections::HashMap;
use std::path::PathBuf;
use tokio::sync::Mutex;

/// A witness for some logs.
pub struct WitnessService {
    name: String,
    key: SigningKey,
    logs: HashMap<String, VerifierKey>,
    dir: PathBuf,
    /// Comparing with the last checkpoint and replacing it are one step.
    turn: Mutex<()>,
}

/// The answer to `add-checkpoint`, each with its status in HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 200: signature lines.
    Cosigned(String),
    /// 409: the size cosigned last is another.
    Conflict(u64),
    /// 400: no such body.
    BadRequest,
    /// 404: the log is not one of ours.
    UnknownLog,
    /// 403: the log's key did not sign it.
    WrongSignature,
    /// 422: it does not extend what was cosigned.
    NotConsistent,
}

/// The witness can't answer: its memory fails.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WitnessError(String);

impl WitnessService {
    /// A witness that signs under `name`, for these logs, and remembers in `dir`.
    ///
    /// # Errors
    /// Two keys for one origin, a witness's key in the place of a log's, or an unfit name.
    pub fn new(name: String, key: SigningKey, logs: Vec<VerifierKey>, dir: PathBuf) -> Result<Self, WitnessError> {
        if !signed_note::is_key_name_valid(&name) {
            return Err(WitnessError(format!("{name:?} can't be a witness's name: no spaces, no plus signs")));
        }
        let mut by_origin = HashMap::new();
        for log in logs {
            if log.is_cosigner() {
                return Err(WitnessError(format!("{log} is a witness's key, not a log's")));
            }
            if let Some(other) = by_origin.insert(log.name().to_owned(), log) {
                return Err(WitnessError(format!("two keys for the log {}", other.name())));
            }
        }
        Ok(Self { name, key, logs: by_origin, dir, turn: Mutex::default() })
    }

    /// What logs configure to trust it.
    pub fn verifier(&self) -> VerifierKey {
        self.key.cosigner(&self.name)
    }

    /// Judges a body of `add-checkpoint` at a time (seconds since the Unix epoch) and, where everything holds,
    /// cosigns.
    ///
    /// # Errors
    /// The last checkpoint can't be read or replaced. Nothing is cosigned then.
    pub async fn add_checkpoint(&self, body: &[u8], now: u64) -> Result<Verdict, WitnessError> {
        let Some(request) = std::str::from_utf8(body).ok().and_then(AddCheckpoint::parse) else {
            return Ok(Verdict::BadRequest);
        };
        let Ok(origin) = Checkpoint::claimed_origin(&request.note) else { return Ok(Verdict::BadRequest) };
        let Some(log) = self.logs.get(&origin) else { return Ok(Verdict::UnknownLog) };
        let signed = match SignedCheckpoint::verify(&request.note, log) {
            Ok(signed) => signed,
            Err(NoteError::Unsigned(_) | NoteError::WrongSignature(_)) => return Ok(Verdict::WrongSignature),
            Err(_) => return Ok(Verdict::BadRequest),
        };
        if request.old > signed.size {
            return Ok(Verdict::BadRequest);
        }
        let _turn = self.turn.lock().await;
        let memory = self.memory(&origin);
        let last = self.last(&memory, log).await?;
        let old = last.as_ref().map_or((0, sha256(&[])), |last| (last.size, last.root));
        if old.0 != request.old {
            return Ok(Verdict::Conflict(old.0));
        }
        let empty_is_empty = signed.size > 0 || signed.root == sha256(&[]);
        if !empty_is_empty || verify_consistency(old, (signed.size, signed.root), &request.proof).is_err() {
            return Ok(Verdict::NotConsistent);
        }
        let line = signed.cosign(&self.key, &self.name, now);
        let line = line.ok_or_else(|| WitnessError("the checkpoint can't be cosigned".to_owned()))?;
        // Only the log's own signature and ours, whatever else it carried.
        let mut kept = signed.only_by(log);
        kept.add(&line, &self.verifier());
        memory.store(kept.text()).await.map_err(|error| WitnessError(error.to_string()))?;
        Ok(Verdict::Cosigned(line))
    }

    /// The last cosigned checkpoint of a log, by the SHA-256 of its origin in lowercase hexadecimal.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn checkpoint(&self, origin_hash: &str) -> Result<Option<String>, WitnessError> {
        let log = self.logs.iter().find(|(origin, _)| hex::encode(sha256(origin.as_bytes())) == origin_hash);
        let Some((origin, log)) = log else { return Ok(None) };
        Ok(self.last(&self.memory(origin), log).await?.map(|last| last.text().to_owned()))
    }

    fn memory(&self, origin: &str) -> Keep {
        Keep::File(self.dir.join(hex::encode(sha256(origin.as_bytes()))))
    }

    async fn last(&self, memory: &Keep, log: &VerifierKey) -> Result<Option<SignedCheckpoint>, WitnessError> {
        let text = memory.load().await.map_err(|error| WitnessError(error.to_string()))?;
        // A memory that can't be read is not forgotten: cosigning from nothing would betray who trusts us.
        let read = |text: String| {
            SignedCheckpoint::verify(&text, log).map_err(|error| WitnessError(format!("{memory} is damaged: {error}")))
        };
        text.map(read).transpose()
    }
}
