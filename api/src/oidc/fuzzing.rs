//! For `tests/fuzzed`: the readers of requests and the verifiers of tokens, without a database, each with what must hold
//! of any bytes. The key below opens nothing: it stands in no database.

use super::client::assertion::{self, Expected};
use super::error::ProtocolError;
use super::hints::Hints;
use super::keys::KeySet;
use super::parameters::Parameters;
use super::pkce::Challenge;
use super::request::{AuthorizationRequest, Prompt, Target};
use super::tokens::{AccessToken, IdToken, compact};
use super::{client, dpop, par, response, scopes};
use axum::http::{HeaderMap, HeaderValue, header};
use chrono::{DateTime, Utc};
use domain::ids::RelyingPartyId;
use domain::relying_party::{
    ClientAuthentication, ClientKey, Establishments, GrantType, Registration, RelyingParty, Terms,
};
use serde_json::{Value, json};
use std::sync::LazyLock;
use url::Url;
use uuid::Uuid;

const ISSUER: &str = "https://compte.example.org";
const CLIENT: RelyingPartyId = RelyingPartyId(Uuid::from_u128(7));
/// When the tokens below are good: 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000;
/// A P-256 key as PKCS #8, for fuzzing alone.
const KEY: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b020101042051ee4f891e04ddde84c17e3618d28d\
648ca549834e6a70cd270b68248daf6729a14403420004ebc5c4198b6155df01f8de222f420ffb8c54377aa01ed7ac0c9f37349fe32fc04a253a54\
bebe6567d31a1a5e6276e8135f63ea028bce91f12ed7ab400065842f";

/// The key as ours, as a client's, and what it signs.
struct Known {
    keys: KeySet,
    client: ClientKey,
    tokens: Vec<(&'static str, String)>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let pkcs8 = hex::decode(KEY).expect("it is hexadecimal");
    let keys = KeySet::of_one(&pkcs8).expect("it is a key");
    let public = serde_json::to_value(&keys.published()[0]).expect("a public key has a JSON form");
    let client = serde_json::from_value(public.clone()).expect("ours is of a form that clients use");
    let jwk = json!({ "kty": public["kty"], "crv": public["crv"], "x": public["x"], "y": public["y"] });
    let tokens = signed(&keys, &jwk);
    Known { keys, client, tokens }
});

/// One good token of each kind, and some that a relying party could make.
fn signed(keys: &KeySet, jwk: &Value) -> Vec<(&'static str, String)> {
    let key = keys.signing(domain::relying_party::SigningAlgorithm::ES256).expect("it signs");
    let kid = key.kid();
    let head = |typ: &str| json!({ "typ": typ, "alg": "ES256", "kid": kid }).to_string();
    let sign_in = json!({ "auth_time": NOW - 60, "acr": "a", "amr": ["pwd"], "sid": Uuid::from_u128(1) });
    let with = |mut claims: Value, more: &Value| {
        if let (Some(claims), Some(more)) = (claims.as_object_mut(), more.as_object()) {
            claims.extend(more.clone());
        }
        claims
    };
    let own = json!({
        "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "a",
    });
    let ours = json!({ "iss": ISSUER, "sub": "s", "aud": CLIENT, "exp": NOW + 600, "iat": NOW });
    let proof = json!({ "jti": "a", "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": NOW, "ath": "h" });
    let access = json!({ "jti": Uuid::from_u128(2), "client_id": CLIENT, "scope": "openid", "aud": ISSUER });
    let bound = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }).to_string();
    let all = [
        ("id-token", head("JWT"), with(ours.clone(), &with(json!({ "nonce": "n", "at_hash": "h" }), &sign_in))),
        ("access-token", head("at+jwt"), with(ours.clone(), &with(access, &sign_in))),
        ("logout-token", head("logout+jwt"), with(ours, &json!({ "events": {}, "jti": "a" }))),
        ("assertion", head("JWT"), own),
        ("proof", bound, proof.clone()),
        ("proof-without-key", head("dpop+jwt"), proof),
    ];
    all.into_iter().map(|(name, head, claims)| (name, compact(&head, &claims, key).expect("the key signs"))).collect()
}

fn registration(authentication: ClientAuthentication) -> Registration {
    let redirect = |uri: &str| uri.to_owned();
    Registration {
        name: "Notes".to_owned(),
        redirect_uris: match authentication {
            ClientAuthentication::None => vec![redirect("http://127.0.0.1/cb"), redirect("http://[::1]:1/cb?x=1")],
            _ => vec![redirect("https://notes.example.org/cb"), redirect("https://notes.example.org/cb?tab=1")],
        },
        post_logout_redirect_uris: vec![redirect("https://notes.example.org/bye")],
        scopes: [scopes::OPENID, scopes::PROFILE, scopes::OFFLINE_ACCESS].map(str::to_owned).into(),
        sector_identifier: "notes.example.org".to_owned(),
        authentication,
        establishments: Establishments::All,
        terms: Terms { grant_types: GrantType::ALL.into(), ..Terms::default() },
    }
}

