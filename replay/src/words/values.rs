//! What the program says of fields, of their parts and of the parts' values.

use crate::fields::Field;
use crate::language::Language;
use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The names of the people whom ids stand for, as far as they can be read.
pub type Names = BTreeMap<String, String>;

/// A field, with the word by which it is asked for.
pub fn field(language: Language, field: Field) -> String {
    let (french, english) = match field {
        Field::Status => ("état", "status"),
        Field::Holder => ("titulaire", "holder"),
        Field::Login => ("identifiant", "login"),
        Field::Password => ("mot de passe", "password"),
        Field::WaysIn => ("moyens d’accès", "ways in"),
        Field::Guardians => ("fiches de responsable", "guardian records"),
        Field::Children => ("enfants", "children"),
        Field::Responsibility => ("responsabilités", "responsibilities"),
        Field::Establishment => ("inscriptions", "enrolments"),
        Field::Class => ("classes", "classes"),
        Field::Names => ("noms", "names"),
        Field::BirthDates => ("dates de naissance", "birth dates"),
        Field::Contacts => ("coordonnées", "contacts"),
    };
    format!("{} ({field})", language.of(french, english))
}

/// A part of a field: ids with the names of those they stand for.
pub fn part(language: Language, field: Field, name: &str, names: &Names) -> String {
    if name == field.as_str() {
        return language.of("valeur", "value").to_owned();
    }
    let word = |piece: &str| match piece {
        "account" => language.of("compte", "account").to_owned(),
        "login" => language.of("identifiant", "login").to_owned(),
        "password" => language.of("mot de passe", "password").to_owned(),
        "sms" => language.of("SMS au responsable", "SMS to guardian").to_owned(),
        "pupil" => language.of("élève", "pupil").to_owned(),
        "guardian" => language.of("responsable", "guardian").to_owned(),
        id => match names.get(id) {
            Some(name) => format!("{name} ({id})"),
            None => id.to_owned(),
        },
    };
    name.split('/').map(word).collect::<Vec<_>>().join(" – ")
}

/// The value of a part.
pub fn value(language: Language, told: &Value) -> String {
    match told {
        Value::Null => "–".to_owned(),
        Value::Bool(yes) => language.of(if *yes { "oui" } else { "non" }, if *yes { "yes" } else { "no" }).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => word(language, text),
        Value::Array(values) => values.iter().map(|one| value(language, one)).collect::<Vec<_>>().join(" "),
        Value::Object(members) => object(language, members),
    }
}

fn object(language: Language, members: &Map<String, Value>) -> String {
    let tell = |(key, member): (&String, &Value)| {
        let (french, english) = match key.as_str() {
            "masked" => return language.of("(masqué)", "(masked)").to_owned(),
            "erased" => return language.of("(effacé)", "(erased)").to_owned(),
            "email" => ("courriel", "e-mail"),
            "mobile" => ("mobile", "mobile"),
            "class" => ("classe", "class"),
            "level" => ("niveau", "level"),
            "mef" => ("MEF", "MEF"),
            "school_year" => ("année", "school year"),
            "entered_on" => ("depuis le", "since"),
            "family" => ("nom", "family name"),
            "usage" => ("nom d’usage", "name in use"),
            "given" => ("prénoms", "given names"),
            "pupil" => ("élève", "pupil"),
            "guardian" => ("responsable", "guardian"),
            "disabled" => return language.of("désactivé", "disabled").to_owned(),
            other => (other, other),
        };
        format!("{} {}", language.of(french, english), value(language, member))
    };
    let known = members.iter().filter(|(_, member)| !member.is_null());
    known.map(tell).collect::<Vec<_>>().join(", ")
}

/// Words of the fields, and texts, which stay what they are.
fn word(language: Language, text: &str) -> String {
    let (french, english) = match text {
        "absent" => ("inexistant", "does not exist"),
        "open" => ("ouvert, jamais utilisé", "open, never used"),
        "activated" => ("activé", "activated"),
        "closed" => ("fermé", "closed"),
        "attached" => ("rattachée au compte", "attached to the account"),
        "confirmed" => ("confirmé", "confirmed"),
        "reported" => ("signalé comme n’étant pas le sien", "reported as not theirs"),
        "legal" => ("responsable légal", "legal guardian"),
        "in charge" => ("personne en charge", "person in charge"),
        "contact" => ("personne à contacter", "contact"),
        "in use" => ("en service", "in use"),
        "not in use" => ("hors service", "not in use"),
        "assigned" => ("attribué", "assigned"),
        text => return password(language, text).unwrap_or_else(|| day(language, text)),
    };
    language.of(french, english).to_owned()
}

/// `personal (…)` and `provisional until … (…)`: the row of the vault, by which one password is told from the next,
/// is for programs.
fn password(language: Language, text: &str) -> Option<String> {
    if text.starts_with("personal (") {
        return Some(language.of("choisi par le titulaire", "chosen by the holder").to_owned());
    }
    let until = text.strip_prefix("provisional until ")?.split(' ').next()?;
    let until = DateTime::parse_from_rfc3339(until).ok()?.to_utc();
    let until = until.format(language.of("%d/%m/%Y %H:%M UTC", "%Y-%m-%d %H:%M UTC"));
    Some(format!("{} {until}", language.of("provisoire, jusqu’au", "provisional, until")))
}

fn day(language: Language, text: &str) -> String {
    match text.parse::<NaiveDate>() {
        Ok(day) => day.format(language.of("%d/%m/%Y", "%Y-%m-%d")).to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_told_in_words() {
        let french = |told: Value| value(Language::Fr, &told);
        assert_eq!(french(json!("confirmed")), "confirmé");
        assert_eq!(french(json!("2014-05-17")), "17/05/2014");
        assert_eq!(french(json!({ "erased": true })), "(effacé)");
        assert_eq!(french(json!({ "class": "6EME A", "mef": null })), "classe 6EME A");
        let provisional =
            "provisional until 2027-02-22T02:30:22.412882637+00:00 (a141d996-cb33-4d79-8730-41b78a5e77e6)";
        assert_eq!(french(json!(provisional)), "provisoire, jusqu’au 22/02/2027 02:30 UTC");
        assert_eq!(value(Language::En, &json!({ "disabled": { "activated": true } })), "disabled");
        assert_eq!(value(Language::En, &Value::Null), "–");
    }

    #[test]
    fn a_part_names_the_people_behind_its_ids() {
        let names: Names = [("1-2".to_owned(), "Zoé Fictif".to_owned())].into();
        assert_eq!(part(Language::Fr, Field::Class, "1-2/0210001A", &names), "Zoé Fictif (1-2) – 0210001A");
        assert_eq!(part(Language::Fr, Field::Login, "login", &names), "valeur");
        assert_eq!(part(Language::Fr, Field::WaysIn, "login", &names), "identifiant");
    }
}
