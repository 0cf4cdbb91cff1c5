//! At the token endpoint.

use super::world::{CALLBACK, VERIFIER, World, claims, error, json, parameter, registration, text};
use crate::oidc::registry;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand, PasswordOrigin};
use domain::ids::SecretId;
use domain::relying_party::{ClientAuthentication, Establishments, GrantType, ResponseMode};
use futures::future::join_all;
use ledger::access::{Kind, Of, Wanted, read};
use uuid::Uuid;

#[tokio::test]
async fn a_code_gives_tokens_that_say_what_they_should() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let answer = world.redeem(&code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = json(&answer);
    let (id, access) = (claims(&text(&tokens["id_token"])), claims(&text(&tokens["access_token"])));
    assert_eq!(id["aud"], world.client.to_string());
    assert_eq!(id["nonce"], "the nonce");
    assert_eq!(id["acr"], "urn:matricule:acr:guardian-by-school-record");
    assert_eq!(id["amr"], serde_json::json!(["pwd"]));
    assert_eq!(
        id["at_hash"],
        crate::oidc::tokens::at_hash(&text(&tokens["access_token"]), domain::relying_party::SigningAlgorithm::ES256)
    );
    assert_eq!((&id["sid"], &id["sub"]), (&access["sid"], &access["sub"]));
    assert_eq!(access["client_id"], world.client.to_string());
    let everything = id.to_string();
    assert!(!everything.contains("Lefictif") && !everything.contains("Zo"), "no name in a token that travels in URLs");
}

#[tokio::test]
async fn point_41_tokens_issued_and_refused_are_in_the_access_log() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    assert_eq!(world.redeem(&code).await.status, StatusCode::OK);
    assert_eq!(error(&world.redeem(&code).await), "invalid_grant");
    let app = world.service.app();
    app.access.written().await;
    let wanted = Wanted { kinds: vec![Kind::Token], ..Wanted::all(Of::Everyone, 10) };
    let entries = read(&app.db, &wanted).await.unwrap();
    let [refused, issued] = &entries[..] else { panic!("two entries: {entries:?}") };
    assert_eq!((issued.what.as_str(), issued.outcome.as_str()), ("authorization_code", "success"));
    assert_eq!((issued.subject, issued.relying_party), (Some(world.account.0), Some(world.client.0)));
    assert_eq!(issued.actor, Some(format!("relying-party:{}", world.client)));
    assert_eq!((refused.outcome.as_str(), refused.subject), ("invalid_grant", None));
}

#[tokio::test]
async fn acr_says_what_was_proved_and_no_more() {
    let mut world = World::new().await;
    let acr = async |world: &World| {
        let mut browser = world.signed_in().await;
        claims(&world.tokens(&mut browser).await.1)["acr"].as_str().unwrap().to_owned()
    };
    assert_eq!(acr(&world).await, "urn:matricule:acr:guardian-by-school-record");
    // An operator hands out a provisional password, and whoever has it chooses another: no phone was proved.
    let (secret, chosen) = (SecretId(Uuid::new_v4()), SecretId(Uuid::new_v4()));
    let expires_at = world.service.app().clock.now() + TimeDelta::days(1);
    world.tell::<Account>(world.account.0, AccountCommand::IssueProvisionalPassword { secret, expires_at }).await;
    let choose = |secret, origin| AccountCommand::ChoosePassword { secret, origin, flow: None };
    world.tell::<Account>(world.account.0, choose(chosen, PasswordOrigin::ForcedChange)).await;
    world.credential = chosen;
    assert_eq!(acr(&world).await, "urn:matricule:acr:guardian-by-provisional-password");
    // Another password of their own proves nothing more.
    let own = SecretId(Uuid::new_v4());
    world.tell::<Account>(world.account.0, choose(own, PasswordOrigin::OwnChange)).await;
    world.credential = own;
    assert_eq!(acr(&world).await, "urn:matricule:acr:guardian-by-provisional-password");
}

