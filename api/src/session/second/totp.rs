//! Codes of authenticator apps (RFC 6238): six digits, half a minute, SHA-1, as all such apps know them.
//!
//! The secret lies in the vault with the number of the last step used, so that no code is taken twice.

use crate::app::App;
use crate::incident::AppError;
use aws_lc_rs::rand;
use domain::account::{Account, FactorKind};
use domain::ids::AccountId;
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

/// The vault's word for it.
pub(super) const KIND: &str = "totp";
const SECRET: usize = 20;
const STEP: usize = 8;
/// Codes of the step before and the step after are taken too: clocks differ.
const SKEW: u16 = 1;

/// A secret of 160 bits (RFC 4226 §4 recommends as many).
pub(super) struct OwnSecret(Zeroizing<[u8; SECRET]>);

impl OwnSecret {
    /// Draws one; `None` when the operating system gives no randomness.
    pub fn draw() -> Option<Self> {
        let mut bytes = Zeroizing::new([0; SECRET]);
        rand::fill(bytes.as_mut_slice()).ok()?;
        Some(Self(bytes))
    }

    /// From what [`Self::base32`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        let secret = Secret::try_from_base32(text.trim()).ok()?;
        Some(Self(Zeroizing::new(<[u8; SECRET]>::try_from(secret.as_bytes()).ok()?)))
    }

    /// As apps take it.
    pub fn base32(&self) -> String {
        Secret::from(self.0.to_vec()).to_base32()
    }

    /// `otpauth://totp/…`, for the app on this very phone and for the picture.
    pub fn link(&self, login: &str, service: &str) -> Option<String> {
        self.totp(login, service)?.to_url().ok()
    }

    /// The step whose code this is, at this time (seconds since 1970).
    pub fn step_of(&self, code: &str, seconds: u64) -> Option<u64> {
        self.totp("", "")?.check(&digits(code), seconds)
    }

    #[cfg(test)]
    pub fn code_at(&self, seconds: u64) -> String {
        self.totp("", "").unwrap().generate(seconds).to_string()
    }

    fn totp(&self, login: &str, service: &str) -> Option<Totp> {
        // A colon would end the issuer in the link.
        let plain = |text: &str| text.replace(':', " ");
        let builder = Builder::new().with_secret(self.0.to_vec()).with_skew(SKEW);
        let builder = builder.with_account_name(plain(login)).with_issuer(Some(plain(service)));
        builder.build().ok()
    }

    /// The vault row: the secret, and the step that was used last.
    pub fn row(&self, used: u64) -> Zeroizing<Vec<u8>> {
        let mut row = Zeroizing::new(Vec::with_capacity(SECRET + STEP));
        row.extend_from_slice(self.0.as_slice());
        row.extend_from_slice(&used.to_be_bytes());
        row
    }

    fn from_row(row: &[u8]) -> Option<(Self, u64)> {
        let (secret, used) = row.split_at_checked(SECRET)?;
        Some((Self(Zeroizing::new(secret.try_into().ok()?)), u64::from_be_bytes(used.try_into().ok()?)))
    }
}

/// Without the space that people put in the middle.
fn digits(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Whether it could be such a code.
pub(super) fn is_shaped(typed: &str) -> bool {
    let digits = digits(typed);
    digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is the code of this moment of one of the account's apps, and was not taken before.
pub(super) async fn prove(app: &App, account: AccountId, typed: &str) -> Result<bool, AppError> {
    let now = app.clock.now();
    let seconds = now.timestamp().unsigned_abs();
    let state = app.ledger.load::<Account>(&account.to_string()).await?.aggregate;
    for factor in state.second_factors.values().filter(|factor| factor.kind == FactorKind::Totp) {
        let Some(stored) = app.ledger.vault_get(factor.secret, now).await? else { continue };
        let Some((secret, used)) = OwnSecret::from_row(&stored.secret) else { continue };
        let Some(step) = secret.step_of(typed, seconds).filter(|step| *step > used) else { continue };
        // Of two that come with one code at once, one replaces the row.
        if app.ledger.vault_replace(factor.secret, KIND, stored.revision, &secret.row(step)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B: the last six digits of the SHA-1 column.
        let secret = OwnSecret(Zeroizing::new(*b"12345678901234567890"));
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(secret.code_at(seconds), code);
            assert_eq!(secret.step_of(code, seconds), Some(seconds / 30));
        }
        assert_eq!(secret.step_of("081 804", 1_111_111_109 + 30), Some(1_111_111_109 / 30), "a slow clock");
        assert_eq!(secret.step_of("081804", 1_111_111_109 + 90), None);
        let (read, used) = OwnSecret::from_row(&secret.row(7)).unwrap();
        assert_eq!((read.base32(), used), (secret.base32(), 7));
        assert!(OwnSecret::read(&secret.base32()).is_some() && OwnSecret::read("MFRGG").is_none());
        let link = secret.link("a.lefictif", "Compte : école").unwrap();
        assert!(link.starts_with("otpauth://totp/") && link.contains(&secret.base32()), "{link}");
    }
}
