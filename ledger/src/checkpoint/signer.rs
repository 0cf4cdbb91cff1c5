//! One round: look what the tree is, hold it against what was signed before, sign, keep, have it witnessed, publish.
//!
//! ```text
//!   head, leaves ──▶ tiles ──▶ extends the kept one? ──▶ sign ──▶ keep outside ──▶ witnesses ──▶ publish
//!                                     │ no                                            │ too few
//!                                     ▼                                               ▼
//!                              refuse, alert, serve on                     alert; the same again later
//! ```
//!
//! In this order, because each step may be the last before a crash: what anyone has seen is kept, and what is kept is
//! what the next round goes on from.

use super::key::{SigningKey, VerifierKey};
use super::note::{Checkpoint, NoteError, SignedCheckpoint};
use super::published::{self, Published, Recovery};
use super::statement::Statement;
use super::timestamp::Authority;
use super::trouble::{Head, Refusal, Trouble};
use super::witness::Witnesses;
use super::{Settings, origin_of};
use crate::Ledger;
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Held by the one instance that signs, for as long as its connection lives.
const LOCK: i64 = i64::from_be_bytes(*b"matricul");
/// Between two attempts to get a timestamp.
const TIMESTAMP_REST: Duration = Duration::from_secs(60);

/// Signs, while it is this instance's turn.
pub(super) struct Signer {
    ledger: Ledger,
    settings: Settings,
    key: Option<SigningKey>,
    witnesses: Witnesses,
    authority: Option<Authority>,
    no_timestamp_before: Option<Instant>,
    /// The connection that holds the lock.
    lock: Option<PgConnection>,
}

/// What a round came to.
#[derive(Debug)]
pub(super) enum Round {
    /// Another instance signs.
    Standby,
    /// There is nothing to sign yet.
    Empty,
    /// The tree of so many leaves is published.
    Published { size: u64, complete: bool, failures: BTreeMap<String, String> },
}

impl Signer {
    pub(super) fn new(ledger: Ledger, settings: Settings) -> Result<Self, Trouble> {
        let http = |error: reqwest::Error| Trouble::Http(error.to_string());
        let witnesses = Witnesses::new(settings.witnesses.clone()).map_err(http)?;
        let authority = settings.timestamps.clone().map(Authority::new).transpose().map_err(http)?;
        Ok(Self { ledger, settings, key: None, witnesses, authority, no_timestamp_before: None, lock: None })
    }

    pub(super) async fn round(&mut self) -> Result<Round, Trouble> {
        let result = self.try_round().await;
        if matches!(result, Err(Trouble::Database(_) | Trouble::Tree(_))) {
            // Whether the lock is still ours is not known.
            self.lock = None;
        }
        result
    }

    async fn try_round(&mut self) -> Result<Round, Trouble> {
        let Some(found) = self.head().await? else { return Ok(Round::Standby) };
        let published = published::published(self.ledger.pool()).await?;
        let generation = published::generation(self.ledger.pool()).await?;
        let kept = self.settings.keep.load().await?;
        if found.size == 0 && kept.is_none() && published.is_none() {
            return Ok(Round::Empty);
        }
        let origin = origin_of(&self.settings.origin, generation);
        let key = self.key(kept.is_none() && published.is_none()).await?;
        let kept = kept.map(|text| SignedCheckpoint::verify(&text, &key.verifier(&origin)));
        let kept = kept.transpose().map_err(|reason| Refusal::Kept { reason, found })?;
        if let (None, Some(published)) = (&kept, &published) {
            return Err(Refusal::Lost { published: published.size, found }.into());
        }
        self.check(kept.as_ref(), found).await?;
        let mut signed = match kept {
            Some(kept) if kept.size == found.size => kept,
            _ => {
                let checkpoint = Checkpoint { origin: origin.clone(), size: found.size, root: found.root };
                let signed = checkpoint.sign(&key).ok_or_else(|| Trouble::Origin(origin.clone()))?;
                self.settings.keep.store(signed.text()).await?;
                signed
            }
        };
        let (complete, failures) = self.witness(&mut signed).await?;
        let now = self.ledger.now();
        let witnesses = self.settings.witnesses.iter().map(|witness| witness.key.to_string());
        let keys: Vec<String> = [key.verifier(&origin).to_string()].into_iter().chain(witnesses).collect();
        published::publish(self.ledger.pool(), generation, &signed, now, &keys).await?;
        let complete = self.daily(&signed).await? && complete;
        Ok(Round::Published { size: signed.size, complete, failures })
    }

