//! One plainly fictional sample of every event, for golden files, catalogues of sentences and tests of readers.

use crate::account::{
    AccountEvent, Detachment, FactorKind, FactorRemoval, Holder, PasswordOrigin, Purpose, UpstreamIdentity,
    UpstreamProof, UpstreamUnlinking,
};
use crate::auditor::AuditorEvent;
use crate::erasure::Grounds;
use crate::establishment::{EstablishmentEvent, ExportFormat, ImportCounts};
use crate::event::Event;
use crate::guardian::{ChildAsWritten, GuardianContact, GuardianEvent, GuardianIdentity, HeldLink, HoldReason};
use crate::identifiers::{Academie, Degree, E164, GuardianLevel, Ine, Relationship, Sex, Uai};
use crate::ids::{
    AccountId, AuditorId, DisclosureId, FactorId, FlowId, GuardianId, ImportId, InitialAccessId, LinkId, PupilId,
    RelyingPartyId, SecretId,
};
use crate::initial_access::{Bounds, InitialAccessEvent};
use crate::ledger_manifest::LedgerManifestEvent;
use crate::personal::Personal;
use crate::pupil::{CivilStatus, Departure, Placement, PupilEvent, Unlinking};
use crate::relying_party::{
    BackchannelLogout, ClientAuthentication, ClientKey, ClientKeys, Establishments, GrantType, Lifetimes, Registration,
    RelyingPartyEvent, ResponseMode, SecurityProfile, ServiceLink, SigningAlgorithm, Terms,
};
use crate::rules::{Rulebook, RulesEvent};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use uuid::Uuid;

/// The sample pupil.
pub const PUPIL: PupilId = PupilId(Uuid::from_u128(1));
/// The sample guardian record.
pub const GUARDIAN: GuardianId = GuardianId(Uuid::from_u128(2));
/// The sample guardian's account.
pub const ACCOUNT: AccountId = AccountId(Uuid::from_u128(3));
const FLOW: FlowId = FlowId(Uuid::from_u128(4));
const FACTOR: FactorId = FactorId(Uuid::from_u128(7));
const SECRET: SecretId = SecretId(Uuid::from_u128(5));
const RELYING_PARTY: RelyingPartyId = RelyingPartyId(Uuid::from_u128(6));
const IMPORT: ImportId = ImportId(Uuid::from_u128(7));
const AUDITOR: AuditorId = AuditorId(Uuid::from_u128(8));
const SECOND_AUDITOR: AuditorId = AuditorId(Uuid::from_u128(9));
const DISCLOSURE: DisclosureId = DisclosureId(Uuid::from_u128(10));
const LINK: LinkId = LinkId(Uuid::from_u128(11));
const INITIAL_ACCESS: InitialAccessId = InitialAccessId(Uuid::from_u128(11));

/// One sample of every variant of every event, in the order of their declaration.
pub fn every_event() -> Vec<Event> {
    let pupil = pupil_events().into_iter().map(Event::Pupil);
    let guardian = guardian_events().into_iter().map(Event::Guardian);
    let account = account_events().into_iter().map(Event::Account);
    let establishment = establishment_events().into_iter().map(Event::Establishment);
    let manifest = ledger_manifest_events().into_iter().map(Event::LedgerManifest);
    let relying_party = relying_party_events().into_iter().map(Event::RelyingParty);
    let initial_access = initial_access_events().into_iter().map(Event::InitialAccess);
    let auditor = auditor_events().into_iter().map(Event::Auditor);
    let rules = rules_events().into_iter().map(Event::Rules);
    let people = pupil.chain(guardian).chain(account);
    let services = relying_party.chain(initial_access);
    people.chain(establishment).chain(manifest).chain(services).chain(auditor).chain(rules).collect()
}

/// Parses what is known to be well-formed.
fn literal<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("the sample `{text}` is well-formed"))
}

fn college() -> Uai {
    literal("0210001A")
}

fn lycee() -> Uai {
    literal("0210002B")
}

