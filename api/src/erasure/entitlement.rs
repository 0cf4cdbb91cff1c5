//! Whose entitlement ended long enough ago to be erased.
//!
//! - A **pupil** is entitled while enrolled somewhere; the account goes with the record.
//! - A **guardian** is entitled to the account while one of the records behind it is the legal guardian of an enrolled
//!   pupil. While a school still declares a record in another role the record stays, and the account goes alone.
//!
//! Candidates come from the views; what decides, and since when, comes from the streams.

use super::{Eraser, ErasureError, Person};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use cqrs_es::Aggregate;
use domain::Event;
use domain::account::{Account, AccountEvent, Status};
use domain::context::Actor;
use domain::erasure::Grounds;
use domain::guardian::Guardian;
use domain::identifiers::GuardianLevel;
use domain::ids::{AccountId, GuardianId, PupilId, SubjectId};
use domain::pupil::{Pupil, PupilEvent};
use ledger::RecordedEvent;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Candidates looked at in one go.
const PAGE: i64 = 500;
/// Events of a timeline read at once.
const EVENTS: u32 = 500;

/// Where a search stands: the candidates are gone through by kind and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    kind: Kind,
    after: Uuid,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { kind: Kind::Pupil, after: Uuid::nil() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pupil,
    Guardian,
    Account,
}

impl Kind {
    fn next(self) -> Option<Self> {
        match self {
            Self::Pupil => Some(Self::Guardian),
            Self::Guardian => Some(Self::Account),
            Self::Account => None,
        }
    }

    /// The next candidates by id: pupils enrolled nowhere, guardian records that nobody enrolled names, guardians'
    /// accounts without a legal responsibility. Each look is by an index.
    fn candidates(self) -> &'static str {
        match self {
            Self::Pupil => {
                "SELECT p.id FROM view_people.pupil p WHERE p.id > $1 \
                 AND NOT EXISTS (SELECT FROM view_people.enrolment e WHERE e.pupil = p.id) ORDER BY p.id LIMIT $2"
            }
            Self::Guardian => {
                "SELECT g.id FROM view_people.guardian g WHERE g.id > $1 AND NOT EXISTS \
                 (SELECT FROM view_people.link l JOIN view_people.enrolment e ON e.pupil = l.pupil \
                  WHERE l.guardian = g.id) ORDER BY g.id LIMIT $2"
            }
            Self::Account => {
                "SELECT a.id FROM view_accounts.account a WHERE a.id > $1 AND a.holder_kind = 'guardian' \
                 AND NOT EXISTS (SELECT FROM view_accounts.account_guardian g \
                     JOIN view_people.link l ON l.guardian = g.guardian AND l.level = 1 \
                     JOIN view_people.enrolment e ON e.pupil = l.pupil WHERE g.account = a.id) \
                 ORDER BY a.id LIMIT $2"
            }
        }
    }
}

/// Someone to erase, and since when they are no longer entitled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Who.
    pub person: Person,
    /// Since when.
    pub ended_at: DateTime<Utc>,
}

/// What one look found.
#[derive(Debug)]
pub struct Page {
    /// Those to erase.
    pub due: Vec<Due>,
    /// Where to go on; `None` when everybody has been looked at.
    pub next: Option<Cursor>,
}

/// Looks at the next candidates: whose entitlement ended before `before`?
///
/// # Errors
/// When the ledger or the database fails.
pub async fn due(eraser: &Eraser, cursor: Cursor, before: DateTime<Utc>) -> Result<Page, ErasureError> {
    let Cursor { kind, after } = cursor;
    let candidates: Vec<Uuid> =
        sqlx::query_scalar(kind.candidates()).bind(after).bind(PAGE).fetch_all(&eraser.db).await?;
    let next = match candidates.last() {
        Some(last) if candidates.len() as i64 == PAGE => Some(Cursor { kind, after: *last }),
        _ => kind.next().map(|kind| Cursor { kind, after: Uuid::nil() }),
    };
    let mut due: Vec<Due> = Vec::new();
    for candidate in candidates {
        let person = match kind {
            Kind::Account => {
                let account = eraser.ledger.load::<Account>(&candidate.to_string()).await?.aggregate;
                account_alone(eraser, AccountId(candidate), &account).await?
            }
            Kind::Pupil | Kind::Guardian => eraser.person_of(SubjectId(candidate)).await?,
        };
        let Some(person) = person.filter(|person| !due.iter().any(|known| known.person == *person)) else { continue };
        if let Some(ended_at) = ended(eraser, &person).await?.filter(|ended_at| *ended_at < before) {
            due.push(Due { person, ended_at });
        }
    }
    Ok(Page { due, next })
}

