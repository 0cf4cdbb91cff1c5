//! SMS, to a stand-in for a gateway.

use super::gateway::{Answer, StandIn};
use super::{World, mobile};
use chrono::TimeDelta;
use std::collections::BTreeSet;

const IDEMPOTENT: &str = "idempotent = true";

#[tokio::test]
async fn an_sms_is_posted_as_json_with_its_key() {
    let gateway = StandIn::start(&[]).await;
    let world = World::new(|all| all.sms = Some(gateway.config("token = 'jeton'"))).await;
    let worker = world.worker();
    let id = world.queue(mobile()).await;
    assert_eq!(world.settled(id).await.status, "sent");
    worker.stop(super::DEADLINE).await;
    let asked = gateway.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/messages");
    assert_eq!(asked[0].header("authorization"), "Bearer jeton");
    assert_eq!(asked[0].header("idempotency-key"), id.to_string());
    assert_eq!(asked[0].header("content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body["to"], "+33639980123");
    assert!(body["text"].as_str().unwrap().starts_with("402913 est votre code"), "{body}");
}

#[tokio::test]
async fn the_body_is_what_the_gateway_wants() {
    let form = "format = 'form'\nsender = 'ECOLE'\nbody = { tel = '{to_digits}', msg = '{text}', de = '{sender}' }\n\
                headers = { X-Key = 'clé' }";
    let nested = "token = 'jeton'\nbody = { receivers = ['{to}'], message = '{text}', auth = { key = '{token}' } }";
    for (config, wanted) in [
        (form, "de=ECOLE&msg=402913+est+votre+code+Matricule"),
        (nested, r#"{"auth":{"key":"jeton"},"message":"402913 est votre code Matricule"#),
    ] {
        let gateway = StandIn::start(&[]).await;
        let world = World::new(|all| all.sms = Some(gateway.config(config))).await;
        let worker = world.worker();
        let id = world.queue(mobile()).await;
        assert_eq!(world.settled(id).await.status, "sent");
        worker.stop(super::DEADLINE).await;
        let asked = &gateway.asked()[0];
        assert!(asked.body.starts_with(wanted), "{}", asked.body);
        assert_eq!(asked.header("authorization"), "");
    }
}

#[tokio::test]
async fn an_idempotent_gateway_is_asked_again_with_the_same_key() {
    let answers = [Answer::Status(500), Answer::Silence, Answer::Status(503), Answer::Status(200)];
    let gateway = StandIn::start(&answers).await;
    let config = gateway.config(&format!("{IDEMPOTENT}\ntimeout = '300ms'"));
    let world = World::new(|all| all.sms = Some(config)).await;
    let worker = world.worker();
    let id = world.queue(mobile()).await;
    let row = world.settled(id).await;
    assert_eq!((row.status.as_str(), row.attempts), ("sent", 4), "{row:?}");
    worker.stop(super::DEADLINE).await;
    let keys: BTreeSet<String> =
        gateway.asked().iter().map(|asked| asked.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys, BTreeSet::from([id.to_string()]));
    assert_eq!(gateway.asked().len(), 4);
}

#[tokio::test]
async fn point_26_a_gateway_that_redirects_is_not_followed() {
    let redirects = [301, 302, 303, 307, 308].map(Answer::Redirect);
    let gateway = StandIn::start(&redirects).await;
    let world = World::new(|all| all.sms = Some(gateway.config("token = 's3cret'"))).await;
    let worker = world.worker();
    let mut ids = Vec::new();
    for _ in redirects {
        ids.push(world.queue(mobile()).await);
    }
    for id in ids {
        assert_eq!(world.settled(id).await.status, "sent");
    }
    worker.stop(super::DEADLINE).await;
    let asked = gateway.asked();
    assert!(asked.len() >= 2 * redirects.len(), "each was asked again");
    assert!(asked.iter().all(|asked| asked.path == "/messages"), "number, code and token went elsewhere");
}

#[tokio::test]
async fn another_gateway_is_asked_again_only_where_it_surely_took_nothing() {
    for (answer, status, asked, error) in [
        (Answer::Status(503), "sent", 2, None),
        (Answer::Status(429), "sent", 2, None),
        (Answer::Redirect(307), "sent", 2, None),
        (Answer::Status(500), "uncertain", 1, Some("status 500")),
        (Answer::Silence, "uncertain", 1, Some("timeout")),
        (Answer::Status(422), "failed", 1, Some("status 422")),
    ] {
        let gateway = StandIn::start(&[answer]).await;
        let world = World::new(|all| all.sms = Some(gateway.config("timeout = '300ms'"))).await;
        let worker = world.worker();
        let id = world.queue(mobile()).await;
        let row = world.settled(id).await;
        assert_eq!((row.status.as_str(), row.last_error.as_deref()), (status, error), "{answer:?}");
        worker.stop(super::DEADLINE).await;
        assert_eq!(gateway.asked().len(), asked, "{answer:?}");
        assert!(gateway.asked().iter().all(|asked| asked.path == "/messages"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_code_is_not_sent_after_its_time() {
    let gateway = StandIn::start(&[Answer::Status(503)]).await;
    let world = World::new(|all| all.sms = Some(gateway.config(IDEMPOTENT))).await;
    // Too late before anybody looked at it.
    let late = world.queue_until(mobile(), Some(world.clock.now() + TimeDelta::minutes(30))).await;
    world.clock.advance(TimeDelta::minutes(31));
    let mut worker = world.worker();
    let row = world.settled(late).await;
    assert_eq!((row.status.as_str(), row.last_error.as_deref()), ("failed", Some("too late")));
    assert!(gateway.asked().is_empty());
    worker.stop(super::DEADLINE).await;
    // Put off, and then too late.
    let mut patient = World { ..world };
    patient.options.patience.first = std::time::Duration::from_secs(600);
    patient.options.patience.longest = std::time::Duration::from_secs(600);
    worker = patient.worker();
    let put_off = patient.queue_until(mobile(), Some(patient.clock.now() + TimeDelta::minutes(30))).await;
    let row = patient.until(put_off, |row| row.last_error.is_some()).await;
    assert_eq!((row.status.as_str(), row.attempts), ("pending", 1), "{row:?}");
    patient.clock.advance(TimeDelta::minutes(31));
    assert_eq!(patient.settled(put_off).await.status, "failed");
    worker.stop(super::DEADLINE).await;
    assert_eq!(gateway.asked().len(), 1);
}