/// A good authorization request, for the corpus.
pub fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let good = format!(
        "response_type=code&client_id={CLIENT}&redirect_uri=https%3A%2F%2Fnotes.example.org%2Fcb&scope=openid+profile\
         &state=a%20b&nonce=n&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    );
    let native = good.replace("https%3A%2F%2Fnotes.example.org%2Fcb", "http%3A%2F%2F127.0.0.1%3A8080%2Fcb");
    let more = "&prompt=login+consent&max_age=60&dpop_jkt=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&response_mode=form_post\
                &login_hint=t.lefictif&ui_locales=fr-CA+en";
    vec![
        ("good", good.clone().into_bytes()),
        ("native", native.into_bytes()),
        ("more", format!("{good}{more}").into_bytes()),
        ("pushed", format!("client_id={CLIENT}&request_uri=urn:ietf:params:oauth:request_uri:{CLIENT}").into_bytes()),
        ("repeated", format!("{good}&client_id={CLIENT}&%73tate=2&request=e30.e30.").into_bytes()),
    ]
}

/// An authorization request, in a URL or pushed.
///
/// # Panics
/// An answer would go elsewhere than registered, or a request is taken that should not be.
pub fn authorization(data: &[u8]) {
    let parameters = Parameters::parse(data);
    let _ = (Hints::read(&parameters), par::named(&parameters));
    for authentication in [ClientAuthentication::ClientSecretBasic, ClientAuthentication::None] {
        let registration = registration(authentication);
        let registered = Some(registration.clone());
        let party = RelyingParty {
            id: Some(CLIENT),
            registration: registered,
            secret: None,
            enabled: true,
            ..RelyingParty::default()
        };
        let Ok(target) = Target::prove(&parameters, &party) else { continue };
        goes_where_registered(&target, &registration);
        match AuthorizationRequest::read(&parameters, target, &registration) {
            Ok(request) => is_sound(&request, &parameters, &registration),
            Err(error) => is_sayable(error),
        }
    }
}

fn goes_where_registered(target: &Target, registration: &Registration) {
    let answer =
        response::with_query(&target.redirect_uri, &[("code", "c&d=e#f".to_owned()), ("iss", ISSUER.to_owned())]);
    assert!(HeaderValue::from_str(&answer).is_ok(), "{answer:?} is no header");
    let (there, known) = (Url::parse(&answer).expect("an address"), &registration.redirect_uris);
    assert!(there.fragment().is_none());
    assert!(there.query_pairs().any(|(name, value)| name == "code" && value == "c&d=e#f"));
    let same = |known: &String| {
        let mut known = Url::parse(known).expect("an address");
        if registration.authentication == ClientAuthentication::None {
            known.set_port(there.port()).expect("it has one");
        }
        known.origin() == there.origin() && known.path() == there.path() && known.username().is_empty()
    };
    assert!(known.iter().any(same), "{answer} is not registered");
    assert!(registration.authentication == ClientAuthentication::None || known.contains(&target.redirect_uri));
}

fn is_sound(request: &AuthorizationRequest, parameters: &Parameters, registration: &Registration) {
    assert!(!parameters.any_repeated() && parameters.get("request").is_none());
    assert!(request.scopes.contains(scopes::OPENID) && request.scopes.is_subset(&registration.scopes));
    assert_eq!(parameters.get("response_type"), Some("code"));
    assert_eq!(parameters.get("code_challenge_method"), Some("S256"));
    assert_eq!(parameters.get("code_challenge"), Some(String::from(request.challenge.clone()).as_str()));
    assert!(Challenge::try_from(String::from(request.challenge.clone())).is_ok());
    assert_eq!(request.target.state.as_deref(), parameters.get("state"));
    assert_eq!(request.nonce.as_deref(), parameters.get("nonce"));
    assert!(request.subject.is_none() && (request.prompt != Prompt::None || !request.consent));
    assert!(request.max_age.is_none_or(|seconds| seconds >= 0));
    let stored = serde_json::to_string(request).expect("it has a JSON form");
    let opaque = [&request.target.state, &request.nonce];
    assert!(opaque.into_iter().flatten().all(|text| !text.contains('\0')), "the database takes no NUL");
    assert_eq!(&serde_json::from_str::<AuthorizationRequest>(&stored).expect("what was written can be read"), request);
}

