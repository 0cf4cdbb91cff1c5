//! `GET /demo/inbox`: what would have been sent.

use super::inbox::{self, DemoMessage};
use super::message::SMS;
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Language, Page, Sample, View};
use askama::Template;
use axum::extract::State;
use axum::response::Redirect;
use chrono::{DateTime, TimeDelta, Utc};

/// The messages, newest first.
#[derive(Template, Debug)]
#[template(path = "delivery/inbox.html")]
pub struct InboxPage {
    view: View,
    messages: Vec<Shown>,
}

/// A message as the page shows it.
#[derive(Debug)]
struct Shown {
    is_sms: bool,
    to: String,
    language: &'static str,
    subject: String,
    body: String,
    /// RFC 3339, for machines.
    at: String,
    /// How long ago, in words.
    ago: String,
}

impl InboxPage {
    fn new(view: View, messages: Vec<DemoMessage>, now: DateTime<Utc>) -> Self {
        let messages = messages
            .into_iter()
            .map(|message| Shown {
                is_sms: message.channel == SMS,
                to: message.recipient,
                language: Language::from_code(&message.language).unwrap_or(Language::French).code(),
                subject: message.subject.unwrap_or_default(),
                body: message.body.trim_end().to_owned(),
                at: message.sent_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                ago: ago(&view, now - message.sent_at),
            })
            .collect();
        Self { view, messages }
    }
}

fn ago(view: &View, age: TimeDelta) -> String {
    match age.num_minutes() {
        i64::MIN..1 => view.t("delivery-page-now"),
        minutes @ 1..60 => view.tn("delivery-page-minutes", "count", minutes),
        minutes @ 60..1440 => view.tn("delivery-page-hours", "count", minutes / 60),
        minutes => view.tn("delivery-page-days", "count", minutes / 1440),
    }
}

impl Sample for InboxPage {
    fn samples(view: &View) -> Vec<Self> {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let message = |channel: &str, recipient: &str, subject: Option<&str>, body: &str, age| DemoMessage {
            id: uuid::Uuid::nil(),
            channel: channel.into(),
            recipient: recipient.into(),
            language: view.language.code().into(),
            subject: subject.map(Into::into),
            body: body.into(),
            sent_at: now - age,
        };
        let messages = vec![
            message(SMS, "+33639980123", None, "402913 …", TimeDelta::seconds(20)),
            message("mail", "camille.fictif@example.org", Some("…"), "…\n\n…", TimeDelta::minutes(3)),
            message(SMS, "+33639980123", None, "<script>", TimeDelta::hours(2)),
            message(SMS, "+33639980123", None, "…", TimeDelta::days(2)),
        ];
        vec![Self::new(view.clone(), Vec::new(), now), Self::new(view.clone(), messages, now)]
    }
}

/// The page; there is none outside of a demo.
pub async fn inbox(State(app): State<App>, view: View) -> Result<Page<InboxPage>, AppError> {
    if !app.config.demo.inbox {
        return Err(AppError::not_found());
    }
    let messages = inbox::messages(&app.db).await?;
    Ok(Page(InboxPage::new(view, messages, app.clock.now())))
}

/// `GET /demo`: where the banner leads.
pub async fn to_inbox() -> Redirect {
    Redirect::to("/demo/inbox")
}
