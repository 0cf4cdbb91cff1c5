//! Delivery: from the outbox to phones and mailboxes.

mod message;
#[cfg(test)]
mod message_tests;

pub use message::{Envelope, MAIL, MailText, Message, OneTimeCode, Recipient, SMS, Unreadable};