/// RFC 6749 §5.2: no quote, no backslash, printable ASCII.
fn is_sayable(error: ProtocolError) {
    let fit = |c: u8| matches!(c, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(error.description.bytes().all(fit), "{}", error.description);
}

/// Requests at the token endpoint, one for each method of authentication: a line with the `Authorization` header, which
/// may be empty, then the form.
pub fn token_requests() -> Vec<(&'static str, Vec<u8>)> {
    let grant =
        "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fnotes.example.org%2Fcb&code_verifier=v";
    // CLIENT:s%2Bt
    let basic = "Basic MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDA3OnMlMkJ0";
    let assertion = &KNOWN.tokens.iter().find(|(name, _)| *name == "assertion").expect("it is among them").1;
    let kind = assertion::TYPE;
    vec![
        ("basic", format!("{basic}\n{grant}").into_bytes()),
        ("post", format!("\n{grant}&client_id={CLIENT}&client_secret=s%2Bt").into_bytes()),
        ("none", format!("\n{grant}&client_id={CLIENT}").into_bytes()),
        ("key", format!("\n{grant}&client_assertion_type={kind}&client_assertion={assertion}").into_bytes()),
        ("two", format!("{basic}\n{grant}&client_id={CLIENT}&client_secret=s").into_bytes()),
    ]
}

/// Who sends a request at the token endpoint, at PAR, introspection and revocation.
///
/// # Panics
/// More than one way to authenticate is taken for one, or somebody else's name is.
pub fn client_authentication(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, body) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let mut headers = HeaderMap::new();
    if let Some(value) = HeaderValue::from_bytes(line).ok().filter(|_| !line.is_empty()) {
        headers.insert(header::AUTHORIZATION, value);
    }
    let parameters = Parameters::parse(body);
    match client::claimed(&headers, &parameters) {
        Err(error) => is_sayable(error),
        Ok((id, method)) => {
            let ways = [
                headers.contains_key(header::AUTHORIZATION).then_some(ClientAuthentication::ClientSecretBasic),
                parameters.get("client_secret").map(|_| ClientAuthentication::ClientSecretPost),
                parameters.get("client_assertion").map(|_| ClientAuthentication::PrivateKeyJwt),
            ];
            let ways: Vec<ClientAuthentication> = ways.into_iter().flatten().collect();
            assert!(ways.len() <= 1);
            assert_eq!(ways.first().copied().unwrap_or(ClientAuthentication::None), method);
            let named = parameters.get("client_id").and_then(|named| named.parse::<RelyingPartyId>().ok());
            assert!(named.is_none_or(|named| named == id), "the name beside it is another's");
        }
    }
}

/// Tokens that the key has signed, for the corpus.
pub fn tokens() -> Vec<(&'static str, Vec<u8>)> {
    KNOWN.tokens.iter().map(|(name, token)| (*name, token.clone().into_bytes())).collect()
}

/// What a token is taken for: ID token as a hint, access token, client assertion, DPoP proof.
///
/// # Panics
/// It is taken by the strict rules of FAPI 2.0 and not by the ordinary ones.
pub fn taken_for(text: &str) -> Vec<&'static str> {
    let known = &*KNOWN;
    let now = DateTime::<Utc>::from_timestamp(NOW, 0).expect("a time");
    let header = jsonwebtoken::decode_header(text).ok();
    let asserts = |strict: bool| {
        let expected = Expected { id: CLIENT, issuer: ISSUER, strict, now };
        let keys = std::slice::from_ref(&known.client);
        header.as_ref().is_some_and(|header| expected.read(text, header, keys).is_some())
    };
    assert!(!asserts(true) || asserts(false));
    let kinds = [
        ("id-token", IdToken::from_hint(text, &known.keys, ISSUER).is_ok()),
        ("access-token", AccessToken::open(text, &known.keys, ISSUER, now).is_ok()),
        ("assertion", asserts(false)),
        ("proof", dpop::read(text).is_some()),
    ];
    kinds.into_iter().filter(|(_, taken)| *taken).map(|(kind, _)| kind).collect()
}

/// A token, taken for each kind there is.
///
/// # Panics
/// Something is taken that the key has not signed, or for what it is not.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let message = |token: &str| token.rsplit_once('.').map(|(message, _)| message.to_owned());
    let kinds = taken_for(text);
    for kind in &kinds {
        let (_, ours) = KNOWN.tokens.iter().find(|(name, _)| name == kind).expect("one of each kind");
        // The signature may differ: ECDSA has two for one message, and base64 more than one form.
        assert_eq!(message(text), message(ours), "taken for {kind}, and never signed as one");
    }
    assert!(kinds.len() <= 1, "taken for {kinds:?}");
    let _ = assertion::claimed(text);
}
