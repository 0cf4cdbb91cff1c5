//! Who a provider says it is: its claims as an identity.

use super::provider::{Provider, UpstreamError};
use super::verify::{Claims, Verified, text};
use crate::config::MatchBy;
use domain::account::UpstreamIdentity;
use serde_json::Value;

/// Longest name read, in characters.
const MAX_NAME: usize = 200;

/// The identity in a provider's claims. What its matching rule needs must be there.
///
/// # Errors
/// [`UpstreamError::ClaimMissing`].
pub fn identity(provider: &Provider, verified: &Verified) -> Result<UpstreamIdentity, UpstreamError> {
    let claims = &verified.claims;
    let identity = UpstreamIdentity {
        subject: verified.subject.clone(),
        family_name: name(claims, "family_name"),
        // Not everybody has one, and other providers put a login here.
        usage_name: name(claims, "preferred_username").filter(|name| name.chars().any(char::is_alphabetic)),
        given_names: given_names(claims),
        birth_date: text(claims, "birthdate").filter(|date| is_date(date)).map(str::to_owned),
    };
    let rule = &provider.config.matching;
    match rule.by {
        MatchBy::Names | MatchBy::NamesAndBirthDate => {
            let missing = [
                (identity.family_name.is_none(), "family_name"),
                (identity.given_names.is_empty(), "given_name"),
                (identity.birth_date.is_none(), "birthdate"),
            ];
            match missing.into_iter().find(|(missing, _)| *missing) {
                Some((_, claim)) => Err(UpstreamError::ClaimMissing(claim)),
                None => Ok(identity),
            }
        }
        MatchBy::Ine | MatchBy::FrEduVecteur | MatchBy::Login => Ok(identity),
    }
}

/// The claim that a provider's rule looks at, as text.
pub fn of_rule(provider: &Provider, claims: &Claims) -> Option<String> {
    let value = claims.get(provider.config.matching.claim.as_deref()?)?;
    // Some providers send lists of one.
    let value = value.as_array().and_then(|all| if all.len() == 1 { all.first() } else { None }).unwrap_or(value);
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty() && text.chars().count() <= MAX_NAME * 3);
    text.map(str::to_owned)
}

fn name(claims: &Claims, claim: &str) -> Option<String> {
    let name = text(claims, claim)?.trim();
    let usable = !name.is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control);
    usable.then(|| name.to_owned())
}

/// All given names: the list where there is one, else the words of the text.
fn given_names(claims: &Claims) -> Vec<String> {
    let listed = claims.get("given_name_array").and_then(Value::as_array);
    let names: Vec<String> = match listed {
        Some(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => name(claims, "given_name").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    };
    let usable = |name: &String| {
        !name.trim().is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control)
    };
    names.into_iter().filter(usable).take(20).collect()
}

/// `YYYY-MM-DD`, where month and day may be `00`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let number = |text: &str, digits: usize, most: u32| {
        text.len() == digits
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse().is_ok_and(|n: u32| n <= most)
    };
    number(year, 4, 9999) && number(month, 2, 12) && number(day, 2, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(text: &str) -> Claims {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn given_names_come_from_the_list_or_the_text() {
        let listed =
            claims(r#"{"given_name": "Jean Pierre Marie", "given_name_array": ["Jean-Pierre", "Marie", 1, ""]}"#);
        assert_eq!(given_names(&listed), ["Jean-Pierre", "Marie"]);
        assert_eq!(given_names(&claims(r#"{"given_name": " Angela  Claire"}"#)), ["Angela", "Claire"]);
        assert!(given_names(&claims(r#"{"given_name": 3}"#)).is_empty());
    }

    #[test]
    fn birth_dates_may_be_partly_unknown() {
        for good in ["1962-08-24", "1980-00-00"] {
            assert!(is_date(good), "{good}");
        }
        for bad in ["", "1962-8-24", "24/08/1962", "1962-13-01", "1962-01-32", "1962-08-24T00:00", "+962-08-24"] {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn names_that_are_none_are_left_out() {
        let odd = claims(r#"{"family_name": " ", "preferred_username": "a\u0007b", "x": ["y"], "z": ["a", "b"]}"#);
        assert_eq!((name(&odd, "family_name"), name(&odd, "preferred_username")), (None, None));
    }
}