/// A guardian's account without its records: they are still declared, in another role. Where none of them is, the
/// record's own turn takes the account along.
async fn account_alone(eraser: &Eraser, id: AccountId, account: &Account) -> Result<Option<Person>, ErasureError> {
    if account.erased || account.status == Status::Absent {
        return Ok(None);
    }
    let records: Vec<Uuid> = account.guardians.iter().map(|record| record.0).collect();
    let declared: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM view_people.link l JOIN view_people.enrolment e ON e.pupil = l.pupil \
         WHERE l.guardian = ANY($1))",
    )
    .bind(&records)
    .fetch_one(&eraser.db)
    .await?;
    let alone = declared || records.is_empty();
    Ok(alone.then(|| Person { accounts: BTreeSet::from([id]), ..Person::default() }))
}

/// Since when a person is no longer entitled; `None` while they are.
async fn ended(eraser: &Eraser, person: &Person) -> Result<Option<DateTime<Utc>>, ErasureError> {
    let ledger = &eraser.ledger;
    let mut latest = DateTime::UNIX_EPOCH;
    for pupil in &person.pupils {
        if !ledger.load::<Pupil>(&pupil.to_string()).await?.aggregate.enrolments.is_empty() {
            return Ok(None);
        }
        latest = latest.max(last(&events(eraser, &pupil.to_string()).await?, &leaves_school));
    }
    let records = records(eraser, person).await?;
    let alone = person.guardians.is_empty();
    for guardian in &records {
        if alone && ledger.load::<Guardian>(&guardian.to_string()).await?.aggregate.erased {
            continue;
        }
        let told = events(eraser, &guardian.to_string()).await?;
        for pupil in pupils_of(&told, *guardian) {
            let state = ledger.load::<Pupil>(&pupil.to_string()).await?.aggregate;
            let names = |level: GuardianLevel| !alone || level == GuardianLevel::Legal;
            let named = state.links.iter().any(|((_, id), link)| id == guardian && names(link.level));
            if named && !state.enrolments.is_empty() {
                return Ok(None);
            }
            latest = latest.max(last(&events(eraser, &pupil.to_string()).await?, &leaves_school));
        }
        latest = latest.max(last(&told, &|event| concerns(event, *guardian)));
    }
    for account in &person.accounts {
        let told = events(eraser, &account.to_string()).await?;
        let opened = |event: &Event| {
            matches!(
                event,
                Event::Account(AccountEvent::AccountOpened { .. } | AccountEvent::GuardianRecordDetached { .. })
            )
        };
        latest = latest.max(last(&told, &opened));
    }
    Ok(Some(latest))
}

/// The records whose pupils decide: the person's own, or those behind an account that goes alone.
async fn records(eraser: &Eraser, person: &Person) -> Result<BTreeSet<GuardianId>, ErasureError> {
    let mut records = person.guardians.clone();
    for account in person.accounts.iter().filter(|_| person.guardians.is_empty()) {
        records.extend(eraser.ledger.load::<Account>(&account.to_string()).await?.aggregate.guardians);
    }
    Ok(records)
}

fn last(events: &[RecordedEvent], counts: &dyn Fn(&Event) -> bool) -> DateTime<Utc> {
    let times = events.iter().filter(|event| counts(&event.event)).map(|event| event.recorded_at);
    times.max().unwrap_or(DateTime::UNIX_EPOCH)
}

fn leaves_school(event: &Event) -> bool {
    matches!(
        event,
        Event::Pupil(
            PupilEvent::PupilRegistered { .. }
                | PupilEvent::PupilEnrolled { .. }
                | PupilEvent::PupilTransferred { .. }
                | PupilEvent::PupilDeparted { .. }
        )
    )
}

/// A school spoke of this record, or of what it is to a pupil.
fn concerns(event: &Event, guardian: GuardianId) -> bool {
    match event {
        Event::Guardian(_) => true,
        Event::Pupil(event) => linked(event) == Some(guardian),
        Event::Account(_) | Event::Establishment(_) | Event::RelyingParty(_) => false,
        Event::LedgerManifest(_) | Event::InitialAccess(_) | Event::Auditor(_) | Event::Rules(_) => false,
    }
}

