//! Every variant has its sentence in both languages, in clear and erased.

use domain::context::{Actor, Reason};
use domain::ids::{AccountId, ImportId, RelyingPartyId};
use domain::personal::Sealable;
use domain::samples;
use replay::language::Language;
use replay::words;
use uuid::Uuid;

fn catalogue(language: Language) -> String {
    let mut text = String::new();
    for event in samples::every_event() {
        let mut erased = event.clone();
        erased.segments().into_iter().for_each(|segment| segment.erase());
        let (clear, gone) = (words::event(language, &event), words::event(language, &erased));
        text.push_str(&format!("{}\n  {clear}\n", event.event_type()));
        if gone != clear {
            text.push_str(&format!("  {gone}\n"));
        }
    }
    let id = Uuid::from_u128(9);
    for actor in [
        Actor::Service,
        Actor::Import(ImportId(id)),
        Actor::Account(AccountId(id)),
        Actor::Operator("17".to_owned()),
        Actor::RelyingParty(RelyingPartyId(id)),
    ] {
        text.push_str(&format!("{actor}\n  {}\n", words::actor(language, &actor)));
    }
    for reason in [Reason::SchoolData, Reason::OwnRequest, Reason::SupportRequest, Reason::Administration, Reason::Rule]
    {
        text.push_str(&format!("{}\n  {}\n", reason.as_str(), words::reason(language, reason)));
    }
    text
}

#[test]
fn the_french_catalogue() {
    insta::assert_snapshot!(catalogue(Language::Fr));
}

#[test]
fn the_english_catalogue() {
    insta::assert_snapshot!(catalogue(Language::En));
}

#[test]
fn after_erasure_no_sentence_holds_a_personal_value() {
    for language in Language::ALL {
        for mut event in samples::every_event() {
            let values: Vec<String> =
                event.segments().iter().filter_map(|segment| segment.plaintext()).map(text).collect();
            event.segments().into_iter().for_each(|segment| segment.erase());
            let sentence = words::event(language, &event);
            for word in values.iter().flat_map(|value| value.split(['"', ',', ':', '{', '}', '[', ']'])) {
                // Shorter words and JSON's own are no values.
                let telling = word.len() > 5 && word.chars().any(|c| c.is_uppercase() || c.is_ascii_digit());
                assert!(!telling || !sentence.contains(word), "{sentence} tells {word}");
            }
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