#[tokio::test]
async fn point_05_a_code_is_nothing_without_its_verifier() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let wrong = "a".repeat(43);
    for verifier in [None, Some(""), Some(wrong.as_str()), Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")] {
        let code = world.code(&mut browser).await;
        let mut fields =
            vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
        fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let answer = world.token(&fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let expected = if verifier.is_none_or(str::is_empty) { "invalid_request" } else { "invalid_grant" };
        assert_eq!(error(&answer), expected, "{verifier:?}");
    }
    let code = world.code(&mut browser).await;
    let fields =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", &wrong)];
    assert_eq!(error(&world.token(&fields).await), "invalid_grant");
    assert_eq!(error(&world.redeem(&code).await), "invalid_grant", "nobody gets a second guess");
}

#[tokio::test]
async fn point_06_a_code_is_redeemed_once_however_many_try_at_once() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let answers = join_all((0..12).map(|_| world.redeem(&code))).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
    assert_eq!(good.len(), 1);
    assert!(
        answers.iter().filter(|answer| answer.status != StatusCode::OK).all(|answer| error(answer) == "invalid_grant")
    );
    let token = text(&json(good[0])["access_token"]);
    assert_eq!(world.userinfo(&token).await.status, StatusCode::UNAUTHORIZED, "the others revoked what the one got");
}

#[tokio::test]
async fn point_06_reuse_revokes_what_was_issued() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let token = text(&json(&world.redeem(&code).await)["access_token"]);
    assert_eq!(world.userinfo(&token).await.status, StatusCode::OK);
    world.service.app().clock.advance(TimeDelta::seconds(120));
    assert_eq!(error(&world.redeem(&code).await), "invalid_grant", "also long after the code has expired");
    assert_eq!(world.userinfo(&token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn point_07_a_code_lives_a_minute() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (young, old) = (world.code(&mut browser).await, world.code(&mut browser).await);
    world.service.app().clock.advance(TimeDelta::seconds(50));
    assert_eq!(world.redeem(&young).await.status, StatusCode::OK);
    world.service.app().clock.advance(TimeDelta::seconds(11));
    assert_eq!(error(&world.redeem(&old).await), "invalid_grant");
}

#[tokio::test]
async fn point_08_a_code_is_bound_to_client_and_redirect_uri() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (other, secret) = world.register(registration(Establishments::All)).await;
    let code = world.code(&mut browser).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(error(&world.token_as(other, &secret, &fields).await), "invalid_grant");
    assert_eq!(world.redeem(&code).await.status, StatusCode::OK, "another client can't use it up either");
    let code = world.code(&mut browser).await;
    let elsewhere = "https://notes.example.org/cb?tab=1"; // registered, but not the one of this code
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", elsewhere),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(error(&world.token(&fields).await), "invalid_grant");
}

#[tokio::test]
async fn point_09_and_13_no_other_grant() {
    let world = World::new().await;
    for (grant, code) in [
        ("password", "unsupported_grant_type"),
        ("implicit", "unsupported_grant_type"),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type"),
        ("token-exchange", "unsupported_grant_type"),
        // These exist, and are not this client's.
        ("client_credentials", "unauthorized_client"),
        ("refresh_token", "unauthorized_client"),
        ("urn:ietf:params:oauth:grant-type:token-exchange", "unauthorized_client"),
    ] {
        let fields = [("grant_type", grant), ("username", "t.lefictif"), ("password", "x"), ("scope", "openid")];
        assert_eq!(error(&world.token(&fields).await), code, "{grant}");
    }
    assert_eq!(error(&world.token(&[("code", "x")]).await), "invalid_request");
}

#[tokio::test]
async fn point_13_grants_and_response_modes_are_each_clients_own() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    let mut form_only = registration(Establishments::All);
    form_only.terms.response_modes = [ResponseMode::FormPost].into();
    (world.client, world.secret) = world.register(form_only).await;
    for (mode, good) in [(None, false), (Some("query"), false), (Some("form_post"), true)] {
        let answer = browser.get(&world.request(&[("response_mode", mode)])).await;
        assert_eq!(answer.status == StatusCode::OK && answer.body.contains("name=\"code\""), good, "{mode:?}");
        assert!(parameter(answer.location(), "code").is_none());
    }
    let mut service = registration(Establishments::All);
    service.terms.grant_types = [GrantType::ClientCredentials].into();
    (world.client, world.secret) = world.register(service).await;
    let refused = browser.get(&world.request(&[])).await;
    assert_eq!(parameter(refused.location(), "error").as_deref(), Some("unauthorized_client"));
    assert_eq!(error(&world.redeem("x").await), "unauthorized_client");
}

