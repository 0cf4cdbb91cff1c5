//! What can be asked of an account.

use super::{FactorKind, FactorRemoval, UpstreamIdentity, UpstreamProof};
use crate::erasure::Grounds;
use crate::identifiers::E164;
use crate::ids::{AccountId, FactorId, FlowId, GuardianId, LinkId, PupilId, SecretId};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A pupil.
    Pupil(PupilId),
    /// A guardian, known by the records attached to the account; this is the first.
    Guardian(GuardianId),
}

/// What a code sent by SMS is to prove the phone for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// First use.
    Activation,
    /// Password or login forgotten.
    CredentialReset,
}

/// How a personal password came to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordOrigin {
    /// At first use.
    Activation,
    /// After proving the phone again.
    Reset,
    /// In place of a provisional password, or by an operator's demand.
    ForcedChange,
    /// By the signed-in holder.
    OwnChange,
}

/// Why a child is no longer shown under an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detachment {
    /// The school's data no longer makes the holder a legal guardian.
    NoLongerLegalGuardian,
    /// The child's data was erased.
    ChildErased,
}

/// Intentions about an account.
#[derive(Clone, Debug)]
pub enum AccountCommand {
    /// Open an account; for a guardian, on a first record.
    Open {
        /// The account, newly named.
        account: AccountId,
        /// For whom.
        holder: Holder,
    },
    /// Another record of the same person came to light.
    AttachGuardianRecord {
        /// The record.
        guardian: GuardianId,
    },
    /// A record turned out to be another person's, or to give no right any more.
    DetachGuardianRecord {
        /// The record.
        guardian: GuardianId,
    },
    /// Send a code to prove a phone.
    IssueCode {
        /// For what.
        purpose: Purpose,
        /// The activation or recovery in progress.
        flow: FlowId,
        /// Vault row of the code.
        secret: SecretId,
        /// The phone the school's file names.
        to: E164,
        /// When the code stops working.
        expires_at: DateTime<Utc>,
    },
    /// The code came back right; the vault row has been consumed.
    AcceptCode {
        /// The flow the code was issued for.
        flow: FlowId,
        /// Now.
        now: DateTime<Utc>,
    },
    /// The holder gave a child's birth date.
    ConfirmChild {
        /// The child.
        pupil: PupilId,
        /// As the holder says.
        claimed: NaiveDate,
        /// As the school's record says.
        on_record: NaiveDate,
    },
    /// The holder says the child is not theirs.
    ReportChild {
        /// The child.
        pupil: PupilId,
    },
    /// The child's record no longer gives the holder a right.
    DetachChild {
        /// The child.
        pupil: PupilId,
        /// Why.
        cause: Detachment,
    },
    /// Give the account its login, reserved beforehand.
    AssignLogin {
        /// Lower-case ASCII.
        login: String,
    },
    /// The holder chose a password that passed the policy.
    ChoosePassword {
        /// Vault row of its hash.
        secret: SecretId,
        /// How it came to that.
        origin: PasswordOrigin,
        /// The flow that proved the phone; needed for [`PasswordOrigin::Activation`] and [`PasswordOrigin::Reset`].
        flow: Option<FlowId>,
    },
    /// Hand out a provisional password, shown once.
    IssueProvisionalPassword {
        /// Vault row of its hash.
        secret: SecretId,
        /// When it stops working.
        expires_at: DateTime<Utc>,
    },
    /// Let an upstream identity open the account; its provider's answer has been verified.
    LinkUpstreamIdentity {
        /// The link, newly named.
        link: LinkId,
        /// The provider, by its configured name.
        provider: String,
        /// Who the provider says it is.
        identity: UpstreamIdentity,
        /// On what proof.
        proof: UpstreamProof,
        /// The flow that proved the phone; needed for [`UpstreamProof::PhoneAndChildren`].
        flow: Option<FlowId>,
    },
    /// The holder gives an upstream identity up.
    UnlinkUpstreamIdentity {
        /// The link.
        link: LinkId,
    },
    /// From now on a password alone does not do.
    EnrolSecondFactor {
        /// The factor, newly named.
        factor: FactorId,
        /// What it is.
        kind: FactorKind,
        /// Vault row.
        secret: SecretId,
    },
    /// Do without a second factor.
    RemoveSecondFactor {
        /// Which.
        factor: FactorId,
        /// Why.
        cause: FactorRemoval,
    },
    /// Do without any.
    RemoveAllSecondFactors {
        /// Why.
        cause: FactorRemoval,
    },
    /// Hand out recovery codes in place of any former ones.
    IssueRecoveryCodes {
        /// Vault row of their keyed hashes.
        secret: SecretId,
        /// How many.
        number: u8,
    },
    /// A recovery code came; the vault row has lost it.
    UseRecoveryCode,
    /// Stop all use.
    Disable,
    /// Allow use again.
    Enable,
    /// End the account.
    Close,
    /// End the account and erase what it holds.
    Erase {
        /// On which grounds.
        grounds: Grounds,
    },
}
