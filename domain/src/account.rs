//! An account: one person's way in, for the whole of school life.
//!
//! ```text
//!                    AccountOpened
//!                          │
//!                          ▼        AccountActivated (first personal password)
//!                        open ───────────────────────▶ activated
//!                          │                            │     ▲
//!                          │            AccountDisabled │     │ AccountEnabled
//!                          │                            ▼     │
//!                          └──────── AccountClosed ◀── disabled
//!                                          │
//!             AccountErased (from anywhere) ┴──▶ closed, and nothing left to read
//! ```
//!
//! Secrets never stand here: an event names a row of the vault. Whether a code or a birth date is right is
//! decided here from what the caller read under the same version, never from a view.

mod command;
mod event;
mod second_factor;
mod upstream;

pub use command::{AccountCommand, Detachment, Holder, PasswordOrigin, Purpose};
pub use event::AccountEvent;
pub use second_factor::{FactorKind, FactorRemoval, MOST_FACTORS, RecoveryCodes, SecondFactor};
pub use upstream::{UpstreamIdentity, UpstreamLink, UpstreamProof, UpstreamUnlinking};

use crate::event::handle_by_decide;
use crate::identifiers::E164;
use crate::ids::{AccountId, FactorId, FlowId, GuardianId, LinkId, PupilId, SecretId};
use crate::personal::Personal;
use chrono::{DateTime, NaiveDate, Utc};
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Codes that may wait at once, more than one person is sent in a day: what bounds the state, not who guesses.
const MOST_WAITING: usize = 8;

/// What a session that was opened without a password names in its place.
pub const NO_PASSWORD: SecretId = SecretId(uuid::Uuid::nil());

/// Why a command about an account is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// There is no such account.
    #[error("there is no such account")]
    NotOpened,
    /// It exists already.
    #[error("this account is already open")]
    AlreadyOpened,
    /// It is disabled or closed.
    #[error("this account is not in use")]
    NotInUse,
    /// No code waits for this flow: used, or pushed out by many newer ones.
    #[error("no code waits for this request; ask for a new one")]
    NoCodeWaiting,
    /// The code is too old.
    #[error("this code has expired; ask for a new one")]
    CodeExpired,
    /// The birth date is not the child's.
    #[error("this birth date is not the one in the school's file")]
    BirthDateMismatch,
    /// Guardians' business on a pupil's account.
    #[error("only a guardian's account has children")]
    NotAGuardian,
    /// The phone must be proved first.
    #[error("the phone has not been proved")]
    PhoneNotProved,
    /// A password needs a login.
    #[error("the account has no login yet")]
    NoLogin,
    /// A login is never changed or reused.
    #[error("the account already has a login")]
    LoginAlreadyAssigned,
    /// The upstream identity is not linked.
    #[error("this identity is not linked to the account")]
    NotLinked,
    /// Without it nobody could enter.
    #[error("this is the only way in; add another before giving it up")]
    LastWayIn,
    /// The identity linked before is another person's: another birth date.
    #[error("the account is linked with the identity of somebody born on another day")]
    LinkedWithAnotherPerson,
    /// No child was confirmed, so nothing ties the person to the school's data.
    #[error("a child must be confirmed first")]
    NoChildConfirmed,
    /// The account has no such second factor.
    #[error("the account has no such second factor")]
    NoSuchFactor,
    /// More second factors than anybody needs.
    #[error("the account has {MOST_FACTORS} second factors already; remove one first")]
    TooManyFactors,
}

/// Where an account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Does not exist.
    #[default]
    Absent,
    /// Opened from school data, never used.
    Open,
    /// In use.
    Activated,
    /// Stopped; the flag says whether it had been activated.
    Disabled {
        /// Whether it was activated before.
        activated: bool,
    },
    /// Ended.
    Closed,
}

/// The password in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Password {
    /// Chosen by the holder.
    Personal(SecretId),
    /// Handed out; must be replaced at first sign-in.
    Provisional {
        /// Vault row of its hash.
        secret: SecretId,
        /// When it stops working.
        expires_at: DateTime<Utc>,
    },
}

