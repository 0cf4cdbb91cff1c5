//! Reading of single values: names, dates, numbers, addresses.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::report::RejectionReason;

/// A name with single spaces and no characters that are no part of one; `None` when empty.
pub(crate) fn clean(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let mut cleaned = words.next()?.to_owned();
    for word in words {
        cleaned.push(' ');
        cleaned.push_str(word);
    }
    Some(cleaned)
}

/// Longest name accepted, characters. The longest field of the source forms holds 100.
const LONGEST_NAME: usize = 150;

/// A name, which must not be absurdly long.
pub(crate) fn name(field: &'static str, text: Option<&str>) -> Result<Option<String>, RejectionReason> {
    let cleaned = text.and_then(clean);
    match &cleaned {
        Some(name) if name.len() > LONGEST_NAME => {
            Err(RejectionReason::Malformed { field, expected: "a name of at most 150 bytes" })
        }
        _ => Ok(cleaned),
    }
}

/// A date written `dd/mm/yyyy` or `yyyy-mm-dd`.
pub(crate) fn date(text: &str) -> Option<NaiveDate> {
    let text = text.trim().as_bytes();
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        text[range].iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
    };
    if text.len() != 10 {
        return None;
    }
    let (year, month, day) = if text[2] == b'/' && text[5] == b'/' {
        (number(6..10)?, number(3..5)?, number(0..2)?)
    } else if text[4] == b'-' && text[7] == b'-' {
        (number(0..4)?, number(5..7)?, number(8..10)?)
    } else {
        return None;
    };
    // A year before 1900 is a slip in an export of pupils.
    let year = i32::try_from(year).ok().filter(|year| (1900..=2200).contains(year))?;
    NaiveDate::from_ymd_opt(year, month, day)
}

/// An optional date; present and unreadable refuses the record.
pub(crate) fn optional_date(field: &'static str, text: Option<&str>) -> Result<Option<NaiveDate>, RejectionReason> {
    match text {
        None => Ok(None),
        Some(text) => match date(text) {
            Some(date) => Ok(Some(date)),
            None => Err(RejectionReason::Malformed { field, expected: "a date (dd/mm/yyyy)" }),
        },
    }
}

/// `dd/mm/yyyy HH:MM:SS`.
pub(crate) fn timestamp(text: &str) -> Option<NaiveDateTime> {
    let (day, time) = text.trim().split_once(' ')?;
    let time = NaiveTime::parse_from_str(time.trim(), "%H:%M:%S").ok()?;
    Some(date(day)?.and_time(time))
}

/// An e-mail address in lower-case domain, or `None` when it cannot be one.
///
/// Deliberately loose: an address proves itself by a message that arrives.
pub(crate) fn email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && part.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"@,;<>()\"".contains(c))
    };
    (text.len() <= 254 && plain(local) && plain(domain) && domain.contains('.'))
        .then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_a_date_are_read_and_impossible_days_are_not() {
        let day = NaiveDate::from_ymd_opt(2012, 2, 29);
        assert_eq!(date("29/02/2012"), day);
        assert_eq!(date(" 2012-02-29 "), day);
        for bad in ["29/02/2013", "2012-2-29", "29-02-2012", "0000000000", "29/02/12", "aa/bb/cccc"] {
            assert_eq!(date(bad), None, "{bad}");
        }
        assert_eq!(date("01/01/0202"), None);
        assert_eq!(date("é1/01/202"), None);
    }

    #[test]
    fn timestamps_carry_date_and_time() {
        assert_eq!(timestamp("02/09/2026 08:15:30").unwrap().to_string(), "2026-09-02 08:15:30");
        assert_eq!(timestamp("02/09/2026"), None);
    }

    #[test]
    fn names_lose_needless_spaces() {
        assert_eq!(clean("  Le \u{a0} Goff ").as_deref(), Some("Le Goff"));
        assert_eq!(clean(" \t"), None);
        assert!(name("NOM", Some(&"x".repeat(151))).is_err());
    }

    #[test]
    fn addresses_are_plausible_or_left_out() {
        assert_eq!(email("A.b@Example.ORG").as_deref(), Some("A.b@example.org"));
        for bad in ["", "a", "a@b", "a b@example.org", "a@example.org;b@example.org", "@example.org"] {
            assert_eq!(email(bad), None, "{bad}");
        }
    }
}
