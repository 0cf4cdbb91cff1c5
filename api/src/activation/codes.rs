//! Codes sent by SMS: drawn, bound to their flow, kept as a keyed hash, capped.
//!
//! How many codes can be guessed follows from how many can be sent: a flow has a handful of tries, which another
//! message does not renew, and each flow costs a message of its number's and its account's daily budget.
//!
//! Caps come in two kinds. What the *asker* spends (an address; a number from an address) is charged for everyone
//! alike and refused openly. What is spent on the *person's* behalf (the number, the account, the number's prefix,
//! all) is charged only when a message really goes out, so that nobody can use up another's budget by typing a
//! number at random; beyond it no message is sent and the page stays the same, as saying so would tell that the
//! person exists. One address alone can't use up a number's budget.

use super::flow::{Flow, Kind, NewFlow, SmsSent, Step};
use super::{Floor, record};
use crate::app::App;
use crate::config::Codes;
use crate::delivery::{Envelope, Message, OneTimeCode, Recipient};
use crate::incident::{AppError, Incident};
use crate::limits::{Cap, Charge};
use crate::pages::Language;
use crate::session::cookies::{self, cookie};
use crate::session::{ReturnTo, Token, network};
use aws_lc_rs::{constant_time, rand};
use axum_extra::extract::cookie::CookieJar;
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand, Purpose, Status};
use domain::context::{Actor, Reason};
use domain::identifiers::E164;
use domain::ids::{AccountId, FlowId, SecretId};
use ledger::{Ledger, OutboxMessage, Unit, VaultChange};
use std::net::IpAddr;
use std::time::Duration;
use uuid::Uuid;
use zeroize::Zeroizing;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Time that asking for a code takes, whatever happens behind.
const FLOOR: Duration = Duration::from_millis(400);
/// How long the number typed is kept for another message.
const CONTACT_LIFE: TimeDelta = TimeDelta::hours(4);

/// The caps of activation and recovery.
#[derive(Clone, Debug)]
pub struct Caps {
    address: Cap,
    number_from_address: Cap,
    number: Cap,
    account: Cap,
    prefix: Cap,
    all: Cap,
    /// Wrong birth dates for one account.
    pub dates: Cap,
    /// Birth dates tried for one account by its signed-in holder, right or wrong.
    pub tried_dates: Cap,
}

impl Caps {
    /// As configured.
    pub fn new(codes: &Codes) -> Self {
        Self {
            address: Cap::new("sms-address", &[(codes.sends_per_address, HOUR)]),
            number_from_address: Cap::new("sms-number-address", &[(codes.sends_per_number.div_ceil(2), DAY)]),
            number: Cap::new("sms-number", &[(codes.sends_per_number, DAY)]),
            account: Cap::new("sms-account", &[(codes.sends_per_number, DAY)]),
            prefix: Cap::new("sms-prefix", &[(codes.sends_per_prefix, HOUR)]),
            all: Cap::new("sms-all", &[(codes.sends_in_all, HOUR)]),
            dates: Cap::new("birth-dates", &[(10, DAY)]),
            tried_dates: Cap::new("birth-dates-tried", &[(20, DAY)]),
        }
    }
}

/// Everything up to the last four digits: ranges are given out, and pumped, by the ten thousand.
fn prefix(number: &E164) -> &str {
    let text = number.as_str();
    &text[..text.len() - 4]
}

/// A request for a code.
pub struct Request<'a> {
    /// The running request.
    pub incident: &'a Incident,
    /// The message's language.
    pub language: Language,
    /// Who asks, from where.
    pub address: IpAddr,
    /// The number typed.
    pub number: &'a E164,
    /// Whose account matched, if any.
    pub matched: Option<AccountId>,
}

/// Starts the time that asking for a code takes: before anybody is looked up.
pub fn floor() -> Floor {
    Floor::start(FLOOR)
}