impl Password {
    /// Vault row of its hash.
    pub fn secret(&self) -> SecretId {
        match self {
            Self::Personal(secret) | Self::Provisional { secret, .. } => *secret,
        }
    }
}

/// A code that waits to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingCode {
    /// For what.
    pub purpose: Purpose,
    /// Vault row.
    pub secret: SecretId,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    to: Personal<E164>,
}

/// The account as its events make it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The account; `None` before it is opened.
    pub id: Option<AccountId>,
    /// Where it stands.
    pub status: Status,
    /// Whose it is.
    pub holder: Option<Holder>,
    /// Guardian records behind it.
    pub guardians: BTreeSet<GuardianId>,
    /// Children confirmed by birth date.
    pub confirmed: BTreeSet<PupilId>,
    /// Children reported as not theirs.
    pub reported: BTreeSet<PupilId>,
    /// Login.
    pub login: Option<Personal<String>>,
    /// Password in force.
    pub password: Option<Password>,
    /// Whether the password in force goes back to a provisional one that somebody handed out, and not to a phone that
    /// was proved: what the holder then is known by is that they were given it.
    #[serde(default)]
    pub by_provisional: bool,
    /// The codes that wait, by the flow they belong to: who asks for one elsewhere takes nobody else's away.
    pub codes: BTreeMap<FlowId, WaitingCode>,
    /// The flow that proved the phone last.
    pub proved: Option<(FlowId, Purpose)>,
    /// The phone proved last.
    pub phone: Option<Personal<E164>>,
    /// Upstream identities that open it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<LinkId, UpstreamLink>,
    /// What the holder proves beside the password.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub second_factors: BTreeMap<FactorId, SecondFactor>,
    /// Codes on paper for the day that the others are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<RecoveryCodes>,
    /// It was erased.
    #[serde(default)]
    pub erased: bool,
}

impl Account {
    /// Which facts a command adds.
    ///
    /// # Errors
    /// [`AccountError`]; nothing is recorded then.
    pub fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountError> {
        use AccountCommand as C;
        use AccountEvent as E;
        match command {
            C::Open { account, holder } => self.open(account, holder),
            C::AttachGuardianRecord { guardian } => {
                self.guardians_account()?;
                Ok(when(!self.guardians.contains(&guardian), E::GuardianRecordAttached { guardian }))
            }
            C::DetachGuardianRecord { guardian } => {
                self.guardians_account()?;
                Ok(when(self.guardians.contains(&guardian), E::GuardianRecordDetached { guardian }))
            }
            C::IssueCode { purpose, flow, secret, to, expires_at } => {
                let to = Personal::new(self.in_use()?, to);
                Ok(vec![E::VerificationCodeIssued { purpose, flow, secret, to, expires_at }])
            }
            C::AcceptCode { flow, now } => self.accept_code(flow, now),
            C::ConfirmChild { pupil, claimed, on_record } => self.confirm_child(pupil, claimed, on_record),
            C::ReportChild { pupil } => {
                self.guardians_account()?;
                Ok(when(!self.reported.contains(&pupil), E::ChildReported { pupil }))
            }
            C::DetachChild { pupil, cause } => {
                self.guardians_account()?;
                Ok(when(self.confirmed.contains(&pupil), E::ChildDetached { pupil, cause }))
            }
            C::AssignLogin { login } => {
                let id = self.in_use()?;
                if self.login.is_some() {
                    return Err(AccountError::LoginAlreadyAssigned);
                }
                Ok(vec![E::LoginAssigned { login: Personal::new(id, login) }])
            }
            C::ChoosePassword { secret, origin, flow } => self.choose_password(secret, origin, flow),
            C::IssueProvisionalPassword { secret, expires_at } => {
                self.in_use()?;
                self.login.as_ref().ok_or(AccountError::NoLogin)?;
                let mut events = self.unlink(UpstreamUnlinking::Reset, |_, _| true);
                events.push(E::ProvisionalPasswordIssued { secret, expires_at });
                Ok(events)
            }
            C::LinkUpstreamIdentity { link, provider, identity, proof, flow } => {
                self.link(link, provider, identity, proof, flow)
            }
            C::UnlinkUpstreamIdentity { link } => {
                self.in_use()?;
                if !self.links.contains_key(&link) {
                    return Err(AccountError::NotLinked);
                }
                if self.links.len() == 1 && self.password.is_none() {
                    return Err(AccountError::LastWayIn);
                }
                Ok(self.unlink(UpstreamUnlinking::OwnRequest, |id, _| *id == link))
            }
            C::EnrolSecondFactor { factor, kind, secret } => self.enrol(factor, kind, secret),
            C::RemoveSecondFactor { factor, cause } => self.remove_factor(factor, cause),
            C::RemoveAllSecondFactors { cause } => self.remove_all_factors(cause),
            C::IssueRecoveryCodes { secret, number } => self.issue_recovery_codes(secret, number),
            C::UseRecoveryCode => self.use_recovery_code(),
            C::Disable => self.opened().map(|_| when(self.in_use().is_ok(), E::AccountDisabled {})),
            C::Enable => {
                self.opened().map(|_| when(matches!(self.status, Status::Disabled { .. }), E::AccountEnabled {}))
            }
            C::Close => self.opened().map(|_| when(self.status != Status::Closed, E::AccountClosed {})),
            C::Erase { grounds } => {
                self.opened().map(|account| when(!self.erased, E::AccountErased { account, grounds }))
            }
        }
    }

