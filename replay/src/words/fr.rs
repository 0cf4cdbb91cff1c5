//! Le catalogue français.

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

const ERASED: &str = "(effacé)";

pub(super) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Service => "le service".to_owned(),
        Actor::Import(import) => format!("l’import {import}"),
        Actor::Account(account) => format!("le titulaire du compte {account}"),
        Actor::Operator(number) => format!("l’agent {number}"),
        Actor::RelyingParty(party) => format!("le service raccordé {party}"),
    }
}

pub(super) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::SchoolData => "données de l’établissement",
        Reason::OwnRequest => "demande du titulaire",
        Reason::SupportRequest => "demande à l’assistance",
        Reason::Administration => "administration",
        Reason::Rule => "règle du service",
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
            format!("L’élève {} ({pupil}) est connu{}{ine}.", pupil_name(civil_status, ERASED), born(civil_status))
        }
        PupilEvent::IneAssigned { ine } => format!("L’élève reçoit l’INE {}.", value(ine, ERASED)),
        PupilEvent::CivilStatusCorrected { civil_status } => {
            format!("L’état civil est corrigé : {}{}.", pupil_name(civil_status, ERASED), born(civil_status))
        }
        PupilEvent::PupilEnrolled { establishment, school_year, entered_on, placement: place } => format!(
            "L’élève est inscrit dans l’établissement {establishment}{}, année {}{}.",
            placement(place, ERASED),
            year(*school_year),
            since(*entered_on)
        ),
        PupilEvent::PlacementChanged { establishment, school_year, entered_on, placement: place } => format!(
            "L’affectation change dans l’établissement {establishment}{}, année {}{}.",
            placement(place, ERASED),
            year(*school_year),
            since(*entered_on)
        ),
        PupilEvent::PupilTransferred { from, to, school_year, entered_on, placement: place } => format!(
            "L’élève passe de l’établissement {from} à l’établissement {to}{}, année {}{}.",
            placement(place, ERASED),
            year(*school_year),
            since(*entered_on)
        ),
        PupilEvent::PupilDeparted { establishment, left_on, departure } => format!(
            "L’élève quitte l’établissement {establishment}{}{}.",
            left_on.map(|day| format!(" le {}", date(day))).unwrap_or_default(),
            match departure {
                Departure::Declared { code: Some(code) } => format!(" (sortie déclarée, motif {code})"),
                Departure::Declared { code: None } => " (sortie déclarée)".to_owned(),
                Departure::AbsentFromExport => " (absent du dernier export)".to_owned(),
            }
        ),
        PupilEvent::GuardianLinked { guardian, establishment, level: how, relationship } => format!(
            "L’établissement {establishment} déclare le responsable {guardian} : {}{}.",
            level(*how),
            tie(relationship)
        ),
        PupilEvent::GuardianLinkChanged { guardian, establishment, level: how, relationship } => format!(
            "L’établissement {establishment} change la responsabilité de {guardian} : {}{}.",
            level(*how),
            tie(relationship)
        ),
        PupilEvent::GuardianUnlinked { guardian, establishment, cause } => format!(
            "Le responsable {guardian} ne l’est plus pour l’établissement {establishment} : {}.",
            match cause {
                Unlinking::NoLongerDeclared => "il n’est plus déclaré",
                Unlinking::Transferred => "l’élève a changé d’établissement",
                Unlinking::GuardianErased => "les données du responsable ont été effacées",
            }
        ),
        PupilEvent::PupilErased { pupil, grounds: why } => {
            format!("Les données de l’élève {pupil} sont effacées : {}.", grounds(*why))
        }
    }
}