#[tokio::test]
async fn point_14_a_confidential_client_proves_to_be_itself() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let id = world.client.to_string();
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    for wrong in ["", "wrong", &world.secret.to_uppercase(), &format!("{}x", world.secret)] {
        let answer = world.token_as(world.client, wrong, &grant).await;
        assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::UNAUTHORIZED, "invalid_client"));
        assert!(answer.header("www-authenticate").starts_with("Basic"));
    }
    let secret = world.secret.clone();
    for extra in
        [vec![("client_id", id.as_str())], vec![("client_id", id.as_str()), ("client_secret", secret.as_str())], vec![]]
    {
        let fields: Vec<_> = grant.into_iter().chain(extra).collect();
        let answer = world.program().post("/token", &fields).await;
        assert_eq!(error(&answer), "invalid_client", "only the registered method: {}", answer.body);
    }
    let twice: Vec<_> = grant.into_iter().chain([("client_secret", secret.as_str())]).collect();
    assert_eq!(error(&world.token(&twice).await), "invalid_request", "one way only");
    // The secret is replaced: the former one is worth nothing in the same moment.
    let replaced = registry::replace_secret(&world.service.app().ledger, world.client, world.context()).await.unwrap();
    assert_eq!(error(&world.redeem(&code).await), "invalid_client");
    world.secret = replaced.0.expose().to_owned();
    assert_eq!(world.redeem(&code).await.status, StatusCode::OK, "none of the attempts has used the code up");
    registry::set_enabled(&world.service.app().ledger, world.client, world.context(), false).await.unwrap();
    assert_eq!(error(&world.redeem("x").await), "invalid_client");
}

#[tokio::test]
async fn the_methods_of_authentication_are_each_clients_own() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    for method in [ClientAuthentication::ClientSecretPost, ClientAuthentication::None] {
        let mut changed = registration(Establishments::All);
        changed.authentication = method;
        (world.client, world.secret) = world.register(changed).await;
        let (code, id) = (world.code(&mut browser).await, world.client.to_string());
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        fields.push(("client_id", &id));
        if method == ClientAuthentication::ClientSecretPost {
            assert_eq!(error(&world.program().post("/token", &fields).await), "invalid_client");
            fields.push(("client_secret", &world.secret));
        }
        assert_eq!(error(&world.token(&fields[..4]).await), "invalid_client", "Basic is not its method");
        assert_eq!(world.program().post("/token", &fields).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn point_03_and_22_token_parameters_come_once_and_in_the_body() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let twice = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code", "other"),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(error(&world.token(&twice).await), "invalid_request");
    let mut program = world.program();
    let in_url = format!("/token?grant_type=authorization_code&code={code}&client_id={}", world.client);
    assert_eq!(error(&program.post(&in_url, &[]).await), "invalid_request");
    let as_json = program.send(Method::POST, "/token", Body::from("{}"), Some("application/json")).await;
    assert_eq!(error(&as_json), "invalid_request");
    assert_eq!(program.get("/token").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(world.redeem(&code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn point_44_the_database_refuses_a_code_that_lives_longer() {
    let world = World::new().await;
    let refused = sqlx::query(
        "INSERT INTO service.authorization_code (hash, client, account, session, redirect_uri, challenge, scope, issued_at, expires_at, delete_after)
         VALUES (decode(repeat('00', 32), 'hex'), $1, $1, $1, '', '', '', now(), now() + interval '61 seconds', now())",
    )
    .bind(uuid::Uuid::nil())
    .execute(&world.service.app().db)
    .await;
    assert!(refused.unwrap_err().to_string().contains("check constraint"));
}
