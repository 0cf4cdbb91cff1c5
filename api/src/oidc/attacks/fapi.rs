//! The plan for the security profile FAPI 2.0 (final) of the OpenID Foundation's conformance suite, in the variant that
//! applies here: `private_key_jwt`, DPoP, unsigned requests, OpenID Connect. `docs/conformance.md` names the test of
//! each module.

use super::clients::{Key, by_key, claims as assertion_claims, header};
use super::possession::{Holder, TOKEN, USERINFO};
use super::world::{CALLBACK, ISSUER, VERIFIER, World, claims, error, field, json, parameter, stays_here, text};
use crate::oidc::client::{assertion, keys};
use crate::testing::{Answer, Browser};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use axum::http::{HeaderValue, StatusCode, header as name};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::relying_party::{ClientKeys, GrantType};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

type Change<'a> = &'a [(&'a str, Option<&'a str>)];

const PAR: (&str, &str) = ("POST", "/par");

/// A relying party of the profile, its keys, and the guardian's browser.
struct Fapi {
    world: World,
    /// Signs who the client is.
    key: Key,
    /// Binds its tokens.
    holder: Holder,
    browser: Browser,
}

impl Fapi {
    async fn new() -> Self {
        let mut world = World::new().await;
        let (key, holder) = (Key::new("one"), Holder::new());
        (world.client, world.secret) = world.register(registration(&key)).await;
        let browser = world.signed_in().await;
        Self { world, key, holder, browser }
    }

    /// The same service with another client in the first one's place.
    async fn become_another(&mut self) -> String {
        let first = self.world.client.to_string();
        self.key = Key::new("two");
        (self.world.client, self.world.secret) = self.world.register(registration(&self.key)).await;
        first
    }

    fn assertion(&self, change: &[(&str, Value)]) -> String {
        self.key.sign(&header(self.key.kid), &assertion_claims(&self.world, change))
    }

    fn now(&self) -> i64 {
        self.world.service.app().clock.now().timestamp()
    }

    fn proof(&self, at: (&str, &str), change: &[(&str, Value)]) -> String {
        self.holder.proof(&self.world, at, change)
    }

    /// Posts as the client, with this assertion and this proof.
    async fn send(&self, path: &str, by: Option<&str>, proof: Option<&str>, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        if let Some(token) = by {
            fields.extend([("client_assertion_type", assertion::TYPE), ("client_assertion", token)]);
        }
        let mut program = self.world.program();
        if let Some(proof) = proof {
            program.headers.insert("dpop", HeaderValue::from_str(proof).unwrap());
        }
        program.post(path, &fields).await
    }

    /// Pushes a request, by a good assertion.
    async fn push(&self, change: Change<'_>, proof: Option<&str>) -> Answer {
        self.push_by(&self.assertion(&[]), change, proof).await
    }

