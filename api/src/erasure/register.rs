//! The register of erasures: a file apart from the database and from its backups. A restored backup would bring back
//! whoever was erased after it was made; what the register names is destroyed again before anybody can read it.
//!
//! One line each, every one hashed together with the line before, so that a line changed or taken out of the middle
//! shows:
//!
//! ```text
//! matricule-erasures v1
//! 1 erased 0190… 2026-11-21T10:00:00Z 5c1a…
//! 2 withdrawn 0190… 2026-11-21T10:00:01Z 77ab…
//! 3 keys-backup keys-20261121T020000Z 2026-11-21T02:00:00Z 2026-12-26T02:00:00Z 4d09…
//! ```
//!
//! The line of an erasure is on disk before the key is destroyed. The line of a backup says until when it is kept, and
//! lets a restore tell a register that is older than the backup itself.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::ids::SubjectId;
use ledger::leaf::sha256;
use rustix::fs::{FlockOperation, flock};
use sqlx::PgPool;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

const HEAD: &str = "matricule-erasures v1";

/// The register can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It can't be read or written.
    #[error("the register of erasures {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not what was written there.
    #[error(
        "the register of erasures {path} was changed or damaged at line {line}: bring back a whole copy; where there \
         is none, move it away and a new one is made from the ledger"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// The ledger can't say who was erased before.
    #[error("who was erased before can't be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The blocking task was cancelled.
    #[error("the service is stopping")]
    Stopping,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A person's key is about to be destroyed, or is.
    Erased {
        /// Whose.
        subject: SubjectId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was not destroyed after all.
    Withdrawn {
        /// Whose.
        subject: SubjectId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The keys were backed up.
    KeysBackup {
        /// Name of the backup.
        name: String,
        /// When.
        at: DateTime<Utc>,
        /// Until when it is kept.
        expires_at: DateTime<Utc>,
    },
}

/// The register. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Register(PathBuf);

impl Register {
    /// The register in this file; it is made when the first line comes.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes down that these keys are about to be destroyed, and says which of them it did not know yet. On disk when
    /// this returns.
    ///
    /// # Errors
    /// The file can't be written, or was changed: then nothing may be erased.
    pub async fn enter(&self, subjects: &[SubjectId], at: DateTime<Utc>) -> Result<Vec<SubjectId>, RegisterError> {
        let known = if self.0.is_file() { self.whom().await? } else { BTreeSet::new() };
        let new: Vec<SubjectId> = subjects.iter().filter(|subject| !known.contains(subject)).copied().collect();
        self.add(new.iter().map(|subject| Line::Erased { subject: *subject, at }).collect()).await?;
        Ok(new)
    }

    /// Writes down that these keys were not destroyed after all.
    ///
    /// # Errors
    /// As [`Register::enter`].
    pub async fn withdraw(&self, subjects: &[SubjectId], at: DateTime<Utc>) -> Result<(), RegisterError> {
        self.add(subjects.iter().map(|subject| Line::Withdrawn { subject: *subject, at }).collect()).await
    }

    /// Writes down a backup of the keys.
    ///
    /// # Errors
    /// As [`Register::enter`].
    pub async fn keys_backup(
        &self,
        name: &str,
        at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<(), RegisterError> {
        self.add(vec![Line::KeysBackup { name: name.to_owned(), at, expires_at }]).await
    }

    /// All lines, checked.
    ///
    /// # Errors
    /// The file can't be read, is not there, or was changed.
    pub async fn read(&self) -> Result<Vec<Line>, RegisterError> {
        self.blocking(|path| read(&mut File::open(path).map_err(|source| failed(path, source))?, path).map(|(l, _)| l))
            .await
    }

    /// Whose keys are to be destroyed after a restore.
    ///
    /// # Errors
    /// As [`Register::read`].
    pub async fn whom(&self) -> Result<BTreeSet<SubjectId>, RegisterError> {
        let mut whom = BTreeSet::new();
        for line in self.read().await? {
            match line {
                Line::Erased { subject, .. } => {
                    whom.insert(subject);
                }
                Line::Withdrawn { subject, .. } => {
                    whom.remove(&subject);
                }
                Line::KeysBackup { .. } => {}
            }
        }
        Ok(whom)
    }

    /// When the last backup of the keys known to it is to be deleted; `None` where there is none any more.
    ///
    /// # Errors
    /// As [`Register::read`].
    pub async fn last_key_backup_expires(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, RegisterError> {
        let lines = self.read().await?;
        let expiries = lines.iter().filter_map(|line| match line {
            Line::KeysBackup { expires_at, .. } => Some(*expires_at),
            Line::Erased { .. } | Line::Withdrawn { .. } => None,
        });
        Ok(expiries.max().filter(|expires_at| *expires_at > now))
    }

    /// Makes a register that is not there, with the erasures that the ledger knows of.
    ///
    /// # Errors
    /// The file or the database fails.
    pub async fn ensure_complete(&self, db: &PgPool) -> Result<(), RegisterError> {
        if self.0.is_file() {
            return Ok(());
        }
        let known: Vec<(Uuid, DateTime<Utc>)> = sqlx::query_as(
            "SELECT subject, destroyed_at FROM keys.subject_key WHERE destroyed_at IS NOT NULL ORDER BY destroyed_at",
        )
        .fetch_all(db)
        .await?;
        tracing::warn!(register = %self.0.display(), erasures = known.len(), "made a new register of erasures");
        let lines = known.into_iter().map(|(subject, at)| Line::Erased { subject: SubjectId(subject), at });
        self.add(lines.collect()).await
    }

    async fn add(&self, lines: Vec<Line>) -> Result<(), RegisterError> {
        self.blocking(move |path| add(path, &lines)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, RegisterError> + Send + 'static,
    ) -> Result<T, RegisterError> {
        let path = self.0.clone();
        tokio::task::spawn_blocking(move || work(&path)).await.map_err(|_| RegisterError::Stopping)?
    }
}

fn failed(path: &Path, source: io::Error) -> RegisterError {
    RegisterError::File { path: path.to_owned(), source }
}

/// Appends under a lock, so that several programs may; flushed to disk.
fn add(path: &Path, lines: &[Line]) -> Result<(), RegisterError> {
    let file = |source| failed(path, source);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(file)?;
    }
    let mut open = OpenOptions::new();
    let mut register = open.read(true).append(true).create(true).mode(0o600).open(path).map_err(file)?;
    flock(&register, FlockOperation::LockExclusive).map_err(|error| file(error.into()))?;
    let (known, mut chain) = read(&mut register, path)?;
    let mut text = if register.metadata().map_err(file)?.len() == 0 { format!("{HEAD}\n") } else { String::new() };
    for (line, number) in lines.iter().zip(known.len() + 1..) {
        let body = format!("{number} {}", line.body());
        chain = link(&chain, &body);
        // Writing to a String can't fail.
        let _ = writeln!(text, "{body} {chain}");
    }
    register.write_all(text.as_bytes()).map_err(file)?;
    register.sync_all().map_err(file)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent).and_then(|d| d.sync_all()).map_err(file),
        _ => Ok(()),
    }
}

/// All lines and the last link of their chain. A last line that was cut off is damage too: it may name someone.
fn read(register: &mut File, path: &Path) -> Result<(Vec<Line>, String), RegisterError> {
    let mut text = String::new();
    register.rewind().and_then(|()| register.read_to_string(&mut text)).map_err(|source| failed(path, source))?;
    let damaged = |line| RegisterError::Damaged { path: path.to_owned(), line };
    let (mut lines, mut chain) = (Vec::new(), hex::encode(sha256(HEAD.as_bytes())));
    if text.is_empty() {
        return Ok((lines, chain));
    }
    let mut rows = text.lines();
    if rows.next() != Some(HEAD) || !text.ends_with('\n') {
        return Err(damaged(1));
    }
    for (row, number) in rows.zip(1..) {
        let (body, found) = row.rsplit_once(' ').ok_or_else(|| damaged(number + 1))?;
        chain = link(&chain, body);
        let line = body.strip_prefix(&format!("{number} ")).and_then(Line::parse);
        match line {
            Some(line) if found == chain => lines.push(line),
            _ => return Err(damaged(number + 1)),
        }
    }
    Ok((lines, chain))
}

fn link(before: &str, body: &str) -> String {
    hex::encode(sha256(format!("{before}\n{body}").as_bytes()))
}

impl Line {
    fn body(&self) -> String {
        let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        match self {
            Self::Erased { subject, at } => format!("erased {subject} {}", time(at)),
            Self::Withdrawn { subject, at } => format!("withdrawn {subject} {}", time(at)),
            Self::KeysBackup { name, at, expires_at } => {
                format!("keys-backup {name} {} {}", time(at), time(expires_at))
            }
        }
    }

    fn parse(body: &str) -> Option<Self> {
        let time = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
        let words: Vec<&str> = body.split(' ').collect();
        match words[..] {
            ["erased", subject, at] => Some(Self::Erased { subject: subject.parse().ok()?, at: time(at)? }),
            ["withdrawn", subject, at] => Some(Self::Withdrawn { subject: subject.parse().ok()?, at: time(at)? }),
            ["keys-backup", name, at, expires_at] => {
                Some(Self::KeysBackup { name: name.to_owned(), at: time(at)?, expires_at: time(expires_at)? })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(n: u128) -> SubjectId {
        SubjectId(Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn who_is_erased_stays_so_and_a_withdrawal_counts() {
        let dir = tempfile::tempdir().unwrap();
        let register = Register::at(dir.path().join("kept/apart.register"));
        let now = DateTime::UNIX_EPOCH;
        register.enter(&[subject(1), subject(2)], now).await.unwrap();
        register.withdraw(&[subject(2)], now).await.unwrap();
        register.keys_backup("keys-1", now, now + chrono::TimeDelta::days(35)).await.unwrap();
        register.enter(&[subject(3)], now).await.unwrap();
        assert_eq!(register.whom().await.unwrap(), [subject(1), subject(3)].into());
        let expires = register.last_key_backup_expires(now).await.unwrap();
        assert_eq!(expires, Some(now + chrono::TimeDelta::days(35)));
        assert_eq!(register.last_key_backup_expires(now + chrono::TimeDelta::days(36)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_line_changed_taken_out_or_cut_off_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("register");
        let register = Register::at(&path);
        for n in 1..5 {
            register.enter(&[subject(n)], DateTime::UNIX_EPOCH).await.unwrap();
        }
        let whole = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        let without = |line: usize| {
            let kept: Vec<&str> = lines.iter().enumerate().filter(|(n, _)| *n != line).map(|(_, l)| *l).collect();
            kept.join("\n") + "\n"
        };
        let cut = whole[..whole.len() - 10].to_owned();
        for damaged in [without(0), without(1), without(3), whole.replace("-000000000002", "-000000000009"), cut] {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(register.whom().await, Err(RegisterError::Damaged { .. })));
            let refused = register.enter(&[subject(9)], DateTime::UNIX_EPOCH).await;
            assert!(matches!(refused, Err(RegisterError::Damaged { .. })), "nothing is added to a damaged one");
        }
    }

    #[tokio::test]
    async fn programs_that_write_at_once_keep_the_chain_whole() {
        let dir = tempfile::tempdir().unwrap();
        let register = Register::at(dir.path().join("register"));
        let writes = (1..=24).map(|n| {
            let register = register.clone();
            async move { register.enter(&[subject(n)], DateTime::UNIX_EPOCH).await }
        });
        futures::future::try_join_all(writes).await.unwrap();
        assert_eq!(register.whom().await.unwrap().len(), 24);
    }
}
