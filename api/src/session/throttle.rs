//! Slowing down who guesses passwords, without ever locking out whose password is guessed.
//!
//! Anyone can type someone else's login. So no number of wrong passwords closes an *account*; what runs out is the
//! patience with whoever types them:
//!
//! - **the pair** (login, address): five tries in a minute, ten in a quarter of an hour, thirty in a day. The
//!   victim, elsewhere, has a budget of their own that nobody else can spend;
//! - **the known device**: a browser that has signed in to this login before carries a cookie that says so, and
//!   counts by itself. Even behind the address of the attacker (a school's) it is not refused;
//! - **the address**: one machine that tries many logins. Many wrong passwords (a school of a thousand pupils on
//!   the first Monday) only make it suspect; very many refuse it;
//! - **the account and everybody**: wrong passwords for one login, or for all, from wherever, beyond what people
//!   mistype: a guessing network. It refuses nobody, but leaves each *pair* that is not a known device three tries
//!   where it had ten. Who knows the password still enters, from anywhere.
//!
//! Pairs are charged before the password is compared, so that parallel tries don't slip through, and forgiven when
//! it was right; the others are charged for wrong passwords only. Logins that don't exist are counted alike.

use super::device::KnownDevice;
use crate::limits::{Cap, Charge, Limits, Refused};
use chrono::{DateTime, Utc};
use std::net::IpAddr;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The caps of signing in.
#[derive(Clone, Debug)]
pub struct Throttle {
    pair: Cap,
    device: Cap,
    address_suspect: Cap,
    address_refused: Cap,
    account_suspect: Cap,
    all_suspect: Cap,
}

/// Who tries.
pub struct Attempt<'a> {
    /// The login as typed, normalised; it may be nobody's.
    pub login: &'a str,
    /// From where.
    pub address: IpAddr,
    /// The browser, if it signed in to this very login before.
    pub device: Option<&'a KnownDevice>,
}

impl Throttle {
    /// `attempts`: wrong passwords that one pair may have in a quarter of an hour.
    pub fn new(attempts: u32) -> Self {
        let ladder = [(attempts.div_ceil(2), MINUTE), (attempts, 15 * MINUTE), (attempts * 3, DAY)];
        Self {
            pair: Cap::new("sign-in-pair", &ladder),
            device: Cap::new("sign-in-device", &ladder),
            address_suspect: Cap::new("sign-in-address", &[(attempts * 10, 15 * MINUTE)]),
            address_refused: Cap::new("sign-in-address-refused", &[(attempts * 100, HOUR)]),
            account_suspect: Cap::new("sign-in-account", &[(attempts * 5, HOUR)]),
            all_suspect: Cap::new("sign-in-all", &[(attempts * 500, 5 * MINUTE)]),
        }
    }

    /// Charges a try before its password is compared.
    ///
    /// # Errors
    /// When the database fails: the try is then refused.
    pub async fn begin(
        &self,
        limits: &Limits,
        attempt: &Attempt<'_>,
        now: DateTime<Utc>,
    ) -> Result<Result<(), Refused>, sqlx::Error> {
        let elsewhere = limits.check(&self.suspicions(attempt), now).await?;
        if let Some(device) = attempt.device {
            return limits.take(&[Charge::new(&self.device, device.key())], now).await;
        }
        if let Err(refused) = elsewhere[0] {
            return Ok(Err(refused));
        }
        let suspect = elsewhere[1..].iter().any(Result::is_err);
        let pair = if suspect { self.pair.stricter(3) } else { self.pair.clone() };
        limits.take(&[Charge::new(&pair, pair_key(attempt))], now).await
    }

    /// The password was wrong.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn failed(&self, limits: &Limits, attempt: &Attempt<'_>, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        limits.take(&self.suspicions(attempt), now).await.map(|_| ())
    }

    /// The password was right: the tries before it were the holder's own slips.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn succeeded(&self, limits: &Limits, attempt: &Attempt<'_>) -> Result<(), sqlx::Error> {
        let charge = match attempt.device {
            Some(device) => Charge::new(&self.device, device.key()),
            None => Charge::new(&self.pair, pair_key(attempt)),
        };
        limits.forgive(&[charge]).await
    }

    /// The first refuses; the others make suspect.
    fn suspicions(&self, attempt: &Attempt<'_>) -> [Charge<'_>; 4] {
        let address = network(attempt.address);
        [
            Charge::new(&self.address_refused, address.clone()),
            Charge::new(&self.address_suspect, address),
            Charge::new(&self.account_suspect, attempt.login),
            Charge::new(&self.all_suspect, ""),
        ]
    }
}

fn pair_key(attempt: &Attempt<'_>) -> String {
    format!("{}|{}", network(attempt.address), attempt.login)
}

/// What counts as one address: an IPv6 customer owns at least a /64.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_customer_is_one_address() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
