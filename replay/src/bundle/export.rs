//! Making a bundle.

use super::archive::{BadArchive, Files, pack};
use super::format::{
    About, Completeness, ErasedSegment, EventFile, FORMAT, HeadProof, Index, SegmentState, StreamRange,
};
use super::report;
use crate::account;
use crate::language::Language;
use anyhow::{Context, bail};
use cqrs_es::Aggregate;
use domain::Event;
use domain::account::Account;
use domain::guardian::Guardian;
use domain::ids::AccountId;
use domain::ledger_manifest::{LedgerManifest, LedgerManifestEvent, STREAM};
use domain::pupil::Pupil;
use domain::reference::Reference;
use ledger::checkpoint::Checkpoint;
use ledger::leaf::{Hash, sha256};
use ledger::tree::TlogProof;
use ledger::{CanonicalEvent, Content, Ledger};
use sqlx::PgPool;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Events read at once.
const PAGE: usize = 500;

/// Whom or what to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An account's life.
    Account(AccountId),
    /// What stands behind an incident reference.
    Case(Reference),
}

/// A bundle that was made.
pub struct Exported {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its SHA-256.
    pub digest: Hash,
    /// Number of events in it.
    pub events: u64,
    /// Of those, how many are not under the checkpoint yet.
    pub pending: u64,
    /// Whose data it holds.
    pub concerned: Vec<Uuid>,
}

/// Everything that goes into a bundle, before it is written.
pub(super) struct Material {
    pub index: Index,
    pub checkpoint: Option<(Checkpoint, String)>,
    pub events: Vec<CanonicalEvent>,
    pub erased: Vec<ErasedSegment>,
}

/// Makes a bundle of the ledger as it is. `vkeys` are the public keys to put beside it. With `open`, personal values
/// are in it, so that they can be held against their commitments; else only their commitments.
///
/// # Errors
/// There is no such account or case, or the ledger can't be read. What is wrong with an event is no error: the bundle
/// shows it.
pub async fn export(
    ledger: &Ledger,
    pool: &PgPool,
    subject: Subject,
    purpose: &str,
    vkeys: &[String],
    open: bool,
) -> anyhow::Result<Exported> {
    let (size, _) = ledger.root().await?;
    let (about, streams, mut positions) = match subject {
        Subject::Account(account) => life(ledger, account, size).await?,
        Subject::Case(reference) => case(pool, reference, size).await?,
    };
    let completeness = match streams.is_empty() {
        true => None,
        false => completeness(ledger, &streams, size).await?,
    };
    positions.extend(completeness.iter().map(|completeness| completeness.manifest));
    let mut events = read(ledger, &positions).await?;
    let erased_by = erased_by(pool, &events, size).await?;
    let missing: BTreeSet<u64> = erased_by.values().copied().filter(|at| !positions.contains(at)).collect();
    positions.extend(&missing);
    events.extend(read(ledger, &missing).await?);
    events.sort_by_key(|event| event.position);
    let index = Index {
        format: FORMAT.to_owned(),
        made_at: ledger.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        made_by: concat!("matricule-replay ", env!("CARGO_PKG_VERSION")).to_owned(),
        purpose: purpose.to_owned(),
        about,
        size,
        schema_version: ledger::postgres::schema_version(),
        event_versions: events
            .iter()
            .map(|event| (format!("{}/{}", event.stream_type, event.event_type), event.event_version))
            .collect(),
        rules: rules(pool, size).await?,
        streams,
        events: events.iter().map(|event| event.position).collect(),
        completeness,
    };
    let checkpoint = published(ledger).await?;
    let mut files = Files::new();
    let pending = proofs(ledger, &index.events, checkpoint.as_ref(), &mut files).await?;
    let archive = ledger.archive().await?.is_some();
    let erased = write_events(&events, &erased_by, open, archive, &mut files)?;
    let material = Material { index, checkpoint, events, erased };
    write_rest(&material, vkeys, &mut files)?;
    for language in Language::ALL {
        report::write(ledger, &material, open, language, &mut files).await?;
    }
    let concerned: BTreeSet<Uuid> =
        material.events.iter().flat_map(|event| &event.segments).map(|segment| segment.subject.0).collect();
    let bytes = pack(&files)?;
    let (digest, events) = (sha256(&bytes), material.events.len() as u64);
    Ok(Exported { bytes, digest, events, pending, concerned: concerned.into_iter().collect() })
}

