//! An auditor: staff who may question the ledger through the API, and what a second auditor let them see.
//!
//! ```text
//!   DisclosureRequested ──▶ waiting ──DisclosureApproved (by another auditor)──▶ granted, until a moment
//!                              └──────DisclosureRefused  (by another auditor)──▶ refused
//! ```
//!
//! Answers are masked by default. Personal data in clear, and exports in bulk, need a *disclosure*: asked for by one
//! auditor, approved by another, for one question and a limited time. What is asked and why stands outside the
//! ledger; the event commits to it by its SHA-256, so that nobody can change afterwards what was approved.

use crate::event::{event_names, handle_by_decide};
use crate::ids::{AuditorId, DisclosureId, SecretId};
use crate::personal::{Sealable, Segment};
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Intentions about an auditor.
#[derive(Clone, Debug)]
pub enum AuditorCommand {
    /// Give a member of staff the audit role.
    Appoint {
        /// The auditor, newly named.
        auditor: AuditorId,
        /// The opaque staff number; one auditor for each.
        number: String,
        /// Vault row of the credential's hash.
        credential: SecretId,
    },
    /// Give another credential; the former stops working at once.
    ReplaceCredential {
        /// Vault row of the new credential's hash.
        credential: SecretId,
    },
    /// Take the audit role away.
    Dismiss,
    /// Ask to see what is masked, or to export in bulk.
    RequestDisclosure {
        /// The request, newly named.
        disclosure: DisclosureId,
        /// SHA-256 of the question and its purpose, hexadecimal.
        digest: String,
        /// Nobody can approve it later.
        expires_at: DateTime<Utc>,
    },
    /// A second auditor allows it.
    ApproveDisclosure {
        /// The request.
        disclosure: DisclosureId,
        /// Who allows it.
        by: AuditorId,
        /// Now.
        now: DateTime<Utc>,
        /// Until when the answer may be fetched.
        until: DateTime<Utc>,
    },
    /// A second auditor does not allow it.
    RefuseDisclosure {
        /// The request.
        disclosure: DisclosureId,
        /// Who refuses it.
        by: AuditorId,
    },
}

/// Facts of an auditor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AuditorEvent {
    /// A member of staff got the audit role.
    AuditorAppointed {
        /// The auditor.
        auditor: AuditorId,
        /// The opaque staff number.
        number: String,
        /// Vault row of the credential's hash.
        credential: SecretId,
    },
    /// The credential was replaced.
    AuditorCredentialReplaced {
        /// Vault row of the new credential's hash.
        credential: SecretId,
    },
    /// The audit role was taken away.
    AuditorDismissed {},
    /// The auditor asked to see what is masked, or to export in bulk.
    DisclosureRequested {
        /// The request.
        disclosure: DisclosureId,
        /// SHA-256 of the question and its purpose, hexadecimal.
        digest: String,
        /// Nobody can approve it later.
        expires_at: DateTime<Utc>,
    },
    /// A second auditor allowed it.
    DisclosureApproved {
        /// The request.
        disclosure: DisclosureId,
        /// Who allowed it.
        by: AuditorId,
        /// Until when the answer may be fetched.
        until: DateTime<Utc>,
    },
    /// A second auditor did not allow it.
    DisclosureRefused {
        /// The request.
        disclosure: DisclosureId,
        /// Who refused it.
        by: AuditorId,
    },
}

event_names!(AuditorEvent, version "1":
    AuditorAppointed, AuditorCredentialReplaced, AuditorDismissed, DisclosureRequested, DisclosureApproved,
    DisclosureRefused);

impl Sealable for AuditorEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::AuditorAppointed { .. }
            | Self::AuditorCredentialReplaced { .. }
            | Self::AuditorDismissed {}
            | Self::DisclosureRequested { .. }
            | Self::DisclosureApproved { .. }
            | Self::DisclosureRefused { .. } => vec![],
        }
    }
}

/// Why a command about an auditor is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditorError {
    /// Nobody appointed them, or they were dismissed.
    #[error("there is no such auditor, or the role was taken away")]
    NotAppointed,
    /// They have the role already.
    #[error("this auditor is already appointed")]
    AlreadyAppointed,
    /// The number is empty or holds more than letters, digits, `.`, `_` and `-`.
    #[error("`{0}` can't be a staff number: give up to 40 letters, digits, `.`, `_` or `-`, and no name")]
    Number(String),
    /// No such request.
    #[error("there is no such disclosure request")]
    NoSuchRequest,
    /// It was approved or refused before.
    #[error("this disclosure request is already decided")]
    AlreadyDecided,
    /// It waited too long.
    #[error("this disclosure request has expired; it must be made again")]
    RequestExpired,
    /// Nobody approves what they asked for.
    #[error("a second person must decide: nobody approves or refuses their own request")]
    SamePerson,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing yet.
    Waiting {
        /// Nobody can approve it later.
        expires_at: DateTime<Utc>,
    },
    /// Allowed.
    Granted {
        /// By whom.
        by: AuditorId,
        /// Until when the answer may be fetched.
        until: DateTime<Utc>,
    },
    /// Not allowed.
    Refused {
        /// By whom.
        by: AuditorId,
    },
}

