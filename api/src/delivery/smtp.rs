//! Mail by SMTP (RFC 5321), one conversation for each mail, so that it is known how far it got.
//!
//! ```text
//!  connect, EHLO, TLS, AUTH ─► MAIL, RCPT, DATA ─► the mail and its final dot ─► 250
//!  └──────── any failure: surely not accepted ──┘ └── no answer: unclear ──────┘
//! ```

use super::message::MailText;
use super::outcome::Outcome;
use crate::config::{Smtp, SmtpTls};
use chrono::{DateTime, Utc};
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// Longest wait for the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A mail server to hand mails to.
pub(super) struct Mailer {
    config: Smtp,
    from: Mailbox,
    hello: ClientId,
}

/// The configured sender is no mailbox. Checked when the configuration is loaded.
#[derive(Debug, thiserror::Error)]
#[error("smtp.from: write it as `Name <address@example.org>`")]
pub(super) struct NotASender;

impl Mailer {
    pub(super) fn new(config: Smtp) -> Result<Self, NotASender> {
        let from: Mailbox = config.from.parse().map_err(|_| NotASender)?;
        let hello = ClientId::Domain(from.email.domain().to_owned());
        Ok(Self { config, from, hello })
    }

    /// One attempt.
    pub(super) async fn send(
        &self,
        id: Uuid,
        queued_at: DateTime<Utc>,
        language: &str,
        to: &Address,
        text: &MailText,
    ) -> Outcome {
        let Ok(mail) = self.compose(id, queued_at, language, to, text) else {
            return Outcome::Never("the mail can't be composed".into());
        };
        let patience = self.config.timeout.0;
        let mut server = match timeout(patience, self.connect()).await {
            Ok(Ok(server)) => server,
            Ok(Err(error)) => return Outcome::NotNow(reason("connecting", &error).into()),
            Err(_) => return Outcome::NotNow("connecting: timeout".into()),
        };
        match timeout(patience, hand_over_addresses(&mut server, mail.envelope())).await {
            Ok(Ok(())) => {}
            Ok(Err((at, error))) if error.is_permanent() && at != Step::Sender => {
                return Outcome::Never(reason(at.name(), &error).into());
            }
            // The sender is refused: the configuration is wrong and not the message.
            Ok(Err((at, error))) => return Outcome::NotNow(reason(at.name(), &error).into()),
            Err(_) => return Outcome::NotNow("addresses: timeout".into()),
        }
        let outcome = match timeout(patience, server.message(&mail.formatted())).await {
            Ok(Ok(_)) => Outcome::Accepted,
            Ok(Err(error)) if error.is_permanent() => Outcome::Never(reason("mail", &error).into()),
            Ok(Err(error)) if error.is_transient() => Outcome::NotNow(reason("mail", &error).into()),
            Ok(Err(error)) => return Outcome::Unclear(reason("mail", &error).into()),
            Err(_) => return Outcome::Unclear("mail: timeout".into()),
        };
        // Courtesy: the mail's fate is known.
        let _ = timeout(GOODBYE, server.quit()).await;
        outcome
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let Smtp { host, tls, timeout, username, password, .. } = &self.config;
        let parameters = || TlsParameters::new(host.clone());
        let implicit = matches!(tls, SmtpTls::Implicit).then(parameters).transpose()?;
        let address = (host.as_str(), self.config.port());
        let mut server =
            AsyncSmtpConnection::connect_tokio1(address, Some(timeout.0), &self.hello, implicit, None).await?;
        if *tls == SmtpTls::Starttls {
            // Refused by this call where the server does not offer it.
            server.starttls(parameters()?, &self.hello).await?;
        }
        if let (Some(username), Some(password)) = (username, password) {
            let credentials = Credentials::new(username.clone(), password.expose().to_owned());
            server.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(server)
    }

    /// The same bytes at every attempt, but for the transfer encoding's liberties: date and Message-ID are those of
    /// the queued message, so that a reader who gets it twice can drop one.
    fn compose(
        &self,
        id: Uuid,
        queued_at: DateTime<Utc>,
        language: &str,
        to: &Address,
        text: &MailText,
    ) -> Result<Message, lettre::error::Error> {
        let plain =
            |name: &'static str, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(&text.subject)
            .date(queued_at.into())
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            // RFC 3834: no vacation notice in return.
            .raw_header(plain("Auto-Submitted", "auto-generated"))
            .raw_header(plain("Content-Language", language))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(text.body.to_string())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Sender,
    Recipient,
    Data,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Data => "data",
        }
    }
}

async fn hand_over_addresses(server: &mut AsyncSmtpConnection, envelope: &Envelope) -> Result<(), (Step, SmtpError)> {
    server.command(Mail::new(envelope.from().cloned(), Vec::new())).await.map_err(|error| (Step::Sender, error))?;
    for to in envelope.to() {
        server.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(|error| (Step::Recipient, error))?;
    }
    server.command(Data).await.map_err(|error| (Step::Data, error))?;
    Ok(())
}

/// The step and the server's code, never its words.
fn reason(step: &str, error: &SmtpError) -> String {
    let what = match error.status() {
        Some(code) => code.to_string(),
        None if error.is_timeout() => "timeout".to_owned(),
        None if error.is_tls() => "TLS".to_owned(),
        None if error.is_client() => "the server lacks what is configured (STARTTLS or authentication)".to_owned(),
        // Also where the certificate is not believed.
        None => "no connection".to_owned(),
    };
    format!("{step}: {what}")
}
