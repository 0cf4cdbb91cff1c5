//! A small school world for tests: random commands through the real aggregates, reproducible from a seed.
//!
//! It keeps its own aggregates, so that a test can hold what the views say against what the aggregates say.

mod newer;

pub use newer::{NewerEvent, NewerGuardian, from_a_newer_program};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use cqrs_es::Aggregate;
use domain::account::{Account, AccountCommand, Detachment, Holder, PasswordOrigin, Purpose};
use domain::context::{Actor, Context, Reason};
use domain::erasure::Grounds;
use domain::establishment::{Establishment, EstablishmentCommand, ExportFormat, ImportCounts};
use domain::guardian::{ChildAsWritten, Guardian, GuardianCommand, GuardianContact, GuardianIdentity, HoldReason};
use domain::identifiers::{Academie, Degree, E164, GuardianLevel, Ine, Relationship, Sex, Uai};
use domain::ids::{AccountId, CommandId, FlowId, GuardianId, ImportId, PupilId, RelyingPartyId, SecretId};
use domain::personal::Sealable;
use domain::pupil::{CivilStatus, EnrolmentFact, LinkFact, Placement, Pupil, PupilCommand, SchoolData};
use domain::relying_party::{
    ClientAuthentication, Establishments, Registration, RelyingParty, RelyingPartyCommand, Terms,
};
use ledger::Unit;
use uuid::Uuid;

/// An aggregate of the world, with what its stream holds so far.
#[derive(Clone, Debug)]
pub struct Member<A> {
    /// Id of its stream.
    pub id: String,
    /// Number of its events.
    pub version: u64,
    /// As its events make it.
    pub state: A,
}

/// The world.
pub struct World {
    random: Random,
    /// Pupils.
    pub pupils: Vec<Member<Pupil>>,
    /// Guardian records.
    pub guardians: Vec<Member<Guardian>>,
    /// Accounts.
    pub accounts: Vec<Member<Account>>,
    /// Establishments.
    pub establishments: Vec<Member<Establishment>>,
    /// Relying parties.
    pub relying_parties: Vec<Member<RelyingParty>>,
}

/// SplitMix64: reproducible everywhere, and no dependency for a few test numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Members of a kind, at most.
const POPULATION: usize = 5;
const FAMILY_NAMES: [&str; 6] = ["Fictif", "Exemple", "D’Essai", "Échantillon", "Témoin", "Le Modèle"];
const GIVEN_NAMES: [&str; 6] = ["Ana", "Noé", "Zoé", "Élie", "Maïa", "Jean-Loup"];

impl World {
    /// A world of three establishments, still unregistered.
    pub fn new(seed: u64) -> Self {
        let establishment = |number| {
            let uai = Uai::from_number(number).expect("seven digits at most");
            Member { id: uai.to_string(), version: 0, state: Establishment::default() }
        };
        Self {
            random: Random(seed),
            pupils: Vec::new(),
            guardians: Vec::new(),
            accounts: Vec::new(),
            establishments: [750_001, 590_002, 690_003].map(establishment).into(),
            relying_parties: Vec::new(),
        }
    }

    /// The next command that changes something, with its events already applied here. Append the units in order.
    pub fn step(&mut self) -> Unit {
        loop {
            let unit = match self.random.below(100) {
                0..40 => self.school_data(),
                40..46 => self.absence(),
                46..60 => self.guardian(),
                60..92 => self.account(),
                92..97 => self.establishment(),
                _ => self.relying_party(),
            };
            if let Some(unit) = unit {
                return unit;
            }
        }
    }

    /// Erases somebody: a pupil, a guardian record (whom every pupil then forgets) or an account, with the key. `None`
    /// where whoever was chosen is not there or erased already.
    pub fn erase(&mut self) -> Option<Unit> {
        let grounds = Grounds::OwnRequest;
        let context = self.context();
        let kind = self.random.below(3);
        let choice = self.random.next() as usize;
        match kind {
            0 if !self.pupils.is_empty() => {
                let index = choice % self.pupils.len();
                let id: PupilId = self.pupils[index].id.parse().ok()?;
                let unit =
                    decide(&mut self.pupils[index], context, |p| p.decide(PupilCommand::Erase { grounds }).ok())?;
                let mut unit = unit.erase(id);
                for member in &mut self.guardians {
                    let forget = GuardianCommand::ForgetChildren { pupils: [id].into() };
                    let Ok(events) = member.state.decide(forget) else { continue };
                    let expected = member.version;
                    for event in &events {
                        member.state.apply(event.clone());
                        member.version += 1;
                    }
                    unit.push::<Guardian>(&member.id, expected, events);
                }
                Some(unit)
            }
            1 if !self.guardians.is_empty() => {
                let index = choice % self.guardians.len();
                let guardian: GuardianId = self.guardians[index].id.parse().ok()?;
                let erased = |g: &Guardian| g.decide(GuardianCommand::Erase { grounds }).ok();
                let mut unit = decide(&mut self.guardians[index], context, erased)?.erase(guardian);
                for member in &mut self.pupils {
                    let Ok(events) = member.state.decide(PupilCommand::ForgetGuardian { guardian }) else { continue };
                    let expected = member.version;
                    for event in &events {
                        member.state.apply(event.clone());
                        member.version += 1;
                    }
                    unit.push::<Pupil>(&member.id, expected, events);
                }
                Some(unit)
            }
            2 if !self.accounts.is_empty() => {
                let index = choice % self.accounts.len();
                let id: AccountId = self.accounts[index].id.parse().ok()?;
                let erased = |a: &Account| a.decide(AccountCommand::Erase { grounds }).ok();
                Some(decide(&mut self.accounts[index], context, erased)?.erase(id))
            }
            _ => None,
        }
    }

