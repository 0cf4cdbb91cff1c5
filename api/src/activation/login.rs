//! Logins: initial, dot, surname, and a number where that is taken.

use crate::app::App;
use crate::incident::AppError;
use deunicode::deunicode;
use domain::account::{Account, AccountCommand, AccountError};
use domain::context::Context;
use ledger::{AppendError, Ledger, Unit};

/// Longest surname in a login.
const MAX_SURNAME: usize = 24;
/// Tries before giving up; each is a number nobody had yet.
const ATTEMPTS: u32 = 20;

/// `t.counen` for Théo Counén: what homonyms share. Letters only, so that the number after it is never ambiguous.
fn stem(given_name: &str, surname: &str) -> String {
    let letters = |text: &str| -> String {
        deunicode(text).chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
    };
    // A name of which nothing is left in Latin letters still needs a login.
    let initial = letters(given_name).chars().next().unwrap_or('x');
    let mut surname = letters(surname);
    surname.truncate(MAX_SURNAME);
    format!("{initial}.{}", if surname.is_empty() { "x" } else { &surname })
}

/// The n-th login of a stem, from 1: `t.counen`, `t.counen1`, `t.counen2`, ….
fn nth(stem: &str, n: u64) -> String {
    if n <= 1 { stem.to_owned() } else { format!("{stem}{}", n - 1) }
}

/// Gives an account its login, if it has none. Returns the login.
///
/// # Errors
/// When the account is not in use, or something fails.
pub async fn assign_login(
    ledger: &Ledger,
    account: &str,
    given_name: &str,
    surname: &str,
    context: &Context,
) -> Result<String, AppError> {
    let stem = stem(given_name, surname);
    for _ in 0..ATTEMPTS {
        let loaded = ledger.load::<Account>(account).await?;
        if let Some(login) = &loaded.aggregate.login {
            return Ok(login.get()?.clone());
        }
        let number = ledger.next_number(&ledger.lookup_hash("login-stem", &stem)).await?;
        let login = nth(&stem, number);
        let events = match loaded.aggregate.decide(AccountCommand::AssignLogin { login: login.clone() }) {
            Ok(events) => events,
            Err(AccountError::LoginAlreadyAssigned) => continue,
            Err(error) => return Err(error.into()),
        };
        let unit = Unit::new(context.clone()).stream::<Account>(&loaded.id, loaded.version, events).claim(
            "login",
            account,
            ledger.lookup_hash("login", &login),
        );
        match ledger.append(unit).await {
            Ok(_) => return Ok(login),
            // Someone else's (a login brought from elsewhere), or the account changed: once more.
            Err(AppendError::Reserved { .. } | AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AppError::internal(format!("no free login for account {account} in {ATTEMPTS} tries")))
}

/// [`assign_login`] for the holder, by the names that the school's file gives.
pub(crate) async fn login_of(
    app: &App,
    account: &domain::ids::AccountId,
    names: &super::password::Names,
    context: &Context,
) -> Result<String, AppError> {
    assign_login(&app.ledger, &account.to_string(), &names.given_name, &names.surname, context).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_readable_ascii() {
        for (given, surname, expected) in [
            ("Théo", "Counén", "t.counen"),
            ("Éloïse", "D’Haÿ-Fictif", "e.dhayfictif"),
            ("Œdipe", "Le Cœur", "o.lecoeur"),
            ("Łukasz", "Šimůnek", "l.simunek"),
            ("", "'", "x.x"),
            ("Al1", "Fictif2", "a.fictif"),
        ] {
            assert_eq!(stem(given, surname), expected);
        }
        assert_eq!(stem("Zoé", &"Abc".repeat(50)).len(), MAX_SURNAME + 2);
        assert!(stem("Дарья", "Фиктив").is_ascii());
    }

    #[test]
    fn homonyms_get_numbers() {
        assert_eq!([1, 2, 3].map(|n| nth("t.counen", n)), ["t.counen", "t.counen1", "t.counen2"]);
    }
}