    /// Whether what opened a session still opens the account: the personal password that was in force then, if there
    /// was one, and the link it came by, if it came by one. A session opened without a password names none (nil).
    pub fn still_opens(&self, credential: SecretId, link: Option<LinkId>) -> bool {
        let in_force = match &self.password {
            Some(Password::Personal(secret)) => *secret,
            Some(Password::Provisional { .. }) => return false,
            None => NO_PASSWORD,
        };
        let way = match link {
            Some(link) => self.links.contains_key(&link),
            None => self.password.is_some(),
        };
        self.status == Status::Activated && way && in_force == credential
    }

    /// The link of this provider's subject.
    pub fn link_of(&self, provider: &str, subject: &str) -> Option<LinkId> {
        let same = |link: &UpstreamLink| {
            link.provider == provider && link.identity.known().is_some_and(|identity| identity.subject == subject)
        };
        self.links.iter().find(|(_, link)| same(link)).map(|(id, _)| *id)
    }

    /// A code was sent and its phone proved for this flow, for this purpose.
    pub fn has_proved(&self, flow: FlowId, purpose: Purpose) -> bool {
        self.proved == Some((flow, purpose))
    }

    /// Whether a personal password must replace the present one.
    pub fn must_change_password(&self) -> bool {
        matches!(self.password, Some(Password::Provisional { .. }))
    }

    fn open(&self, account: AccountId, holder: Holder) -> Result<Vec<AccountEvent>, AccountError> {
        if self.status != Status::Absent {
            return Err(AccountError::AlreadyOpened);
        }
        let mut events = vec![AccountEvent::AccountOpened { account, holder }];
        if let Holder::Guardian(guardian) = holder {
            events.push(AccountEvent::GuardianRecordAttached { guardian });
        }
        Ok(events)
    }

    fn accept_code(&self, flow: FlowId, now: DateTime<Utc>) -> Result<Vec<AccountEvent>, AccountError> {
        self.in_use()?;
        let code = self.codes.get(&flow).ok_or(AccountError::NoCodeWaiting)?;
        if now >= code.expires_at {
            return Err(AccountError::CodeExpired);
        }
        Ok(vec![AccountEvent::VerificationCodeAccepted { purpose: code.purpose, flow }])
    }

    fn confirm_child(
        &self,
        pupil: PupilId,
        claimed: NaiveDate,
        on_record: NaiveDate,
    ) -> Result<Vec<AccountEvent>, AccountError> {
        self.guardians_account()?;
        if self.status != Status::Activated && self.proved.is_none() {
            return Err(AccountError::PhoneNotProved);
        }
        if claimed != on_record {
            return Err(AccountError::BirthDateMismatch);
        }
        Ok(when(!self.confirmed.contains(&pupil), AccountEvent::ChildConfirmed { pupil }))
    }

