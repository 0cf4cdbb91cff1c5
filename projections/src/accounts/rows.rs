//! The rows of `view_accounts`.

use crate::row::row;
use chrono::{DateTime, Utc};
use domain::account::Holder;
use uuid::Uuid;

mod account {
    use super::{DateTime, Utc, Uuid, row};
    row! {
        /// An account.
        AccountRow in "account", key(id: Uuid) {
            /// The account.
            id: Uuid => "uuid",
            /// `pupil`, `guardian`.
            holder_kind: String => "text",
            /// Pupil, or first guardian record.
            holder: Uuid => "uuid",
            /// `open`, `activated`, `disabled`, `closed`.
            status: String => "text",
            /// Whether it was ever activated.
            activated: bool => "bool",
            /// Login.
            login: Option<String> => "text",
            /// The login was erased.
            login_erased: bool => "bool",
            /// A provisional password is in force.
            must_change: bool => "bool",
            /// When it was opened.
            opened_at: DateTime<Utc> => "timestamptz",
            /// When it was activated.
            activated_at: Option<DateTime<Utc>> => "timestamptz",
        }
    }
}

mod account_guardian {
    use super::{DateTime, Utc, Uuid, row};
    row! {
        /// A guardian record behind an account.
        AccountGuardianRow in "account_guardian", key(account: Uuid, guardian: Uuid) {
            /// The account.
            account: Uuid => "uuid",
            /// The record.
            guardian: Uuid => "uuid",
            /// Since when.
            attached_at: DateTime<Utc> => "timestamptz",
        }
    }
}

mod account_child {
    use super::{DateTime, Utc, Uuid, row};
    row! {
        /// What became of a child proposed to an account.
        AccountChildRow in "account_child", key(account: Uuid, pupil: Uuid) {
            /// The account.
            account: Uuid => "uuid",
            /// The child.
            pupil: Uuid => "uuid",
            /// `confirmed`, `reported`, `detached`.
            status: String => "text",
            /// Since when.
            since: DateTime<Utc> => "timestamptz",
        }
    }
}

pub use account::AccountRow;
pub use account_child::AccountChildRow;
pub use account_guardian::AccountGuardianRow;

impl AccountRow {
    pub(crate) fn opened(id: Uuid, holder: Holder, opened_at: DateTime<Utc>) -> Self {
        let (holder_kind, holder) = match holder {
            Holder::Pupil(pupil) => ("pupil", pupil.0),
            Holder::Guardian(guardian) => ("guardian", guardian.0),
        };
        Self {
            id,
            holder_kind: holder_kind.to_owned(),
            holder,
            status: "open".to_owned(),
            activated: false,
            login: None,
            login_erased: false,
            must_change: false,
            opened_at,
            activated_at: None,
        }
    }
}
