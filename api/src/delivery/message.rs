//! What is told to people, and how it reads as an SMS and as a mail.
//!
//! A caller queues an [`Envelope`] with the events that cause it; the text is made when it is sent, so the queue
//! holds what is meant and not prose. Adding a message: a variant of [`Message`], its name in [`Message::key`], its
//! words `delivery-sms-NAME`, `delivery-mail-NAME-subject` and `delivery-mail-NAME-body` in both catalogues; the
//! tests then render it, measure it as an SMS and keep a snapshot.

use crate::pages::Language;
use chrono::{DateTime, Utc};
use domain::identifiers::E164;
use fluent_templates::fluent_bundle::FluentValue;
use ledger::OutboxMessage;
use lettre::Address;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Channel of text messages.
pub const SMS: &str = "sms";
/// Channel of mails.
pub const MAIL: &str = "mail";

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum Message {
    /// A code to type into the page that asked for it.
    Code {
        /// The code.
        code: OneTimeCode,
        /// How long it can be used.
        minutes: u32,
    },
    /// The account was used for the first time: login shown, password chosen.
    AccountActivated,
    /// The holder chose another password.
    PasswordChanged,
    /// A second factor was added or removed.
    WaysInChanged,
    /// The school or the service handed out a provisional password; the one before works no more.
    PasswordReset,
    /// The holder may sign in by another provider from now on.
    WayInAdded,
    /// The holder may no longer sign in by a provider.
    WayInRemoved,
}

/// A code in clear, on its way to its owner only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OneTimeCode(#[serde(with = "in_clear")] Zeroizing<String>);

impl OneTimeCode {
    /// Wraps a code.
    pub fn new(code: impl Into<String>) -> Self {
        Self(Zeroizing::new(code.into()))
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(…)")
    }
}

/// A code is written out nowhere but in an envelope's body, which the outbox seals.
mod in_clear {
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub fn serialize<S: Serializer>(code: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(code)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new)
    }
}

/// Where it goes; this decides the channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// A mobile, by SMS.
    Mobile(E164),
    /// A mail address.
    Mail(Address),
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.channel())
    }
}

impl Recipient {
    /// The outbox's channel.
    pub fn channel(&self) -> &'static str {
        match self {
            Self::Mobile(_) => SMS,
            Self::Mail(_) => MAIL,
        }
    }
}

/// A message on its way: to whom, in which language, what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// To whom.
    pub to: Recipient,
    /// The reader's language.
    pub language: Language,
    /// What.
    #[serde(flatten)]
    pub message: Message,
}

/// A stored body that is no envelope: written by a later version, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored message can't be read")]
pub struct Unreadable;

impl Envelope {
    /// The row for [`ledger::Unit::outbox`], to be sent at once. `not_after`: when it is pointless, as for a code
    /// that has expired. `replaces`: an earlier message not worth sending once this one is queued.
    ///
    /// `id` tells repeats apart from new messages all the way to the gateway: make a new one for each message.
    pub fn queued(
        &self,
        id: Uuid,
        now: DateTime<Utc>,
        not_after: Option<DateTime<Utc>>,
        replaces: Option<Uuid>,
    ) -> OutboxMessage {
        let body = serde_json::to_vec(self).expect("an envelope has text keys and no failing fields");
        let channel = self.to.channel();
        OutboxMessage { id, channel, body: Zeroizing::new(body), not_before: now, not_after, replaces }
    }

    /// What [`Envelope::queued`] wrote.
    ///
    /// # Errors
    /// The bytes are no envelope.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        serde_json::from_slice(body).map_err(|_| Unreadable)
    }
}

/// A mail's words.
#[derive(Clone, PartialEq, Eq)]
pub struct MailText {
    /// One line.
    pub subject: String,
    /// Plain text, lines ended by `\n`.
    pub body: Zeroizing<String>,
}

impl Message {
    /// Its name in the catalogues.
    fn key(&self) -> &'static str {
        match self {
            Self::Code { .. } => "code",
            Self::AccountActivated => "account-activated",
            Self::PasswordChanged => "password-changed",
            Self::WaysInChanged => "ways-in-changed",
            Self::PasswordReset => "password-reset",
            Self::WayInAdded => "way-in-added",
            Self::WayInRemoved => "way-in-removed",
        }
    }

    /// As an SMS: one part of 160 characters of the GSM alphabet, no link, a code first so that phones offer it.
    pub fn sms(&self, language: Language) -> Zeroizing<String> {
        Zeroizing::new(language.message_with(&format!("delivery-sms-{}", self.key()), &self.values("")))
    }

    /// As a mail. `origin` is the service's address as its users know it.
    pub fn mail(&self, language: Language, origin: &str) -> MailText {
        let values = self.values(origin);
        let part = |part: &str| language.message_with(&format!("delivery-mail-{}-{part}", self.key()), &values);
        let mut body = Zeroizing::new(part("body"));
        body.push_str("\n\n-- \n");
        body.push_str(&language.message_with("delivery-mail-signature", &values));
        body.push('\n');
        MailText { subject: part("subject"), body }
    }

    fn values<'a>(&'a self, origin: &'a str) -> Vec<(&'static str, FluentValue<'a>)> {
        let mut values = vec![("origin", FluentValue::from(origin))];
        match self {
            Self::Code { code, minutes } => {
                values.push(("code", FluentValue::from(code.0.as_str())));
                values.push(("minutes", FluentValue::from(*minutes)));
            }
            Self::AccountActivated
            | Self::PasswordChanged
            | Self::PasswordReset
            | Self::WaysInChanged
            | Self::WayInAdded
            | Self::WayInRemoved => {}
        }
        values
    }

    /// One of each, for tests.
    #[cfg(test)]
    pub(crate) fn samples() -> Vec<Self> {
        vec![
            Self::Code { code: OneTimeCode::new("402913"), minutes: 30 },
            Self::AccountActivated,
            Self::PasswordChanged,
            Self::WaysInChanged,
            Self::PasswordReset,
            Self::WayInAdded,
            Self::WayInRemoved,
        ]
    }
}