fn guardian(event: &GuardianEvent) -> String {
    match event {
        GuardianEvent::GuardianRecorded { guardian, identity, contact: reach } => {
            format!("Le responsable {} ({guardian}) est connu{}.", guardian_name(identity, ERASED), contact(reach))
        }
        GuardianEvent::GuardianIdentityCorrected { identity } => {
            format!("L’identité du responsable est corrigée : {}.", guardian_name(identity, ERASED))
        }
        GuardianEvent::GuardianContactCorrected { contact: reach } => {
            format!("Les coordonnées du responsable sont corrigées{}.", contact(reach))
        }
        GuardianEvent::ChildLinkHeld { number, link } => {
            let child = link.child.known();
            let child = child.map_or_else(
                || ERASED.to_owned(),
                |child| format!("{} {}", child.given_name, child.family_name.to_uppercase()),
            );
            let why = match link.reason {
                HoldReason::Ambiguous => "plusieurs élèves portent ce nom",
                HoldReason::NoSuchPupil => "aucun élève ne porte ce nom",
            };
            let school = link.establishment;
            format!("Le lien n° {number} avec l’enfant {child} attend l’établissement {school} : {why}.")
        }
        GuardianEvent::ChildLinkSettled { number, pupil: Some(pupil) } => {
            format!("L’établissement tranche le lien n° {number} : il s’agit de l’élève {pupil}.")
        }
        GuardianEvent::ChildLinkSettled { number, pupil: None } => {
            format!("L’établissement tranche le lien n° {number} : ce n’est aucun de ses élèves.")
        }
        GuardianEvent::ChildLinkLapsed { number } => {
            format!("Le lien n° {number} n’attend plus : le dernier export ne le laisse plus ouvert.")
        }
        GuardianEvent::GuardianErased { guardian, grounds: why } => {
            format!("Les données de la fiche de responsable {guardian} sont effacées : {}.", grounds(*why))
        }
    }
}

