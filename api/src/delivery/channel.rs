//! The ways out, one for each of the outbox's channels.

use super::gateway::Gateway;
use super::inbox::{DemoMessage, Inbox};
use super::message::{Envelope, MAIL, Message, Recipient, SMS};
use super::outcome::Outcome;
use super::smtp::Mailer;
use crate::config::Config;
use anyhow::Context;
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

/// How messages of one channel leave.
pub(super) enum Way {
    Gateway(Gateway),
    Mailer(Mailer),
    Inbox(Inbox),
}

/// One of the outbox's channels and its way out.
pub(super) struct Channel {
    pub name: &'static str,
    pub way: Way,
    /// The service's address as users know it.
    pub origin: String,
    /// Messages on their way at once.
    pub at_once: usize,
}

/// A message about to be sent.
pub(super) struct Parcel<'a> {
    pub id: Uuid,
    pub queued_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
    pub envelope: &'a Envelope,
}

/// SMS on their way at once: a gateway that takes 200 ms each then takes 80 a second, twice the national peak.
const SMS_AT_ONCE: usize = 16;
/// Mails on their way at once: mail servers dislike more connections from one client.
const MAILS_AT_ONCE: usize = 4;

impl Channel {
    /// What the configuration names; the demo's inbox stands for all.
    pub(super) fn configured(config: &Config, db: &PgPool) -> anyhow::Result<Vec<Self>> {
        let channel = |name, way, at_once| Channel { name, way, origin: config.origin(), at_once };
        if config.demo.inbox {
            let inbox = || Way::Inbox(Inbox { db: db.clone() });
            return Ok(vec![channel(SMS, inbox(), MAILS_AT_ONCE), channel(MAIL, inbox(), MAILS_AT_ONCE)]);
        }
        let mut channels = Vec::new();
        if let Some(sms) = &config.sms {
            let gateway = Gateway::new(sms.clone()).context("sms: the HTTP client can't be made")?;
            channels.push(channel(SMS, Way::Gateway(gateway), SMS_AT_ONCE));
        }
        if let Some(smtp) = &config.smtp {
            channels.push(channel(MAIL, Way::Mailer(Mailer::new(smtp.clone())?), MAILS_AT_ONCE));
        }
        Ok(channels)
    }

    /// Whether the channel drops repeats by message id.
    pub(super) fn idempotent(&self) -> bool {
        match &self.way {
            Way::Gateway(gateway) => gateway.idempotent(),
            Way::Mailer(_) => false,
            Way::Inbox(_) => true,
        }
    }

    /// One attempt.
    pub(super) async fn send(&self, parcel: &Parcel<'_>) -> Outcome {
        let Envelope { to, language, message } = parcel.envelope;
        match (&self.way, to) {
            (Way::Gateway(gateway), Recipient::Mobile(number)) => {
                gateway.send(parcel.id, number, &message.sms(*language)).await
            }
            (Way::Mailer(mailer), Recipient::Mail(address)) => {
                let text = message.mail(*language, &self.origin);
                mailer.send(parcel.id, parcel.queued_at, language.code(), address, &text).await
            }
            (Way::Inbox(inbox), _) => inbox.put(&self.shown(parcel, message)).await,
            (Way::Gateway(_), Recipient::Mail(_)) | (Way::Mailer(_), Recipient::Mobile(_)) => {
                Outcome::Never("queued for the wrong channel".into())
            }
        }
    }

    fn shown(&self, parcel: &Parcel<'_>, message: &Message) -> DemoMessage {
        let language = parcel.envelope.language;
        let (recipient, subject, body) = match &parcel.envelope.to {
            Recipient::Mobile(number) => (number.as_str().to_owned(), None, message.sms(language).to_string()),
            Recipient::Mail(address) => {
                let mail = message.mail(language, &self.origin);
                (address.to_string(), Some(mail.subject), mail.body.to_string())
            }
        };
        let channel = self.name.to_owned();
        let (id, sent_at) = (parcel.id, parcel.now);
        DemoMessage { id, channel, recipient, language: language.code().to_owned(), subject, body, sent_at }
    }
}