/// Starts a flow and sends its first code, or does the same for nobody. Returns the cookie to set, once the floor
/// that was started before the look-up is full: a refusal waits for it too, as the look-up came before.
///
/// # Errors
/// When the asker has used up their caps, or something fails.
pub async fn begin(
    app: &App,
    request: &Request<'_>,
    kind: Kind,
    return_to: Option<ReturnTo>,
    floor: Floor,
) -> Result<CookieJar, AppError> {
    let begun = begin_at_once(app, request, kind, return_to).await;
    floor.settle().await;
    begun
}

async fn begin_at_once(
    app: &App,
    request: &Request<'_>,
    kind: Kind,
    return_to: Option<ReturnTo>,
) -> Result<CookieJar, AppError> {
    let account = charge(app, request).await?;
    let sms = SmsSent {
        flow: FlowId(Uuid::now_v7()),
        contact: SecretId(Uuid::new_v4()),
        code: SecretId(Uuid::new_v4()),
        message: Uuid::new_v4(),
        expires_at: app.clock.now() + app.config.codes.validity.delta(),
    };
    let token = Token::draw()?;
    let new = NewFlow { kind, step: Step::Code, account, credential: None, return_to, sms: Some(sms) };
    Flow::start(app, &token, new).await?;
    issue(app, request, account, sms, None).await?;
    Ok(CookieJar::new().add(cookie(app, cookies::Kind::Flow, token.expose())))
}

/// Sends another code within a flow. False when it has had its messages, or the last is too recent.
///
/// # Errors
/// As [`begin`].
pub async fn resend(app: &App, request: &Request<'_>, flow: &Flow) -> Result<bool, AppError> {
    let floor = floor();
    let recent = flow.sent_at.is_some_and(|at| app.clock.now() - at < app.config.codes.resend_after.delta());
    let (Some(contact), false) = (flow.contact, recent) else { return Ok(false) };
    let account = charge(app, request).await?;
    let sms = SmsSent {
        flow: flow.id,
        contact,
        code: SecretId(Uuid::new_v4()),
        message: Uuid::new_v4(),
        expires_at: app.clock.now() + app.config.codes.validity.delta(),
    };
    if !flow.claim_send(app, &sms).await? {
        return Ok(false);
    }
    issue(app, request, account, sms, Some(flow)).await?;
    floor.settle().await;
    Ok(true)
}

/// Charges the caps. Returns the account a message may go to.
async fn charge(app: &App, request: &Request<'_>) -> Result<Option<AccountId>, AppError> {
    let (limits, caps, now) = (&app.guard.limits, &app.guard.caps, app.clock.now());
    let (address, number) = (network(request.address), request.number.as_str());
    let own = [
        Charge::new(&caps.address, address.clone()),
        Charge::new(&caps.number_from_address, format!("{number}|{address}")),
    ];
    if let Err(refused) = limits.take(&own, now).await? {
        return Err(AppError::too_many(refused.retry_after(now)).because(refused.cap));
    }
    // For nobody, the same counters under keys that count for nothing.
    let nobody = if request.matched.is_none() { "nobody|" } else { "" };
    let account = request.matched.map_or_else(|| number.to_owned(), |account| account.to_string());
    let theirs = [
        Charge::new(&caps.number, format!("{nobody}{number}")),
        Charge::new(&caps.account, format!("{nobody}{account}")),
        Charge::new(&caps.prefix, format!("{nobody}{}", prefix(request.number))),
        Charge::new(&caps.all, nobody),
    ];
    match limits.take(&theirs, now).await? {
        Ok(()) => Ok(request.matched),
        Err(refused) => {
            if request.matched.is_some() {
                tracing::warn!(cap = refused.cap, "a code was not sent");
            }
            Ok(None)
        }
    }
}