    fn choose_password(
        &self,
        secret: SecretId,
        origin: PasswordOrigin,
        flow: Option<FlowId>,
    ) -> Result<Vec<AccountEvent>, AccountError> {
        self.in_use()?;
        self.login.as_ref().ok_or(AccountError::NoLogin)?;
        let proved_by_phone = matches!(origin, PasswordOrigin::Activation | PasswordOrigin::Reset);
        if proved_by_phone && (flow.is_none() || self.proved.map(|(proved, _)| proved) != flow) {
            return Err(AccountError::PhoneNotProved);
        }
        let mut events = vec![AccountEvent::PasswordChosen { secret, origin }];
        events.extend(when(self.status == Status::Open, AccountEvent::AccountActivated {}));
        Ok(events)
    }

    fn link(
        &self,
        link: LinkId,
        provider: String,
        identity: UpstreamIdentity,
        proof: UpstreamProof,
        flow: Option<FlowId>,
    ) -> Result<Vec<AccountEvent>, AccountError> {
        let id = self.in_use()?;
        let guardian = matches!(self.holder, Some(Holder::Guardian(_)));
        match proof {
            UpstreamProof::PhoneAndChildren => {
                self.guardians_account()?;
                if flow.is_none() || self.proved.map(|(proved, _)| proved) != flow {
                    return Err(AccountError::PhoneNotProved);
                }
            }
            UpstreamProof::SignedIn if self.status != Status::Activated => return Err(AccountError::NotInUse),
            UpstreamProof::SignedIn
            | UpstreamProof::Ine
            | UpstreamProof::EducationVector
            | UpstreamProof::Login
            | UpstreamProof::NamesAndBirthDate => {}
        }
        let tied = matches!(proof, UpstreamProof::PhoneAndChildren | UpstreamProof::SignedIn);
        if guardian && tied && self.confirmed.is_empty() {
            return Err(AccountError::NoChildConfirmed);
        }
        if self.link_of(&provider, &identity.subject).is_some() {
            return Ok(vec![]);
        }
        let mut events = Vec::new();
        // The same person under another subject takes the place of the former; somebody else does not.
        for (former, present) in self.links.iter().filter(|(_, present)| present.provider == provider) {
            let born = present.identity.known().and_then(|known| known.birth_date.as_ref());
            if born.is_some_and(|born| identity.birth_date.as_ref().is_some_and(|other| other != born)) {
                return Err(AccountError::LinkedWithAnotherPerson);
            }
            let cause = UpstreamUnlinking::Replaced;
            let provider = provider.clone();
            events.push(AccountEvent::UpstreamIdentityUnlinked { link: *former, provider, cause });
        }
        let identity = Personal::new(id, identity);
        events.push(AccountEvent::UpstreamIdentityLinked { link, provider, identity, proof });
        events.extend(when(self.status == Status::Open, AccountEvent::AccountActivated {}));
        Ok(events)
    }

    fn unlink(&self, cause: UpstreamUnlinking, which: impl Fn(&LinkId, &UpstreamLink) -> bool) -> Vec<AccountEvent> {
        let ended = self.links.iter().filter(|(id, link)| which(id, link));
        let event = |(id, link): (&LinkId, &UpstreamLink)| AccountEvent::UpstreamIdentityUnlinked {
            link: *id,
            provider: link.provider.clone(),
            cause,
        };
        ended.map(event).collect()
    }

    /// Keeps at most [`MOST_WAITING`] codes: beyond, the one that expires first goes.
    fn drop_oldest_code(&mut self) {
        if self.codes.len() > MOST_WAITING
            && let Some(oldest) = self.codes.iter().min_by_key(|(_, code)| code.expires_at).map(|(flow, _)| *flow)
        {
            self.codes.remove(&oldest);
        }
    }

    fn opened(&self) -> Result<AccountId, AccountError> {
        self.id.ok_or(AccountError::NotOpened)
    }

    fn in_use(&self) -> Result<AccountId, AccountError> {
        let id = self.opened()?;
        match self.status {
            Status::Open | Status::Activated => Ok(id),
            Status::Absent | Status::Disabled { .. } | Status::Closed => Err(AccountError::NotInUse),
        }
    }

    fn guardians_account(&self) -> Result<(), AccountError> {
        self.in_use()?;
        match self.holder {
            Some(Holder::Guardian(_)) => Ok(()),
            Some(Holder::Pupil(_)) | None => Err(AccountError::NotAGuardian),
        }
    }
}