fn linked(event: &PupilEvent) -> Option<GuardianId> {
    match event {
        PupilEvent::GuardianLinked { guardian, .. }
        | PupilEvent::GuardianLinkChanged { guardian, .. }
        | PupilEvent::GuardianUnlinked { guardian, .. } => Some(*guardian),
        PupilEvent::PupilRegistered { .. }
        | PupilEvent::IneAssigned { .. }
        | PupilEvent::CivilStatusCorrected { .. }
        | PupilEvent::PupilEnrolled { .. }
        | PupilEvent::PlacementChanged { .. }
        | PupilEvent::PupilTransferred { .. }
        | PupilEvent::PupilDeparted { .. }
        | PupilEvent::PupilErased { .. } => None,
    }
}

/// The pupils whom any school ever declared a record responsible for.
fn pupils_of(events: &[RecordedEvent], guardian: GuardianId) -> BTreeSet<PupilId> {
    let linked = events.iter().filter(|recorded| match &recorded.event {
        Event::Pupil(event) => linked(event) == Some(guardian),
        Event::Guardian(_) | Event::Account(_) | Event::Establishment(_) | Event::RelyingParty(_) => false,
        Event::LedgerManifest(_) | Event::InitialAccess(_) | Event::Auditor(_) | Event::Rules(_) => false,
    });
    linked.filter(|recorded| recorded.stream_type == Pupil::TYPE).filter_map(|e| e.stream_id.parse().ok()).collect()
}

/// Everything recorded of someone, by the timeline.
async fn events(eraser: &Eraser, entity: &str) -> Result<Vec<RecordedEvent>, ErasureError> {
    let (mut events, mut from) = (Vec::new(), 0);
    loop {
        let positions = eraser.views.timeline(&[entity.to_owned()], from, EVENTS).await?;
        let Some(last) = positions.last() else { return Ok(events) };
        from = last + 1;
        events.extend(eraser.ledger.read_positions(&positions).await?);
    }
}

/// The daily search of the service, carried on from round to round.
#[derive(Debug, Default)]
pub struct Daily {
    under_way: Option<(NaiveDate, Cursor, u64)>,
}

impl Daily {
    /// One bounded piece of work: a page of candidates, and of those past retention everybody. Does nothing once the
    /// day's search is over. Several instances may search at once: nobody is erased twice.
    ///
    /// # Errors
    /// When the ledger or the database fails; the next round goes on.
    pub async fn round(&mut self, eraser: &Eraser, keep: TimeDelta) -> Result<(), ErasureError> {
        let now = eraser.ledger.now();
        let today = now.date_naive();
        let (day, cursor, erased) = match self.under_way {
            Some(under_way) => under_way,
            None if self.is_over(eraser, today).await? => return Ok(()),
            None => (today, Cursor::default(), 0),
        };
        let page = due(eraser, cursor, now - keep).await?;
        let mut erased = erased;
        for due in page.due {
            eraser.erase(&due.person, Grounds::EntitlementEnded, Actor::Service).await?;
            erased += 1;
        }
        self.under_way = page.next.map(|next| (day, next, erased));
        if self.under_way.is_none() {
            sqlx::query(
                "INSERT INTO service.retention_day (day, finished_at, erased) VALUES ($1, $2, $3) \
                 ON CONFLICT (day) DO NOTHING",
            )
            .bind(day)
            .bind(now)
            .bind(i64::try_from(erased).unwrap_or(i64::MAX))
            .execute(&eraser.db)
            .await?;
            sqlx::query("DELETE FROM service.retention_day WHERE day < $1")
                .bind(day - TimeDelta::days(400))
                .execute(&eraser.db)
                .await?;
            tracing::info!(%day, erased, "whoever was past retention is erased");
        }
        Ok(())
    }

    async fn is_over(&self, eraser: &Eraser, day: NaiveDate) -> Result<bool, ErasureError> {
        let over = sqlx::query_scalar("SELECT EXISTS (SELECT FROM service.retention_day WHERE day = $1)");
        Ok(over.bind(day).fetch_one(&eraser.db).await?)
    }
}
