//! A guardian's way in: from surname, first name and mobile to a login and a password.
//!
//! ```text
//!  identify ──▶ code ──▶ children ──▶ password ──▶ /account
//!  (/activate)  (/code)  (/children)  (/new-password)
//! ```
//!
//! Nothing on the way tells whether a person exists. Whether or not anybody matched, the same page follows, after
//! the same statements and the same time ([`Floor`]), with the same caps, and asks for a code that a stranger never
//! gets. What differs is known to the account's stream and to the phone only.
//!
//! Who comes recognised by another provider ([`crate::upstream`]) goes the same way, and ends it by tying that identity to
//! the account in place of choosing a password.
//!
//! Recovery ([`crate::reset`]) and the forced change after a provisional password share these pages; [`flow`] says
//! how they lead into each other.

mod children;
mod code;
mod codes;
#[cfg(test)]
pub(crate) mod fixture;
pub mod flow;
mod identify;
mod login;
mod password;
#[cfg(test)]
mod tests;

pub use children::{
    ChildrenPage, confirm_child, confirm_own_child, own_children_path, report_child, report_own_child, show_children,
    show_own_children,
};
pub use code::{CodePage, check_code, resend_code, show_code};
pub use codes::{Caps, Request, begin, floor};
pub use identify::{IdentifyForm, IdentifyPage, Identity, find, identify, read_identity, read_mobile, show_identify};
pub use login::assign_login;
pub use password::{PasswordPage, choose_password, show_password};

pub(crate) use children::{Unconfirmed, school_names, unconfirmed};
pub(crate) use login::login_of;
pub(crate) use password::{Names, explain, hash_new, notify, replace_secret};

use crate::app::App;
use crate::incident::{AppError, Incident};
use domain::account::{Account, AccountError};
use domain::context::{Actor, Reason};
use domain::ids::AccountId;
use ledger::{AppendError, Appended, Loaded, Unit};
use projections::Name;
use std::time::Duration;
use tokio::time::Instant;

/// How often a decision is taken anew because someone else appended first.
const ATTEMPTS: u32 = 5;

/// Spends time up to a constant, so that an answer's delay tells nothing of what was done: the wait ends at a whole
/// multiple of the floor after the start, of which work nearly always needs but one.
///
/// It starts before anybody is looked up, as someone who exists takes longer to load than nobody: look-ups ask for
/// a running one.
pub struct Floor {
    start: Instant,
    step: Duration,
}

impl Floor {
    /// Starts the clock.
    pub fn start(step: Duration) -> Self {
        Self { start: Instant::now(), step }
    }

    /// Waits for the next multiple.
    pub async fn settle(self) {
        let steps = Self::steps(self.start.elapsed(), self.step);
        tokio::time::sleep_until(self.start + self.step * steps).await;
    }

    fn steps(elapsed: Duration, step: Duration) -> u32 {
        u32::try_from(elapsed.as_nanos() / step.as_nanos().max(1) + 1).unwrap_or(u32::MAX)
    }
}

/// Decides on an account and records, at the holder's own request; anew when someone else was faster.
///
/// `build` gets the account as loaded and an empty unit, and puts the events and what goes with them into it.
pub(crate) async fn record(
    app: &App,
    incident: &Incident,
    account: AccountId,
    build: impl Fn(&Loaded<Account>, Unit) -> Result<Unit, AccountError>,
) -> Result<Result<Appended, AccountError>, AppError> {
    let context = incident.context(Actor::Account(account), Reason::OwnRequest, app.clock.now());
    let mut attempt = 1;
    loop {
        let loaded = app.ledger.load::<Account>(&account.to_string()).await?;
        let unit = match build(&loaded, Unit::new(context.clone())) {
            Ok(unit) => unit,
            Err(refused) => return Ok(Err(refused)),
        };
        match app.ledger.append(unit).await {
            Ok(appended) => return Ok(Ok(appended)),
            Err(AppendError::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until the views that pages are made of show everything recorded up to now. The auditors' is none of them:
/// nobody waits at the door because it has stopped.
///
/// # Errors
/// When they don't catch up in time: a page must not show an old state as the present one.
pub(crate) async fn views_caught_up(app: &App) -> Result<(), AppError> {
    let Some(last) = app.ledger.size().checked_sub(1) else { return Ok(()) };
    let shown = [Name::People, Name::Accounts, Name::Services];
    app.views.caught_up_in(&shown, last, Duration::from_secs(5)).await.map_err(AppError::unavailable)
}

#[cfg(test)]
mod floor_tests {
    use super::*;

    #[test]
    fn point_37_work_is_rounded_up_to_whole_floors() {
        let step = Duration::from_millis(300);
        for (work, total) in [(0, 1), (1, 1), (299, 1), (300, 2), (301, 2)] {
            assert_eq!(Floor::steps(Duration::from_millis(work), step), total, "{work} ms of work");
        }
    }
}