/// The event, where there is something to record.
fn when(needed: bool, event: AccountEvent) -> Vec<AccountEvent> {
    needed.then_some(event).into_iter().collect()
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = AccountError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: AccountEvent) {
        match event {
            AccountEvent::AccountOpened { account, holder } => {
                self.id = Some(account);
                self.holder = Some(holder);
                self.status = Status::Open;
            }
            AccountEvent::GuardianRecordAttached { guardian } => {
                self.guardians.insert(guardian);
            }
            AccountEvent::GuardianRecordDetached { guardian } => {
                self.guardians.remove(&guardian);
            }
            AccountEvent::VerificationCodeIssued { purpose, flow, secret, to, expires_at } => {
                self.codes.insert(flow, WaitingCode { purpose, secret, expires_at, to });
                self.drop_oldest_code();
            }
            AccountEvent::VerificationCodeAccepted { purpose, flow } => {
                self.proved = Some((flow, purpose));
                self.phone = self.codes.remove(&flow).map(|code| code.to);
            }
            AccountEvent::ChildConfirmed { pupil } => {
                self.reported.remove(&pupil);
                self.confirmed.insert(pupil);
            }
            AccountEvent::ChildReported { pupil } => {
                self.confirmed.remove(&pupil);
                self.reported.insert(pupil);
            }
            AccountEvent::ChildDetached { pupil, cause: _ } => {
                self.confirmed.remove(&pupil);
            }
            AccountEvent::LoginAssigned { login } => self.login = Some(login),
            AccountEvent::PasswordChosen { secret, origin } => {
                self.password = Some(Password::Personal(secret));
                self.proved = None;
                self.by_provisional = match origin {
                    PasswordOrigin::Activation | PasswordOrigin::Reset => false,
                    PasswordOrigin::ForcedChange => true,
                    PasswordOrigin::OwnChange => self.by_provisional,
                };
            }
            AccountEvent::AccountActivated {} => self.status = Status::Activated,
            AccountEvent::ProvisionalPasswordIssued { secret, expires_at } => {
                self.password = Some(Password::Provisional { secret, expires_at });
                self.proved = None;
            }
            AccountEvent::UpstreamIdentityLinked { link, provider, identity, proof } => {
                let by_provisional = proof == UpstreamProof::SignedIn && self.by_provisional;
                self.links.insert(link, UpstreamLink { provider, identity, proof, by_provisional });
                self.proved = None;
            }
            AccountEvent::UpstreamIdentityUnlinked { link, provider: _, cause: _ } => {
                self.links.remove(&link);
            }
            AccountEvent::SecondFactorEnrolled { factor, kind, secret } => {
                self.second_factors.insert(factor, SecondFactor { kind, secret });
            }
            AccountEvent::SecondFactorRemoved { factor, cause: _ } => {
                self.second_factors.remove(&factor);
            }
            AccountEvent::RecoveryCodesIssued { secret, number } => {
                self.recovery_codes = Some(RecoveryCodes { secret, left: number });
            }
            AccountEvent::RecoveryCodeUsed { left } => {
                self.recovery_codes = self.recovery_codes.map(|codes| RecoveryCodes { left, ..codes });
            }
            AccountEvent::RecoveryCodesWithdrawn {} => self.recovery_codes = None,
            AccountEvent::AccountDisabled {} => {
                self.status = Status::Disabled { activated: self.status == Status::Activated };
            }
            AccountEvent::AccountEnabled {} => {
                let activated = self.status == (Status::Disabled { activated: true });
                self.status = if activated { Status::Activated } else { Status::Open };
            }
            AccountEvent::AccountClosed {} => self.status = Status::Closed,
            AccountEvent::AccountErased { account, grounds: _ } => {
                // Which records stood behind it stays known by their ids: an erasure that was interrupted goes on.
                let (holder, guardians) = (self.holder, std::mem::take(&mut self.guardians));
                let (id, status) = (Some(account), Status::Closed);
                *self = Self { id, status, holder, guardians, erased: true, ..Self::default() };
            }
        }
    }
}

#[cfg(test)]
mod tests;
