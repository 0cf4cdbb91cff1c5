//! The English catalogue.

use super::{guardian_name, placement, pupil_name, upstream_name, value};
use chrono::NaiveDate;
use domain::Event;
use domain::account::{
    AccountEvent, Detachment, FactorKind, FactorRemoval, Holder, PasswordOrigin, Purpose, UpstreamProof,
    UpstreamUnlinking,
};
use domain::auditor::AuditorEvent;
use domain::context::{Actor, Reason};
use domain::erasure::Grounds;
use domain::establishment::{EstablishmentEvent, ExportFormat};
use domain::guardian::{GuardianContact, GuardianEvent, HoldReason};
use domain::identifiers::{Degree, GuardianLevel, Relationship};
use domain::initial_access::InitialAccessEvent;
use domain::ledger_manifest::LedgerManifestEvent;
use domain::personal::Personal;
use domain::pupil::{Departure, PupilEvent, Unlinking};
use domain::relying_party::RelyingPartyEvent;
use domain::rules::RulesEvent;

const ERASED: &str = "(erased)";

pub(super) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Service => "the service".to_owned(),
        Actor::Import(import) => format!("import {import}"),
        Actor::Account(account) => format!("the holder of account {account}"),
        Actor::Operator(number) => format!("operator {number}"),
        Actor::RelyingParty(party) => format!("relying party {party}"),
    }
}

pub(super) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::SchoolData => "school data",
        Reason::OwnRequest => "the holder’s request",
        Reason::SupportRequest => "a request to support",
        Reason::Administration => "administration",
        Reason::Rule => "a rule of the service",
    }
}

pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Pupil(event) => pupil(event),
        Event::Guardian(event) => guardian(event),
        Event::Account(event) => account(event),
        Event::Establishment(event) => establishment(event),
        Event::LedgerManifest(event) => ledger_manifest(event),
        Event::RelyingParty(event) => relying_party(event),
        Event::InitialAccess(event) => initial_access(event),
        Event::Auditor(event) => auditor(event),
        Event::Rules(event) => rules(event),
    }
}

fn pupil(event: &PupilEvent) -> String {
    match event {
        PupilEvent::PupilRegistered { pupil, ine, civil_status } => {
            let ine = ine.as_ref().map(|ine| format!(", INE {}", value(ine, ERASED))).unwrap_or_default();
            format!("Pupil {} ({pupil}) became known{}{ine}.", pupil_name(civil_status, ERASED), born(civil_status))
        }
        PupilEvent::IneAssigned { ine } => format!("The pupil got the INE {}.", value(ine, ERASED)),
        PupilEvent::CivilStatusCorrected { civil_status } => {
            format!("The civil status was corrected: {}{}.", pupil_name(civil_status, ERASED), born(civil_status))
        }
        PupilEvent::PupilEnrolled { establishment, school_year, entered_on, placement: place } => format!(
            "The pupil was enrolled in establishment {establishment}{}, year {}{}.",
            placement(place, ERASED),
            year(*school_year),
            since(*entered_on)
        ),
        PupilEvent::PlacementChanged { establishment, school_year, entered_on, placement: place } => format!(
            "The placement changed in establishment {establishment}{}, year {}{}.",
            placement(place, ERASED),
            year(*school_year),
            since(*entered_on)
        ),
        PupilEvent::PupilTransferred { from, to, school_year, entered_on, placement: place } => format!(
            "The pupil moved from establishment {from} to establishment {to}{}, year {}{}.",
            placement(place, ERASED),
            year(*school_year),
            since(*entered_on)
        ),
        PupilEvent::PupilDeparted { establishment, left_on, departure } => format!(
            "The pupil left establishment {establishment}{}{}.",
            left_on.map(|day| format!(" on {}", date(day))).unwrap_or_default(),
            match departure {
                Departure::Declared { code: Some(code) } => format!(" (declared, reason {code})"),
                Departure::Declared { code: None } => " (declared)".to_owned(),
                Departure::AbsentFromExport => " (absent from the last export)".to_owned(),
            }
        ),
        PupilEvent::GuardianLinked { guardian, establishment, level: how, relationship } => {
            format!("Establishment {establishment} declared guardian {guardian}: {}{}.", level(*how), tie(relationship))
        }
        PupilEvent::GuardianLinkChanged { guardian, establishment, level: how, relationship } => format!(
            "Establishment {establishment} changed the responsibility of {guardian}: {}{}.",
            level(*how),
            tie(relationship)
        ),
        PupilEvent::GuardianUnlinked { guardian, establishment, cause } => format!(
            "Guardian {guardian} is no longer one for establishment {establishment}: {}.",
            match cause {
                Unlinking::NoLongerDeclared => "no longer declared",
                Unlinking::Transferred => "the pupil changed schools",
                Unlinking::GuardianErased => "the guardian’s data was erased",
            }
        ),
        PupilEvent::PupilErased { pupil, grounds: why } => {
            format!("The data of pupil {pupil} was erased: {}.", grounds(*why))
        }
    }
}