    async fn push_by(&self, by: &str, change: Change<'_>, proof: Option<&str>) -> Answer {
        let path = self.world.request(change);
        let fields: Vec<(String, String)> =
            url::form_urlencoded::parse(path.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.send("/par", Some(by), proof, &fields).await
    }

    /// A request that was taken: its `request_uri`.
    async fn pushed(&self, change: Change<'_>) -> String {
        let answer = self.push(change, None).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        text(&json(&answer)["request_uri"])
    }

    /// What the guardian's browser brings from the authorization endpoint: client and `request_uri` alone.
    async fn bring(&mut self, uri: &str) -> Answer {
        let path = self.path(uri);
        self.browser.get(&path).await
    }

    fn path(&self, uri: &str) -> String {
        let fields = [("client_id", self.world.client.to_string()), ("request_uri", uri.to_owned())];
        format!("/authorize?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
    }

    async fn code(&mut self, change: Change<'_>) -> String {
        let uri = self.pushed(change).await;
        let answer = self.bring(&uri).await;
        parameter(answer.location(), "code").unwrap_or_else(|| panic!("no code: {} {}", answer.status, answer.body))
    }

    async fn redeem(&self, code: &str, by: Option<&str>, proof: Option<&str>) -> Answer {
        self.redeem_with(code, by, proof, &[("code_verifier", VERIFIER)]).await
    }

    async fn redeem_with(&self, code: &str, by: Option<&str>, proof: Option<&str>, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
        fields.extend(more);
        self.send("/token", by, proof, &fields).await
    }

    /// Tokens of a whole sign-in.
    async fn tokens(&mut self, change: Change<'_>) -> Value {
        let code = self.code(change).await;
        let answer = self.redeem(&code, Some(&self.assertion(&[])), Some(&self.proof(TOKEN, &[]))).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        json(&answer)
    }

    async fn userinfo(&self, scheme: &str, token: &str, proofs: &[&str]) -> Answer {
        let mut program = self.world.program();
        let authorization = HeaderValue::from_str(&format!("{scheme} {token}")).unwrap();
        program.headers.insert(name::AUTHORIZATION, authorization);
        for proof in proofs {
            program.headers.append("dpop", HeaderValue::from_str(proof).unwrap());
        }
        program.get("/userinfo").await
    }

    fn wait(&self, seconds: i64) {
        self.world.service.app().clock.advance(TimeDelta::seconds(seconds));
    }
}

fn registration(key: &Key) -> domain::relying_party::Registration {
    let mut registration = by_key(ClientKeys::Set(keys::read(key.set().as_bytes())));
    registration.terms.grant_types =
        [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials].into();
    registration.terms.require_pushed_authorization_requests = true;
    registration.terms.dpop_bound_access_tokens = true;
    registration
}

/// An RSA key, and its public half as a JWK.
fn rsa() -> (EncodingKey, Value) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
    let AlgorithmParameters::RSA(parameters) = Jwk::from_decoding_key(&public, None).unwrap().algorithm else {
        panic!("an RSA key is one")
    };
    // PKCS #8 wraps the PKCS #1 key after 26 bytes (RFC 5958, RFC 8017).
    let pkcs8 = pair.as_der().unwrap();
    let key = EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]);
    (key, json!({ "kty": "RSA", "kid": "rsa", "n": parameters.n, "e": parameters.e }))
}

#[tokio::test]
async fn discovery_end_point_verification() {
    let world = World::new().await;
    let document = json(&world.program().get("/.well-known/openid-configuration").await);
    for (member, value) in [
        ("response_types_supported", "code"),
        ("code_challenge_methods_supported", "S256"),
        ("token_endpoint_auth_methods_supported", "private_key_jwt"),
        ("scopes_supported", "openid"),
    ] {
        assert!(document[member].as_array().unwrap().contains(&json!(value)), "{member}");
    }
    for member in [
        "id_token_signing_alg_values_supported",
        "userinfo_signing_alg_values_supported",
        "token_endpoint_auth_signing_alg_values_supported",
        "dpop_signing_alg_values_supported",
    ] {
        let offered = document[member].as_array().unwrap();
        assert!(["PS256", "ES256", "EdDSA"].iter().any(|known| offered.contains(&json!(known))), "{member}");
    }
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert!(document["require_pushed_authorization_requests"].is_boolean());
    assert!(document["pushed_authorization_request_endpoint"].is_string() && document["jwks_uri"].is_string());
}

#[tokio::test]
async fn happy_flow_without_duplicate_parameters() {
    let mut fapi = Fapi::new().await;
    for _ in 0..2 {
        let uri = fapi.pushed(&[]).await;
        let answer = fapi.bring(&uri).await;
        assert_eq!(parameter(answer.location(), "state").as_deref(), Some("the state"));
        assert_eq!(parameter(answer.location(), "iss").as_deref(), Some(ISSUER));
        let code = parameter(answer.location(), "code").unwrap();
        let answer = fapi.redeem(&code, Some(&fapi.assertion(&[])), Some(&fapi.proof(TOKEN, &[]))).await;
        let tokens = json(&answer);
        assert_eq!((answer.status, &tokens["token_type"]), (StatusCode::OK, &json!("DPoP")));
        let said = claims(&text(&tokens["id_token"]));
        assert_eq!((&said["nonce"], &said["aud"]), (&json!("the nonce"), &json!(fapi.world.client)));
        let token = text(&tokens["access_token"]);
        assert_eq!(claims(&token)["cnf"]["jkt"], fapi.holder.thumbprint());
        // The name of the scheme is read in any case (RFC 9110 §11.1).
        for scheme in ["DPoP", "dpop", "DPOP"] {
            let proof = fapi.proof(USERINFO, &[Holder::ath(&token)]);
            let answer = fapi.userinfo(scheme, &token, &[&proof]).await;
            assert_eq!((answer.status, &json(&answer)["sub"]), (StatusCode::OK, &said["sub"]), "{scheme}");
        }
        fapi.become_another().await;
    }
}