    fn context(&mut self) -> Context {
        let actor = match self.random.below(3) {
            0 => Actor::Service,
            1 => Actor::Import(ImportId(self.random.uuid())),
            _ => Actor::Operator("17".to_owned()),
        };
        let on_behalf_of = self.random.chance(10).then(|| Actor::Account(AccountId(self.random.uuid())));
        Context {
            command: CommandId(self.random.uuid()),
            actor,
            on_behalf_of,
            reason: self.random.pick(&[Reason::SchoolData, Reason::OwnRequest, Reason::Rule]),
            reference: self.random.chance(20).then(|| "K7R2WAQ0X4".to_owned()),
            effective_at: self.time(),
        }
    }

    fn time(&mut self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(1_788_000_000, 0).expect("a time in range");
        start + TimeDelta::seconds(self.random.below(1_000_000) as i64)
    }

    fn date(&mut self) -> NaiveDate {
        let start = NaiveDate::from_ymd_opt(2010, 1, 1).expect("a date that exists");
        start + Days::new(self.random.below(4_000) as u64)
    }

    fn uai(&mut self) -> Uai {
        let index = self.random.below(self.establishments.len());
        self.establishments[index].id.parse().expect("made from a UAI")
    }

    /// A new member in one of five cases, and always while there is none; few enough that paths cross.
    fn choose<A: Default>(random: &mut Random, members: &mut Vec<Member<A>>) -> usize {
        if members.is_empty() || (members.len() < POPULATION && random.chance(20)) {
            members.push(Member { id: random.uuid().to_string(), version: 0, state: A::default() });
            return members.len() - 1;
        }
        random.below(members.len())
    }

    fn school_data(&mut self) -> Option<Unit> {
        let index = Self::choose(&mut self.random, &mut self.pupils);
        let pupil: PupilId = self.pupils[index].id.parse().expect("made from a UUID");
        let (establishment, day) = (self.uai(), self.date());
        let digits = self.random.below(1_000_000_000);
        let ine: Option<Ine> = format!("{digits:09}HA").parse().ok();
        let leaves = self.random.chance(15);
        let (year, has_ine) = (2025 + self.random.below(2) as u16, self.random.chance(30));
        let data = SchoolData {
            pupil,
            ine: ine.filter(|_| has_ine),
            civil_status: self.civil_status(),
            enrolment: EnrolmentFact {
                establishment,
                school_year: year,
                entered_on: self.random.chance(50).then_some(day),
                left_on: leaves.then_some(day),
                leaving_reason: leaves.then(|| "1".to_owned()),
                placement: Placement {
                    class: Some(self.random.pick(&["6A", "6B", "CM2"]).to_owned()),
                    mef: None,
                    level: self.random.chance(50).then(|| "CM2".to_owned()),
                },
            },
            links: self.links(),
        };
        let context = self.context();
        decide(&mut self.pupils[index], context, |pupil| {
            pupil.decide(PupilCommand::RecordSchoolData(Box::new(data))).ok()
        })
    }

    fn civil_status(&mut self) -> CivilStatus {
        CivilStatus {
            family_name: self.random.pick(&FAMILY_NAMES).to_owned(),
            usage_name: self.random.chance(20).then(|| "D’Usage".to_owned()),
            given_names: vec![self.random.pick(&GIVEN_NAMES).to_owned(), "Camille".to_owned()],
            birth_date: self.random.chance(90).then(|| self.date()),
            sex: Some(self.random.pick(&[Sex::Female, Sex::Male])),
        }
    }