fn account(event: &AccountEvent) -> String {
    match event {
        AccountEvent::AccountOpened { account, holder: Holder::Pupil(pupil) } => {
            format!("Le compte {account} est ouvert pour l’élève {pupil}.")
        }
        AccountEvent::AccountOpened { account, holder: Holder::Guardian(guardian) } => {
            format!("Le compte {account} est ouvert pour le responsable {guardian}.")
        }
        AccountEvent::GuardianRecordAttached { guardian } => {
            format!("La fiche de responsable {guardian} est rattachée au compte.")
        }
        AccountEvent::GuardianRecordDetached { guardian } => {
            format!("La fiche de responsable {guardian} est détachée du compte.")
        }
        AccountEvent::VerificationCodeIssued { purpose: why, to, expires_at, flow: _, secret: _ } => format!(
            "Un code est envoyé au {} pour {}, valable jusqu’au {}.",
            value(to, ERASED),
            purpose(*why),
            expires_at.format("%d/%m/%Y à %H:%M:%S UTC")
        ),
        AccountEvent::VerificationCodeAccepted { purpose: why, flow: _ } => {
            format!("Le code reçu pour {} est juste : le téléphone est prouvé.", purpose(*why))
        }
        AccountEvent::ChildConfirmed { pupil } => format!("L’enfant {pupil} est confirmé par sa date de naissance."),
        AccountEvent::ChildReported { pupil } => format!("L’enfant {pupil} est signalé : ce n’est pas le sien."),
        AccountEvent::ChildDetached { pupil, cause: Detachment::NoLongerLegalGuardian } => {
            format!("L’enfant {pupil} n’est plus rattaché au compte : le titulaire n’en est plus responsable légal.")
        }
        AccountEvent::ChildDetached { pupil, cause: Detachment::ChildErased } => {
            format!("L’enfant {pupil} n’est plus rattaché au compte : ses données ont été effacées.")
        }
        AccountEvent::LoginAssigned { login } => format!("Le compte reçoit l’identifiant {}.", value(login, ERASED)),
        AccountEvent::PasswordChosen { origin, secret: _ } => format!(
            "Un mot de passe est choisi {}.",
            match origin {
                PasswordOrigin::Activation => "à la première utilisation",
                PasswordOrigin::Reset => "après une nouvelle preuve du téléphone",
                PasswordOrigin::ForcedChange => "en remplacement d’un mot de passe provisoire",
                PasswordOrigin::OwnChange => "par le titulaire connecté",
            }
        ),
        AccountEvent::AccountActivated {} => "Le compte est activé.".to_owned(),
        AccountEvent::ProvisionalPasswordIssued { expires_at, secret: _ } => format!(
            "Un mot de passe provisoire est remis, valable jusqu’au {}.",
            expires_at.format("%d/%m/%Y à %H:%M:%S UTC")
        ),
        AccountEvent::UpstreamIdentityLinked { provider, identity, proof, link: _ } => format!(
            "L’identité {} de {provider} ouvre désormais le compte : {}.",
            upstream_name(identity, ERASED),
            match proof {
                UpstreamProof::PhoneAndChildren => "téléphone et dates de naissance des enfants prouvés",
                UpstreamProof::SignedIn => "le titulaire était connecté",
                UpstreamProof::Ine => "par l’INE",
                UpstreamProof::EducationVector => "par le vecteur d’identité",
                UpstreamProof::Login => "par l’identifiant du compte",
                UpstreamProof::NamesAndBirthDate => "par les noms et la date de naissance",
            }
        ),
        AccountEvent::UpstreamIdentityUnlinked { provider, cause, link: _ } => format!(
            "L’identité de {provider} n’ouvre plus le compte : {}.",
            match cause {
                UpstreamUnlinking::OwnRequest => "le titulaire y renonce",
                UpstreamUnlinking::Replaced => "une autre la remplace",
                UpstreamUnlinking::Reset => "le compte est réinitialisé",
            }
        ),
        AccountEvent::SecondFactorEnrolled { kind, factor: _, secret: _ } => match kind {
            FactorKind::Totp => {
                "Une application d’authentification est ajoutée : le mot de passe seul ne suffit plus.".to_owned()
            }
            FactorKind::Passkey => "Une clé d’accès est ajoutée : le mot de passe seul ne suffit plus.".to_owned(),
        },
        AccountEvent::SecondFactorRemoved { cause, factor: _ } => match cause {
            FactorRemoval::OwnRequest => "Le titulaire retire un second facteur.".to_owned(),
            FactorRemoval::Lost => {
                "L’assistance retire un second facteur dont le titulaire ne dispose plus.".to_owned()
            }
        },
        AccountEvent::RecoveryCodesIssued { number, secret: _ } => {
            format!("{number} codes de secours sont remis ; les précédents ne valent plus rien.")
        }
        AccountEvent::RecoveryCodeUsed { left } => format!("Un code de secours est utilisé ; il en reste {left}."),
        AccountEvent::RecoveryCodesWithdrawn {} => "Les codes de secours ne valent plus rien.".to_owned(),
        AccountEvent::AccountDisabled {} => "Le compte est désactivé.".to_owned(),
        AccountEvent::AccountEnabled {} => "Le compte est réactivé.".to_owned(),
        AccountEvent::AccountClosed {} => "Le compte est fermé.".to_owned(),
        AccountEvent::AccountErased { account, grounds: why } => {
            format!("Le compte {account} est fermé et ses données sont effacées : {}.", grounds(*why))
        }
    }
}

