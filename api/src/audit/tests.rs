//! The audit role over HTTP: who may ask, what is recorded, what is masked, and who must approve.

use super::ask::HASH;
use super::auditors;
use super::auditors::AuditorsError;
use crate::activation::fixture::{self, Family};
use crate::testing::{Answer, TestService};
use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use chrono::TimeDelta;
use domain::ids::AuditorId;
use ledger::AppendError;
use ledger::access::{Kind, Of, Stored, Wanted, read};
use ledger::leaf::sha256;
use serde_json::{Value, json};

const PURPOSE: &str = "plainte n° 12, dossier d’exemple";

struct Auditor {
    id: AuditorId,
    credential: String,
    actor: String,
}

async fn appoint(service: &TestService, number: &str) -> Auditor {
    let app = service.app();
    let (id, credential) = auditors::appoint(&app.ledger, number, fixture::context(app)).await.unwrap();
    Auditor { id, credential: credential.expose().to_owned(), actor: format!("operator:{number}") }
}

async fn send(service: &TestService, auditor: &Auditor, method: Method, path: &str, body: Option<Value>) -> Answer {
    let mut program = service.browser();
    program.headers.clear();
    let bearer = HeaderValue::from_str(&format!("Bearer {}", auditor.credential)).unwrap();
    program.headers.insert(header::AUTHORIZATION, bearer);
    program.headers.insert(super::asker::PURPOSE, HeaderValue::from_bytes(PURPOSE.as_bytes()).unwrap());
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    program.send(method, path, body, Some("application/json")).await
}

async fn get(service: &TestService, auditor: &Auditor, path: &str) -> Answer {
    send(service, auditor, Method::GET, path, None).await
}

async fn post(service: &TestService, auditor: &Auditor, path: &str, body: Value) -> Answer {
    send(service, auditor, Method::POST, path, Some(body)).await
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}: {}", answer.status, answer.body))
}

async fn recorded(service: &TestService, auditor: &Auditor) -> Vec<Stored> {
    let wanted = Wanted { kinds: vec![Kind::AuditQuery], ..Wanted::all(Of::Actor(auditor.actor.clone()), 500) };
    read(&service.app().db, &wanted).await.unwrap()
}

/// What of a family must stay masked: its names, mobile and birth dates.
fn tells_personal(text: &str) -> Option<&'static str> {
    ["LEFICTIF", fixture::SURNAME, fixture::GIVEN, "Anaïs", "2014-09-03", "+336", "aude@"]
        .into_iter()
        .find(|value| text.contains(*value))
}

#[tokio::test]
async fn without_the_role_or_a_purpose_there_is_no_answer() {
    let service = TestService::start().await;
    let (auditor, family) = (appoint(&service, "A-1").await, Family::settle(service.app()).await);
    let description: Value = serde_json::from_str(super::OPENAPI).unwrap();
    let mut asked = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        let path = path.replace("{account}", &family.account.to_string()).replace("{field}", "status");
        let path = path.replace("{id}", "00000000-0000-0000-0000-000000000001");
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"] == json!([]) {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for shown in ["", "Bearer", "Bearer x", &format!("Bearer {}.{}", auditor.id, "A".repeat(43)), "Basic eDp5"]
            {
                let mut program = service.browser();
                program.headers.clear();
                program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(shown).unwrap());
                program.headers.insert(super::asker::PURPOSE, HeaderValue::from_static("because"));
                let answer = program.send(method.clone(), &path, Body::empty(), None).await;
                assert_eq!(answer.status, 401, "{method} {path} with `{shown}`: {}", answer.body);
                assert!(answer.header(header::CONTENT_TYPE).contains("problem+json"));
                asked += 1;
            }
            for purpose in ["", "   ", &"x".repeat(501)] {
                let mut program = service.browser();
                program.headers.clear();
                let bearer = format!("Bearer {}", auditor.credential);
                program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap());
                program.headers.insert(super::asker::PURPOSE, HeaderValue::from_str(purpose).unwrap());
                let answer = program.send(method.clone(), &path, Body::empty(), None).await;
                assert_eq!(answer.status, 400, "{method} {path}: {}", answer.body);
                assert!(answer.body.contains("Audit-Purpose"), "{}", answer.body);
            }
        }
    }
    assert!(asked >= 50, "every route is tried: {asked}");
    assert!(recorded(&service, &auditor).await.is_empty());
}