    fn links(&mut self) -> Vec<LinkFact> {
        let mut known: Vec<GuardianId> = self
            .guardians
            .iter()
            .filter(|m| m.version > 0 && !m.state.erased)
            .filter_map(|m| m.id.parse().ok())
            .collect();
        let mut links = Vec::new();
        for _ in 0..self.random.below(4) {
            if known.is_empty() {
                break;
            }
            let guardian = known.swap_remove(self.random.below(known.len()));
            let level = self.random.pick(&[GuardianLevel::Legal, GuardianLevel::Legal, GuardianLevel::Contact]);
            let relationship = self.random.pick(&[None, Some(Relationship::Mother), Some(Relationship::Father)]);
            links.push(LinkFact { guardian, level, relationship });
        }
        links
    }

    fn absence(&mut self) -> Option<Unit> {
        let index = self.random.below(self.pupils.len());
        let (establishment, on, context) = (self.uai(), self.date(), self.context());
        let member = self.pupils.get_mut(index)?;
        decide(member, context, |pupil| pupil.decide(PupilCommand::RecordAbsence { establishment, on }).ok())
    }

    fn guardian(&mut self) -> Option<Unit> {
        let index = Self::choose(&mut self.random, &mut self.guardians);
        let guardian: GuardianId = self.guardians[index].id.parse().expect("made from a UUID");
        let command = match self.random.below(4) {
            0 => GuardianCommand::HoldLinks {
                establishment: self.uai(),
                links: vec![(
                    ChildAsWritten {
                        family_name: self.random.pick(&FAMILY_NAMES).to_owned(),
                        given_name: self.random.pick(&GIVEN_NAMES).to_owned(),
                        class: None,
                    },
                    self.candidate().into_iter().collect(),
                    self.random.pick(&[HoldReason::Ambiguous, HoldReason::NoSuchPupil]),
                )],
            },
            1 => GuardianCommand::SettleLink { number: 1 + self.random.below(2) as u32, pupil: None },
            _ => GuardianCommand::RecordSchoolData {
                guardian,
                identity: GuardianIdentity {
                    source_key: format!("01|{index}"),
                    title: Some("MME".to_owned()),
                    family_name: self.random.pick(&FAMILY_NAMES).to_owned(),
                    usage_name: None,
                    given_name: self.random.pick(&GIVEN_NAMES).to_owned(),
                },
                contact: GuardianContact {
                    mobile: self.random.chance(80).then(|| fictional_mobile(index)),
                    email: self.random.chance(30).then(|| format!("parent{index}@example.org")),
                },
            },
        };
        let context = self.context();
        decide(&mut self.guardians[index], context, |guardian| guardian.decide(command).ok())
    }

    /// A pupil whom a waiting link may mean: nobody erased.
    fn candidate(&self) -> Option<PupilId> {
        let pupil = self.pupils.first().filter(|pupil| pupil.version > 0 && !pupil.state.erased)?;
        pupil.id.parse().ok()
    }

    fn account(&mut self) -> Option<Unit> {
        let index = Self::choose(&mut self.random, &mut self.accounts);
        let account: AccountId = self.accounts[index].id.parse().expect("made from a UUID");
        let command = self.account_command(index, account)?;
        let context = self.context();
        decide(&mut self.accounts[index], context, |account| account.decide(command).ok())
    }

    fn account_command(&mut self, index: usize, account: AccountId) -> Option<AccountCommand> {
        let pupil: PupilId = self.pupils.get(self.random.below(self.pupils.len()))?.id.parse().ok()?;
        let guardian: GuardianId = self.guardians.get(self.random.below(self.guardians.len()))?.id.parse().ok()?;
        let (secret, expires_at) = (SecretId(self.random.uuid()), self.time());
        let flow = self.accounts[index].state.codes.keys().next().copied();
        let flow = flow.unwrap_or(FlowId(self.random.uuid()));
        let proved = self.accounts[index].state.proved.map(|(flow, _)| flow);
        if self.accounts[index].version == 0 {
            let holder = if self.random.chance(80) { Holder::Guardian(guardian) } else { Holder::Pupil(pupil) };
            return Some(AccountCommand::Open { account, holder });
        }
        Some(match self.random.below(16) {
            0 => AccountCommand::AttachGuardianRecord { guardian },
            1 => AccountCommand::DetachGuardianRecord { guardian },
            2 | 3 => AccountCommand::IssueCode {
                purpose: self.random.pick(&[Purpose::Activation, Purpose::CredentialReset]),
                flow,
                secret,
                to: fictional_mobile(index),
                expires_at,
            },
            4 | 5 => AccountCommand::AcceptCode { flow, now: expires_at - TimeDelta::days(30) },
            6..9 => {
                let day = self.date();
                AccountCommand::ConfirmChild { pupil, claimed: day, on_record: day }
            }
            9 => AccountCommand::ReportChild { pupil },
            10 => AccountCommand::DetachChild { pupil, cause: Detachment::NoLongerLegalGuardian },
            11 => AccountCommand::AssignLogin { login: format!("t.essai{index}") },
            12 => AccountCommand::ChoosePassword { secret, origin: PasswordOrigin::Reset, flow: proved },
            13 => AccountCommand::IssueProvisionalPassword { secret, expires_at },
            14 => self.random.pick(&[true, false]).then_some(AccountCommand::Disable)?,
            _ => {
                if self.random.chance(10) {
                    AccountCommand::Close
                } else {
                    AccountCommand::Enable
                }
            }
        })
    }

