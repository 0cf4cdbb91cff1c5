//! What an account was at a moment: its aggregates folded up to a position.

use crate::account;
use crate::language::Language;
use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, Utc};
use cqrs_es::Aggregate;
use domain::Event;
use domain::account::{Account, Holder, Status};
use domain::guardian::Guardian;
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::pupil::Pupil;
use ledger::{Ledger, RecordedEvent};
use serde::Serialize;

/// A moment, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the event at this position.
    Position(u64),
    /// After the last event recorded at or before this time.
    Time(DateTime<Utc>),
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self::Time(time.to_utc()))
            .map_err(|_| "give a position (a number) or a time such as 2026-09-01T08:00:00Z".to_owned())
    }
}

/// An account at a moment. Personal values are in clear; `None` where unknown or erased.
#[derive(Debug, Serialize)]
pub struct State {
    /// The last event that counts.
    pub position: u64,
    /// When that event was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The account.
    pub account: AccountId,
    /// Where it stood.
    pub status: Status,
    /// Whose it is.
    pub holder: Option<Holder>,
    /// Login.
    pub login: Option<String>,
    /// A provisional password was in force.
    pub must_change_password: bool,
    /// The pupil who holds it; guardians' accounts have none.
    pub pupil: Option<Child>,
    /// Guardian records behind it.
    pub guardians: Vec<Record>,
    /// Children confirmed or reported.
    pub children: Vec<Child>,
}

/// A guardian record at the moment.
#[derive(Debug, Serialize)]
pub struct Record {
    /// The record.
    pub guardian: GuardianId,
    /// Name.
    pub name: Option<String>,
    /// Mobile.
    pub mobile: Option<String>,
    /// E-mail.
    pub email: Option<String>,
}

/// A pupil at the moment.
#[derive(Debug, Serialize)]
pub struct Child {
    /// The pupil.
    pub pupil: PupilId,
    /// Confirmed by birth date; `false` for a reported child.
    pub confirmed: bool,
    /// Name.
    pub name: Option<String>,
    /// Birth date.
    pub birth_date: Option<NaiveDate>,
    /// One of the account's records was a legal guardian then.
    pub legal_guardian: bool,
    /// Where enrolled.
    pub enrolments: Vec<Place>,
}

/// An enrolment at the moment.
#[derive(Debug, Serialize)]
pub struct Place {
    /// UAI.
    pub establishment: String,
    /// Start year of the school year.
    pub school_year: u16,
    /// Class.
    pub class: Option<String>,
    /// Level.
    pub level: Option<String>,
}

/// The last event recorded at or before a time, or the one at a position; its position and time.
///
/// # Errors
/// Nothing had been recorded then, or the ledger can't be read.
pub async fn resolve(ledger: &Ledger, moment: Option<Moment>) -> anyhow::Result<(u64, DateTime<Utc>)> {
    let (size, _) = ledger.root().await?;
    let last = size.checked_sub(1).context("the ledger is empty")?;
    let at = match moment {
        None => last,
        Some(Moment::Position(position)) if position > last => {
            bail!("the ledger ends at position {last}; there is no event {position} yet")
        }
        Some(Moment::Position(position)) => position,
        Some(Moment::Time(time)) => {
            // Recorded times never go back, so they can be searched by halves: positions before `low` are not
            // later than the time, those from `high` on are.
            let (mut low, mut high) = (0, size);
            while low < high {
                let middle = low + (high - low) / 2;
                if recorded_at(ledger, middle).await? <= time { low = middle + 1 } else { high = middle }
            }
            low.checked_sub(1).with_context(|| format!("nothing had been recorded yet at {time}"))?
        }
    };
    Ok((at, recorded_at(ledger, at).await?))
}

async fn recorded_at(ledger: &Ledger, position: u64) -> anyhow::Result<DateTime<Utc>> {
    let events = ledger.read_positions(&[position]).await?;
    Ok(events.first().with_context(|| format!("event {position} is missing"))?.recorded_at)
}

/// The account as it was after the event at `position`.
///
/// # Errors
/// It did not exist then, or the ledger can't be read.
pub async fn state(
    ledger: &Ledger,
    account: AccountId,
    position: u64,
    recorded_at: DateTime<Utc>,
) -> anyhow::Result<State> {
    let folded: Account = fold(account::events(ledger, account).await?, position, |event| match event {
        Event::Account(event) => Some(event),
        Event::Pupil(_)
        | Event::Guardian(_)
        | Event::Establishment(_)
        | Event::LedgerManifest(_)
        | Event::RelyingParty(_) => None,
    });
    if folded.status == Status::Absent {
        bail!("account {account} did not exist yet at position {position}");
    }
    let mut guardians = Vec::new();
    for guardian in &folded.guardians {
        guardians.push(record(ledger, *guardian, position).await?);
    }
    let mut children = Vec::new();
    for pupil in folded.confirmed.union(&folded.reported) {
        children.push(child(ledger, *pupil, &folded, position).await?);
    }
    let pupil = match folded.holder {
        Some(Holder::Pupil(pupil)) => Some(child(ledger, pupil, &folded, position).await?),
        Some(Holder::Guardian(_)) | None => None,
    };
    Ok(State {
        position,
        recorded_at,
        account,
        status: folded.status,
        holder: folded.holder,
        login: folded.login.as_ref().and_then(|login| login.known().cloned()),
        must_change_password: folded.must_change_password(),
        pupil,
        guardians,
        children,
    })
}