#[tokio::test]
async fn user_rejects_authentication() {
    let mut fapi = Fapi::new().await;
    let uri = fapi.pushed(&[("prompt", Some("consent"))]).await;
    let page = fapi.bring(&uri).await;
    let (token, request) = (field(&page.body, "form_token"), field(&page.body, "request"));
    let no = [("form_token", token.as_str()), ("request", &request), ("answer", "no")];
    let answer = fapi.browser.post("/authorize/consent", &no).await;
    assert!(answer.location().starts_with(CALLBACK));
    assert_eq!(parameter(answer.location(), "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(answer.location(), "state").as_deref(), Some("the state"));
}

/// `state` and `nonce`, left out, long, and in another order of everything.
#[tokio::test]
async fn ensure_requests_that_differ_in_what_is_free_succeed() {
    let mut fapi = Fapi::new().await;
    let (long_state, long_nonce, usual_nonce) = ("s".repeat(1000), "n".repeat(384), "n".repeat(64));
    for change in [
        ("state", None),
        ("nonce", None),
        ("nonce", Some(usual_nonce.as_str())),
        ("nonce", Some(&long_nonce)),
        ("state", Some(&long_state)),
        ("scope", Some("birthdate children establishment affiliation profile openid")),
    ] {
        let uri = fapi.pushed(&[change]).await;
        let answer = fapi.bring(&uri).await;
        let expected = |name: &str, usual: &str| match change {
            (changed, value) if changed == name => value.map(str::to_owned),
            _ => Some(usual.to_owned()),
        };
        assert_eq!(parameter(answer.location(), "state"), expected("state", "the state"));
        assert!(parameter(answer.location(), "s_hash").is_none());
        let code = parameter(answer.location(), "code").unwrap_or_else(|| panic!("{change:?}: {}", answer.body));
        let answer = fapi.redeem(&code, Some(&fapi.assertion(&[])), Some(&fapi.proof(TOKEN, &[]))).await;
        let said = claims(&text(&json(&answer)["id_token"]));
        assert_eq!(said.get("nonce").map(text), expected("nonce", "the nonce"));
    }
}

/// What stands beside the `request_uri` counts for nothing.
#[tokio::test]
async fn ensure_different_nonce_and_state_inside_and_outside_the_request() {
    let mut fapi = Fapi::new().await;
    for (change, inside) in [(None, Some("the state")), (Some(("state", None)), None)] {
        let uri = fapi.pushed(change.as_slice()).await;
        let path = fapi.path(&uri) + "&nonce=outside&state=outside";
        let answer = fapi.browser.get(&path).await;
        assert_eq!(parameter(answer.location(), "state").as_deref(), inside);
        let code = parameter(answer.location(), "code").unwrap();
        let answer = fapi.redeem(&code, Some(&fapi.assertion(&[])), Some(&fapi.proof(TOKEN, &[]))).await;
        assert_eq!(claims(&text(&json(&answer)["id_token"]))["nonce"], "the nonce");
    }
}

#[tokio::test]
async fn ensure_requests_that_may_not_be_fail() {
    let mut fapi = Fapi::new().await;
    for (what, change, code) in [
        ("no redirect_uri", ("redirect_uri", None), "invalid_request"),
        ("an unregistered one", ("redirect_uri", Some("https://notes.example.org/unregistered")), "invalid_request"),
        ("response_type code id_token", ("response_type", Some("code id_token")), "unsupported_response_type"),
        ("response_type token", ("response_type", Some("token")), "unsupported_response_type"),
        ("no PKCE", ("code_challenge", None), "invalid_request"),
        ("plain PKCE", ("code_challenge_method", Some("plain")), "invalid_request"),
        ("no method of PKCE", ("code_challenge_method", None), "invalid_request"),
        ("a request_uri in it", ("request_uri", Some("urn:ietf:params:oauth:request_uri:x")), "invalid_request"),
        ("a request object", ("request", Some("eyJhbGciOiJub25lIn0.e30.")), "request_not_supported"),
    ] {
        let answer = fapi.push(&[change], None).await;
        assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::BAD_REQUEST, code), "{what}");
    }
    let path = fapi.world.request(&[]);
    let answer = fapi.browser.get(&path).await;
    assert_eq!(parameter(answer.location(), "error").as_deref(), Some("invalid_request"), "not pushed");
    assert!(parameter(answer.location(), "code").is_none());
    let got = fapi.world.program().get("/par").await;
    assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED, "by GET");
}

