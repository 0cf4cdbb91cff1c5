//! Telephone numbers, already in their international form.

use std::fmt;
use std::str::FromStr;

use super::serde_as_text;

/// Reserved by the French regulator for works of fiction: never given to anyone.
const FICTION: &[&str] = &["+3319900", "+3326191", "+3335301", "+3346571", "+3353649", "+3363998"];

/// Overseas mobile ranges that no operator holds, used for samples; the regulator reserves none
/// for fiction there. In order: Mayotte, La Réunion, Guadeloupe, Guyane, Martinique.
const UNASSIGNED_OVERSEAS: &[&str] = &["+26263988", "+26269398", "+59069198", "+59469458", "+59670919"];

/// A telephone number in E.164 form: `+`, then 4 to 15 digits.
///
/// This type checks the shape only; turning what a school typed into it is the work of a phone
/// library, at the edge. `Debug` prints the last two digits at most.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(Box<str>);

/// The text is not `+` followed by 4 to 15 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a telephone number in E.164 form is + followed by 4 to 15 digits")]
pub struct E164ShapeError;

impl E164 {
    /// The number with its `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the number lies in a range kept for samples, which nobody can own.
    #[must_use]
    pub fn is_fictional(&self) -> bool {
        // Nine digits after the calling code, in all of these.
        let within =
            |ranges: &[&str], length| self.0.len() == length && ranges.iter().any(|prefix| self.0.starts_with(prefix));
        within(FICTION, "+33639980001".len()) || within(UNASSIGNED_OVERSEAS, "+262639880001".len())
    }

    /// The ranges of [`E164::is_fictional`] overseas, as prefixes.
    #[must_use]
    pub fn unassigned_overseas() -> &'static [&'static str] {
        UNASSIGNED_OVERSEAS
    }
}

impl FromStr for E164 {
    type Err = E164ShapeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').ok_or(E164ShapeError)?;
        let shaped = (4..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        shaped.then(|| Self(text.into())).ok_or(E164ShapeError)
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E164(…{})", &self.0[self.0.len() - 2..])
    }
}

serde_as_text!(E164);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_international_form_is_accepted() {
        assert_eq!("+33639980001".parse::<E164>().unwrap().as_str(), "+33639980001");
        for bad in ["", "0639980001", "+", "+33 639980001", "+0639980001", "+1234567890123456"] {
            assert_eq!(bad.parse::<E164>(), Err(E164ShapeError), "{bad}");
        }
    }

    #[test]
    fn fiction_ranges_are_known() {
        assert!("+33639980001".parse::<E164>().unwrap().is_fictional());
        assert!("+262693980001".parse::<E164>().unwrap().is_fictional());
        assert!(!"+33612345678".parse::<E164>().unwrap().is_fictional());
    }

    #[test]
    fn debug_hides_the_number() {
        let phone: E164 = "+33639980042".parse().unwrap();
        assert_eq!(format!("{phone:?}"), "E164(…42)");
    }
}