/// Folds the events up to a position.
fn fold<A: Aggregate>(
    events: Vec<RecordedEvent>,
    position: u64,
    of_aggregate: impl Fn(Event) -> Option<A::Event>,
) -> A {
    let mut aggregate = A::default();
    let in_time = events.into_iter().filter(|event| event.position <= position);
    in_time.filter_map(|event| of_aggregate(event.event)).for_each(|event| aggregate.apply(event));
    aggregate
}

async fn record(ledger: &Ledger, guardian: GuardianId, position: u64) -> anyhow::Result<Record> {
    let events = ledger.read_stream(Guardian::TYPE, &guardian.to_string(), 1).await?;
    let folded: Guardian = fold(events, position, |event| match event {
        Event::Guardian(event) => Some(event),
        Event::Pupil(_)
        | Event::Account(_)
        | Event::Establishment(_)
        | Event::LedgerManifest(_)
        | Event::RelyingParty(_) => None,
    });
    let identity = folded.identity.as_ref().and_then(|identity| identity.known());
    let contact = folded.contact.as_ref().and_then(|contact| contact.known());
    Ok(Record {
        guardian,
        name: identity.map(|identity| format!("{} {}", identity.given_name, identity.family_name)),
        mobile: contact.and_then(|contact| contact.mobile.as_ref()).map(ToString::to_string),
        email: contact.and_then(|contact| contact.email.clone()),
    })
}

async fn child(ledger: &Ledger, pupil: PupilId, account: &Account, position: u64) -> anyhow::Result<Child> {
    let events = ledger.read_stream(Pupil::TYPE, &pupil.to_string(), 1).await?;
    let folded: Pupil = fold(events, position, |event| match event {
        Event::Pupil(event) => Some(event),
        Event::Guardian(_)
        | Event::Account(_)
        | Event::Establishment(_)
        | Event::LedgerManifest(_)
        | Event::RelyingParty(_) => None,
    });
    let status = folded.civil_status.as_ref().and_then(|status| status.known());
    let places = folded.enrolments.iter().map(|(uai, enrolment)| {
        let placement = enrolment.placement.known();
        Place {
            establishment: uai.to_string(),
            school_year: enrolment.school_year,
            class: placement.and_then(|placement| placement.class.clone()),
            level: placement.and_then(|placement| placement.level.clone()),
        }
    });
    Ok(Child {
        pupil,
        confirmed: account.confirmed.contains(&pupil),
        name: status.map(|status| format!("{} {}", status.given_names.join(" "), status.family_name)),
        birth_date: status.and_then(|status| status.birth_date),
        legal_guardian: folded.legal_guardians().any(|guardian| account.guardians.contains(&guardian)),
        enrolments: places.collect(),
    })
}

impl State {
    /// As a table for people.
    pub fn table(&self, language: Language) -> String {
        let unknown = || language.of("(inconnu ou effacé)", "(unknown or erased)").to_owned();
        let mut rows = vec![
            (language.of("Position", "Position"), self.position.to_string()),
            (language.of("Enregistré le", "Recorded at"), self.recorded_at.to_rfc3339()),
            (language.of("Compte", "Account"), self.account.to_string()),
            (language.of("État", "Status"), status_word(language, self.status).to_owned()),
            (language.of("Identifiant", "Login"), self.login.clone().unwrap_or_else(unknown)),
        ];
        if self.must_change_password {
            let text = language.of("à changer à la prochaine connexion", "to be changed at the next sign-in");
            rows.push((language.of("Mot de passe", "Password"), text.to_owned()));
        }
        for record in &self.guardians {
            let name = record.name.clone().unwrap_or_else(unknown);
            rows.push((language.of("Responsable", "Guardian"), format!("{name} ({})", record.guardian)));
        }
        let label = language.of("Élève", "Pupil");
        rows.extend(self.pupil.iter().map(|pupil| (label, pupil.line(language, None))));
        for child in &self.children {
            let word = match child.confirmed {
                true => language.of("confirmé", "confirmed"),
                false => language.of("signalé comme n’étant pas le sien", "reported as not theirs"),
            };
            rows.push((language.of("Enfant", "Child"), child.line(language, Some(word))));
        }
        let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
        rows.iter().map(|(label, value)| format!("{label:width$}  {value}\n")).collect()
    }
}

impl Child {
    fn line(&self, language: Language, word: Option<&str>) -> String {
        let name = self.name.as_deref().unwrap_or(language.of("(inconnu ou effacé)", "(unknown or erased)"));
        let mut line = format!("{name} ({})", self.pupil);
        if let Some(day) = self.birth_date {
            line.push_str(&format!(", {}", day.format(language.of("%d/%m/%Y", "%Y-%m-%d"))));
        }
        if let Some(word) = word {
            line.push_str(&format!(", {word}"));
            if !self.legal_guardian {
                line.push_str(language.of(", sans responsabilité légale", ", not a legal guardian"));
            }
        }
        for place in &self.enrolments {
            let class = place.class.as_deref().or(place.level.as_deref()).unwrap_or("–");
            line.push_str(&format!("; {} {class} {}", place.establishment, place.school_year));
        }
        line
    }
}

fn status_word(language: Language, status: Status) -> &'static str {
    match status {
        Status::Absent => language.of("inexistant", "does not exist"),
        Status::Open => language.of("ouvert, jamais utilisé", "open, never used"),
        Status::Activated => language.of("activé", "activated"),
        Status::Disabled { activated: _ } => language.of("désactivé", "disabled"),
        Status::Closed => language.of("fermé", "closed"),
    }
}
