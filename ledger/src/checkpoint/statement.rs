//! What the log's key says of a recovery: which log is given up, at which checkpoint, what goes on, and why.
//!
//! A [signed note](https://c2sp.org/signed-note) by the key of the log that goes on, with this text:
//!
//! ```text
//! matricule-recovery/1
//! origin <origin of the log that goes on>
//! time <RFC 3339>
//! goes-on <size> <root, base64>
//! gives-up <origin> <size> <root, base64>        unless no checkpoint was left of it
//! key <verifier key of the log given up>         as many as are known
//! reason <why, on one line>
//! ```
//!
//! With it, whoever meets a checkpoint that the ledger no longer extends can tell a recovery that was declared from a
//! history that was rewritten: [`Statement::gives_up`].

use super::key::{SigningKey, VerifierKey};
use super::note::{Checkpoint, NoteError, check, note};
use crate::leaf::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use signed_note::Note;

const TITLE: &str = "matricule-recovery/1";

/// A recovery, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The log that goes on.
    pub origin: String,
    /// When it was decided, to the second.
    pub at: DateTime<Utc>,
    /// The tree that goes on.
    pub goes_on: (u64, Hash),
    /// The last checkpoint of the log that is given up; `None` where none was left.
    pub given_up: Option<Checkpoint>,
    /// The keys that checked that log's checkpoints.
    pub keys: Vec<VerifierKey>,
    /// Why, on one line.
    pub reason: String,
}

impl Statement {
    fn text(&self) -> String {
        let root = |root: &Hash| STANDARD.encode(root);
        let (size, own) = &self.goes_on;
        let time = self.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut text = format!("{TITLE}\norigin {}\ntime {time}\ngoes-on {size} {}\n", self.origin, root(own));
        if let Some(Checkpoint { origin, size, root: last }) = &self.given_up {
            text.push_str(&format!("gives-up {origin} {size} {}\n", root(last)));
        }
        self.keys.iter().for_each(|key| text.push_str(&format!("key {key}\n")));
        // The format of notes has no other control characters than the ends of lines.
        let words: Vec<&str> = self.reason.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        text.push_str(&format!("reason {}\n", words.join(" ")));
        text
    }

    /// Signs it under its origin as name. None where the origin is unfit for one.
    pub fn sign(&self, key: &SigningKey) -> Option<String> {
        let text = self.text();
        let signature = key.sign(&self.origin, text.as_bytes())?;
        String::from_utf8(Note::new(text.as_bytes(), &[signature]).ok()?.to_bytes()).ok()
    }

    /// Reads a statement and checks that this key signed it: its name must be the origin that goes on.
    ///
    /// # Errors
    /// It is none, or not signed by that key.
    pub fn verify(text: &str, log: &VerifierKey) -> Result<Self, NoteError> {
        let note = note(text)?;
        let statement = std::str::from_utf8(note.text()).ok().and_then(Self::parse).ok_or(NoteError::NoStatement)?;
        if statement.origin != log.name() {
            return Err(NoteError::Origin { expected: log.name().to_owned(), found: statement.origin });
        }
        check(&note, log)?;
        Ok(statement)
    }

    /// The origin that a text claims to go on, before anything is verified: to choose the key by.
    pub fn claimed_origin(text: &str) -> Option<String> {
        std::str::from_utf8(note(text).ok()?.text()).ok().and_then(Self::parse).map(|statement| statement.origin)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_prefix(TITLE)?.strip_prefix('\n')?.lines().peekable();
        let origin = lines.next()?.strip_prefix("origin ")?.to_owned();
        let at = DateTime::parse_from_rfc3339(lines.next()?.strip_prefix("time ")?).ok()?.to_utc();
        let goes_on = head(lines.next()?.strip_prefix("goes-on ")?)?;
        let given_up = match lines.next_if(|line| line.starts_with("gives-up ")) {
            None => None,
            Some(line) => {
                let (origin, of) = line.strip_prefix("gives-up ")?.split_once(' ')?;
                let (size, root) = head(of)?;
                Some(Checkpoint { origin: origin.to_owned(), size, root })
            }
        };
        let mut keys = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("key ")) {
            keys.push(line.strip_prefix("key ")?.parse().ok()?);
        }
        let reason = lines.next()?.strip_prefix("reason ")?.to_owned();
        lines.next().is_none().then_some(Self { origin, at, goes_on, given_up, keys, reason })
    }

    /// Whether a checkpoint is one of the log that was given up, so that nobody need extend it any more.
    pub fn gives_up(&self, checkpoint: &Checkpoint) -> bool {
        self.given_up.as_ref().is_some_and(|last| last.origin == checkpoint.origin && checkpoint.size <= last.size)
    }
}

/// `<size> <root>`
fn head(text: &str) -> Option<(u64, Hash)> {
    let (size, root) = text.split_once(' ')?;
    Some((size.parse().ok()?, STANDARD.decode(root).ok()?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        let key = |seed| SigningKey::from_seed(&[seed; 32]).unwrap();
        Statement {
            origin: "ecole.example.org/log/2".to_owned(),
            at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
            goes_on: (40, [4; 32]),
            given_up: Some(Checkpoint { origin: "ecole.example.org/log".to_owned(), size: 42, root: [9; 32] }),
            keys: vec![key(1).verifier("ecole.example.org/log")],
            reason: "disque perdu, sauvegarde de la veille".to_owned(),
        }
    }

    #[test]
    fn what_was_signed_reads_back_and_nothing_else_is_believed() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let log = key.verifier("ecole.example.org/log/2");
        for stated in [statement(), Statement { given_up: None, keys: Vec::new(), ..statement() }] {
            let text = stated.sign(&key).unwrap();
            assert_eq!(Statement::verify(&text, &log).unwrap(), stated);
            let changed = text.replacen("40", "41", 1);
            assert!(matches!(Statement::verify(&changed, &log), Err(NoteError::WrongSignature(_))));
            let other = SigningKey::from_seed(&[2; 32]).unwrap().verifier("ecole.example.org/log/2");
            assert!(matches!(Statement::verify(&text, &other), Err(NoteError::Unsigned(_))));
        }
        let lines = Statement { reason: " deux\nlignes\u{7}".to_owned(), ..statement() };
        let read = Statement::verify(&lines.sign(&key).unwrap(), &log).unwrap();
        assert_eq!(read.reason, "deux lignes");
        let checkpoint = Checkpoint { origin: log.name().to_owned(), size: 1, root: [1; 32] }.sign(&key).unwrap();
        assert_eq!(Statement::verify(checkpoint.text(), &log), Err(NoteError::NoStatement));
    }

    #[test]
    fn it_gives_up_the_log_it_names_and_no_more_of_it_than_there_was() {
        let of = |origin: &str, size| Checkpoint { origin: origin.to_owned(), size, root: [1; 32] };
        assert!(statement().gives_up(&of("ecole.example.org/log", 42)));
        assert!(!statement().gives_up(&of("ecole.example.org/log", 43)));
        assert!(!statement().gives_up(&of("ecole.example.org/log/2", 42)));
    }
}
