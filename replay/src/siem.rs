//! The ledger as OCSF events, for machines that watch: JSON lines, resumable by position, no personal data.
//!
//! Open Cybersecurity Schema Framework 1.5.0, category *Identity & Access Management*:
//!
//! | Events | Class |
//! |---|---|
//! | of accounts, and credentials of auditors | Account Change (3001) |
//! | codes sent to prove a phone, and their return | Authentication (3002) |
//! | of pupils, guardian records, establishments, relying parties, disclosures, rules | Entity Management (3004) |
//! | the audit role given and taken | User Access Management (3005) |
//!
//! What has no activity of its own in a class is *Other* (99) under the event's own name, rather than a likeness.
//! `time` is when the fact holds from, `metadata.logged_time` when it was recorded, `metadata.sequence` the position.
//! Sign-ins are not in the ledger but in the access log, which has its own retention.

use domain::Event;
use domain::account::{AccountEvent, PasswordOrigin};
use domain::auditor::AuditorEvent;
use domain::context::Actor;
use domain::establishment::EstablishmentEvent;
use domain::guardian::GuardianEvent;
use domain::initial_access::InitialAccessEvent;
use domain::ledger_manifest::LedgerManifestEvent;
use domain::pupil::PupilEvent;
use domain::relying_party::RelyingPartyEvent;
use domain::rules::RulesEvent;
use ledger::{Ledger, ReadError, RecordedEvent};
use serde_json::{Value, json};
use std::io::Write;

/// The version of the schema.
pub const OCSF: &str = "1.5.0";
/// Events read at once.
const PAGE: u32 = 1_000;

/// A class of OCSF with the activity in it.
struct Kind {
    class: u32,
    activity: u32,
}

const OTHER: u32 = 99;

fn account(activity: u32) -> Kind {
    Kind { class: 3001, activity }
}

fn authentication(activity: u32) -> Kind {
    Kind { class: 3002, activity }
}

fn entity(activity: u32) -> Kind {
    Kind { class: 3004, activity }
}

fn access(activity: u32) -> Kind {
    Kind { class: 3005, activity }
}

const CREATE: u32 = 1;
const UPDATE: u32 = 3;
const DELETE: u32 = 4;

fn kind(event: &Event) -> Kind {
    match event {
        Event::Account(event) => of_account(event),
        Event::Pupil(event) => entity(match event {
            PupilEvent::PupilRegistered { .. } => CREATE,
            PupilEvent::PupilEnrolled { .. } => 6,
            PupilEvent::PupilTransferred { .. } => 5,
            PupilEvent::PupilDeparted { .. } => 7,
            PupilEvent::PupilErased { .. } => DELETE,
            PupilEvent::IneAssigned { .. }
            | PupilEvent::CivilStatusCorrected { .. }
            | PupilEvent::PlacementChanged { .. }
            | PupilEvent::GuardianLinked { .. }
            | PupilEvent::GuardianLinkChanged { .. }
            | PupilEvent::GuardianUnlinked { .. } => UPDATE,
        }),
        Event::Guardian(event) => entity(match event {
            GuardianEvent::GuardianRecorded { .. } => CREATE,
            GuardianEvent::GuardianErased { .. } => DELETE,
            GuardianEvent::GuardianIdentityCorrected { .. }
            | GuardianEvent::GuardianContactCorrected { .. }
            | GuardianEvent::ChildLinkHeld { .. }
            | GuardianEvent::ChildLinkSettled { .. }
            | GuardianEvent::ChildLinkLapsed { .. } => UPDATE,
        }),
        Event::Establishment(event) => entity(match event {
            EstablishmentEvent::EstablishmentRegistered { .. } => CREATE,
            EstablishmentEvent::EstablishmentDescribed { .. } => UPDATE,
            EstablishmentEvent::SchoolDataImportStarted { .. } | EstablishmentEvent::SchoolDataImported { .. } => OTHER,
        }),
        Event::RelyingParty(event) => entity(match event {
            RelyingPartyEvent::RelyingPartyRegistered { .. } => CREATE,
            RelyingPartyEvent::RelyingPartyChanged { .. }
            | RelyingPartyEvent::ClientSecretReplaced { .. }
            | RelyingPartyEvent::RegistrationTokenIssued { .. }
            | RelyingPartyEvent::ClientSecretWithdrawn {} => UPDATE,
            RelyingPartyEvent::RelyingPartyDeregistered {} => DELETE,
            RelyingPartyEvent::RelyingPartyEnabled {} => 8,
            RelyingPartyEvent::RelyingPartyDisabled {} => 9,
        }),
        Event::InitialAccess(event) => entity(match event {
            InitialAccessEvent::InitialAccessTokenIssued { .. } => CREATE,
            InitialAccessEvent::InitialAccessTokenUsed { .. } => UPDATE,
            InitialAccessEvent::InitialAccessTokenWithdrawn {} => DELETE,
        }),
        Event::Auditor(event) => match event {
            AuditorEvent::AuditorAppointed { .. } => access(1),
            AuditorEvent::AuditorDismissed {} => access(2),
            AuditorEvent::AuditorCredentialReplaced { .. } => account(4),
            AuditorEvent::DisclosureRequested { .. } => entity(CREATE),
            AuditorEvent::DisclosureApproved { .. } | AuditorEvent::DisclosureRefused { .. } => entity(OTHER),
        },
        Event::LedgerManifest(LedgerManifestEvent::LedgerManifestRecorded { .. }) => entity(CREATE),
        Event::Rules(RulesEvent::RulesAnnounced { .. }) => entity(UPDATE),
    }
}

