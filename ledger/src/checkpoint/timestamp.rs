//! RFC 3161: a time-stamping authority's word that a checkpoint existed at a time. The token is stored as it comes;
//! `openssl ts -verify` checks it against the authority's certificate, which is the auditor's to trust, not ours.

use super::http;
use crate::leaf::{Hash, sha256};
use crate::seal::random;
use der::asn1::{Any, Int, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence, Tag, TagNumber, Tagged};
use url::Url;

/// id-sha256
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// id-signedData
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// id-ct-TSTInfo
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// RFC 3161, section 2.4.1.
#[derive(Clone, Debug, Sequence)]
struct TimeStampReq {
    version: u8,
    message_imprint: MessageImprint,
    nonce: Int,
    cert_req: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct MessageImprint {
    hash_algorithm: AlgorithmIdentifier,
    hashed_message: OctetString,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct AlgorithmIdentifier {
    algorithm: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<Any>,
}

/// A time-stamping authority over HTTP (RFC 3161, section 3.4).
pub(super) struct Authority {
    url: Url,
    client: reqwest::Client,
}

impl Authority {
    pub(super) fn new(url: Url) -> Result<Self, reqwest::Error> {
        Ok(Self { url, client: http::client()? })
    }

    pub(super) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// A token over SHA-256 of `data`: DER of a `TimeStampToken`. That it is over these data and answers this request
    /// is checked; its signature is not.
    ///
    /// # Errors
    /// There is none; why, in words.
    pub(super) async fn stamp(&self, data: &[u8]) -> Result<Vec<u8>, String> {
        let nonce = nonce()?;
        let imprint = sha256(data);
        let request = request(imprint, &nonce).map_err(|error| error.to_string())?;
        let asked = self.client.post(self.url.clone()).header("content-type", "application/timestamp-query");
        let (status, answer) = http::bytes(asked.body(request)).await?;
        if status.as_u16() != 200 {
            return Err(format!("the authority answers {status}"));
        }
        token(&answer, imprint, &nonce)
    }
}

fn nonce() -> Result<Int, String> {
    let mut bytes: [u8; 8] = random().map_err(|error| error.to_string())?;
    // Positive, and in its shortest form.
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Int::new(&bytes).map_err(|error| error.to_string())
}

fn imprint_of(hash: Hash) -> der::Result<MessageImprint> {
    let hash_algorithm = AlgorithmIdentifier { algorithm: SHA_256, parameters: Some(Any::null()) };
    Ok(MessageImprint { hash_algorithm, hashed_message: OctetString::new(hash.as_slice())? })
}

fn request(imprint: Hash, nonce: &Int) -> der::Result<Vec<u8>> {
    let message_imprint = imprint_of(imprint)?;
    // With the certificate in the token, it can be verified years later by whoever trusts its issuer.
    TimeStampReq { version: 1, message_imprint, nonce: nonce.clone(), cert_req: true }.to_der()
}

/// The token of an answer, if it is granted and over what was asked.
fn token(answer: &[u8], imprint: Hash, nonce: &Int) -> Result<Vec<u8>, String> {
    let unreadable = |error: der::Error| format!("the authority's answer can't be read: {error}");
    let answer: Vec<Any> = Vec::from_der(answer).map_err(unreadable)?;
    let mut answer = answer.into_iter();
    let status = answer.next().ok_or("the authority's answer is empty")?;
    let status: Vec<Any> = status.decode_as().map_err(unreadable)?;
    let status: u8 = status.first().ok_or("the authority's answer has no status")?.decode_as().map_err(unreadable)?;
    // granted, grantedWithMods
    let (0 | 1, Some(token)) = (status, answer.next()) else {
        return Err(format!("the authority refuses (PKIStatus {status})"));
    };
    let info = tst_info(&token).map_err(unreadable)?;
    let stamped: Option<MessageImprint> = info.get(2).and_then(|imprint| imprint.decode_as().ok());
    let same_hash = stamped.is_some_and(|stamped| {
        stamped.hash_algorithm.algorithm == SHA_256 && stamped.hashed_message.as_bytes() == imprint
    });
    // After version, policy, imprint, serial number and time, the nonce is the only integer.
    let same_nonce = info
        .iter()
        .skip(5)
        .filter(|field| field.tag() == Tag::Integer)
        .any(|field| field.decode_as::<Int>().is_ok_and(|found| found == *nonce));
    if !same_hash || !same_nonce {
        return Err("the authority's token is over something else, or answers another request".to_owned());
    }
    token.to_der().map_err(unreadable)
}

/// The fields of the `TSTInfo` in a token.
fn tst_info(token: &Any) -> der::Result<Vec<Any>> {
    let content_info: Vec<Any> = token.decode_as()?;
    let signed_data: Vec<Any> = explicit(&content_info, SIGNED_DATA)?.decode_as()?;
    let encapsulated: Vec<Any> = at(&signed_data, 2)?.decode_as()?;
    let content: OctetString = explicit(&encapsulated, TST_INFO)?.decode_as()?;
    Vec::from_der(content.as_bytes())
}

/// What stands in a sequence of a type's identifier and `[0] EXPLICIT` content.
fn explicit(sequence: &[Any], kind: ObjectIdentifier) -> der::Result<Any> {
    if at(sequence, 0)?.decode_as::<ObjectIdentifier>()? != kind {
        return Err(der::ErrorKind::OidUnknown { oid: kind }.into());
    }
    let content = at(sequence, 1)?;
    let expected = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
    content.tag().assert_eq(expected)?;
    Any::from_der(content.value())
}

fn at(sequence: &[Any], index: usize) -> der::Result<&Any> {
    sequence.get(index).ok_or_else(|| der::ErrorKind::Failed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_authority_answers_is_judged_without_stumbling() {
        let nonce = nonce().unwrap();
        let cases: [&[u8]; 6] = [
            b"",
            b"\x30\x00",
            b"\x30\x80\x00\x00",
            b"\x30\x05\x30\x03\x02\x01\x02",
            b"<html>",
            &[0x30, 0x84, 255, 255],
        ];
        for answer in cases {
            assert!(token(answer, [0; 32], &nonce).is_err(), "{answer:?}");
        }
    }
}