type Found = (About, Vec<StreamRange>, BTreeSet<u64>);

/// The streams of an account's life: its own, and those of every guardian record and pupil that ever belonged to it.
async fn life(ledger: &Ledger, account: AccountId, size: u64) -> anyhow::Result<Found> {
    let own: BTreeSet<u64> = ledger.stream_positions(Account::TYPE, &account.to_string()).await?.into_iter().collect();
    if own.is_empty() {
        bail!("there is no account {account}");
    }
    // Whom it concerns stands in the open: an event whose sealed values are damaged must not keep the rest back.
    let own = read(ledger, &own).await?;
    let own: Vec<Event> = own.iter().filter_map(|event| Event::decode(Account::TYPE, &event.payload).ok()).collect();
    let (mut streams, mut positions) = (Vec::new(), BTreeSet::new());
    for stream_id in account::concerned_by(account, &own) {
        for stream_type in [Account::TYPE, Guardian::TYPE, Pupil::TYPE] {
            let mut found = ledger.stream_positions(stream_type, &stream_id).await?;
            // What came meanwhile belongs to the next bundle.
            found.retain(|position| *position < size);
            if !found.is_empty() {
                let (stream_type, stream_id) = (stream_type.to_owned(), stream_id.clone());
                streams.push(StreamRange { stream_type, stream_id, to: found.len() as u64 });
                positions.extend(found);
            }
        }
    }
    Ok((About::Account(account.0), streams, positions))
}

async fn case(pool: &PgPool, reference: Reference, size: u64) -> anyhow::Result<Found> {
    let sql = "SELECT position FROM ledger.event WHERE reference = $1 AND position < $2 ORDER BY position";
    let positions: Vec<i64> =
        sqlx::query_scalar(sql).bind(reference.compact()).bind(size.cast_signed()).fetch_all(pool).await?;
    if positions.is_empty() {
        bail!("no event has the reference {reference}: a refused request leaves none; see `incident {reference}`");
    }
    Ok((About::Case(reference.compact().to_owned()), vec![], positions.into_iter().map(i64::cast_unsigned).collect()))
}

/// The streams' heads in the last manifest.
async fn completeness(ledger: &Ledger, streams: &[StreamRange], size: u64) -> anyhow::Result<Option<Completeness>> {
    let mut manifests = ledger.stream_positions(LedgerManifest::TYPE, STREAM).await?;
    manifests.retain(|position| *position < size);
    let Some(manifest) = manifests.last().copied() else { return Ok(None) };
    let event = ledger.canonical(&[manifest]).await?.into_iter().next().context("the last manifest is missing")?;
    let LedgerManifestEvent::LedgerManifestRecorded { size: covered, streams: _, root: _, day: _ } =
        serde_json::from_slice(&event.payload).context("the last manifest can't be read")?;
    let wanted: Vec<_> = streams.iter().map(|range| (range.stream_type.clone(), range.stream_id.clone())).collect();
    let heads = ledger.head_proofs(covered, &wanted).await?.into_iter().map(|proof| HeadProof {
        stream_type: proof.stream_type,
        stream_id: proof.stream_id,
        sequence: proof.sequence,
        leaf: hex::encode(proof.leaf),
        index: proof.index,
        hashes: proof.hashes.iter().map(hex::encode).collect(),
    });
    Ok(Some(Completeness { manifest, heads: heads.collect() }))
}

async fn read(ledger: &Ledger, positions: &BTreeSet<u64>) -> anyhow::Result<Vec<CanonicalEvent>> {
    let positions: Vec<u64> = positions.iter().copied().collect();
    let mut events = Vec::with_capacity(positions.len());
    for page in positions.chunks(PAGE) {
        events.extend(ledger.canonical(page).await?);
    }
    Ok(events)
}