#[tokio::test]
async fn par_request_uris_are_one_time_in_time_and_their_clients() {
    let mut fapi = Fapi::new().await;
    // Looked at, and brought again to sign in: only the answer uses it up.
    let uri = fapi.pushed(&[]).await;
    let path = fapi.path(&uri);
    for _ in 0..2 {
        let looked = fapi.world.service.browser().get(&path).await;
        assert!(looked.location().starts_with("/sign-in?"), "{} {}", looked.status, looked.location());
    }
    let answer = fapi.bring(&uri).await;
    assert!(parameter(answer.location(), "code").is_some());
    assert!(stays_here(&fapi.bring(&uri).await), "used up");
    let late = fapi.pushed(&[]).await;
    fapi.wait(91);
    assert!(stays_here(&fapi.bring(&late).await), "expired");
    let mine = fapi.pushed(&[]).await;
    fapi.become_another().await;
    assert!(stays_here(&fapi.bring(&mine).await), "another client's");
}

#[tokio::test]
async fn client_assertions_at_par_are_for_this_issuer_alone_and_in_time() {
    let fapi = Fapi::new().await;
    let now = fapi.now();
    let good = fapi.push_by(&fapi.assertion(&[("nbf", json!(now + 8)), ("iat", json!(now + 8))]), &[], None).await;
    assert_eq!(good.status, StatusCode::CREATED, "8 seconds ahead");
    for (what, change) in [
        ("an array as audience", vec![("aud", json!([ISSUER]))]),
        ("two audiences", vec![("aud", json!([ISSUER, "https://example.test"]))]),
        ("the PAR endpoint as audience", vec![("aud", json!(format!("{ISSUER}/par")))]),
        ("the token endpoint as audience", vec![("aud", json!(format!("{ISSUER}/token")))]),
        ("another server as audience", vec![("aud", json!("https://example.test"))]),
        ("far ahead", vec![("nbf", json!(now + 65)), ("iat", json!(now + 65)), ("exp", json!(now + 125))]),
    ] {
        let answer = fapi.push_by(&fapi.assertion(&change), &[], None).await;
        assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::UNAUTHORIZED, "invalid_client"), "{what}");
    }
}

#[tokio::test]
async fn client_assertions_at_the_token_endpoint_are_whole_and_by_a_permitted_algorithm() {
    let mut fapi = Fapi::new().await;
    let (rsa, public) = rsa();
    let mut set: Value = serde_json::from_str(&fapi.key.set()).unwrap();
    set["keys"].as_array_mut().unwrap().push(public);
    let mut both = registration(&fapi.key);
    both.terms.keys = Some(ClientKeys::Set(keys::read(set.to_string().as_bytes())));
    (fapi.world.client, fapi.world.secret) = fapi.world.register(both).await;
    let by_rsa = |algorithm: Algorithm| {
        let mut header = Header::new(algorithm);
        header.kid = Some("rsa".to_owned());
        jsonwebtoken::encode(&header, &assertion_claims(&fapi.world, &[]), &rsa).unwrap()
    };
    let now = fapi.now();
    let bad = [
        ("by RS256", Some(by_rsa(Algorithm::RS256))),
        ("none at all", None),
        ("expired five minutes ago", Some(fapi.assertion(&[("exp", json!(now - 300))]))),
        ("for another server", Some(fapi.assertion(&[("aud", json!("https://example.test"))]))),
        ("without sub", Some(fapi.assertion(&[("sub", Value::Null)]))),
    ];
    let ps256 = by_rsa(Algorithm::PS256);
    for (what, assertion) in bad {
        let code = fapi.code(&[]).await;
        let answer = fapi.redeem(&code, assertion.as_deref(), Some(&fapi.proof(TOKEN, &[]))).await;
        assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::UNAUTHORIZED, "invalid_client"), "{what}");
    }
    let code = fapi.code(&[]).await;
    let answer = fapi.redeem(&code, Some(&ps256), Some(&fapi.proof(TOKEN, &[]))).await;
    assert_eq!(answer.status, StatusCode::OK, "by PS256: {}", answer.body);
}

