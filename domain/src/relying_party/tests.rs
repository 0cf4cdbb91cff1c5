//! Given these events, when this command comes, then these events follow.

use super::*;
use crate::identifiers::Uai;
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
        terms: Terms::default(),
    }
}

fn register(registration: Registration) -> RelyingPartyCommand {
    RelyingPartyCommand::Register { id: id(), registration, secret: Some(secret(2)) }
}

fn registered() -> RelyingPartyEvent {
    RelyingPartyEvent::RelyingPartyRegistered { id: id(), registration: registration().into(), secret: Some(secret(2)) }
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
        .when(RelyingPartyCommand::Change { registration: public.clone(), secret: Some(secret(3)) })
        .then_expect_error(RelyingPartyError::SecretMismatch);
    let withdrawn = vec![
        RelyingPartyEvent::RelyingPartyChanged { registration: public.clone().into() },
        RelyingPartyEvent::ClientSecretWithdrawn {},
    ];
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(RelyingPartyCommand::Change { registration: public, secret: None })
        .then_expect_events(withdrawn.clone());
    let again = || [vec![registered()], withdrawn.clone()].concat();
    GivenWhenThen::with(())
        .given(again())
        .when(RelyingPartyCommand::Change { registration: registration(), secret: None })
        .then_expect_error(RelyingPartyError::SecretMismatch);
    GivenWhenThen::with(())
        .given(again())
        .when(RelyingPartyCommand::Change { registration: registration(), secret: Some(secret(3)) })
        .then_expect_events(vec![
            RelyingPartyEvent::RelyingPartyChanged { registration: registration().into() },
            RelyingPartyEvent::ClientSecretReplaced { secret: secret(3) },
        ]);
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(RelyingPartyCommand::ReplaceSecret { secret: secret(3) })
        .then_expect_events(vec![RelyingPartyEvent::ClientSecretReplaced { secret: secret(3) }]);
}

#[test]
fn an_unchanged_registration_adds_nothing() {
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(RelyingPartyCommand::Change { registration: registration(), secret: None })
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

fn with_terms(change: impl FnOnce(&mut Terms)) -> Registration {
    let mut registration = registration();
    change(&mut registration.terms);
    registration
}

#[test]
fn a_registration_of_version_1_reads_as_it_was_meant() {
    let stored = r#"{"RelyingPartyChanged":{"registration":{"name":"N","redirect_uris":["https://a.test/cb"],
        "post_logout_redirect_uris":[],"scopes":["openid"],"sector_identifier":"a.test",
        "authentication":"client_secret_basic","establishments":"all"}}}"#;
    let RelyingPartyEvent::RelyingPartyChanged { registration } = serde_json::from_str(stored).expect("reads") else {
        panic!("another event");
    };
    assert!(registration.terms.are_plain());
    assert!(
        registration.terms.allow(GrantType::AuthorizationCode) && !registration.terms.allow(GrantType::RefreshToken)
    );
    let written = serde_json::to_string(&registration).expect("writes");
    assert!(!written.contains("terms"), "what says no more keeps its form: {written}");
}

#[test]
fn terms_that_contradict_themselves_are_refused() {
    use ClientAuthentication as A;
    use InvalidTerms as I;
    let key = ClientKey {
        kty: "EC".into(),
        crv: Some("P-256".into()),
        x: Some("x".into()),
        y: Some("y".into()),
        ..ClientKey::default()
    };
    let small =
        ClientKey { kty: "RSA".into(), n: Some("a".repeat(171)), e: Some("AQAB".into()), ..ClientKey::default() };
    let refused = |authentication, change: &dyn Fn(&mut Terms)| {
        let registration = Registration { authentication, ..with_terms(|terms| change(terms)) };
        registration.validate()
    };
    type Case = (A, Box<dyn Fn(&mut Terms)>, I);
    let cases: Vec<Case> = vec![
        (A::ClientSecretBasic, Box::new(|t| t.grant_types.clear()), I::NoGrant),
        (A::ClientSecretBasic, Box::new(|t| t.grant_types = [GrantType::RefreshToken].into()), I::RefreshAlone),
        (A::None, Box::new(|t| t.grant_types = [GrantType::ClientCredentials].into()), I::PublicActsAlone),
        (A::ClientSecretBasic, Box::new(|t| t.response_modes.clear()), I::NoResponseMode),
        (A::PrivateKeyJwt, Box::new(|_| {}), I::NoKeys),
        (A::PrivateKeyJwt, Box::new(|t| t.keys = Some(ClientKeys::Set(vec![]))), I::NoKeys),
        (A::PrivateKeyJwt, Box::new(move |t| t.keys = Some(ClientKeys::Set(vec![small.clone()]))), I::UnusableKey),
        (
            A::PrivateKeyJwt,
            Box::new(|t| t.keys = Some(ClientKeys::At("http://a.test/".into()))),
            I::Uri("http://a.test/".into()),
        ),
        (A::ClientSecretBasic, Box::new(|t| t.lifetimes.access_token = Some(5)), I::Lifetime),
        (A::ClientSecretBasic, Box::new(|t| t.lifetimes.refresh_token = Some(u32::MAX)), I::Lifetime),
    ];
    for (authentication, change, expected) in cases {
        assert_eq!(refused(authentication, &*change), Err(InvalidRegistration::Terms(expected)));
    }
    assert_eq!(refused(A::PrivateKeyJwt, &|t| t.keys = Some(ClientKeys::Set(vec![key.clone()]))), Ok(()));
}

#[test]
fn a_service_that_signs_nobody_in_needs_no_redirect_uri() {
    let mut service = with_terms(|terms| terms.grant_types = [GrantType::ClientCredentials].into());
    service.redirect_uris.clear();
    service.scopes.clear();
    assert_eq!(service.validate(), Ok(()));
}

#[test]
fn a_registration_that_has_ended_stays_ended() {
    let deregistered = vec![registered(), RelyingPartyEvent::RelyingPartyDeregistered {}];
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(RelyingPartyCommand::Deregister)
        .then_expect_events(vec![RelyingPartyEvent::RelyingPartyDeregistered {}]);
    for command in [
        RelyingPartyCommand::Enable,
        RelyingPartyCommand::Deregister,
        RelyingPartyCommand::Change { registration: registration(), secret: None },
    ] {
        GivenWhenThen::with(())
            .given(deregistered.clone())
            .when(command)
            .then_expect_error(RelyingPartyError::Deregistered);
    }
}

#[test]
fn the_fapi2_profile_is_kept_as_a_whole() {
    let whole = crate::samples::linked_registration();
    assert_eq!(whole.validate(), Ok(()));
    let refused = |change: &dyn Fn(&mut Registration)| {
        let mut registration = whole.clone();
        change(&mut registration);
        registration.validate().is_err()
    };
    assert!(refused(&|r| r.authentication = ClientAuthentication::ClientSecretBasic));
    assert!(refused(&|r| r.terms.require_pushed_authorization_requests = false));
    assert!(refused(&|r| r.terms.dpop_bound_access_tokens = false));
    assert!(refused(&|r| r.terms.id_token_signed_response_alg = SigningAlgorithm::RS256));
    assert!(refused(&|r| r.terms.userinfo_signed_response_alg = Some(SigningAlgorithm::RS256)));
    assert!(refused(&|r| r.redirect_uris = vec!["http://127.0.0.1/cb".into()]));
    assert!(refused(&|r| r.terms.link.home_uri = Some("javascript:alert(1)".into())));
    assert!(refused(&|r| r.terms.link.english_name = Some(" ".into())));
}
