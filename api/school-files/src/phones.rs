//! From what a school typed to E.164, by the phone library.

use domain::identifiers::{Academie, E164};
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber, Type, country};

/// A number understood, and whether it can receive text messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// The number.
    pub number: E164,
    /// Whether it is a mobile number.
    pub mobile: bool,
}

/// The territory in which a number without international prefix is dialled.
///
/// Overseas départements share the ten-digit plan with metropolitan France but have calling codes
/// of their own; the leading digits tell them apart. `06 39 98` is the metropolitan range reserved
/// for fiction, the rest of `06 39` is Mayotte. Numbers of six digits exist only in the
/// collectivities, so the académie of the school decides.
fn territory(digits: &str, academie: Option<Academie>) -> country::Id {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| digits.starts_with(prefix));
    if starts(&["0690", "0691", "0590", "07090"]) {
        country::GP
    } else if starts(&["0692", "0693", "0262", "0263", "07092"]) {
        country::RE
    } else if starts(&["0639", "0269", "070935", "070936", "070937"]) && !starts(&["063998"]) {
        country::YT
    } else if starts(&["0694", "0594", "07093"]) {
        country::GF
    } else if starts(&["0696", "0697", "0596", "07091"]) {
        country::MQ
    } else if starts(&["0508", "0708"]) {
        country::PM
    } else if digits.starts_with('0') {
        country::FR
    } else {
        match academie.map(Academie::code) {
            Some(40) => country::NC,
            Some(41) => country::PF,
            Some(42) => country::WF,
            Some(44) => country::PM,
            _ => country::FR,
        }
    }
}

/// Understands a number as written in a file, or `None` when it is no number anyone could dial.
///
/// Ranges kept for samples ([`E164::is_fictional`]) are accepted, which the library rightly says
/// are unassigned.
#[must_use]
pub fn understand(written: &str, academie: Option<Academie>) -> Option<Phone> {
    let mut digits = String::with_capacity(written.len());
    for character in written.trim().chars() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if digits.is_empty() => digits.push('+'),
            ' ' | '.' | '-' | '/' | '(' | ')' | '\u{a0}' | '\u{202f}' => {}
            _ => return None,
        }
    }
    if let Some(international) = digits.strip_prefix("00") {
        digits = format!("+{international}");
    }
    // “+33 (0)6 …”: the trunk digit is no part of the international form.
    if let Some(national) = digits.strip_prefix("+330") {
        digits = format!("+33{national}");
    }
    if digits.starts_with('+') {
        accept(phonenumber::parse(None, &digits).ok()?).or_else(|| {
            // Overseas numbers are often written with the metropolitan calling code.
            let national = format!("0{}", digits.strip_prefix("+33")?);
            dial(&national, academie)
        })
    } else {
        dial(&digits, academie)
    }
}

fn dial(digits: &str, academie: Option<Academie>) -> Option<Phone> {
    let territory = territory(digits, academie);
    accept(phonenumber::parse(Some(territory), digits).ok()?)
}

fn accept(parsed: PhoneNumber) -> Option<Phone> {
    let number: E164 = parsed.format().mode(Mode::E164).to_string().parse().ok()?;
    if number.is_fictional() {
        let national = parsed.national().to_string();
        return Some(Phone { mobile: national.starts_with(['6', '7']), number });
    }
    match parsed.is_valid().then(|| parsed.number_type(&DATABASE))? {
        Type::Mobile | Type::FixedLineOrMobile => Some(Phone { number, mobile: true }),
        Type::Unknown => None,
        _ => Some(Phone { number, mobile: false }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Option<(String, bool)> {
        understand(written, None).map(|phone| (phone.number.to_string(), phone.mobile))
    }

    #[test]
    fn ways_to_write_one_number_meet() {
        for written in [
            "0639980001",
            "06 39 98 00 01",
            "06.39.98.00.01",
            "+33639980001",
            "+33 (0)6 39 98 00 01",
            "0033 6 39 98 00 01",
        ] {
            assert_eq!(read(written), Some(("+33639980001".into(), true)), "{written}");
        }
    }

    #[test]
    fn bare_overseas_numbers_get_their_own_calling_code() {
        // The digits after the prefix are arbitrary; nothing is dialled here.
        for (written, expected) in [
            ("0692000000", "+262692000000"),
            ("0690000000", "+590690000000"),
            ("0694000000", "+594694000000"),
            ("0696000000", "+596696000000"),
            ("0639000000", "+262639000000"),
            ("+33692000000", "+262692000000"),
        ] {
            assert_eq!(read(written).map(|read| read.0).as_deref(), Some(expected), "{written}");
        }
    }

    #[test]
    fn six_digits_belong_to_the_collectivity_of_the_school() {
        let noumea = Academie::from_code(40).ok();
        let number = |academie| understand("750000", academie).map(|phone| phone.number.to_string());
        assert_eq!(number(noumea).as_deref(), Some("+687750000"));
        assert_eq!(number(None), None);
    }

    #[test]
    fn a_landline_is_no_mobile() {
        assert_eq!(read("01 99 00 12 34"), Some(("+33199001234".into(), false)));
        assert_eq!(read("0262 20 00 00").map(|read| read.1), Some(false));
    }

    #[test]
    fn what_nobody_could_dial_is_refused() {
        for written in ["", "06", "0000000000", "liste rouge", "06399800011234", "+", "06 39 98 00 01 poste 4"] {
            assert_eq!(read(written), None, "{written}");
        }
    }

    #[test]
    fn sample_ranges_overseas_are_held_by_nobody() {
        for prefix in E164::unassigned_overseas() {
            let number = phonenumber::parse(None, format!("{prefix}0001")).unwrap();
            assert!(!number.is_valid(), "{prefix} is assigned now: choose another");
            assert!(understand(&format!("{prefix}0001"), None).unwrap().mobile);
        }
    }
}