/// Records that a code was issued and queues its message; for nobody, only the vault rows.
async fn issue(
    app: &App,
    request: &Request<'_>,
    account: Option<AccountId>,
    sms: SmsSent,
    previous: Option<&Flow>,
) -> Result<(), AppError> {
    let code = draw().ok_or(crate::session::NoRandomness)?;
    let hash = Zeroizing::new(hash(&app.ledger, sms.flow, &code).to_vec());
    let with_secrets = |mut unit: Unit| {
        let (id, secret, expires_at) = (sms.code, hash.clone(), Some(sms.expires_at));
        unit = unit.vault(VaultChange::Put { id, kind: "sms-code", secret, expires_at });
        match previous {
            Some(flow) => flow.code.into_iter().fold(unit, |unit, old| unit.vault(VaultChange::Delete(old))),
            None => unit.vault(VaultChange::Put {
                id: sms.contact,
                kind: "contact",
                secret: Zeroizing::new(request.number.as_str().as_bytes().to_vec()),
                expires_at: Some(app.clock.now() + CONTACT_LIFE),
            }),
        }
    };
    let mut sent = false;
    if let Some(account) = account {
        let recorded = record(app, request.incident, account, |loaded, unit| {
            let (flow, secret, expires_at) = (sms.flow, sms.code, sms.expires_at);
            let (purpose, to) = (purpose(&loaded.aggregate), request.number.clone());
            let events =
                loaded.aggregate.decide(AccountCommand::IssueCode { purpose, flow, secret, to, expires_at })?;
            let unit = unit.stream::<Account>(&loaded.id, loaded.version, events);
            Ok(with_secrets(unit).outbox(message(app, request, &code, sms, previous)))
        });
        // An account that is not in use gets no code, and its visitor the same page as a stranger.
        sent = recorded.await?.is_ok();
    }
    if !sent {
        let context = request.incident.context(Actor::Service, Reason::OwnRequest, app.clock.now());
        app.ledger.append(with_secrets(Unit::new(context))).await?;
    }
    Ok(())
}

/// First use, or recovery: what the account is, not which page the visitor came by.
pub fn purpose(account: &Account) -> Purpose {
    match account.status {
        Status::Activated => Purpose::CredentialReset,
        Status::Open | Status::Absent | Status::Disabled { .. } | Status::Closed => Purpose::Activation,
    }
}

fn message(app: &App, request: &Request<'_>, code: &str, sms: SmsSent, previous: Option<&Flow>) -> OutboxMessage {
    let minutes = u32::try_from(app.config.codes.validity.delta().num_minutes()).unwrap_or(u32::MAX);
    let message = Message::Code { code: OneTimeCode::new(code), minutes };
    let to = Recipient::Mobile(request.number.clone());
    let replaces = previous.and_then(|flow| flow.message);
    Envelope { to, language: request.language, message }.queued(
        sms.message,
        app.clock.now(),
        Some(sms.expires_at),
        replaces,
    )
}

/// Six digits, each value as likely as any other.
fn draw() -> Option<Zeroizing<String>> {
    const VALUES: u32 = 1_000_000;
    loop {
        let mut bytes = [0; 4];
        rand::fill(&mut bytes).ok()?;
        let number = u32::from_le_bytes(bytes);
        if number < u32::MAX - u32::MAX % VALUES {
            return Some(Zeroizing::new(format!("{:06}", number % VALUES)));
        }
    }
}

/// What the vault keeps: useless in any other flow, and without the look-up key.
fn hash(ledger: &Ledger, flow: FlowId, code: &str) -> [u8; 32] {
    ledger.lookup_hash("sms-code", &format!("{flow}|{code}"))
}

/// Whether a code is the flow's.
pub fn is_right(ledger: &Ledger, flow: FlowId, typed: &str, stored: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(&hash(ledger, flow, typed), stored).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn point_34_codes_are_six_random_digits() {
        let drawn: HashSet<String> = (0..500).map(|_| draw().unwrap().to_string()).collect();
        assert!(drawn.len() > 480);
        assert!(drawn.iter().all(|code| code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())));
    }

    #[test]
    fn a_prefix_is_a_range_of_ten_thousand() {
        assert_eq!(prefix(&"+33639980001".parse().unwrap()), "+3363998");
        assert_eq!(prefix(&"+1234".parse().unwrap()), "+");
    }
}