#[tokio::test]
async fn codes_are_bound_to_client_verifier_time_and_one_use() {
    let mut fapi = Fapi::new().await;
    let by = |fapi: &Fapi| (fapi.assertion(&[]), fapi.proof(TOKEN, &[]));
    // The verifier.
    for more in [vec![], vec![("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong")]] {
        let (code, (assertion, proof)) = (fapi.code(&[]).await, by(&fapi));
        let answer = fapi.redeem_with(&code, Some(&assertion), Some(&proof), &more).await;
        assert!(["invalid_grant", "invalid_request"].contains(&error(&answer).as_str()), "{}", answer.body);
    }
    // Its time.
    let code = fapi.code(&[]).await;
    fapi.wait(61);
    fapi.browser = fapi.world.signed_in().await;
    let (assertion, proof) = by(&fapi);
    assert_eq!(error(&fapi.redeem(&code, Some(&assertion), Some(&proof)).await), "invalid_grant");
    // Once.
    let (code, (assertion, proof)) = (fapi.code(&[]).await, by(&fapi));
    let answer = fapi.redeem(&code, Some(&assertion), Some(&proof)).await;
    let token = text(&json(&answer)["access_token"]);
    fapi.wait(1);
    let (assertion, proof) = by(&fapi);
    assert_eq!(error(&fapi.redeem(&code, Some(&assertion), Some(&proof)).await), "invalid_grant");
    let proof = fapi.proof(USERINFO, &[Holder::ath(&token)]);
    assert_eq!(fapi.userinfo("DPoP", &token, &[&proof]).await.status, StatusCode::UNAUTHORIZED, "revoked");
    // The client: who authenticates, and who is named.
    let code = fapi.code(&[]).await;
    let first = fapi.become_another().await;
    let (assertion, proof) = by(&fapi);
    let named = [("code_verifier", VERIFIER), ("client_id", first.as_str())];
    let answer = fapi.redeem_with(&code, Some(&assertion), Some(&proof), &named).await;
    assert!(["invalid_client", "invalid_request"].contains(&error(&answer).as_str()), "{}", answer.body);
    let (assertion, proof) = by(&fapi);
    assert_eq!(error(&fapi.redeem(&code, Some(&assertion), Some(&proof)).await), "invalid_grant");
}

#[tokio::test]
async fn ensure_holder_of_key_required() {
    let mut fapi = Fapi::new().await;
    let code = fapi.code(&[]).await;
    let answer = fapi.redeem(&code, Some(&fapi.assertion(&[])), None).await;
    assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::BAD_REQUEST, "invalid_dpop_proof"));
}

#[tokio::test]
async fn codes_are_bound_to_the_key_that_the_request_named_or_proved() {
    let mut fapi = Fapi::new().await;
    let (own, other) = (fapi.holder.thumbprint(), Holder::new());
    let elsewhere = other.thumbprint();
    // At PAR: named and proved must agree.
    let answer = fapi.push(&[("dpop_jkt", Some(&elsewhere))], Some(&fapi.proof(PAR, &[]))).await;
    assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::BAD_REQUEST, "invalid_request"));
    let named = [("dpop_jkt", Some(own.as_str()))];
    for (what, change, at_par, redeemed_by_own, good) in [
        ("proved", None, true, true, true),
        ("named", Some(named[0]), false, true, true),
        ("both", Some(named[0]), true, true, true),
        ("proved, another at the token endpoint", None, true, false, false),
        ("named, another at the token endpoint", Some(named[0]), false, false, false),
    ] {
        let proof = fapi.proof(PAR, &[]);
        let answer = fapi.push(change.as_slice(), at_par.then_some(proof.as_str())).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{what}: {}", answer.body);
        let uri = text(&json(&answer)["request_uri"]);
        let answer = fapi.bring(&uri).await;
        let code = parameter(answer.location(), "code").unwrap();
        let holder = if redeemed_by_own { &fapi.holder } else { &other };
        let proof = holder.proof(&fapi.world, TOKEN, &[]);
        let answer = fapi.redeem(&code, Some(&fapi.assertion(&[])), Some(&proof)).await;
        assert_eq!(answer.status == StatusCode::OK, good, "{what}: {}", answer.body);
    }
}

