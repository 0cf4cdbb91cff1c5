//! ONDE (formerly BE1D) exports of écoles: two CSV files without common identifier.

mod columns;
mod guardians;
mod index;
mod pupils;
mod table;

use std::fmt;

use aws_lc_rs::hmac;
use domain::identifiers::{Academie, GuardianKey, PupilKey, Uai};

pub(crate) use guardians::GuardianReader;
pub(crate) use index::Index;
pub(crate) use pupils::PupilReader;
pub(crate) use table::{Kind, recognise};

use crate::export::PseudonymKey;

/// What turns the data of one école into keys.
#[derive(Clone)]
pub(crate) struct Context {
    uai: Uai,
    academie: Option<Academie>,
    key: hmac::Key,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("uai", &self.uai).finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(uai: Uai, academie: Option<Academie>, key: &PseudonymKey) -> Self {
        Self { uai, academie, key: hmac::Key::new(hmac::HMAC_SHA256, &key.0) }
    }

    /// A keyed digest of what the parts say, within this école.
    fn digest(&self, purpose: &str, parts: &[&str]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [purpose, self.uai.as_str()].iter().chain(parts) {
            // The length first, so that no two lists of parts read the same.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&context.sign().as_ref()[..16]);
        digest
    }

    fn token(&self, parts: &[&str]) -> u64 {
        let digest = self.digest("token", parts);
        u64::from_le_bytes(digest[..8].try_into().expect("eight of sixteen bytes"))
    }

    fn guardian_key(&self, digest: [u8; 16]) -> GuardianKey {
        format!("onde:{:032x}", u128::from_be_bytes(digest))
            .parse()
            .expect("a prefix and a hexadecimal digest make a key")
    }

    fn pupil_key(&self, digest: [u8; 16]) -> PupilKey {
        format!("onde:{}:{:032x}", self.uai, u128::from_be_bytes(digest))
            .parse()
            .expect("a prefix, a UAI and a hexadecimal digest make a key")
    }
}