#[tokio::test]
async fn every_described_route_is_there_and_no_other() {
    let service = TestService::start().await;
    let auditor = appoint(&service, "A-1").await;
    let description: Value = serde_json::from_str(super::OPENAPI).unwrap();
    let source = include_str!("mod.rs");
    let mut routed: Vec<&str> =
        source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next()).collect();
    let mut described: Vec<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    routed.sort_unstable();
    described.sort_unstable();
    assert_eq!(routed, described);
    for (path, methods) in description["paths"].as_object().unwrap() {
        let concrete = path.replace("{account}", "x").replace("{field}", "x").replace("{id}", "x");
        for method in ["get", "post", "put", "delete"] {
            let sent = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = send(&service, &auditor, sent, &concrete, None).await;
            let there = methods.as_object().unwrap().contains_key(method);
            assert_eq!(answer.status != 405, there, "{method} {path}: {}", answer.status);
        }
    }
    let served = service.browser().get("/audit/v1/openapi.json").await;
    assert_eq!(json_of(&served), description);
}

#[tokio::test]
async fn answers_are_masked_and_recorded_with_purpose_filter_count_and_hash() {
    let service = TestService::start().await;
    let (auditor, family) = (appoint(&service, "A-1").await, Family::settle(service.app()).await);
    let account = family.account;
    let paths = [
        (format!("/audit/v1/accounts/{account}/history"), "history"),
        (format!("/audit/v1/accounts/{account}/state"), "state"),
        (format!("/audit/v1/accounts/{account}/fields/names"), "explain"),
        (format!("/audit/v1/accounts/{account}/diff?from=0&to=1000000"), "diff"),
        ("/audit/v1/events?type=AccountOpened,PupilRegistered".to_owned(), "events"),
        (format!("/audit/v1/accounts/{account}/reads"), "who-saw"),
    ];
    let last = service.app().ledger.size() - 1;
    for (path, name) in paths {
        let path = path.replace("1000000", &last.to_string());
        let answer = get(&service, &auditor, &path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(tells_personal(&answer.body), None, "{path}: {}", answer.body);
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        let entry = recorded(&service, &auditor).await.swap_remove(0);
        assert_eq!((entry.what.as_str(), entry.outcome.as_str()), (name, "success"));
        assert_eq!(entry.purpose.as_deref(), Some(PURPOSE));
        assert!(entry.filter.is_some_and(|filter| filter.contains("account") || filter.contains("PupilRegistered")));
        let hash = sha256(answer.body.as_bytes());
        assert_eq!(entry.export_hash, Some(hash));
        assert_eq!(answer.header(&HASH), hex::encode(hash));
        assert!(entry.results.is_some_and(|results| results > 0 || name == "diff"), "{name}");
        assert!(name == "events" || entry.concerned > 0, "{name}: whose data it was");
        if name != "who-saw" && name != "diff" {
            assert_eq!(json_of(&answer)["as_of"]["position"], json!(last));
        }
    }
    let seen = get(&service, &auditor, &format!("/audit/v1/accounts/{account}/reads")).await;
    let reads = json_of(&seen)["reads"].as_array().unwrap().len();
    assert!(reads >= 4, "queries about an account are reads of it: {}", seen.body);
}

#[tokio::test]
async fn what_can_not_be_applied_is_refused_and_the_refusal_recorded_without_what_was_typed() {
    let service = TestService::start().await;
    let (auditor, family) = (appoint(&service, "A-1").await, Family::settle(service.app()).await);
    let account = family.account;
    let refused = [
        ("/audit/v1/events?type=Nonsense".to_owned(), 400),
        ("/audit/v1/events?establishment=0133288N".to_owned(), 400),
        ("/audit/v1/events?reference=K7R-2WA-Q0X4".to_owned(), 400),
        ("/audit/v1/events?pupil=Zoé".replace('é', "%C3%A9"), 400),
        ("/audit/v1/events?type=AccountOpened&type=AccountClosed".to_owned(), 400),
        ("/audit/v1/events?at=999999999".to_owned(), 400),
        ("/audit/v1/events?at=yesterday".to_owned(), 400),
        ("/audit/v1/events?limit=many".to_owned(), 400),
        (format!("/audit/v1/accounts/{account}/state?personal=true"), 400),
        (format!("/audit/v1/accounts/{account}/fields/shoe-size"), 400),
        (format!("/audit/v1/accounts/{account}/diff?from=5"), 400),
        (format!("/audit/v1/accounts/{account}/diff?from=5&to=2"), 400),
        ("/audit/v1/accounts/a.lefictif/state".to_owned(), 404),
        ("/audit/v1/accounts/00000000-0000-0000-0000-0000000000ff/history".to_owned(), 404),
    ];
    for (path, status) in &refused {
        let answer = get(&service, &auditor, path).await;
        assert_eq!(answer.status, *status, "{path}: {}", answer.body);
        assert!(json_of(&answer)["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{path}");
    }
    let entries = recorded(&service, &auditor).await;
    assert_eq!(entries.len(), refused.len());
    assert!(entries.iter().all(|entry| entry.outcome.starts_with("audit-") && entry.filter.is_none()));
    assert!(!format!("{entries:?}").contains("lefictif"));
}

#[tokio::test]
async fn personal_values_need_another_auditors_approval_for_a_while() {
    let service = TestService::start().await;
    let (asker, second) = (appoint(&service, "A-1").await, appoint(&service, "A-2").await);
    let (app, family) = (service.app(), Family::settle(service.app()).await);
    let wish = json!({ "question": { "kind": "history", "account": family.account }, "personal": true });
    let asked = post(&service, &asker, "/audit/v1/disclosures", wish).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let id = json_of(&asked)["disclosure"].as_str().unwrap().to_owned();
    let path = |what: &str| format!("/audit/v1/disclosures/{id}/{what}");
    let refused = get(&service, &asker, &path("result")).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let own = post(&service, &asker, &path("approve"), Value::Null).await;
    assert_eq!(own.status, 403, "nobody approves their own request: {}", own.body);
    let listed = json_of(&get(&service, &second, "/audit/v1/disclosures").await);
    assert_eq!(listed["disclosures"][0]["purpose"], json!(PURPOSE));
    assert_eq!(listed["disclosures"][0]["by"], json!("operator:A-1"));
    let approved = post(&service, &second, &path("approve"), Value::Null).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
    let again = post(&service, &second, &path("refuse"), Value::Null).await;
    assert_eq!(again.status, 409, "{}", again.body);
    let other = get(&service, &second, &path("result")).await;
    assert_eq!(other.status, 403, "an approval is for who asked: {}", other.body);
    let result = get(&service, &asker, &path("result")).await;
    assert_eq!(result.status, 200, "{}", result.body);
    assert!(tells_personal(&result.body).is_some(), "{}", result.body);
    let entry = recorded(&service, &asker).await.swap_remove(0);
    assert_eq!(entry.approved_by.as_deref(), Some("operator:A-2"));
    assert_eq!(entry.export_hash, Some(sha256(result.body.as_bytes())));
    app.clock.advance(TimeDelta::hours(8));
    assert_eq!(get(&service, &asker, &path("result")).await.status, 403, "an approval ends");
    let stored = app.ledger.read(0, 10_000).await.unwrap();
    let told: Vec<String> = stored
        .iter()
        .filter(|event| event.stream_type == "auditor")
        .map(|event| format!("{} {}", event.actor, event.event.event_type()))
        .collect();
    assert!(told.contains(&"operator:A-1 DisclosureRequested".to_owned()), "{told:?}");
    assert!(told.contains(&"operator:A-2 DisclosureApproved".to_owned()), "{told:?}");
}

#[tokio::test]
async fn what_was_approved_can_not_be_changed_afterwards() {
    let service = TestService::start().await;
    let (asker, second) = (appoint(&service, "A-1").await, appoint(&service, "A-2").await);
    let (app, family) = (service.app(), Family::settle(service.app()).await);
    let wish = json!({ "question": { "kind": "state", "account": family.account } });
    let asked = post(&service, &asker, "/audit/v1/disclosures", wish).await;
    let id = json_of(&asked)["disclosure"].as_str().unwrap().to_owned();
    post(&service, &second, &format!("/audit/v1/disclosures/{id}/approve"), Value::Null).await;
    let widen = "UPDATE service.disclosure SET question = replace(question, 'false', 'true')";
    let owner = service.owner().await;
    assert_eq!(sqlx::query(widen).execute(&owner).await.unwrap().rows_affected(), 1);
    let result = get(&service, &asker, &format!("/audit/v1/disclosures/{id}/result")).await;
    assert_eq!(result.status, 403, "{}", result.body);
    assert!(result.body.contains("not what was approved"), "{}", result.body);
    assert!(sqlx::query(widen).execute(&app.db).await.is_err(), "the service itself may not change a request");
}

#[tokio::test]
async fn more_than_a_day_allows_is_an_export_in_bulk() {
    let service = TestService::start().await;
    let (asker, second) = (appoint(&service, "A-1").await, appoint(&service, "A-2").await);
    let (app, _) = (service.app(), Family::settle(service.app()).await);
    let spend = ledger::access::Access {
        at: app.clock.now(),
        actor: Some(asker.actor.parse().unwrap()),
        origin: None,
        reference: None,
        deed: ledger::access::Deed::AuditQuery(ledger::access::Query {
            name: "events",
            results: u64::from(crate::config::Audit::default().daily_results) - 3,
            ..Default::default()
        }),
    };
    ledger::access::record(&app.db, &[spend]).await.unwrap();
    let page = json_of(&get(&service, &asker, "/audit/v1/events").await);
    assert_eq!(page["events"].as_array().unwrap().len(), 3, "what the day leaves");
    let beyond = get(&service, &asker, "/audit/v1/events").await;
    assert_eq!(beyond.status, 403, "{}", beyond.body);
    assert_eq!(get(&service, &second, "/audit/v1/events").await.status, 200, "each auditor has a day of their own");
    let wish = json!({ "question": { "kind": "events", "filter": {} } });
    let asked = post(&service, &asker, "/audit/v1/disclosures", wish).await;
    let id = json_of(&asked)["disclosure"].as_str().unwrap().to_owned();
    post(&service, &second, &format!("/audit/v1/disclosures/{id}/approve"), Value::Null).await;
    let result = get(&service, &asker, &format!("/audit/v1/disclosures/{id}/result")).await;
    assert_eq!(result.status, 200, "{}", result.body);
    assert_eq!(tells_personal(&result.body), None, "in bulk is not in clear");
    app.clock.advance(TimeDelta::hours(25));
    assert_eq!(get(&service, &asker, "/audit/v1/events").await.status, 200, "the next day");
}

#[tokio::test]
async fn a_dismissed_auditor_or_a_replaced_credential_asks_nothing_more() {
    let service = TestService::start().await;
    let app = service.app();
    let (asker, second) = (appoint(&service, "A-1").await, appoint(&service, "A-2").await);
    assert_eq!(get(&service, &asker, "/audit/v1/events").await.status, 200);
    let fresh = auditors::replace_credential(&app.ledger, asker.id, fixture::context(app)).await.unwrap();
    assert_eq!(get(&service, &asker, "/audit/v1/events").await.status, 401);
    let asker = Auditor { credential: fresh.expose().to_owned(), ..asker };
    assert_eq!(get(&service, &asker, "/audit/v1/events").await.status, 200);
    auditors::dismiss(&app.ledger, asker.id, fixture::context(app)).await.unwrap();
    assert_eq!(get(&service, &asker, "/audit/v1/events").await.status, 401);
    assert_eq!(get(&service, &second, "/audit/v1/events").await.status, 200);
    // One person, one credential: a second one would be a second person.
    let again = auditors::appoint(&app.ledger, "A-2", fixture::context(app)).await;
    assert!(matches!(again, Err(AuditorsError::Append(AppendError::Reserved { .. }))), "{again:?}");
    assert!(!vault_shows(app, &second).await, "the credential itself is kept nowhere");
}

async fn vault_shows(app: &crate::app::App, auditor: &Auditor) -> bool {
    let token = auditor.credential.split_once('.').unwrap().1.as_bytes().to_vec();
    let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM vault.secret WHERE position($1 IN body) > 0)")
        .bind(token)
        .fetch_one(&app.db)
        .await
        .unwrap();
    found
}

#[tokio::test]
async fn the_rules_are_announced_at_start_and_again_only_when_they_differ() {
    let service = TestService::start().await;
    let announced = async |service: &TestService| {
        let events = service.app().ledger.read_stream("rules", domain::rules::STREAM, 1).await.unwrap();
        events.len()
    };
    assert_eq!(announced(&service).await, 1);
    let service = service.restarted(|_| {}).await;
    assert_eq!(announced(&service).await, 1);
    let service = service.restarted(|config| config.codes.attempts = 4).await;
    assert_eq!(announced(&service).await, 2);
}