/// For each subject whose key is destroyed, the event that says so.
async fn erased_by(pool: &PgPool, events: &[CanonicalEvent], size: u64) -> anyhow::Result<HashMap<Uuid, u64>> {
    let segments = events.iter().flat_map(|event| &event.segments);
    let erased: BTreeSet<String> = segments
        .filter(|segment| segment.content == Content::Erased)
        .map(|segment| segment.subject.to_string())
        .collect();
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT stream_id, min(position) FROM ledger.event WHERE stream_type = ANY($1) AND stream_id = ANY($2) \
         AND event_type = ANY($3) AND position < $4 GROUP BY stream_id",
    )
    .bind([Account::TYPE, Guardian::TYPE, Pupil::TYPE].as_slice())
    .bind(erased.into_iter().collect::<Vec<_>>())
    .bind(Event::ERASING.as_slice())
    .bind(size.cast_signed())
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|(subject, position)| Ok((subject.parse()?, position.cast_unsigned()))).collect()
}

/// The rules as last announced, where the ledger says.
async fn rules(pool: &PgPool, size: u64) -> anyhow::Result<BTreeMap<String, serde_json::Value>> {
    let rows: Vec<(String, sqlx::types::Json<serde_json::Value>)> = sqlx::query_as(
        "SELECT DISTINCT ON (stream_id) stream_id, payload FROM ledger.event \
         WHERE stream_type = 'rules' AND position < $1 ORDER BY stream_id, sequence DESC",
    )
    .bind(size.cast_signed())
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(stream, payload)| (stream, payload.0)).collect())
}

async fn published(ledger: &Ledger) -> anyhow::Result<Option<(Checkpoint, String)>> {
    let Some(published) = ledger.published_checkpoint().await? else { return Ok(None) };
    // Whether its signature holds is for whoever verifies, under keys they trust.
    let parsed = Checkpoint::unverified(&published.text).context("the published checkpoint can't be read")?;
    Ok(Some((parsed, published.text)))
}

/// Writes the proofs of all events that are under the checkpoint; how many are not.
async fn proofs(
    ledger: &Ledger,
    positions: &[u64],
    checkpoint: Option<&(Checkpoint, String)>,
    files: &mut Files,
) -> anyhow::Result<u64> {
    let Some((checkpoint, text)) = checkpoint else { return Ok(positions.len() as u64) };
    let (under, pending) = positions.split_at(positions.partition_point(|position| *position < checkpoint.size));
    for page in under.chunks(PAGE) {
        for proof in ledger.tree().inclusion_proofs(page, checkpoint.size).await? {
            let position = proof.index;
            let proof = TlogProof { extra: None, index: position, hashes: proof.hashes, checkpoint: text.clone() };
            files.insert(EventFile::name(position, "proof"), proof.to_string().into_bytes());
        }
    }
    Ok(pending.len() as u64)
}

/// Writes the events; which of their segments are erased. In an archive without keys, what no event erased is withheld.
fn write_events(
    events: &[CanonicalEvent],
    erased_by: &HashMap<Uuid, u64>,
    open: bool,
    archive: bool,
    files: &mut Files,
) -> anyhow::Result<Vec<ErasedSegment>> {
    let mut erased = Vec::new();
    for event in events {
        let mut file = EventFile::new(event, open, |subject| erased_by.get(&subject).copied());
        for segment in file.segments.iter_mut().filter(|segment| archive && segment.erased_by.is_none()) {
            segment.state = SegmentState::Withheld;
        }
        for (segment, content) in file.segments.iter().enumerate() {
            if content.state == SegmentState::Erased {
                let (position, subject) = (event.position, content.subject);
                erased.push(ErasedSegment { position, segment, subject, erased_by: content.erased_by });
            }
        }
        files.insert(EventFile::name(event.position, "json"), lines(&file)?);
        files.insert(EventFile::name(event.position, "entry"), event.entry());
    }
    Ok(erased)
}

fn write_rest(material: &Material, vkeys: &[String], files: &mut Files) -> anyhow::Result<()> {
    files.insert("bundle.json".to_owned(), lines(&material.index)?);
    files.insert("erased.json".to_owned(), lines(&material.erased)?);
    files
        .insert("vkeys".to_owned(), vkeys.iter().flat_map(|key| [key.as_str(), "\n"]).collect::<String>().into_bytes());
    if let Some((_, text)) = &material.checkpoint {
        files.insert("checkpoint".to_owned(), text.clone().into_bytes());
    }
    Ok(())
}

fn lines(value: &impl serde::Serialize) -> Result<Vec<u8>, BadArchive> {
    let mut json = serde_json::to_vec_pretty(value).map_err(std::io::Error::from)?;
    json.push(b'\n');
    Ok(json)
}
