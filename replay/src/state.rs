//! What an account was at a moment: its aggregates folded up to a position.

use crate::account::NoAccount;
use crate::fold::{Fold, life};
use crate::language::Language;
use crate::moment::AsOf;
use chrono::{DateTime, NaiveDate, Utc};
use domain::account::{Holder, Status};
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::pupil::Pupil;
use ledger::Ledger;
use serde::Serialize;

/// An account at a moment. Personal values are in clear; `None` where unknown or erased.
#[derive(Debug, Serialize)]
pub struct State {
    /// The last event that counts.
    pub position: u64,
    /// When that event was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Only what held by then counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<DateTime<Utc>>,
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

/// The account as it was after the last event of a moment.
///
/// # Errors
/// It did not exist then, or the ledger can't be read.
pub async fn state(ledger: &Ledger, account: AccountId, as_of: AsOf) -> anyhow::Result<State> {
    let fold = Fold::of(&life(ledger, account, as_of).await?);
    let folded = &fold.account;
    if folded.status == Status::Absent {
        return Err(NoAccount::Yet { account, as_of }.into());
    }
    let pupil = match folded.holder {
        Some(Holder::Pupil(pupil)) => Some(child(&fold, pupil)),
        Some(Holder::Guardian(_)) | None => None,
    };
    Ok(State {
        position: as_of.position,
        recorded_at: as_of.recorded_at,
        effective_at: as_of.effective_at,
        account,
        status: folded.status,
        holder: folded.holder,
        login: folded.login.as_ref().and_then(|login| login.known().cloned()),
        must_change_password: folded.must_change_password(),
        pupil,
        guardians: folded.guardians.iter().map(|guardian| record(&fold, *guardian)).collect(),
        children: folded.confirmed.union(&folded.reported).map(|pupil| child(&fold, *pupil)).collect(),
    })
}

fn record(fold: &Fold, guardian: GuardianId) -> Record {
    let folded = fold.guardians.get(&guardian);
    let identity = folded.and_then(|folded| folded.identity.as_ref()).and_then(|identity| identity.known());
    let contact = folded.and_then(|folded| folded.contact.as_ref()).and_then(|contact| contact.known());
    Record {
        guardian,
        name: identity.map(|identity| format!("{} {}", identity.given_name, identity.family_name)),
        mobile: contact.and_then(|contact| contact.mobile.as_ref()).map(ToString::to_string),
        email: contact.and_then(|contact| contact.email.clone()),
    }
}

fn child(fold: &Fold, pupil: PupilId) -> Child {
    let unknown = Pupil::default();
    let folded = fold.pupils.get(&pupil).unwrap_or(&unknown);
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
    Child {
        pupil,
        confirmed: fold.account.confirmed.contains(&pupil),
        name: status.map(|status| format!("{} {}", status.given_names.join(" "), status.family_name)),
        birth_date: status.and_then(|status| status.birth_date),
        legal_guardian: folded.legal_guardians().any(|guardian| fold.account.guardians.contains(&guardian)),
        enrolments: places.collect(),
    }
}

impl State {
    /// As a table for people.
    pub fn table(&self, language: Language) -> String {
        let clock = language.of("%d/%m/%Y %H:%M:%S%.6f UTC", "%Y-%m-%d %H:%M:%S%.6f UTC");
        let unknown = || language.of("(inconnu ou effacé)", "(unknown or erased)").to_owned();
        let no_login = || match self.status {
            Status::Open => language.of("(pas encore attribué)", "(not given yet)").to_owned(),
            Status::Absent | Status::Activated | Status::Disabled { .. } | Status::Closed => unknown(),
        };
        let mut rows = vec![
            (language.of("Position", "Position"), self.position.to_string()),
            (language.of("Enregistré le", "Recorded at"), self.recorded_at.format(clock).to_string()),
            (language.of("Compte", "Account"), self.account.to_string()),
            (language.of("État", "Status"), status_word(language, self.status).to_owned()),
            (language.of("Identifiant", "Login"), self.login.clone().unwrap_or_else(no_login)),
        ];
        if let Some(time) = self.effective_at {
            rows.insert(2, (language.of("En vigueur le", "Effective by"), time.format(clock).to_string()));
        }
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
