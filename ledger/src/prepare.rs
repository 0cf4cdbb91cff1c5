//! What a caller's task does before its unit queues for the writer: fetch or make keys, seal, encode entries.

use crate::error::AppendError;
use crate::leaf::{Entry, NO_LEAF};
use crate::seal::{Cipher, KeyStore, Known, KnownKeys, MasterKeys, NewKey, Place, SealError, seal_segments};
use crate::unit::{OutboxMessage, Unit, VaultChange};
use crate::{outbox, vault};
use chrono::{DateTime, Utc};
use domain::ids::{SecretId, SubjectId};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// From so many events on, sealing leaves the async threads.
const SEAL_BLOCKING_FROM: usize = 64;

/// A unit ready for the writer: nothing in clear is needed any more, but it is kept in case another instance
/// stored a subject's key first and the unit must be sealed again.
pub(crate) struct Prepared {
    pub unit: Unit,
    pub actor: String,
    pub on_behalf_of: Option<String>,
    /// In the order of the unit's streams and their events.
    pub events: Vec<SealedEvent>,
    pub new_keys: Vec<NewKey>,
    pub vault: Vec<VaultRow>,
    pub outbox: Vec<OutboxRow>,
}

/// What the writer needs of one event beyond its plain fields.
pub(crate) struct SealedEvent {
    pub segments: Vec<u8>,
    /// Entry with the writer's two fields still blank.
    pub entry: Vec<u8>,
}

pub(crate) enum VaultRow {
    Put { id: SecretId, kind: &'static str, body: Vec<u8>, expires_at: Option<DateTime<Utc>> },
    Delete(SecretId),
}

pub(crate) struct OutboxRow {
    pub id: Uuid,
    pub channel: &'static str,
    pub body: Vec<u8>,
    pub not_before: DateTime<Utc>,
    pub not_after: Option<DateTime<Utc>>,
    pub replaces: Option<Uuid>,
}

/// Seals a unit with the keys as they are known now. Whoever is the subject of the first event of a stream of their
/// own is taken to have no key yet, which spares a question to the database; should there be one all the same, the
/// writer finds it and asks for the unit to be [sealed again](prepare_again).
pub(crate) async fn prepare(unit: Unit, keys: &KeyStore, master: &MasterKeys) -> Result<Box<Prepared>, AppendError> {
    let new: HashSet<SubjectId> = unit.newcomers().collect();
    let known = keys.get_but(unit.subjects(), &new).await?;
    seal_with(unit, known, keys, master).await
}

/// [`prepare`], taking nothing for granted.
pub(crate) async fn prepare_again(
    unit: Unit,
    keys: &KeyStore,
    master: &MasterKeys,
) -> Result<Box<Prepared>, AppendError> {
    let known = keys.get(unit.subjects()).await?;
    seal_with(unit, known, keys, master).await
}

async fn seal_with(
    unit: Unit,
    known: KnownKeys,
    keys: &KeyStore,
    master: &MasterKeys,
) -> Result<Box<Prepared>, AppendError> {
    if let Some(reason) = &unit.fault {
        return Err(AppendError::Invalid { command: unit.context.command, reason: reason.clone() });
    }
    if let Some(subject) = unit.subjects().find(|subject| matches!(known.get(subject), Some(Known::Destroyed))) {
        return Err(AppendError::Erased(subject));
    }
    let (keys, master) = (keys.clone(), master.clone());
    if unit.len() < SEAL_BLOCKING_FROM {
        return Ok(seal(unit, &known, &keys, &master)?);
    }
    let sealed = tokio::task::spawn_blocking(move || seal(unit, &known, &keys, &master)).await;
    // The task can't panic; it is cancelled only when the runtime shuts down.
    sealed.map_err(|_| AppendError::Closed)?.map_err(Into::into)
}

fn seal(unit: Unit, known: &KnownKeys, keys: &KeyStore, master: &MasterKeys) -> Result<Box<Prepared>, SealError> {
    let (ciphers, new_keys) = ciphers(&unit, known, keys)?;
    let actor = unit.context.actor.to_string();
    let on_behalf_of = unit.context.on_behalf_of.as_ref().map(ToString::to_string);
    let mut events = Vec::with_capacity(unit.len());
    for stream in &unit.streams {
        for (event, sequence) in stream.events.iter().zip(stream.expected + 1..) {
            let place = Place {
                stream_type: stream.stream_type,
                stream_id: &stream.stream_id,
                sequence,
                event_type: &event.event_type,
            };
            let (segments, committed) = seal_segments(place, &event.segments, |subject| ciphers.get(&subject))?;
            let entry = Entry {
                recorded_at: 0,
                previous: NO_LEAF,
                sequence,
                effective_at: unit.context.effective_at.timestamp_micros(),
                command: unit.context.command.0,
                event_version: event.event_version,
                payload: event.payload.as_bytes(),
                stream_type: stream.stream_type,
                stream_id: &stream.stream_id,
                event_type: &event.event_type,
                actor: &actor,
                on_behalf_of: on_behalf_of.as_deref(),
                reason: unit.context.reason.as_str(),
                reference: unit.context.reference.as_deref(),
                segments: &committed,
            };
            events.push(SealedEvent { segments, entry: entry.encode() });
        }
    }
    let vault = unit.vault.iter().map(|change| vault_row(change, master)).collect::<Result<_, _>>()?;
    let outbox = unit.outbox.iter().map(|message| outbox_row(message, master)).collect::<Result<_, _>>()?;
    Ok(Box::new(Prepared { unit, actor, on_behalf_of, events, new_keys, vault, outbox }))
}

/// A cipher for each subject of the unit, and the keys made for those that have none.
fn ciphers(
    unit: &Unit,
    known: &KnownKeys,
    keys: &KeyStore,
) -> Result<(HashMap<SubjectId, Cipher>, Vec<NewKey>), SealError> {
    let mut ciphers: HashMap<SubjectId, Cipher> = HashMap::new();
    let mut new_keys = Vec::new();
    for event in unit.streams.iter().flat_map(|stream| &stream.events) {
        for (subject, _) in &event.segments {
            if ciphers.contains_key(subject) {
                continue;
            }
            let cipher = match known.get(subject).and_then(Known::cipher) {
                Some(cipher) => cipher,
                None => {
                    let new = keys.fresh(*subject)?;
                    let cipher = Cipher::new(&new.key);
                    new_keys.push(new);
                    cipher
                }
            };
            ciphers.insert(*subject, cipher);
        }
    }
    Ok((ciphers, new_keys))
}

fn vault_row(change: &VaultChange, master: &MasterKeys) -> Result<VaultRow, SealError> {
    Ok(match change {
        VaultChange::Put { id, kind, secret, expires_at } => {
            let body = master.seal_secret(&vault::context(*id, kind), secret)?;
            VaultRow::Put { id: *id, kind, body, expires_at: *expires_at }
        }
        VaultChange::Delete(id) => VaultRow::Delete(*id),
    })
}

fn outbox_row(message: &OutboxMessage, master: &MasterKeys) -> Result<OutboxRow, SealError> {
    let body = master.seal_secret(&outbox::context(message.id), &message.body)?;
    let (id, channel, replaces) = (message.id, message.channel, message.replaces);
    let (not_before, not_after) = (message.not_before, message.not_after);
    Ok(OutboxRow { id, channel, body, not_before, not_after, replaces })
}