#[tokio::test]
async fn dpop_proofs_ten_seconds_off_and_with_nbf_and_exp_succeed() {
    let mut fapi = Fapi::new().await;
    let now = fapi.now();
    for change in [
        vec![("iat", json!(now - 10))],
        vec![("iat", json!(now + 10))],
        vec![("nbf", json!(now)), ("exp", json!(now + 300))],
    ] {
        let answer = fapi.push(&[], Some(&fapi.proof(PAR, &change))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{change:?}: {}", answer.body);
        let uri = text(&json(&answer)["request_uri"]);
        let answer = fapi.bring(&uri).await;
        let code = parameter(answer.location(), "code").unwrap();
        let answer = fapi.redeem(&code, Some(&fapi.assertion(&[])), Some(&fapi.proof(TOKEN, &change))).await;
        assert_eq!(answer.status, StatusCode::OK, "{change:?}: {}", answer.body);
        let token = text(&json(&answer)["access_token"]);
        let proof = fapi.proof(USERINFO, &[change, vec![Holder::ath(&token)]].concat());
        assert_eq!(fapi.userinfo("DPoP", &token, &[&proof]).await.status, StatusCode::OK);
    }
}

/// A proof with members taken out of its header or its claims (`null`), or put in.
fn bent(fapi: &Fapi, token: &str, head: &[(&str, Value)], body: &[(&str, Value)]) -> String {
    let put = |into: &mut Value, change: &[(&str, Value)]| {
        for (name, value) in change {
            into[*name] = value.clone();
            if value.is_null() {
                into.as_object_mut().unwrap().remove(*name);
            }
        }
    };
    let mut header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": fapi.holder.jwk() });
    put(&mut header, head);
    let (ath, hash) = Holder::ath(token);
    let mut claims = json!({
        "jti": Uuid::new_v4(), "htm": "GET", "htu": format!("{ISSUER}/userinfo"), "iat": fapi.now(),
    });
    claims[ath] = hash;
    put(&mut claims, body);
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(fapi.holder.signature(message.as_bytes())))
}