    /// The head, where it is this instance's turn. Asked on the connection that holds the lock: its answer proves
    /// that the lock is still held.
    async fn head(&mut self) -> Result<Option<Head>, sqlx::Error> {
        let mut connection = match self.lock.take() {
            Some(connection) => connection,
            None => {
                let mut connection = self.ledger.pool().acquire().await?.detach();
                let ours = "SELECT pg_try_advisory_lock($1)";
                if !sqlx::query_scalar::<_, bool>(ours).bind(LOCK).fetch_one(&mut connection).await? {
                    let _ = connection.close().await; // it is gone either way
                    return Ok(None);
                }
                connection
            }
        };
        let head = "SELECT size, root FROM ledger.head";
        let (size, root): (i64, _) = sqlx::query_as(head).fetch_one(&mut connection).await?;
        self.lock = Some(connection);
        Ok(Some(Head { size: size.unsigned_abs(), root }))
    }

    async fn key(&mut self, may_create: bool) -> Result<SigningKey, Trouble> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        let key = self.settings.key.open(may_create).await?;
        Ok(self.key.insert(key).clone())
    }

    /// Stores the tiles, and holds the tree against the kept checkpoint.
    async fn check(&self, kept: Option<&SignedCheckpoint>, found: Head) -> Result<(), Trouble> {
        let kept = kept.map(|kept| Head { size: kept.size, root: kept.root });
        if let Some(kept) = kept.filter(|kept| kept.size > found.size) {
            return Err(Refusal::Shorter { kept, found }.into());
        }
        let tree = self.ledger.tree();
        tree.store(found.size).await?;
        let [now, leaves] = tree.roots([kept.map_or(0, |kept| kept.size), found.size], found.size).await?;
        if let Some(kept) = kept.filter(|kept| kept.root != now) {
            return Err(Refusal::Forked { kept, found, now }.into());
        }
        if leaves != found.root {
            return Err(Refusal::Head { head: found, leaves }.into());
        }
        Ok(())
    }

    async fn witness(&mut self, signed: &mut SignedCheckpoint) -> Result<(bool, BTreeMap<String, String>), Trouble> {
        let needed = self.settings.threshold;
        let gathered = self.witnesses.gather(signed, self.ledger.tree(), needed).await;
        if gathered.cosigned < needed {
            let failures = gathered.failures.into_iter().map(|(name, said)| format!("{name}: {said}")).collect();
            return Err(Trouble::Witnesses { got: gathered.cosigned, needed, failures });
        }
        Ok((gathered.all, gathered.failures))
    }

    /// The day's first checkpoint stands for the day: the first that a timestamp could be had for, where an authority
    /// is configured. Says whether the day has its checkpoint.
    async fn daily(&mut self, signed: &SignedCheckpoint) -> Result<bool, Trouble> {
        let today = self.ledger.now().date_naive();
        if published::last_day(self.ledger.pool()).await?.is_some_and(|last| last >= today) {
            return Ok(true);
        }
        let Some(authority) = &self.authority else {
            published::record_daily(self.ledger.pool(), today, signed, None).await?;
            return Ok(true);
        };
        if self.no_timestamp_before.is_some_and(|time| Instant::now() < time) {
            return Ok(false);
        }
        match authority.stamp(signed.text().as_bytes()).await {
            Ok(token) => {
                let token = Some((token.as_slice(), authority.url()));
                published::record_daily(self.ledger.pool(), today, signed, token).await?;
                Ok(true)
            }
            Err(reason) => {
                tracing::error!(%reason, "the day's checkpoint has no timestamp yet; trying again in a minute");
                self.no_timestamp_before = Some(Instant::now() + TIMESTAMP_REST);
                Ok(false)
            }
        }
    }

    /// Lets another instance sign.
    pub(super) async fn give_up_turn(&mut self) {
        if let Some(connection) = self.lock.take() {
            let _ = connection.close().await; // the lock goes with the session, however it ends
        }
    }
}

/// What [`recover`] decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The origin from now on.
    pub origin: String,
    /// The key that checks it, as a vkey.
    pub key: String,
    /// Number of leaves signed.
    pub size: u64,
}

/// A recovery was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// All is well.
    #[error("the ledger extends its kept checkpoint: there is nothing to recover from")]
    Needless,
    /// No reason was given.
    #[error("say why, for those who will ask")]
    NoReason,
    /// It can't be done.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Goes on from the tree as it is, under a new origin, and records that and why. What was signed before stays what it