fn guardian(event: &GuardianEvent) -> String {
    match event {
        GuardianEvent::GuardianRecorded { guardian, identity, contact: reach } => {
            format!("Guardian {} ({guardian}) became known{}.", guardian_name(identity, ERASED), contact(reach))
        }
        GuardianEvent::GuardianIdentityCorrected { identity } => {
            format!("The guardian’s identity was corrected: {}.", guardian_name(identity, ERASED))
        }
        GuardianEvent::GuardianContactCorrected { contact: reach } => {
            format!("How the guardian is reached was corrected{}.", contact(reach))
        }
        GuardianEvent::ChildLinkHeld { number, link } => {
            let child = link.child.known();
            let child = child.map_or_else(
                || ERASED.to_owned(),
                |child| format!("{} {}", child.given_name, child.family_name.to_uppercase()),
            );
            let why = match link.reason {
                HoldReason::Ambiguous => "several pupils bear this name",
                HoldReason::NoSuchPupil => "no pupil bears this name",
            };
            format!("Link no. {number} to the child {child} waits for establishment {}: {why}.", link.establishment)
        }
        GuardianEvent::ChildLinkSettled { number, pupil: Some(pupil) } => {
            format!("The establishment settled link no. {number}: it is pupil {pupil}.")
        }
        GuardianEvent::ChildLinkSettled { number, pupil: None } => {
            format!("The establishment settled link no. {number}: it is none of its pupils.")
        }
        GuardianEvent::ChildLinkLapsed { number } => {
            format!("Link no. {number} no longer waits: the last export does not leave it open.")
        }
        GuardianEvent::GuardianErased { guardian, grounds: why } => {
            format!("The data of guardian record {guardian} was erased: {}.", grounds(*why))
        }
    }
}