/// A request to see what is masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// SHA-256 of the question and its purpose, hexadecimal.
    pub digest: String,
    /// What became of it.
    pub decision: Decision,
}

/// The auditor as their events make them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Auditor {
    /// The auditor; `None` before they are appointed.
    pub id: Option<AuditorId>,
    /// The opaque staff number.
    pub number: Option<String>,
    /// Vault row of the credential's hash; `None` once they are dismissed.
    pub credential: Option<SecretId>,
    /// What they asked to see.
    pub disclosures: BTreeMap<DisclosureId, Disclosure>,
}

impl Auditor {
    /// Which facts a command adds.
    ///
    /// # Errors
    /// [`AuditorError`]; nothing is recorded then.
    pub fn decide(&self, command: AuditorCommand) -> Result<Vec<AuditorEvent>, AuditorError> {
        use AuditorCommand as C;
        use AuditorEvent as E;
        match command {
            C::Appoint { auditor, number, credential } => {
                if self.id.is_some() {
                    return Err(AuditorError::AlreadyAppointed);
                }
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                if number.is_empty() || number.len() > 40 || !number.chars().all(plain) {
                    return Err(AuditorError::Number(number));
                }
                Ok(vec![E::AuditorAppointed { auditor, number, credential }])
            }
            C::ReplaceCredential { credential } => {
                self.appointed()?;
                Ok(vec![E::AuditorCredentialReplaced { credential }])
            }
            C::Dismiss => {
                self.id.ok_or(AuditorError::NotAppointed)?;
                Ok(self.credential.is_some().then_some(E::AuditorDismissed {}).into_iter().collect())
            }
            C::RequestDisclosure { disclosure, digest, expires_at } => {
                self.appointed()?;
                if self.disclosures.contains_key(&disclosure) {
                    return Err(AuditorError::AlreadyDecided);
                }
                Ok(vec![E::DisclosureRequested { disclosure, digest, expires_at }])
            }
            C::ApproveDisclosure { disclosure, by, now, until } => {
                let expires_at = self.waiting(disclosure, by)?;
                if now >= expires_at {
                    return Err(AuditorError::RequestExpired);
                }
                Ok(vec![E::DisclosureApproved { disclosure, by, until }])
            }
            C::RefuseDisclosure { disclosure, by } => {
                self.waiting(disclosure, by)?;
                Ok(vec![E::DisclosureRefused { disclosure, by }])
            }
        }
    }

    /// The request, if it is granted at this moment and the auditor still has the role.
    pub fn granted(&self, disclosure: DisclosureId, now: DateTime<Utc>) -> Option<&Disclosure> {
        self.appointed().ok()?;
        self.disclosures
            .get(&disclosure)
            .filter(|disclosure| matches!(disclosure.decision, Decision::Granted { until, by: _ } if now < until))
    }

    fn appointed(&self) -> Result<AuditorId, AuditorError> {
        self.id.filter(|_| self.credential.is_some()).ok_or(AuditorError::NotAppointed)
    }

    /// Until when the request can be decided by this person.
    fn waiting(&self, disclosure: DisclosureId, by: AuditorId) -> Result<DateTime<Utc>, AuditorError> {
        let asked_by = self.appointed()?;
        let disclosure = self.disclosures.get(&disclosure).ok_or(AuditorError::NoSuchRequest)?;
        match disclosure.decision {
            Decision::Granted { .. } | Decision::Refused { .. } => Err(AuditorError::AlreadyDecided),
            Decision::Waiting { .. } if by == asked_by => Err(AuditorError::SamePerson),
            Decision::Waiting { expires_at } => Ok(expires_at),
        }
    }

    fn settle(&mut self, disclosure: DisclosureId, decision: Decision) {
        if let Some(disclosure) = self.disclosures.get_mut(&disclosure) {
            disclosure.decision = decision;
        }
    }
}

impl Aggregate for Auditor {
    const TYPE: &'static str = "auditor";
    type Command = AuditorCommand;
    type Event = AuditorEvent;
    type Error = AuditorError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: AuditorEvent) {
        match event {
            AuditorEvent::AuditorAppointed { auditor, number, credential } => {
                self.id = Some(auditor);
                self.number = Some(number);
                self.credential = Some(credential);
            }
            AuditorEvent::AuditorCredentialReplaced { credential } => self.credential = Some(credential),
            AuditorEvent::AuditorDismissed {} => self.credential = None,
            AuditorEvent::DisclosureRequested { disclosure, digest, expires_at } => {
                let decision = Decision::Waiting { expires_at };
                self.disclosures.insert(disclosure, Disclosure { digest, decision });
            }
            AuditorEvent::DisclosureApproved { disclosure, by, until } => {
                self.settle(disclosure, Decision::Granted { by, until });
            }
            AuditorEvent::DisclosureRefused { disclosure, by } => self.settle(disclosure, Decision::Refused { by }),
        }
    }
}

#[cfg(test)]
mod tests;