fn of_account(event: &AccountEvent) -> Kind {
    match event {
        AccountEvent::AccountOpened { .. } => account(CREATE),
        AccountEvent::AccountActivated {} | AccountEvent::AccountEnabled {} => account(2),
        AccountEvent::PasswordChosen { origin, secret: _ } => account(match origin {
            PasswordOrigin::Activation | PasswordOrigin::ForcedChange | PasswordOrigin::OwnChange => 3,
            PasswordOrigin::Reset => 4,
        }),
        AccountEvent::ProvisionalPasswordIssued { .. } => account(4),
        // OCSF 1.x: MFA Factor Enable and Disable.
        AccountEvent::SecondFactorEnrolled { .. } => account(10),
        AccountEvent::SecondFactorRemoved { .. } => account(11),
        AccountEvent::AccountDisabled {} => account(5),
        AccountEvent::AccountClosed {} | AccountEvent::AccountErased { .. } => account(6),
        AccountEvent::VerificationCodeIssued { .. } | AccountEvent::VerificationCodeAccepted { .. } => {
            authentication(OTHER)
        }
        AccountEvent::RecoveryCodesIssued { .. }
        | AccountEvent::RecoveryCodeUsed { .. }
        | AccountEvent::RecoveryCodesWithdrawn {}
        | AccountEvent::LoginAssigned { .. }
        | AccountEvent::UpstreamIdentityLinked { .. }
        | AccountEvent::UpstreamIdentityUnlinked { .. }
        | AccountEvent::GuardianRecordAttached { .. }
        | AccountEvent::GuardianRecordDetached { .. }
        | AccountEvent::ChildConfirmed { .. }
        | AccountEvent::ChildReported { .. }
        | AccountEvent::ChildDetached { .. } => account(OTHER),
    }
}

