//! The fields of an account that can be asked about, and their values in small pieces.
//!
//! A field has one *part* for each thing in it: `children` one for each child, `establishment` one for each enrolment.
//! An event made a field so if it changed a part of it; that is found by folding, not by a table of events and fields
//! that could fall behind the code.

use crate::fold::{Fold, Members};
use domain::account::{Password, Status};
use domain::identifiers::GuardianLevel;
use domain::personal::Personal;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Open, activated, disabled, closed.
    Status,
    /// Whose it is.
    Holder,
    /// Login.
    Login,
    /// Which kind of password is in force.
    Password,
    /// What lets the holder in, or back in: being in use, a login, a password, a phone to recover by.
    WaysIn,
    /// Guardian records behind it.
    Guardians,
    /// Children confirmed or reported.
    Children,
    /// What schools say the account's records are to its children.
    Responsibility,
    /// Where its pupils are enrolled.
    Establishment,
    /// Their classes.
    Class,
    /// Names of its pupils and guardian records.
    Names,
    /// Birth dates of its pupils.
    BirthDates,
    /// How schools reach its guardian records.
    Contacts,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Status,
        Self::Holder,
        Self::Login,
        Self::Password,
        Self::WaysIn,
        Self::Guardians,
        Self::Children,
        Self::Responsibility,
        Self::Establishment,
        Self::Class,
        Self::Names,
        Self::BirthDates,
        Self::Contacts,
    ];

    /// As on the command line and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Holder => "holder",
            Self::Login => "login",
            Self::Password => "password",
            Self::WaysIn => "ways-in",
            Self::Guardians => "guardians",
            Self::Children => "children",
            Self::Responsibility => "responsibility",
            Self::Establishment => "establishment",
            Self::Class => "class",
            Self::Names => "names",
            Self::BirthDates => "birth-dates",
            Self::Contacts => "contacts",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No such field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{asked}` is no field of an account; the fields are {}", Field::ALL.map(Field::as_str).join(", "))]
pub struct UnknownField {
    asked: String,
}

impl std::str::FromStr for Field {
    type Err = UnknownField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|field| field.as_str() == text);
        found.ok_or_else(|| UnknownField { asked: text.to_owned() })
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Whether personal values may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// They are masked.
    Masked,
    /// They are in clear.
    Clear,
}

/// The value of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Says nothing personal.
    Plain(Value),
    /// Personal, in clear.
    Personal(Value),
    /// Personal, and erased.
    Erased,
}

impl Part {
    fn personal<T>(value: &Personal<T>, told: impl FnOnce(&T) -> Value) -> Self {
        value.known().map_or(Self::Erased, |known| Self::Personal(told(known)))
    }

    /// As told to who may see so much: masked and erased values are objects, which no value is.
    pub fn told(&self, sight: Sight) -> Value {
        match (self, sight) {
            (Self::Plain(value), _) | (Self::Personal(value), Sight::Clear) => value.clone(),
            (Self::Personal(_), Sight::Masked) => json!({ "masked": true }),
            (Self::Erased, _) => json!({ "erased": true }),
        }
    }
}

/// The parts of a field, by name. A field of a single part names it by itself.
pub type Parts = BTreeMap<String, Part>;

/// The parts of a field as the fold stands, over these records.
pub fn parts(fold: &Fold, members: &Members, field: Field) -> Parts {
    match field {
        Field::Status => one(field, fold.account.id.map(|_| plain(&fold.account.status))),
        Field::Holder => one(field, fold.account.holder.as_ref().map(plain)),
        Field::Login => {
            one(field, fold.account.login.as_ref().map(|login| Part::personal(login, |login| json!(login))))
        }
        Field::Password => one(field, fold.account.password.as_ref().map(password)),
        Field::WaysIn => ways_in(fold, members),
        Field::Guardians => {
            fold.account.guardians.iter().map(|id| (id.to_string(), Part::Plain(json!("attached")))).collect()
        }
        Field::Children => children(fold),
        Field::Responsibility => responsibility(fold, members),
        Field::Establishment | Field::Class => enrolments(fold, members, field),
        Field::Names => names(fold, members),
        Field::BirthDates => birth_dates(fold, members),
        Field::Contacts => contacts(fold, members),
    }
}

fn one(field: Field, part: Option<Part>) -> Parts {
    part.map(|part| (field.as_str().to_owned(), part)).into_iter().collect()
}

fn plain(value: &impl Serialize) -> Part {
    // Enums of ids and words always have a JSON form.
    Part::Plain(serde_json::to_value(value).unwrap_or_default())
}

/// Which row of the vault it is tells one password from the next; the row's id says nothing of it.
fn password(password: &Password) -> Part {
    Part::Plain(match password {
        Password::Personal(secret) => json!(format!("personal ({secret})")),
        Password::Provisional { secret, expires_at } => {
            json!(format!("provisional until {} ({secret})", expires_at.to_rfc3339()))
        }
    })
}

fn ways_in(fold: &Fold, members: &Members) -> Parts {
    let account = &fold.account;
    let mut parts = Parts::new();
    if account.id.is_some() {
        let in_use = matches!(account.status, Status::Open | Status::Activated);
        parts.insert("account".to_owned(), Part::Plain(json!(if in_use { "in use" } else { "not in use" })));
    }
    parts.extend(account.login.as_ref().map(|_| ("login".to_owned(), Part::Plain(json!("assigned")))));
    parts.extend(account.password.as_ref().map(|known| ("password".to_owned(), password(known))));
    for (id, guardian) in fold.guardians.iter().filter(|(id, _)| members.guardians.contains(id)) {
        // Codes go to the mobile of a record that stands behind the account.
        let attached = account.guardians.contains(id);
        let contact = guardian.contact.as_ref().filter(|_| attached);
        let mobile = contact.map(|contact| Part::personal(contact, |contact| json!(contact.mobile)));
        parts.extend(mobile.map(|mobile| (format!("sms/{id}"), mobile)));
    }
    parts
}

fn children(fold: &Fold) -> Parts {
    let confirmed = fold.account.confirmed.iter().map(|pupil| (pupil, "confirmed"));
    let reported = fold.account.reported.iter().map(|pupil| (pupil, "reported"));
    confirmed.chain(reported).map(|(pupil, word)| (pupil.to_string(), Part::Plain(json!(word)))).collect()
}

fn responsibility(fold: &Fold, members: &Members) -> Parts {
    let mut parts = Parts::new();
    for (id, pupil) in fold.pupils.iter().filter(|(id, _)| members.pupils.contains(id)) {
        for ((establishment, guardian), link) in &pupil.links {
            if members.guardians.contains(guardian) {
                let level = match link.level {
                    GuardianLevel::Legal => "legal",
                    GuardianLevel::InCharge => "in charge",
                    GuardianLevel::Contact => "contact",
                };
                parts.insert(format!("{id}/{establishment}/{guardian}"), Part::Plain(json!(level)));
            }
        }
    }
    parts
}

fn enrolments(fold: &Fold, members: &Members, field: Field) -> Parts {
    let mut parts = Parts::new();
    for (id, pupil) in fold.pupils.iter().filter(|(id, _)| members.pupils.contains(id)) {
        for (establishment, enrolment) in &pupil.enrolments {
            let part = if field == Field::Class {
                Part::personal(&enrolment.placement, |placement| json!(placement))
            } else {
                let (year, since) = (enrolment.school_year, enrolment.entered_on);
                Part::Plain(json!({ "school_year": year, "entered_on": since }))
            };
            parts.insert(format!("{id}/{establishment}"), part);
        }
    }
    parts
}

fn names(fold: &Fold, members: &Members) -> Parts {
    let mut parts = Parts::new();
    for (id, pupil) in fold.pupils.iter().filter(|(id, _)| members.pupils.contains(id)) {
        let name = pupil.civil_status.as_ref().map(|status| {
            Part::personal(status, |status| {
                json!({ "family": status.family_name, "usage": status.usage_name, "given": status.given_names })
            })
        });
        parts.extend(name.map(|name| (format!("pupil/{id}"), name)));
    }
    for (id, guardian) in fold.guardians.iter().filter(|(id, _)| members.guardians.contains(id)) {
        let name = guardian.identity.as_ref().map(|identity| {
            Part::personal(identity, |identity| {
                let given = [&identity.given_name];
                json!({ "family": identity.family_name, "usage": identity.usage_name, "given": given })
            })
        });
        parts.extend(name.map(|name| (format!("guardian/{id}"), name)));
    }
    parts
}

fn birth_dates(fold: &Fold, members: &Members) -> Parts {
    let pupils = fold.pupils.iter().filter(|(id, _)| members.pupils.contains(id));
    let dates = pupils.filter_map(|(id, pupil)| {
        let status = pupil.civil_status.as_ref()?;
        Some((id.to_string(), Part::personal(status, |status| json!(status.birth_date))))
    });
    dates.collect()
}

fn contacts(fold: &Fold, members: &Members) -> Parts {
    let guardians = fold.guardians.iter().filter(|(id, _)| members.guardians.contains(id));
    let contacts = guardians.filter_map(|(id, guardian)| {
        let contact = guardian.contact.as_ref()?;
        Some((id.to_string(), Part::personal(contact, |contact| json!(contact))))
    });
    contacts.collect()
}
