//! A worker that is killed in the middle of sending.

use super::gateway::{Answer, StandIn};
use super::{World, mobile};
use crate::config::Sms;
use chrono::TimeDelta;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Far less than a claim lasts.
const TICK: TimeDelta = TimeDelta::seconds(1);

/// Queues a message, kills the worker while the gateway thinks about it, and lets another worker find it after its
/// claim has run out.
async fn interrupted(gateway: &StandIn, config: Sms) -> (World, Uuid, super::Row) {
    let world = World::new(|all| all.sms = Some(config)).await;
    let worker = world.worker();
    let id = world.queue(mobile()).await;
    let start = Instant::now();
    while gateway.asked().is_empty() {
        assert!(start.elapsed() < super::DEADLINE, "the gateway is never asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Its tasks end where they stand and write nothing down.
    drop(worker);
    let row = world.row(id).await;
    assert_eq!(row.status, "sending", "the claim was committed before the attempt: {row:?}");
    let another = world.worker();
    // Nobody touches it while the claim lasts: clearing up has passed by when another message, which no channel here
    // sends, was found too late.
    let late = world.queue_until(super::mail("a.fictif@example.org"), Some(world.clock.now() + TICK)).await;
    world.clock.advance(TICK * 2);
    assert_eq!(world.settled(late).await.last_error.as_deref(), Some("too late"));
    assert_eq!(world.row(id).await.status, "sending");
    world.clock.advance(TimeDelta::from_std(world.options.claim).expect("a span"));
    let row = world.settled(id).await;
    another.stop(super::DEADLINE).await;
    (world, id, row)
}

#[tokio::test]
async fn what_was_interrupted_is_uncertain_and_not_sent_again() {
    let gateway = StandIn::start(&[Answer::Silence]).await;
    let (_world, _, row) = interrupted(&gateway, gateway.config("")).await;
    assert_eq!((row.status.as_str(), row.last_error.as_deref()), ("uncertain", Some("interrupted")));
    assert_eq!(gateway.asked().len(), 1);
}

#[tokio::test]
async fn what_was_interrupted_is_sent_again_to_a_gateway_that_drops_repeats() {
    let gateway = StandIn::start(&[Answer::Silence]).await;
    let (_world, id, row) = interrupted(&gateway, gateway.config("idempotent = true")).await;
    assert_eq!((row.status.as_str(), row.attempts), ("sent", 2));
    let keys: Vec<String> = gateway.asked().iter().map(|asked| asked.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys, [id.to_string(), id.to_string()]);
}
