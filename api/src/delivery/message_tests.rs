//! Every message in both languages.

use super::{Envelope, Message, Recipient};
use crate::pages::Language;
use std::fmt::Write;

/// The default alphabet of GSM 03.38 (3GPP TS 23.038, section 6.2.1). Characters of its extension table count
/// twice; we use none.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿\
                   abcdefghijklmnopqrstuvwxyzäöñüà";

#[test]
fn every_sms_is_one_part_of_the_gsm_alphabet_without_a_link() {
    for language in Language::ALL {
        for message in Message::samples() {
            let text = message.sms(language);
            assert!(text.chars().count() <= 160, "{} characters: {}", text.chars().count(), *text);
            let foreign: String = text.chars().filter(|character| !GSM.contains(*character)).collect();
            assert!(foreign.is_empty(), "{foreign:?} is not in the GSM alphabet: {}", *text);
            assert!(!text.contains("http") && !text.contains("www") && !text.contains('/'), "a link: {}", *text);
            assert!(!text.contains("delivery-"), "words are missing: {}", *text);
        }
    }
}

#[test]
fn a_code_comes_first_in_its_sms() {
    for language in Language::ALL {
        assert!(Message::samples()[0].sms(language).starts_with("402913 "));
    }
}

#[test]
fn messages_read_well() {
    let mut all = String::new();
    for message in Message::samples() {
        for language in Language::ALL {
            let mail = message.mail(language, "https://compte.example.org");
            let _ = writeln!(all, "=== {message:?} {}", language.code());
            let _ = writeln!(all, "--- sms\n{}", *message.sms(language));
            let _ = writeln!(all, "--- mail\nSubject: {}\n\n{}", mail.subject, *mail.body);
        }
    }
    assert!(!all.contains("delivery-"), "words are missing:\n{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn an_envelope_reads_back_and_shows_nothing_in_debug() {
    for to in [
        Recipient::Mobile("+33639980123".parse().unwrap()),
        Recipient::Mail("camille.fictif@example.org".parse().unwrap()),
    ] {
        for message in Message::samples() {
            let envelope = Envelope { to: to.clone(), language: Language::French, message };
            let row = envelope.queued(uuid::Uuid::nil(), chrono::DateTime::UNIX_EPOCH, None, None);
            assert_eq!(row.channel, to.channel());
            assert_eq!(Envelope::read(&row.body), Ok(envelope.clone()));
            let debug = format!("{envelope:?}");
            for secret in ["402913", "camille", "33639"] {
                assert!(!debug.contains(secret), "{debug}");
            }
        }
    }
    assert!(Envelope::read(b"{}").is_err());
}
