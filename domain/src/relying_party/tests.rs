//! Given these events, when this command comes, then these events follow.

use super::*;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

type GivenWhenThen = TestFramework<RelyingParty>;

fn id() -> RelyingPartyId {
    RelyingPartyId(Uuid::from_u128(1))
}

fn secret(n: u128) -> SecretId {
    SecretId(Uuid::from_u128(n))
}

fn registration() -> Registration {
    Registration {
        name: "Cahier de textes".into(),
        redirect_uris: vec!["https://notes.example.org/retour".into()],
        post_logout_redirect_uris: vec![],
        scopes: ["openid".to_owned()].into(),
        sector_identifier: "notes.example.org".into(),
        authentication: ClientAuthentication::ClientSecretBasic,
        establishments: Establishments::All,
    }
}

fn register(registration: Registration) -> RelyingPartyCommand {
    RelyingPartyCommand::Register { id: id(), registration, secret: Some(secret(2)) }
}

fn registered() -> RelyingPartyEvent {
    RelyingPartyEvent::RelyingPartyRegistered { id: id(), registration: registration(), secret: Some(secret(2)) }
}

#[test]
fn it_is_registered_once() {
    GivenWhenThen::with(())
        .given_no_previous_events()
        .when(register(registration()))
        .then_expect_events(vec![registered()]);
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(register(registration()))
        .then_expect_error(RelyingPartyError::AlreadyRegistered);
}

#[test]
fn redirect_uris_that_could_be_abused_are_refused() {
    let bad = [
        "http://notes.example.org/retour",
        "http://localhost.example.org/",
        "http://127.0.0.1.example.org/",
        "https://notes.example.org/#fragment",
        "https://*.example.org/",
        "https://user@notes.example.org/",
        "https://",
        "https://notes.example.org/a b",
        "javascript:alert(1)",
        "//notes.example.org/",
        "",
    ];
    for uri in bad {
        let mut registration = registration();
        registration.redirect_uris = vec![uri.into()];
        GivenWhenThen::with(())
            .given_no_previous_events()
            .when(register(registration))
            .then_expect_error(RelyingPartyError::Invalid(InvalidRegistration::RedirectUri(uri.into())));
    }
    for uri in
        ["http://127.0.0.1:8444/cb", "http://[::1]/cb", "http://localhost:3000/cb", "https://e.example.org:8443/cb?x=1"]
    {
        let mut registration = registration();
        registration.redirect_uris = vec![uri.into()];
        assert_eq!(registration.validate(), Ok(()), "{uri}");
    }
}

#[test]
fn secrets_and_authentication_agree() {
    let public = Registration { authentication: ClientAuthentication::None, ..registration() };
    GivenWhenThen::with(())
        .given_no_previous_events()
        .when(register(public.clone()))
        .then_expect_error(RelyingPartyError::SecretMismatch);
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(RelyingPartyCommand::Change { registration: public })
        .then_expect_error(RelyingPartyError::SecretMismatch);
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(RelyingPartyCommand::ReplaceSecret { secret: secret(3) })
        .then_expect_events(vec![RelyingPartyEvent::ClientSecretReplaced { secret: secret(3) }]);
}

#[test]
fn an_unchanged_registration_adds_nothing() {
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(RelyingPartyCommand::Change { registration: registration() })
        .then_expect_events(vec![]);
}

#[test]
fn it_is_disabled_and_enabled() {
    let disabled = vec![registered(), RelyingPartyEvent::RelyingPartyDisabled {}];
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(RelyingPartyCommand::Disable)
        .then_expect_events(vec![RelyingPartyEvent::RelyingPartyDisabled {}]);
    GivenWhenThen::with(()).given(disabled.clone()).when(RelyingPartyCommand::Disable).then_expect_events(vec![]);
    GivenWhenThen::with(())
        .given(disabled)
        .when(RelyingPartyCommand::Enable)
        .then_expect_events(vec![RelyingPartyEvent::RelyingPartyEnabled {}]);
}

#[test]
fn a_relying_party_that_sees_some_establishments_does_not_see_others() {
    let mine: Uai = "0210001A".parse().expect("a UAI");
    let other: Uai = "0210002B".parse().expect("a UAI");
    assert!(Establishments::Only([mine].into()).includes(&mine));
    assert!(!Establishments::Only([mine].into()).includes(&other));
    assert!(Establishments::All.includes(&other));
}
