//! What is recorded: families of a school, as an import records them, with personal data of realistic sizes.
//!
//! Each fact exists in clear, as a program without sealing would record it, and turns into the ledger's event.

use chrono::{DateTime, Days, NaiveDate, Utc};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use domain::account::{AccountEvent, Holder};
use domain::context::{Actor, Context, Reason};
use domain::guardian::{GuardianContact, GuardianEvent, GuardianIdentity};
use domain::identifiers::{E164, GuardianLevel, Ine, Relationship, Sex, Uai};
use domain::ids::{AccountId, CommandId, GuardianId, ImportId, PupilId};
use domain::personal::Personal;
use domain::pupil::{CivilStatus, Placement, PupilEvent};
use ledger::Unit;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A pupil's facts in clear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PupilFact {
    PupilRegistered {
        pupil: PupilId,
        ine: Option<Ine>,
        civil_status: CivilStatus,
    },
    PupilEnrolled {
        pupil: PupilId,
        establishment: Uai,
        school_year: u16,
        entered_on: Option<NaiveDate>,
        placement: Placement,
    },
    GuardianLinked {
        guardian: GuardianId,
        establishment: Uai,
        level: GuardianLevel,
        relationship: Option<Relationship>,
    },
}

/// A guardian's facts in clear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GuardianFact {
    GuardianRecorded { guardian: GuardianId, identity: GuardianIdentity, contact: GuardianContact },
}

/// An account's facts; nothing personal in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AccountFact {
    AccountOpened { account: AccountId, holder: Holder },
}

impl From<PupilFact> for PupilEvent {
    fn from(fact: PupilFact) -> Self {
        match fact {
            PupilFact::PupilRegistered { pupil, ine, civil_status } => Self::PupilRegistered {
                pupil,
                ine: ine.map(|ine| Personal::new(pupil, ine)),
                civil_status: Personal::new(pupil, civil_status),
            },
            PupilFact::PupilEnrolled { pupil, establishment, school_year, entered_on, placement } => {
                let placement = Personal::new(pupil, placement);
                Self::PupilEnrolled { establishment, school_year, entered_on, placement }
            }
            PupilFact::GuardianLinked { guardian, establishment, level, relationship } => {
                let relationship = Personal::new(guardian, relationship);
                Self::GuardianLinked { guardian, establishment, level, relationship }
            }
        }
    }
}

impl From<GuardianFact> for GuardianEvent {
    fn from(GuardianFact::GuardianRecorded { guardian, identity, contact }: GuardianFact) -> Self {
        let (identity, contact) = (Personal::new(guardian, identity), Personal::new(guardian, contact));
        Self::GuardianRecorded { guardian, identity, contact }
    }
}

impl From<AccountFact> for AccountEvent {
    fn from(AccountFact::AccountOpened { account, holder }: AccountFact) -> Self {
        Self::AccountOpened { account, holder }
    }
}

macro_rules! in_clear {
    ($(#[$doc:meta] $aggregate:ident of $fact:ident, $type:literal: $($variant:ident),+;)+) => {$(
        #[$doc]
        #[derive(Debug, Default, Serialize, Deserialize)]
        pub struct $aggregate;

        impl Aggregate for $aggregate {
            const TYPE: &'static str = $type;
            type Command = ();
            type Event = $fact;
            type Error = std::convert::Infallible;
            type Services = ();

            async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Self::Error> {
                Ok(())
            }

            fn apply(&mut self, _: $fact) {}
        }

        impl DomainEvent for $fact {
            fn event_type(&self) -> String {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)+
                }
                .to_owned()
            }

            fn event_version(&self) -> String {
                "1".to_owned()
            }
        }
    )+};
}

in_clear! {
    /// Pupils as plain postgres-es stores them.
    PlainPupil of PupilFact, "pupil": PupilRegistered, PupilEnrolled, GuardianLinked;
    /// Guardian records as plain postgres-es stores them.
    PlainGuardian of GuardianFact, "guardian": GuardianRecorded;
    /// Accounts as plain postgres-es stores them.
    PlainAccount of AccountFact, "account": AccountOpened;
}

/// A fact of any aggregate.
#[derive(Clone, Debug)]
pub enum Fact {
    Pupil(PupilFact),
    Guardian(GuardianFact),
    Account(AccountFact),
}

/// One event to append to a stream.
#[derive(Clone, Debug)]
pub struct Step {
    /// The stream's id.
    pub id: String,
    /// Place in the stream, from 1.
    pub sequence: u64,
    pub fact: Fact,
}

impl Step {
    /// Adds it to a unit of the ledger.
    pub fn push(self, unit: &mut Unit) {
        let (id, expected) = (self.id.as_str(), self.sequence - 1);
        match self.fact {
            Fact::Pupil(fact) => unit.push::<domain::pupil::Pupil>(id, expected, vec![fact.into()]),
            Fact::Guardian(fact) => unit.push::<domain::guardian::Guardian>(id, expected, vec![fact.into()]),
            Fact::Account(fact) => unit.push::<domain::account::Account>(id, expected, vec![fact.into()]),
        }
    }