fn day() -> NaiveDate {
    literal("2026-09-01")
}

fn morning() -> NaiveDateTime {
    literal("2026-09-01T08:00:00")
}

fn moment() -> DateTime<Utc> {
    literal("2026-09-01T08:30:00Z")
}

fn pupil_events() -> Vec<PupilEvent> {
    let civil_status = CivilStatus {
        family_name: "FICTIF".into(),
        usage_name: Some("EXEMPLE".into()),
        given_names: vec!["Zoé".into(), "Lou".into()],
        birth_date: Some(literal("2013-02-28")),
        sex: Some(Sex::Female),
    };
    let placement = || {
        let class = Some("6A".to_owned());
        Personal::new(PUPIL, Placement { class, mef: Some("10010012110".into()), level: None })
    };
    let ine = || Personal::new(PUPIL, literal::<Ine>("123456789AA"));
    let (establishment, school_year, entered_on) = (college(), 2026, Some(day()));
    let relationship = || Personal::new(GUARDIAN, Some(Relationship::Mother));
    vec![
        PupilEvent::PupilRegistered {
            pupil: PUPIL,
            ine: Some(ine()),
            civil_status: Personal::new(PUPIL, civil_status.clone()),
        },
        PupilEvent::IneAssigned { ine: ine() },
        PupilEvent::CivilStatusCorrected { civil_status: Personal::new(PUPIL, civil_status) },
        PupilEvent::PupilEnrolled { establishment, school_year, entered_on, placement: placement() },
        PupilEvent::PlacementChanged { establishment, school_year, entered_on, placement: placement() },
        PupilEvent::PupilTransferred {
            from: establishment,
            to: lycee(),
            school_year,
            entered_on,
            placement: placement(),
        },
        PupilEvent::PupilDeparted {
            establishment,
            left_on: Some(day()),
            departure: Departure::Declared { code: Some("15".into()) },
        },
        PupilEvent::GuardianLinked {
            guardian: GUARDIAN,
            establishment,
            level: GuardianLevel::Legal,
            relationship: relationship(),
        },
        PupilEvent::GuardianLinkChanged {
            guardian: GUARDIAN,
            establishment,
            level: GuardianLevel::Contact,
            relationship: relationship(),
        },
        PupilEvent::GuardianUnlinked { guardian: GUARDIAN, establishment, cause: Unlinking::NoLongerDeclared },
        PupilEvent::PupilErased { pupil: PUPIL, grounds: Grounds::OwnRequest },
    ]
}

fn guardian_events() -> Vec<GuardianEvent> {
    let identity = GuardianIdentity {
        source_key: "siecle:10:1234".into(),
        title: Some("MME".into()),
        family_name: "FICTIF".into(),
        usage_name: Some("EXEMPLE".into()),
        given_name: "Ariane".into(),
    };
    let contact = GuardianContact {
        mobile: Some(literal::<E164>("+33639980001")),
        email: Some("ariane.fictif@example.org".into()),
    };
    let child = ChildAsWritten { family_name: "FICTIF".into(), given_name: "Lou".into(), class: Some("CM2".into()) };
    let link = HeldLink {
        establishment: college(),
        child: Personal::new(GUARDIAN, child),
        candidates: vec![PUPIL],
        reason: HoldReason::Ambiguous,
    };
    vec![
        GuardianEvent::GuardianRecorded {
            guardian: GUARDIAN,
            identity: Personal::new(GUARDIAN, identity.clone()),
            contact: Personal::new(GUARDIAN, contact.clone()),
        },
        GuardianEvent::GuardianIdentityCorrected { identity: Personal::new(GUARDIAN, identity) },
        GuardianEvent::GuardianContactCorrected { contact: Personal::new(GUARDIAN, contact) },
        GuardianEvent::ChildLinkHeld { number: 1, link },
        GuardianEvent::ChildLinkSettled { number: 1, pupil: Some(PUPIL) },
        GuardianEvent::ChildLinkLapsed { number: 1 },
        GuardianEvent::GuardianErased { guardian: GUARDIAN, grounds: Grounds::RecordedInError },
    ]
}