fn establishment(event: &EstablishmentEvent) -> String {
    let described = |name: &Option<String>, academie: Option<domain::identifiers::Academie>, degree| {
        let name = name.as_deref().unwrap_or("sans nom connu");
        let academie = academie.map(|academie| format!(", académie {}", academie.name())).unwrap_or_default();
        let degree = match degree {
            Degree::First => "premier degré",
            Degree::Second => "second degré",
        };
        format!("{name}{academie}, {degree}")
    };
    match event {
        EstablishmentEvent::EstablishmentRegistered { uai, name, academie, degree } => {
            format!("L’établissement {uai} est connu : {}.", described(name, *academie, *degree))
        }
        EstablishmentEvent::EstablishmentDescribed { name, academie, degree } => {
            format!("La description de l’établissement change : {}.", described(name, *academie, *degree))
        }
        EstablishmentEvent::SchoolDataImportStarted { import, format, school_year, exported_at, digests } => format!(
            "L’import {import} d’un export {} du {} commence (année {}, fichiers : {}).",
            match format {
                ExportFormat::Siecle => "SIECLE",
                ExportFormat::Onde => "ONDE",
            },
            exported_at.format("%d/%m/%Y à %H:%M"),
            year(*school_year),
            digests.len()
        ),
        EstablishmentEvent::SchoolDataImported { import, counts } => format!(
            "L’import {import} se termine. Élèves lus : {}, responsables lus : {}, élèves modifiés : {}, \
             fiches refusées : {}, liens en attente : {}.",
            counts.pupils, counts.guardians, counts.changed, counts.refused, counts.held
        ),
    }
}

fn ledger_manifest(event: &LedgerManifestEvent) -> String {
    match event {
        LedgerManifestEvent::LedgerManifestRecorded { day, size, streams, root } => format!(
            "Le manifeste du {} atteste où en sont {streams} flux après {size} événements : {root}.",
            day.format("%d/%m/%Y")
        ),
    }
}

fn relying_party(event: &RelyingPartyEvent) -> String {
    match event {
        RelyingPartyEvent::RelyingPartyRegistered { id, registration, secret: _ } => {
            format!("Le service raccordé « {} » ({id}) est enregistré.", registration.name)
        }
        RelyingPartyEvent::RelyingPartyChanged { registration } => {
            format!("L’enregistrement du service raccordé « {} » change.", registration.name)
        }
        RelyingPartyEvent::ClientSecretReplaced { secret: _ } => {
            "Le secret du service raccordé est remplacé.".to_owned()
        }
        RelyingPartyEvent::ClientSecretWithdrawn {} => "Le secret du service raccordé est retiré.".to_owned(),
        RelyingPartyEvent::RelyingPartyDisabled {} => "Le service raccordé n’est plus servi.".to_owned(),
        RelyingPartyEvent::RelyingPartyEnabled {} => "Le service raccordé est de nouveau servi.".to_owned(),
        RelyingPartyEvent::RegistrationTokenIssued { token: _ } => {
            "Un jeton de gestion de l’enregistrement est délivré au service raccordé.".to_owned()
        }
        RelyingPartyEvent::RelyingPartyDeregistered {} => {
            "L’enregistrement du service raccordé prend fin définitivement.".to_owned()
        }
    }
}

fn initial_access(event: &InitialAccessEvent) -> String {
    match event {
        InitialAccessEvent::InitialAccessTokenIssued { id, uses, expires_at, token: _, bounds: _ } => format!(
            "Un jeton d’enregistrement ({id}) est délivré pour {uses} service(s), jusqu’au {}.",
            expires_at.format("%d/%m/%Y %H:%M:%S UTC")
        ),
        InitialAccessEvent::InitialAccessTokenUsed { relying_party } => {
            format!("Le service raccordé {relying_party} s’est enregistré avec ce jeton.")
        }
        InitialAccessEvent::InitialAccessTokenWithdrawn {} => "Le jeton d’enregistrement est retiré.".to_owned(),
    }
}

fn auditor(event: &AuditorEvent) -> String {
    match event {
        AuditorEvent::AuditorAppointed { auditor, number, credential: _ } => {
            format!("L’agent {number} est devenu l’auditeur {auditor}.")
        }
        AuditorEvent::AuditorCredentialReplaced { credential: _ } => {
            "Le secret de l’auditeur a été remplacé.".to_owned()
        }
        AuditorEvent::AuditorDismissed {} => "Le rôle d’audit a été retiré.".to_owned(),
        AuditorEvent::DisclosureRequested { disclosure, expires_at, digest: _ } => format!(
            "L’auditeur a demandé la levée de masquage {disclosure}, à décider avant le {}.",
            expires_at.format("%d/%m/%Y %H:%M:%S UTC")
        ),
        AuditorEvent::DisclosureApproved { disclosure, by, until } => format!(
            "L’auditeur {by} a approuvé la levée de masquage {disclosure}, jusqu’au {}.",
            until.format("%d/%m/%Y %H:%M:%S UTC")
        ),
        AuditorEvent::DisclosureRefused { disclosure, by } => {
            format!("L’auditeur {by} a refusé la levée de masquage {disclosure}.")
        }
    }
}