/// The event in OCSF: its header in full, of its content nothing but what kind of event it is.
pub fn ocsf(event: &RecordedEvent) -> Value {
    let Kind { class, activity } = kind(&event.event);
    let name = event.event.event_type();
    let mut line = json!({
        "category_uid": 3,
        "category_name": "Identity & Access Management",
        "class_uid": class,
        "class_name": match class {
            3001 => "Account Change",
            3002 => "Authentication",
            3005 => "User Access Management",
            _ => "Entity Management",
        },
        "activity_id": activity,
        "activity_name": name,
        "type_uid": class * 100 + activity,
        "severity_id": 1,
        "severity": "Informational",
        "status_id": 1,
        "status": "Success",
        "time": event.effective_at.timestamp_millis(),
        "metadata": {
            "version": OCSF,
            "product": { "name": "Matricule", "version": env!("CARGO_PKG_VERSION") },
            "log_name": "ledger",
            "uid": hex::encode(event.leaf),
            "sequence": event.position,
            "event_code": name,
            "correlation_uid": event.command.to_string(),
            "logged_time": event.recorded_at.timestamp_millis(),
        },
        "actor": actor(&event.actor),
        "unmapped": {
            "stream_type": event.stream_type,
            "stream_id": event.stream_id,
            "stream_sequence": event.sequence,
            "reason": event.reason.as_str(),
            "on_behalf_of": event.on_behalf_of.as_ref().map(ToString::to_string),
            "reference": event.reference,
        },
    });
    let user = || json!({ "uid": event.stream_id, "type_id": 1 });
    match class {
        3001 => line["user"] = user(),
        3002 => {
            line["user"] = user();
            line["service"] = json!({ "name": "Matricule" });
        }
        3005 => {
            line["user"] = json!({ "uid": event.stream_id, "type_id": 2 });
            line["privileges"] = json!(["audit"]);
        }
        _ => line["entity"] = managed(event),
    }
    line
}

/// The thing an event is about, as a managed entity.
fn managed(event: &RecordedEvent) -> Value {
    let (type_id, word) = match &event.event {
        Event::Pupil(_) => (2, "pupil record"),
        Event::Guardian(_) => (2, "guardian record"),
        Event::Establishment(_) => (4, "establishment"),
        Event::LedgerManifest(_) => (99, "ledger manifest"),
        Event::RelyingParty(_) => (99, "relying party"),
        Event::InitialAccess(_) => (99, "initial access token"),
        Event::Auditor(_) => (99, "disclosure request"),
        Event::Rules(_) => (5, "rules"),
        Event::Account(_) => (2, "account"),
    };
    let uid = match &event.event {
        Event::Auditor(
            AuditorEvent::DisclosureRequested { disclosure, .. }
            | AuditorEvent::DisclosureApproved { disclosure, .. }
            | AuditorEvent::DisclosureRefused { disclosure, .. },
        ) => disclosure.to_string(),
        Event::Auditor(
            AuditorEvent::AuditorAppointed { .. }
            | AuditorEvent::AuditorCredentialReplaced { .. }
            | AuditorEvent::AuditorDismissed {},
        )
        | Event::Pupil(_)
        | Event::Guardian(_)
        | Event::Account(_)
        | Event::Establishment(_)
        | Event::LedgerManifest(_)
        | Event::RelyingParty(_)
        | Event::InitialAccess(_)
        | Event::Rules(_) => event.stream_id.clone(),
    };
    json!({ "uid": uid, "type_id": type_id, "type": word })
}

fn actor(actor: &Actor) -> Value {
    match actor {
        Actor::Service => json!({ "app_name": "Matricule" }),
        Actor::Import(import) => json!({ "app_name": "Matricule import", "app_uid": import }),
        Actor::RelyingParty(party) => json!({ "app_name": "relying party", "app_uid": party }),
        Actor::Account(account) => json!({ "user": { "uid": account, "type_id": 1 } }),
        Actor::Operator(_) => json!({ "user": { "uid": actor.to_string(), "type_id": 2 } }),
    }
}

/// Writes the events from a position on, before `end`, one on a line; the position to go on from.
///
/// # Errors
/// The ledger can't be read, or `out` fails.
pub async fn export(ledger: &Ledger, mut from: u64, end: u64, out: &mut (impl Write + Send)) -> anyhow::Result<u64> {
    while from < end {
        let page = u32::try_from(end - from).unwrap_or(PAGE).min(PAGE);
        let events = ledger.read(from, page).await?;
        let Some(last) = events.last() else { break };
        if last.position + 1 != from + events.len() as u64 {
            let reason = "positions before it are missing".to_owned();
            return Err(ReadError::Event { position: last.position, reason }.into());
        }
        from = last.position + 1;
        for event in &events {
            serde_json::to_writer(&mut *out, &ocsf(event))?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
    Ok(from)
}
