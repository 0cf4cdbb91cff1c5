//! Accounts, the guardian records behind them, and what became of the children proposed to them.

mod reads;
mod rows;

pub use reads::AccountRecord;
pub use rows::{AccountChildRow, AccountGuardianRow, AccountRow};

use crate::projection::{Fault, Projection, stream_uuid};
use crate::row::Table;
use crate::writes::Writes;
use domain::Event;
use domain::account::AccountEvent;
use ledger::RecordedEvent;
use sqlx::PgConnection;
use uuid::Uuid;

/// The rows a batch touches.
#[derive(Default)]
pub(crate) struct Accounts {
    accounts: Table<AccountRow>,
    guardians: Table<AccountGuardianRow>,
    children: Table<AccountChildRow>,
}

impl Projection for Accounts {
    fn want(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        match &event.event {
            Event::Account(
                AccountEvent::LoginAssigned { .. }
                | AccountEvent::PasswordChosen { .. }
                | AccountEvent::AccountActivated {}
                | AccountEvent::ProvisionalPasswordIssued { .. }
                | AccountEvent::AccountDisabled {}
                | AccountEvent::AccountEnabled {}
                | AccountEvent::AccountClosed {},
            ) => self.accounts.want((stream_uuid(event)?,)),
            // Whole rows are written, or removed: what stood there does not matter.
            Event::Account(
                AccountEvent::AccountOpened { .. }
                | AccountEvent::GuardianRecordAttached { .. }
                | AccountEvent::GuardianRecordDetached { .. }
                | AccountEvent::VerificationCodeIssued { .. }
                | AccountEvent::VerificationCodeAccepted { .. }
                | AccountEvent::SecondFactorEnrolled { .. }
                | AccountEvent::SecondFactorRemoved { .. }
                | AccountEvent::RecoveryCodesIssued { .. }
                | AccountEvent::RecoveryCodeUsed { .. }
                | AccountEvent::RecoveryCodesWithdrawn {}
                | AccountEvent::ChildConfirmed { .. }
                | AccountEvent::ChildReported { .. }
                | AccountEvent::ChildDetached { .. }
                | AccountEvent::UpstreamIdentityLinked { .. }
                | AccountEvent::UpstreamIdentityUnlinked { .. }
                | AccountEvent::AccountErased { .. },
            ) => {}
            Event::Pupil(_)
            | Event::Guardian(_)
            | Event::Establishment(_)
            | Event::RelyingParty(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => {}
        }
        Ok(())
    }

    async fn load(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        self.accounts.load(connection).await
    }

    fn apply(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        match &event.event {
            Event::Account(account_event) => self.account(event, stream_uuid(event)?, account_event),
            Event::Pupil(_)
            | Event::Guardian(_)
            | Event::Establishment(_)
            | Event::RelyingParty(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => Ok(()),
        }
    }

    fn write(self, writes: &mut Writes) {
        self.accounts.write(writes);
        self.guardians.write(writes);
        self.children.write(writes);
    }
}

impl Accounts {
    fn account(&mut self, event: &RecordedEvent, account: Uuid, fact: &AccountEvent) -> Result<(), Fault> {
        match fact {
            AccountEvent::AccountOpened { account: _, holder } => {
                self.accounts.put(AccountRow::opened(account, *holder, event.recorded_at));
            }
            AccountEvent::GuardianRecordAttached { guardian } => {
                let (guardian, attached_at) = (guardian.0, event.recorded_at);
                self.guardians.put(AccountGuardianRow { account, guardian, attached_at });
            }
            AccountEvent::GuardianRecordDetached { guardian } => self.guardians.remove((account, guardian.0)),
            // A phone is proved within a flow; nothing of it is shown.
            AccountEvent::VerificationCodeIssued { .. } | AccountEvent::VerificationCodeAccepted { .. } => {}
            // Who signs in is asked by the account's own stream.
            AccountEvent::SecondFactorEnrolled { .. }
            | AccountEvent::SecondFactorRemoved { .. }
            | AccountEvent::RecoveryCodesIssued { .. }
            | AccountEvent::RecoveryCodeUsed { .. }
            | AccountEvent::RecoveryCodesWithdrawn {} => {}
            AccountEvent::ChildConfirmed { pupil } => self.child(event, account, pupil.0, "confirmed"),
            AccountEvent::ChildReported { pupil } => self.child(event, account, pupil.0, "reported"),
            AccountEvent::ChildDetached { pupil, cause: _ } => self.child(event, account, pupil.0, "detached"),
            AccountEvent::LoginAssigned { login } => {
                let row = self.row(event, account)?;
                row.login = login.known().cloned();
                row.login_erased = login.known().is_none();
            }
            AccountEvent::PasswordChosen { .. } => self.row(event, account)?.must_change = false,
            AccountEvent::ProvisionalPasswordIssued { .. } => self.row(event, account)?.must_change = true,
            AccountEvent::AccountActivated {} => {
                let row = self.row(event, account)?;
                row.status = "activated".to_owned();
                row.activated = true;
                row.activated_at = Some(event.recorded_at);
            }
            // Which ways in an account has is read from its stream, by its holder and by the sign-in.
            AccountEvent::UpstreamIdentityLinked { .. } | AccountEvent::UpstreamIdentityUnlinked { .. } => {}
            AccountEvent::AccountDisabled {} => self.row(event, account)?.status = "disabled".to_owned(),
            AccountEvent::AccountEnabled {} => {
                let row = self.row(event, account)?;
                row.status = if row.activated { "activated".to_owned() } else { "open".to_owned() };
            }
            AccountEvent::AccountClosed {} => self.row(event, account)?.status = "closed".to_owned(),
            AccountEvent::AccountErased { account: _, grounds: _ } => {
                self.accounts.remove((account,));
                self.guardians.purge("account", account, |key| key.0 == account);
                self.children.purge("account", account, |key| key.0 == account);
            }
        }
        Ok(())
    }

    fn row(&mut self, event: &RecordedEvent, account: Uuid) -> Result<&mut AccountRow, Fault> {
        self.accounts.change(&(account,)).ok_or_else(|| Fault::no_row(event, "account"))
    }

    fn child(&mut self, event: &RecordedEvent, account: Uuid, pupil: Uuid, status: &str) {
        let since = event.recorded_at;
        self.children.put(AccountChildRow { account, pupil, status: status.to_owned(), since });
    }
}