    /// As the ledger's readers see it.
    pub fn event(self) -> domain::Event {
        match self.fact {
            Fact::Pupil(fact) => domain::Event::Pupil(fact.into()),
            Fact::Guardian(fact) => domain::Event::Guardian(fact.into()),
            Fact::Account(fact) => domain::Event::Account(fact.into()),
        }
    }
}

/// Events of one family.
pub const FAMILY: u64 = 9;

const FAMILY_NAMES: [&str; 6] = ["FICTIF", "EXEMPLE", "D’ESSAI", "ÉCHANTILLON", "TÉMOIN", "LE MODÈLE"];
const GIVEN_NAMES: [&str; 6] = ["Ana", "Noé", "Zoé", "Élie", "Maïa", "Jean-Loup"];

/// Two guardians, their child and the accounts of all three, under fresh ids.
pub fn family(number: u64) -> Vec<Step> {
    let pick = |from: &[&str; 6], salt: u64| from[((number / salt) % 6) as usize].to_owned();
    let ids: [Uuid; 6] = std::array::from_fn(|_| Uuid::new_v4());
    let [first, second, pupil, first_account, second_account, pupil_account] = ids;
    let family_name = pick(&FAMILY_NAMES, 1);
    let establishment = Uai::from_number(750_001 + (number / 500 % 1000) as u32).expect("seven digits");
    let born = NaiveDate::from_ymd_opt(2010, 1, 1).expect("a date") + Days::new(number % 3000);
    let guardian = |id: Uuid, salt: u64, title: &str| {
        let given_name = pick(&GIVEN_NAMES, salt);
        let fact = GuardianFact::GuardianRecorded {
            guardian: GuardianId(id),
            identity: GuardianIdentity {
                source_key: format!("siecle:01:{}", number * 2 + salt % 2),
                title: Some(title.to_owned()),
                family_name: family_name.clone(),
                usage_name: None,
                given_name,
            },
            contact: GuardianContact {
                mobile: format!("+3363998{:04}", (number * 2 + salt % 2) % 10_000).parse::<E164>().ok(),
                email: Some(format!("famille{number}.{salt}@example.org")),
            },
        };
        Step { id: id.to_string(), sequence: 1, fact: Fact::Guardian(fact) }
    };
    let of_pupil = |sequence, fact| Step { id: pupil.to_string(), sequence, fact: Fact::Pupil(fact) };
    let link = |guardian: Uuid, relationship| PupilFact::GuardianLinked {
        guardian: GuardianId(guardian),
        establishment,
        level: GuardianLevel::Legal,
        relationship: Some(relationship),
    };
    let account = |id: Uuid, holder| Step {
        id: id.to_string(),
        sequence: 1,
        fact: Fact::Account(AccountFact::AccountOpened { account: AccountId(id), holder }),
    };
    let registered = PupilFact::PupilRegistered {
        pupil: PupilId(pupil),
        ine: format!("{:09}HA", number % 1_000_000_000).parse().ok(),
        civil_status: CivilStatus {
            family_name: family_name.clone(),
            usage_name: None,
            given_names: vec![pick(&GIVEN_NAMES, 6), pick(&GIVEN_NAMES, 36)],
            birth_date: Some(born),
            sex: Some(if number.is_multiple_of(2) { Sex::Female } else { Sex::Male }),
        },
    };
    let enrolled = PupilFact::PupilEnrolled {
        pupil: PupilId(pupil),
        establishment,
        school_year: 2026,
        entered_on: NaiveDate::from_ymd_opt(2026, 9, 1),
        placement: Placement { class: Some("6EME B".to_owned()), mef: Some("10010012110".to_owned()), level: None },
    };
    vec![
        guardian(first, 6, "MME"),
        guardian(second, 7, "M."),
        of_pupil(1, registered),
        of_pupil(2, enrolled),
        of_pupil(3, link(first, Relationship::Mother)),
        of_pupil(4, link(second, Relationship::Father)),
        account(pupil_account, Holder::Pupil(PupilId(pupil))),
        account(first_account, Holder::Guardian(GuardianId(first))),
        account(second_account, Holder::Guardian(GuardianId(second))),
    ]
}

/// The circumstances of an import's command.
pub fn context() -> Context {
    let now: DateTime<Utc> = Utc::now();
    Context {
        command: CommandId(Uuid::now_v7()),
        actor: Actor::Import(ImportId(Uuid::from_u128(1))),
        on_behalf_of: None,
        reason: Reason::SchoolData,
        reference: None,
        effective_at: now,
    }
}

/// One client's steps, family after family.
pub struct Steps {
    number: u64,
    left: std::vec::IntoIter<Step>,
}

impl Steps {
    /// Families of this client's own.
    pub fn of(client: u64) -> Self {
        Self { number: client << 32, left: Vec::new().into_iter() }
    }

    /// The next step.
    pub fn next(&mut self) -> Step {
        loop {
            if let Some(step) = self.left.next() {
                return step;
            }
            self.left = family(self.number).into_iter();
            self.number += 1;
        }
    }
}