fn rules(event: &RulesEvent) -> String {
    match event {
        RulesEvent::RulesAnnounced { number, program, rules } => format!(
            "Les règles n° {number} s’appliquent à partir d’ici (programme {program}, {} réglages).",
            rules.settings.len()
        ),
    }
}

fn date(day: NaiveDate) -> String {
    day.format("%d/%m/%Y").to_string()
}

fn year(start: u16) -> String {
    format!("{start}-{}", start.saturating_add(1))
}

fn since(day: Option<NaiveDate>) -> String {
    day.map(|day| format!(", depuis le {}", date(day))).unwrap_or_default()
}

fn born(civil_status: &Personal<domain::pupil::CivilStatus>) -> String {
    let day = civil_status.known().and_then(|status| status.birth_date);
    day.map(|day| format!(", date de naissance {}", date(day))).unwrap_or_default()
}

fn level(level: GuardianLevel) -> &'static str {
    match level {
        GuardianLevel::Legal => "responsable légal",
        GuardianLevel::InCharge => "personne en charge",
        GuardianLevel::Contact => "contact",
    }
}

fn tie(relationship: &Personal<Option<Relationship>>) -> String {
    let Some(known) = relationship.known() else { return format!(", lien {ERASED}") };
    known.map(|relationship| format!(", {}", relationship_word(relationship))).unwrap_or_default()
}

fn relationship_word(relationship: Relationship) -> String {
    match relationship {
        Relationship::Mother => "mère".to_owned(),
        Relationship::Father => "père".to_owned(),
        Relationship::Sibling => "fratrie".to_owned(),
        Relationship::Ancestor => "ascendant".to_owned(),
        Relationship::OtherRelative => "autre membre de la famille".to_owned(),
        Relationship::Educator => "éducateur".to_owned(),
        Relationship::FosterCarer => "assistant familial".to_owned(),
        Relationship::ChildMinder => "garde d’enfant".to_owned(),
        Relationship::AppointedGuardian => "tuteur".to_owned(),
        Relationship::ChildWelfare => "aide sociale à l’enfance".to_owned(),
        Relationship::Oneself => "élève lui-même".to_owned(),
        Relationship::Other => "autre".to_owned(),
        Relationship::Unlisted(code) => format!("lien de code {code}"),
    }
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Activation => "l’activation",
        Purpose::CredentialReset => "retrouver l’accès",
    }
}

fn contact(contact: &Personal<GuardianContact>) -> String {
    let Some(known) = contact.known() else { return format!(", coordonnées {ERASED}") };
    let mobile = known.mobile.as_ref().map(|mobile| format!(", mobile {mobile}")).unwrap_or_default();
    let email = known.email.as_ref().map(|email| format!(", courriel {email}")).unwrap_or_default();
    format!("{mobile}{email}")
}

fn grounds(grounds: Grounds) -> &'static str {
    match grounds {
        Grounds::OwnRequest => "la personne l’a demandé",
        Grounds::EntitlementEnded => "le droit au compte a pris fin et le délai de conservation est écoulé",
        Grounds::RecordedInError => "l’enregistrement avait été fait par erreur",
        Grounds::LegalOrder => "sur décision d’un tribunal ou d’une autorité",
        Grounds::RestoredBackup => "elles avaient été effacées avant qu’une sauvegarde ne les ramène",
    }
}