fn account(event: &AccountEvent) -> String {
    match event {
        AccountEvent::AccountOpened { account, holder: Holder::Pupil(pupil) } => {
            format!("Account {account} was opened for pupil {pupil}.")
        }
        AccountEvent::AccountOpened { account, holder: Holder::Guardian(guardian) } => {
            format!("Account {account} was opened for guardian {guardian}.")
        }
        AccountEvent::GuardianRecordAttached { guardian } => {
            format!("Guardian record {guardian} was attached to the account.")
        }
        AccountEvent::GuardianRecordDetached { guardian } => {
            format!("Guardian record {guardian} was detached from the account.")
        }
        AccountEvent::VerificationCodeIssued { purpose: why, to, expires_at, flow: _, secret: _ } => format!(
            "A code was sent to {} for {}, valid until {}.",
            value(to, ERASED),
            purpose(*why),
            expires_at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        AccountEvent::VerificationCodeAccepted { purpose: why, flow: _ } => {
            format!("The code for {} came back right: the phone is proved.", purpose(*why))
        }
        AccountEvent::ChildConfirmed { pupil } => format!("Child {pupil} was confirmed by birth date."),
        AccountEvent::ChildReported { pupil } => format!("Child {pupil} was reported as not theirs."),
        AccountEvent::ChildDetached { pupil, cause: Detachment::NoLongerLegalGuardian } => {
            format!("Child {pupil} is no longer under the account: the holder is no longer a legal guardian.")
        }
        AccountEvent::ChildDetached { pupil, cause: Detachment::ChildErased } => {
            format!("Child {pupil} is no longer under the account: the child’s data was erased.")
        }
        AccountEvent::LoginAssigned { login } => format!("The account got the login {}.", value(login, ERASED)),
        AccountEvent::PasswordChosen { origin, secret: _ } => format!(
            "A password was chosen {}.",
            match origin {
                PasswordOrigin::Activation => "at first use",
                PasswordOrigin::Reset => "after proving the phone again",
                PasswordOrigin::ForcedChange => "in place of a provisional one",
                PasswordOrigin::OwnChange => "by the signed-in holder",
            }
        ),
        AccountEvent::AccountActivated {} => "The account was activated.".to_owned(),
        AccountEvent::ProvisionalPasswordIssued { expires_at, secret: _ } => format!(
            "A provisional password was handed out, valid until {}.",
            expires_at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        AccountEvent::UpstreamIdentityLinked { provider, identity, proof, link: _ } => format!(
            "From here on the identity {} of {provider} opens the account: {}.",
            upstream_name(identity, ERASED),
            match proof {
                UpstreamProof::PhoneAndChildren => "phone and birth dates of the children were proved",
                UpstreamProof::SignedIn => "the holder was signed in",
                UpstreamProof::Ine => "by the INE",
                UpstreamProof::EducationVector => "by the identity vector",
                UpstreamProof::Login => "by the account’s login",
                UpstreamProof::NamesAndBirthDate => "by names and birth date",
            }
        ),
        AccountEvent::UpstreamIdentityUnlinked { provider, cause, link: _ } => format!(
            "The identity of {provider} no longer opens the account: {}.",
            match cause {
                UpstreamUnlinking::OwnRequest => "its holder gave it up",
                UpstreamUnlinking::Replaced => "another takes its place",
                UpstreamUnlinking::Reset => "the account was reset",
            }
        ),
        AccountEvent::SecondFactorEnrolled { kind, factor: _, secret: _ } => match kind {
            FactorKind::Totp => "An authenticator app was added: the password alone no longer does.".to_owned(),
            FactorKind::Passkey => "A passkey was added: the password alone no longer does.".to_owned(),
        },
        AccountEvent::SecondFactorRemoved { cause, factor: _ } => match cause {
            FactorRemoval::OwnRequest => "The holder removed a second factor.".to_owned(),
            FactorRemoval::Lost => "Support removed a second factor that the holder no longer has.".to_owned(),
        },
        AccountEvent::RecoveryCodesIssued { number, secret: _ } => {
            format!("{number} recovery codes were handed out; any former ones are void.")
        }
        AccountEvent::RecoveryCodeUsed { left } => format!("A recovery code was used; {left} are left."),
        AccountEvent::RecoveryCodesWithdrawn {} => "The recovery codes are void.".to_owned(),
        AccountEvent::AccountDisabled {} => "The account was disabled.".to_owned(),
        AccountEvent::AccountEnabled {} => "The account was enabled again.".to_owned(),
        AccountEvent::AccountClosed {} => "The account was closed.".to_owned(),
        AccountEvent::AccountErased { account, grounds: why } => {
            format!("Account {account} was closed and its data erased: {}.", grounds(*why))
        }
    }
}

fn establishment(event: &EstablishmentEvent) -> String {
    let described = |name: &Option<String>, academie: Option<domain::identifiers::Academie>, degree| {
        let name = name.as_deref().unwrap_or("no known name");
        let academie = academie.map(|academie| format!(", académie of {}", academie.name())).unwrap_or_default();
        let degree = match degree {
            Degree::First => "first degree",
            Degree::Second => "second degree",
        };
        format!("{name}{academie}, {degree}")
    };
    match event {
        EstablishmentEvent::EstablishmentRegistered { uai, name, academie, degree } => {
            format!("Establishment {uai} became known: {}.", described(name, *academie, *degree))
        }
        EstablishmentEvent::EstablishmentDescribed { name, academie, degree } => {
            format!("The establishment’s description changed: {}.", described(name, *academie, *degree))
        }
        EstablishmentEvent::SchoolDataImportStarted { import, format, school_year, exported_at, digests } => format!(
            "Import {import} of a {} export of {} began (year {}, files: {}).",
            match format {
                ExportFormat::Siecle => "SIECLE",
                ExportFormat::Onde => "ONDE",
            },
            exported_at.format("%Y-%m-%d %H:%M"),
            year(*school_year),
            digests.len()
        ),
        EstablishmentEvent::SchoolDataImported { import, counts } => format!(
            "Import {import} ended. Pupils read: {}, guardians read: {}, pupils changed: {}, records refused: {}, \
             links waiting: {}.",
            counts.pupils, counts.guardians, counts.changed, counts.refused, counts.held
        ),
    }
}

fn ledger_manifest(event: &LedgerManifestEvent) -> String {
    match event {
        LedgerManifestEvent::LedgerManifestRecorded { day, size, streams, root } => {
            format!("The manifest of {day} attests where {streams} streams stand after {size} events: {root}.")
        }
    }
}

fn relying_party(event: &RelyingPartyEvent) -> String {
    match event {
        RelyingPartyEvent::RelyingPartyRegistered { id, registration, secret: _ } => {
            format!("Relying party “{}” ({id}) was registered.", registration.name)
        }
        RelyingPartyEvent::RelyingPartyChanged { registration } => {
            format!("The registration of relying party “{}” changed.", registration.name)
        }
        RelyingPartyEvent::ClientSecretReplaced { secret: _ } => "The client secret was replaced.".to_owned(),
        RelyingPartyEvent::ClientSecretWithdrawn {} => "The client secret was withdrawn.".to_owned(),
        RelyingPartyEvent::RelyingPartyDisabled {} => "The relying party is no longer served.".to_owned(),
        RelyingPartyEvent::RelyingPartyEnabled {} => "The relying party is served again.".to_owned(),
        RelyingPartyEvent::RegistrationTokenIssued { token: _ } => {
            "The relying party got a token to manage its registration.".to_owned()
        }
        RelyingPartyEvent::RelyingPartyDeregistered {} => {
            "The registration of the relying party ended for good.".to_owned()
        }
    }
}

fn initial_access(event: &InitialAccessEvent) -> String {
    match event {
        InitialAccessEvent::InitialAccessTokenIssued { id, uses, expires_at, token: _, bounds: _ } => format!(
            "An initial access token ({id}) was issued for {uses} registration(s), until {}.",
            expires_at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        InitialAccessEvent::InitialAccessTokenUsed { relying_party } => {
            format!("Relying party {relying_party} registered itself with this token.")
        }
        InitialAccessEvent::InitialAccessTokenWithdrawn {} => "The initial access token was withdrawn.".to_owned(),
    }
}

fn auditor(event: &AuditorEvent) -> String {
    match event {
        AuditorEvent::AuditorAppointed { auditor, number, credential: _ } => {
            format!("Staff member {number} became auditor {auditor}.")
        }
        AuditorEvent::AuditorCredentialReplaced { credential: _ } => {
            "The auditor’s credential was replaced.".to_owned()
        }
        AuditorEvent::AuditorDismissed {} => "The audit role was taken away.".to_owned(),
        AuditorEvent::DisclosureRequested { disclosure, expires_at, digest: _ } => format!(
            "The auditor asked for disclosure {disclosure}, to be decided before {}.",
            expires_at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        AuditorEvent::DisclosureApproved { disclosure, by, until } => {
            format!("Auditor {by} approved disclosure {disclosure}, until {}.", until.format("%Y-%m-%d %H:%M:%S UTC"))
        }
        AuditorEvent::DisclosureRefused { disclosure, by } => {
            format!("Auditor {by} refused disclosure {disclosure}.")
        }
    }
}

fn rules(event: &RulesEvent) -> String {
    match event {
        RulesEvent::RulesAnnounced { number, program, rules } => format!(
            "Rules no. {number} are in force from here on (program {program}, {} settings).",
            rules.settings.len()
        ),
    }
}

fn date(day: NaiveDate) -> String {
    day.format("%Y-%m-%d").to_string()
}

fn year(start: u16) -> String {
    format!("{start}-{}", start.saturating_add(1))
}

fn since(day: Option<NaiveDate>) -> String {
    day.map(|day| format!(", since {}", date(day))).unwrap_or_default()
}

fn born(civil_status: &Personal<domain::pupil::CivilStatus>) -> String {
    let day = civil_status.known().and_then(|status| status.birth_date);
    day.map(|day| format!(", born {}", date(day))).unwrap_or_default()
}

fn level(level: GuardianLevel) -> &'static str {
    match level {
        GuardianLevel::Legal => "legal guardian",
        GuardianLevel::InCharge => "in charge",
        GuardianLevel::Contact => "contact",
    }
}

fn tie(relationship: &Personal<Option<Relationship>>) -> String {
    let Some(known) = relationship.known() else { return format!(", relationship {ERASED}") };
    known.map(|relationship| format!(", {}", relationship_word(relationship))).unwrap_or_default()
}

fn relationship_word(relationship: Relationship) -> String {
    match relationship {
        Relationship::Mother => "mother".to_owned(),
        Relationship::Father => "father".to_owned(),
        Relationship::Sibling => "brother or sister".to_owned(),
        Relationship::Ancestor => "grandparent".to_owned(),
        Relationship::OtherRelative => "other relative".to_owned(),
        Relationship::Educator => "educator".to_owned(),
        Relationship::FosterCarer => "foster carer".to_owned(),
        Relationship::ChildMinder => "child minder".to_owned(),
        Relationship::AppointedGuardian => "appointed guardian".to_owned(),
        Relationship::ChildWelfare => "child welfare service".to_owned(),
        Relationship::Oneself => "the pupil".to_owned(),
        Relationship::Other => "other".to_owned(),
        Relationship::Unlisted(code) => format!("relationship of code {code}"),
    }
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Activation => "activation",
        Purpose::CredentialReset => "recovering access",
    }
}

fn contact(contact: &Personal<GuardianContact>) -> String {
    let Some(known) = contact.known() else { return format!(", contact {ERASED}") };
    let mobile = known.mobile.as_ref().map(|mobile| format!(", mobile {mobile}")).unwrap_or_default();
    let email = known.email.as_ref().map(|email| format!(", e-mail {email}")).unwrap_or_default();
    format!("{mobile}{email}")
}

fn grounds(grounds: Grounds) -> &'static str {
    match grounds {
        Grounds::OwnRequest => "the person asked for it",
        Grounds::EntitlementEnded => "the entitlement ended and the time to keep is over",
        Grounds::RecordedInError => "it had been recorded in error",
        Grounds::LegalOrder => "by order of a court or an authority",
        Grounds::RestoredBackup => "it had been erased before a backup brought it back",
    }
}