#[tokio::test]
async fn dpop_negative_tests() {
    let mut fapi = Fapi::new().await;
    let token = text(&fapi.tokens(&[]).await["access_token"]);
    let good = bent(&fapi, &token, &[], &[]);
    let now = fapi.now();
    let (rsa, public) = rsa();
    let mut by_rs256 = Header::new(Algorithm::RS256);
    by_rs256.typ = Some("dpop+jwt".to_owned());
    by_rs256.jwk = Some(serde_json::from_value(public).unwrap());
    let plain = claims(&good);
    let mut leaking = fapi.holder.jwk();
    leaking["d"] = json!("AAAA");
    let unsigned = bent(&fapi, &token, &[("alg", json!("none"))], &[]);
    let (_, signature) = good.rsplit_once('.').unwrap();
    let used = bent(&fapi, &token, &[], &[]);
    assert_eq!(fapi.userinfo("DPoP", &token, &[&used]).await.status, StatusCode::OK);
    let refused = [
        ("no JWT", "not.a.jwt".to_owned()),
        ("no typ", bent(&fapi, &token, &[("typ", Value::Null)], &[])),
        ("no alg", bent(&fapi, &token, &[("alg", Value::Null)], &[])),
        ("no jwk", bent(&fapi, &token, &[("jwk", Value::Null)], &[])),
        ("no jti", bent(&fapi, &token, &[], &[("jti", Value::Null)])),
        ("no htm", bent(&fapi, &token, &[], &[("htm", Value::Null)])),
        ("no htu", bent(&fapi, &token, &[], &[("htu", Value::Null)])),
        ("no iat", bent(&fapi, &token, &[], &[("iat", Value::Null)])),
        ("no ath", bent(&fapi, &token, &[], &[("ath", Value::Null)])),
        ("another typ", bent(&fapi, &token, &[("typ", json!("jwt"))], &[])),
        ("RS256", jsonwebtoken::encode(&by_rs256, &plain, &rsa).unwrap()),
        ("alg none", unsigned.rsplit_once('.').unwrap().0.to_owned() + "."),
        ("another's signature", format!("{}.{signature}", bent(&fapi, &token, &[], &[]).rsplit_once('.').unwrap().0)),
        ("a private key", bent(&fapi, &token, &[("jwk", leaking)], &[])),
        ("htm PUT", bent(&fapi, &token, &[], &[("htm", json!("PUT"))])),
        ("another htu", bent(&fapi, &token, &[], &[("htu", json!(format!("{ISSUER}/token")))])),
        ("an hour ahead", bent(&fapi, &token, &[], &[("iat", json!(now + 3600))])),
        ("an hour late", bent(&fapi, &token, &[], &[("iat", json!(now - 3600))])),
        ("the same jti again", used),
        ("another ath", bent(&fapi, &token, &[], &[("ath", Holder::ath("other").1)])),
        ("another key", Holder::new().proof(&fapi.world, USERINFO, &[Holder::ath(&token)])),
    ];
    for (what, proof) in refused {
        assert_eq!(fapi.userinfo("DPoP", &token, &[&proof]).await.status, StatusCode::UNAUTHORIZED, "{what}");
    }
    let twice = [bent(&fapi, &token, &[], &[]), bent(&fapi, &token, &[], &[])];
    let twice = fapi.userinfo("DPoP", &token, &[&twice[0], &twice[1]]).await;
    assert_eq!(twice.status, StatusCode::UNAUTHORIZED, "two proofs");
    for scheme in ["DPoP", "Bearer"] {
        assert_eq!(fapi.userinfo(scheme, &token, &[]).await.status, StatusCode::UNAUTHORIZED, "{scheme}, no proof");
    }
    let extra = bent(&fapi, &token, &[("extra", json!("x"))], &[("extra", json!("x"))]);
    let taken = [
        ("a query and a fragment", bent(&fapi, &token, &[], &[("htu", json!(format!("{ISSUER}/userinfo?x=1#y")))])),
        ("members that nobody knows", extra),
        ("scheme and host in capitals", bent(&fapi, &token, &[], &[("htu", json!("HTTP://LOCALHOST:8080/userinfo"))])),
        ("a good one", good),
    ];
    for (what, proof) in taken {
        let answer = fapi.userinfo("DPoP", &token, &[&proof]).await;
        assert_eq!(answer.status, StatusCode::OK, "{what}: {}", answer.body);
    }
}

#[tokio::test]
async fn refresh_token() {
    let mut fapi = Fapi::new().await;
    let first = fapi.tokens(&[]).await;
    let token = text(&first["refresh_token"]);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let nobody = fapi.send("/token", None, Some(&fapi.proof(TOKEN, &[])), &fields).await;
    assert_eq!(error(&nobody), "invalid_client", "without authentication");
    let unbound = fapi.send("/token", Some(&fapi.assertion(&[])), None, &fields).await;
    assert_eq!(error(&unbound), "invalid_dpop_proof", "without a proof");
    let answer = fapi.send("/token", Some(&fapi.assertion(&[])), Some(&fapi.proof(TOKEN, &[])), &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let second = json(&answer);
    assert_eq!(second["token_type"], "DPoP");
    let access = text(&second["access_token"]);
    let proof = fapi.proof(USERINFO, &[Holder::ath(&access)]);
    assert_eq!(fapi.userinfo("DPoP", &access, &[&proof]).await.status, StatusCode::OK);
    let token = text(&second["refresh_token"]);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    fapi.become_another().await;
    let answer = fapi.send("/token", Some(&fapi.assertion(&[])), Some(&fapi.proof(TOKEN, &[])), &fields).await;
    assert_eq!(error(&answer), "invalid_grant", "another client's");
}