fn account_events() -> Vec<AccountEvent> {
    vec![
        AccountEvent::AccountOpened { account: ACCOUNT, holder: Holder::Guardian(GUARDIAN) },
        AccountEvent::GuardianRecordAttached { guardian: GUARDIAN },
        AccountEvent::GuardianRecordDetached { guardian: GUARDIAN },
        AccountEvent::VerificationCodeIssued {
            purpose: Purpose::Activation,
            flow: FLOW,
            secret: SECRET,
            to: Personal::new(ACCOUNT, literal("+33639980001")),
            expires_at: moment(),
        },
        AccountEvent::VerificationCodeAccepted { purpose: Purpose::Activation, flow: FLOW },
        AccountEvent::ChildConfirmed { pupil: PUPIL },
        AccountEvent::ChildReported { pupil: PUPIL },
        AccountEvent::ChildDetached { pupil: PUPIL, cause: Detachment::NoLongerLegalGuardian },
        AccountEvent::LoginAssigned { login: Personal::new(ACCOUNT, "a.fictif".into()) },
        AccountEvent::PasswordChosen { secret: SECRET, origin: PasswordOrigin::Activation },
        AccountEvent::AccountActivated {},
        AccountEvent::ProvisionalPasswordIssued { secret: SECRET, expires_at: moment() },
        AccountEvent::UpstreamIdentityLinked {
            link: LINK,
            provider: "franceconnect".into(),
            identity: Personal::new(
                ACCOUNT,
                UpstreamIdentity {
                    subject: "b6048e95bb134ec5b1d1e1fa69f287172e91722b9354d637a1bcf2ebb0fd2ef5v1".into(),
                    family_name: Some("FICTIF".into()),
                    usage_name: Some("EXEMPLE".into()),
                    given_names: vec!["Anne".into(), "Claire".into()],
                    birth_date: Some("1985-03-00".into()),
                },
            ),
            proof: UpstreamProof::PhoneAndChildren,
        },
        AccountEvent::UpstreamIdentityUnlinked {
            link: LINK,
            provider: "franceconnect".into(),
            cause: UpstreamUnlinking::OwnRequest,
        },
        AccountEvent::AccountDisabled {},
        AccountEvent::AccountEnabled {},
        AccountEvent::AccountClosed {},
        AccountEvent::AccountErased { account: ACCOUNT, grounds: Grounds::EntitlementEnded },
        AccountEvent::SecondFactorEnrolled { factor: FACTOR, kind: FactorKind::Totp, secret: SECRET },
        AccountEvent::SecondFactorRemoved { factor: FACTOR, cause: FactorRemoval::OwnRequest },
        AccountEvent::RecoveryCodesIssued { secret: SECRET, number: 10 },
        AccountEvent::RecoveryCodeUsed { left: 9 },
        AccountEvent::RecoveryCodesWithdrawn {},
    ]
}