/// was: under the old origin nothing is ever signed again, so that nobody is shown two histories of one log.
///
/// # Errors
/// There is nothing to recover from, or a step failed; then run it again.
pub async fn recover(ledger: &Ledger, settings: &Settings, reason: &str) -> Result<Recovered, RecoverError> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(RecoverError::NoReason);
    }
    let pool = ledger.pool();
    let (size, root) = sqlx::query_as("SELECT size, root FROM ledger.head")
        .fetch_one(pool)
        .await
        .map(|(size, root): (i64, _)| (size.unsigned_abs(), root))
        .map_err(Trouble::from)?;
    let found = Head { size, root };
    let kept = settings.keep.load().await.map_err(Trouble::from)?;
    let published: Option<Published> = published::published(pool).await.map_err(Trouble::from)?;
    let generation = published::generation(pool).await.map_err(Trouble::from)?;
    // Whoever lost the key loses it knowingly here.
    let key = settings.key.open(true).await.map_err(Trouble::from)?;
    let signer = Signer::new(ledger.clone(), settings.clone())?;
    let origin = origin_of(&settings.origin, generation);
    let verified = kept.as_deref().map(|text| SignedCheckpoint::verify(text, &key.verifier(&origin))).transpose();
    match (&verified, &published) {
        (Ok(None), None) => return Err(RecoverError::Needless),
        (Ok(Some(kept)), _) => match signer.check(Some(kept), found).await {
            Ok(()) => return Err(RecoverError::Needless),
            Err(Trouble::Refused(_)) => {}
            Err(trouble) => return Err(trouble.into()),
        },
        (Ok(None), Some(_)) | (Err(_), _) => {}
    }
    // The leaves count, not what the head says of them.
    let root = ledger.tree().root(size).await.map_err(Trouble::from)?;
    // A database restored from before an earlier recovery does not know of it; the kept checkpoint does.
    let known = kept.as_deref().or(published.as_ref().map(|published| published.text.as_str()));
    let last = known.and_then(|text| Checkpoint::unverified(text).ok());
    let of_kept = last.as_ref().and_then(|last| generation_of(&settings.origin, &last.origin)).unwrap_or(0);
    let of_published = published.as_ref().map_or(0, |published| published.generation);
    let next = generation.max(of_kept).max(of_published) + 1;
    let origin = origin_of(&settings.origin, next);
    let signed = Checkpoint { origin: origin.clone(), size, root }.sign(&key);
    let signed = signed.ok_or_else(|| Trouble::Origin(origin.clone()))?;
    let recorded_at = ledger.now();
    let statement = Statement {
        origin: origin.clone(),
        at: recorded_at,
        goes_on: (size, root),
        keys: keys_of(known, last.as_ref(), &key, published.as_ref()),
        given_up: last,
        reason: reason.to_owned(),
    };
    let statement = statement.sign(&key);
    let kept = kept.unwrap_or_default();
    let reason = reason.to_owned();
    let recovery = Recovery { generation: next, recorded_at, reason, kept, size, root, statement };
    published::record_recovery(pool, &recovery).await.map_err(Trouble::from)?;
    settings.keep.store(signed.text()).await.map_err(Trouble::from)?;
    Ok(Recovered { key: key.verifier(&origin).to_string(), origin, size })
}

/// The keys that check the checkpoints of the log that is given up: its own, where it signed the last one, and those
/// that the database knows by its name.
fn keys_of(
    text: Option<&str>,
    last: Option<&Checkpoint>,
    key: &SigningKey,
    published: Option<&Published>,
) -> Vec<VerifierKey> {
    let Some((text, last)) = text.zip(last) else { return Vec::new() };
    let own = key.verifier(&last.origin);
    let known = published.into_iter().flat_map(|published| &published.keys).filter_map(|key| key.parse().ok());
    let mut keys: Vec<VerifierKey> = Vec::new();
    for key in std::iter::once(own).chain(known) {
        if SignedCheckpoint::verify(text, &key).is_ok() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The generation that an origin tells.
fn generation_of(base: &str, origin: &str) -> Option<u64> {
    match origin.strip_prefix(base)? {
        "" => Some(1),
        suffix => suffix.strip_prefix('/')?.parse().ok(),
    }
}

/// What is known of the kept checkpoint, for who asks.
///
/// # Errors
/// It can't be read.
pub async fn kept(settings: &Settings) -> Result<Option<Result<SignedCheckpoint, NoteError>>, Trouble> {
    let Some(text) = settings.keep.load().await? else { return Ok(None) };
    let key = settings.key.open(false).await?;
    let origin = Checkpoint::claimed_origin(&text).unwrap_or_else(|_| settings.origin.clone());
    Ok(Some(SignedCheckpoint::verify(&text, &key.verifier(&origin))))
}
