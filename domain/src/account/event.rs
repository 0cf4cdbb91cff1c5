//! Facts of an account.

use super::{
    Detachment, FactorKind, FactorRemoval, Holder, PasswordOrigin, Purpose, UpstreamIdentity, UpstreamProof,
    UpstreamUnlinking,
};
use crate::erasure::Grounds;
use crate::event::event_names;
use crate::identifiers::E164;
use crate::ids::{AccountId, FactorId, FlowId, GuardianId, LinkId, PupilId, SecretId};
use crate::personal::{Personal, Sealable, Segment};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Facts of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// The account came to be; nobody has used it yet.
    AccountOpened {
        /// The account.
        account: AccountId,
        /// Whose it is.
        holder: Holder,
    },
    /// A guardian record was found to be the holder's.
    GuardianRecordAttached {
        /// The record.
        guardian: GuardianId,
    },
    /// A guardian record no longer stands behind the account.
    GuardianRecordDetached {
        /// The record.
        guardian: GuardianId,
    },
    /// A code was sent to prove a phone.
    VerificationCodeIssued {
        /// For what.
        purpose: Purpose,
        /// The flow in progress.
        flow: FlowId,
        /// Vault row of the code.
        secret: SecretId,
        /// Where it was sent.
        to: Personal<E164>,
        /// When it stops working.
        expires_at: DateTime<Utc>,
    },
    /// The code came back: the phone is proved.
    VerificationCodeAccepted {
        /// For what.
        purpose: Purpose,
        /// The flow in progress.
        flow: FlowId,
    },
    /// The holder confirmed a child by birth date.
    ChildConfirmed {
        /// The child.
        pupil: PupilId,
    },
    /// The holder reported a child as not theirs.
    ChildReported {
        /// The child.
        pupil: PupilId,
    },
    /// A child is no longer under the account.
    ChildDetached {
        /// The child.
        pupil: PupilId,
        /// Why.
        cause: Detachment,
    },
    /// The account got its login.
    LoginAssigned {
        /// Lower-case ASCII, never reused.
        login: Personal<String>,
    },
    /// The holder chose a password.
    PasswordChosen {
        /// Vault row of its hash.
        secret: SecretId,
        /// How it came to that.
        origin: PasswordOrigin,
    },
    /// The account is in use from here on.
    AccountActivated {},
    /// A provisional password was handed out; a personal one must replace it.
    ProvisionalPasswordIssued {
        /// Vault row of its hash.
        secret: SecretId,
        /// When it stops working.
        expires_at: DateTime<Utc>,
    },
    /// From here on an identity that another provider vouches for opens the account.
    UpstreamIdentityLinked {
        /// The link.
        link: LinkId,
        /// The provider, by its configured name.
        provider: String,
        /// Who the provider says it is.
        identity: Personal<UpstreamIdentity>,
        /// On what proof the account is that person's.
        proof: UpstreamProof,
    },
    /// An upstream identity no longer opens the account.
    UpstreamIdentityUnlinked {
        /// The link that ended.
        link: LinkId,
        /// The provider it was of.
        provider: String,
        /// Why.
        cause: UpstreamUnlinking,
    },
    /// A password alone no longer opens the account.
    SecondFactorEnrolled {
        /// The factor.
        factor: FactorId,
        /// What it is.
        kind: FactorKind,
        /// Vault row of its secret, or of its public key and counter.
        secret: SecretId,
    },
    /// A second factor is no longer one.
    SecondFactorRemoved {
        /// Which.
        factor: FactorId,
        /// Why.
        cause: FactorRemoval,
    },
    /// Recovery codes were handed out, in place of any former ones.
    RecoveryCodesIssued {
        /// Vault row of their keyed hashes.
        secret: SecretId,
        /// How many.
        number: u8,
    },
    /// A recovery code stood in for a second factor, and is used up.
    RecoveryCodeUsed {
        /// How many are left.
        left: u8,
    },
    /// With the last second factor its recovery codes went too.
    RecoveryCodesWithdrawn {},
    /// No use until enabled again.
    AccountDisabled {},
    /// Use is allowed again.
    AccountEnabled {},
    /// The account ended.
    AccountClosed {},
    /// The account ended and its key was destroyed with this event: no personal value can be read any more.
    AccountErased {
        /// The account, whose key it was.
        account: AccountId,
        /// On which grounds.
        grounds: Grounds,
    },
}

event_names!(AccountEvent, version "1":
    AccountOpened, GuardianRecordAttached, GuardianRecordDetached, VerificationCodeIssued, VerificationCodeAccepted,
    ChildConfirmed, ChildReported, ChildDetached, LoginAssigned, PasswordChosen, AccountActivated,
    ProvisionalPasswordIssued, UpstreamIdentityLinked, UpstreamIdentityUnlinked, AccountDisabled, AccountEnabled,
    AccountClosed, AccountErased, SecondFactorEnrolled, SecondFactorRemoved, RecoveryCodesIssued, RecoveryCodeUsed,
    RecoveryCodesWithdrawn);

impl Sealable for AccountEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::VerificationCodeIssued { to, .. } => vec![to],
            Self::LoginAssigned { login } => vec![login],
            Self::UpstreamIdentityLinked { identity, .. } => vec![identity],
            Self::AccountOpened { .. }
            | Self::GuardianRecordAttached { .. }
            | Self::GuardianRecordDetached { .. }
            | Self::VerificationCodeAccepted { .. }
            | Self::ChildConfirmed { .. }
            | Self::ChildReported { .. }
            | Self::ChildDetached { .. }
            | Self::PasswordChosen { .. }
            | Self::AccountActivated {}
            | Self::ProvisionalPasswordIssued { .. }
            | Self::UpstreamIdentityUnlinked { .. }
            | Self::SecondFactorEnrolled { .. }
            | Self::SecondFactorRemoved { .. }
            | Self::RecoveryCodesIssued { .. }
            | Self::RecoveryCodeUsed { .. }
            | Self::RecoveryCodesWithdrawn {}
            | Self::AccountDisabled {}
            | Self::AccountEnabled {}
            | Self::AccountClosed {}
            | Self::AccountErased { .. } => vec![],
        }
    }
}