fn establishment_events() -> Vec<EstablishmentEvent> {
    let name = || Some("Collège des Exemples".to_owned());
    let academie = Academie::from_code(7).ok();
    vec![
        EstablishmentEvent::EstablishmentRegistered { uai: college(), name: name(), academie, degree: Degree::Second },
        EstablishmentEvent::EstablishmentDescribed { name: name(), academie, degree: Degree::Second },
        EstablishmentEvent::SchoolDataImportStarted {
            import: IMPORT,
            format: ExportFormat::Siecle,
            school_year: 2026,
            exported_at: morning(),
            digests: vec!["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into()],
        },
        EstablishmentEvent::SchoolDataImported {
            import: IMPORT,
            counts: ImportCounts { pupils: 3, guardians: 4, refused: 1, held: 2, changed: 3 },
        },
    ]
}

fn ledger_manifest_events() -> Vec<LedgerManifestEvent> {
    vec![LedgerManifestEvent::LedgerManifestRecorded { day: day(), size: 12_345, streams: 678, root: "0f".repeat(32) }]
}

fn relying_party_events() -> Vec<RelyingPartyEvent> {
    let registration = Registration {
        name: "Cahier de textes".into(),
        redirect_uris: vec!["https://notes.example.org/retour".into()],
        post_logout_redirect_uris: vec!["https://notes.example.org/".into()],
        scopes: ["children".to_owned(), "openid".to_owned()].into(),
        sector_identifier: "notes.example.org".into(),
        authentication: ClientAuthentication::ClientSecretBasic,
        establishments: Establishments::Only([college()].into()),
        terms: Terms::default(),
    };
    vec![
        RelyingPartyEvent::RelyingPartyRegistered {
            id: RELYING_PARTY,
            registration: registration.clone().into(),
            secret: Some(SECRET),
        },
        RelyingPartyEvent::RelyingPartyChanged { registration: registration.into() },
        RelyingPartyEvent::ClientSecretReplaced { secret: SECRET },
        RelyingPartyEvent::ClientSecretWithdrawn {},
        RelyingPartyEvent::RelyingPartyDisabled {},
        RelyingPartyEvent::RelyingPartyEnabled {},
        RelyingPartyEvent::RegistrationTokenIssued { token: SECRET },
        RelyingPartyEvent::RelyingPartyDeregistered {},
    ]
}

fn initial_access_events() -> Vec<InitialAccessEvent> {
    let bounds = Bounds {
        scopes: ["openid".to_owned(), "profile".to_owned()].into(),
        claims: None,
        establishments: Establishments::Only([college()].into()),
    };
    vec![
        InitialAccessEvent::InitialAccessTokenIssued {
            id: INITIAL_ACCESS,
            token: SECRET,
            uses: 3,
            expires_at: moment(),
            bounds,
        },
        InitialAccessEvent::InitialAccessTokenUsed { relying_party: RELYING_PARTY },
        InitialAccessEvent::InitialAccessTokenWithdrawn {},
    ]
}

fn auditor_events() -> Vec<AuditorEvent> {
    let digest = || "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned();
    vec![
        AuditorEvent::AuditorAppointed { auditor: AUDITOR, number: "A-17".into(), credential: SECRET },
        AuditorEvent::AuditorCredentialReplaced { credential: SECRET },
        AuditorEvent::AuditorDismissed {},
        AuditorEvent::DisclosureRequested { disclosure: DISCLOSURE, digest: digest(), expires_at: moment() },
        AuditorEvent::DisclosureApproved { disclosure: DISCLOSURE, by: SECOND_AUDITOR, until: moment() },
        AuditorEvent::DisclosureRefused { disclosure: DISCLOSURE, by: SECOND_AUDITOR },
    ]
}

fn rules_events() -> Vec<RulesEvent> {
    let rules = Rulebook {
        decisions: [("account".to_owned(), 1)].into(),
        settings: [("activation.code_lifetime".to_owned(), "30min".to_owned())].into(),
    };
    vec![RulesEvent::RulesAnnounced { number: 1, program: "0.1.0".into(), rules }]
}

/// A registration that says all it can, as version 2 of the events has it.
pub fn rich_registration() -> Registration {
    let key = ClientKey {
        kty: "EC".into(),
        kid: Some("2026".into()),
        crv: Some("P-256".into()),
        x: Some("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4".into()),
        y: Some("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM".into()),
        ..ClientKey::default()
    };
    Registration {
        name: "Portail".into(),
        redirect_uris: vec!["https://portail.example.org/retour".into()],
        post_logout_redirect_uris: vec![],
        scopes: ["offline_access".to_owned(), "openid".to_owned()].into(),
        sector_identifier: "portail.example.org".into(),
        authentication: ClientAuthentication::PrivateKeyJwt,
        establishments: Establishments::All,
        terms: Terms {
            grant_types: GrantType::ALL.into(),
            response_modes: [ResponseMode::FormPost].into(),
            keys: Some(ClientKeys::Set(vec![key])),
            claims: Some(["FrEduCtId".to_owned()].into()),
            audiences: [RELYING_PARTY].into(),
            backchannel_logout: Some(BackchannelLogout {
                uri: "https://portail.example.org/fin".into(),
                session_required: true,
            }),
            lifetimes: Lifetimes { access_token: Some(300), id_token: Some(60), refresh_token: Some(86_400) },
            id_token_signed_response_alg: SigningAlgorithm::RS256,
            userinfo_signed_response_alg: Some(SigningAlgorithm::ES256),
            require_pushed_authorization_requests: true,
            dpop_bound_access_tokens: true,
            profile: SecurityProfile::Plain,
            link: ServiceLink::default(),
        },
    }
}

/// A registration that says what came with version 3 of the events.
pub fn linked_registration() -> Registration {
    let mut registration = rich_registration();
    registration.terms.profile = SecurityProfile::Fapi2;
    registration.terms.id_token_signed_response_alg = SigningAlgorithm::EdDSA;
    registration.terms.link = ServiceLink {
        home_uri: Some("https://portail.example.org/".into()),
        initiate_login_uri: Some("https://portail.example.org/connexion".into()),
        english_name: Some("Portal".into()),
    };
    registration
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personal::Sealable;

    /// Every member that version 2 added to registrations.
    #[test]
    fn the_stored_form_of_a_rich_registration_is_golden() {
        let registration = rich_registration();
        assert_eq!(registration.validate(), Ok(()));
        let event = RelyingPartyEvent::RelyingPartyChanged { registration: registration.into() };
        let json = Event::RelyingParty(event.clone()).payload().expect("serialises");
        assert_eq!(serde_json::from_str::<RelyingPartyEvent>(&json).expect("reads"), event);
        insta::assert_snapshot!(json);
    }

    /// Every member that version 3 added, and none in the forms from before.
    #[test]
    fn the_stored_form_of_a_linked_registration_is_golden() {
        let registration = linked_registration();
        assert_eq!(registration.validate(), Ok(()));
        let event = RelyingPartyEvent::RelyingPartyChanged { registration: registration.into() };
        let json = Event::RelyingParty(event.clone()).payload().expect("serialises");
        assert_eq!(serde_json::from_str::<RelyingPartyEvent>(&json).expect("reads"), event);
        insta::assert_snapshot!(json);
    }

    #[test]
    fn every_variant_has_a_sample() {
        let sampled: Vec<String> = every_event().iter().map(Event::event_type).collect();
        let declared: Vec<&str> = Event::names().collect();
        assert_eq!(sampled, declared);
    }

    /// The stored form of each variant: its public JSON and its segments. A change here is a change of format:
    /// it needs a new event version and an upcaster.
    #[test]
    fn the_stored_form_of_every_event_is_golden() {
        let mut golden = String::new();
        for mut event in every_event() {
            let stream = event.stream_type();
            let json = event.payload().expect("events serialise");
            golden.push_str(&format!("{stream} {json}\n"));
            for segment in event.segments() {
                let plaintext = String::from_utf8(segment.plaintext().expect("samples are in clear")).expect("JSON");
                golden.push_str(&format!("    {}: {plaintext}\n", segment.subject()));
            }
        }
        insta::assert_snapshot!(golden);
    }

    #[test]
    fn the_stored_form_reads_back() {
        for mut event in every_event() {
            let mut read =
                Event::decode(event.stream_type(), event.payload().expect("JSON").as_bytes()).expect("reads");
            let plaintexts: Vec<_> = event.segments().iter().map(|segment| segment.plaintext()).collect();
            for (segment, plaintext) in read.segments().into_iter().zip(plaintexts) {
                segment.reveal(&plaintext.expect("in clear")).expect("fits");
            }
            assert_eq!(read, event);
        }
    }
}