    fn establishment(&mut self) -> Option<Unit> {
        let index = self.random.below(self.establishments.len());
        let uai: Uai = self.establishments[index].id.parse().expect("made from a UAI");
        let running = self.establishments[index].state.last_import.as_ref().filter(|run| !run.completed);
        let running = running.map(|run| run.import);
        let command = match (self.random.below(3), running) {
            (0, _) => EstablishmentCommand::Describe {
                uai,
                name: Some(format!("Collège {}", self.random.pick(&FAMILY_NAMES))),
                academie: Academie::from_code(1).ok(),
                degree: self.random.pick(&[Degree::First, Degree::Second]),
            },
            (_, Some(import)) => EstablishmentCommand::CompleteImport {
                import,
                counts: ImportCounts { pupils: self.random.next() % 1000, ..ImportCounts::default() },
            },
            (_, None) => EstablishmentCommand::BeginImport {
                import: ImportId(self.random.uuid()),
                format: self.random.pick(&[ExportFormat::Siecle, ExportFormat::Onde]),
                school_year: 2026,
                exported_at: self.date().and_hms_opt(8, 30, 0)?,
                digests: vec![self.random.uuid().to_string()],
                allow_older: true,
            },
        };
        let context = self.context();
        decide(&mut self.establishments[index], context, |establishment| establishment.decide(command).ok())
    }

    fn relying_party(&mut self) -> Option<Unit> {
        let index = Self::choose(&mut self.random, &mut self.relying_parties);
        let id: RelyingPartyId = self.relying_parties[index].id.parse().expect("made from a UUID");
        let secret = SecretId(self.random.uuid());
        let registration = Registration {
            name: self.random.pick(&FAMILY_NAMES).to_owned(),
            redirect_uris: vec!["https://service.example.org/retour".to_owned()],
            post_logout_redirect_uris: Vec::new(),
            scopes: ["openid".to_owned()].into(),
            sector_identifier: "service.example.org".to_owned(),
            authentication: ClientAuthentication::ClientSecretBasic,
            establishments: Establishments::Only([self.uai()].into()),
            terms: Terms::default(),
        };
        let command = match self.random.below(5) {
            0 => RelyingPartyCommand::Change { registration, secret: None },
            1 => RelyingPartyCommand::ReplaceSecret { secret },
            2 => RelyingPartyCommand::Disable,
            3 => RelyingPartyCommand::Enable,
            _ => RelyingPartyCommand::Register { id, registration, secret: Some(secret) },
        };
        let context = self.context();
        decide(&mut self.relying_parties[index], context, |party| party.decide(command).ok())
    }
}

/// A sample event as if it had been recorded, on a stream of its kind.
#[cfg(test)]
pub(crate) fn recorded(position: u64, event: domain::Event) -> ledger::RecordedEvent {
    let establishment = event.stream_type() == Establishment::TYPE;
    let stream_id = if establishment { "0210001A".to_owned() } else { domain::samples::PUPIL.to_string() };
    ledger::RecordedEvent {
        position,
        stream_type: event.stream_type().to_owned(),
        stream_id,
        sequence: 1,
        recorded_at: DateTime::UNIX_EPOCH,
        effective_at: DateTime::UNIX_EPOCH,
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Rule,
        command: CommandId(Uuid::nil()),
        reference: None,
        leaf: [0; 32],
        event,
    }
}

/// Decides, applies, and makes the unit; `None` where the command is refused or changes nothing.
fn decide<A>(
    member: &mut Member<A>,
    context: Context,
    decision: impl FnOnce(&A) -> Option<Vec<A::Event>>,
) -> Option<Unit>
where
    A: Aggregate,
    A::Event: Sealable + Clone,
{
    let events = decision(&member.state).filter(|events| !events.is_empty())?;
    let expected = member.version;
    for event in &events {
        member.state.apply(event.clone());
        member.version += 1;
    }
    Some(Unit::new(context).stream::<A>(&member.id, expected, events))
}

/// A mobile number of the range set aside for fiction.
fn fictional_mobile(number: usize) -> E164 {
    format!("+3363998{:04}", number % 10_000).parse().expect("an E.164 number")
}
