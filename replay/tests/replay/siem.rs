//! OCSF: the form of every event, nothing personal, and going on where one stopped.

use crate::support::Setting;
use chrono::{DateTime, TimeDelta, Utc};
use domain::context::{Actor, Reason};
use domain::ids::{AccountId, CommandId};
use ledger::RecordedEvent;
use replay::siem::{export, ocsf};
use serde_json::Value;
use uuid::Uuid;

fn recorded(position: u64, event: domain::Event) -> RecordedEvent {
    let recorded_at: DateTime<Utc> = "2026-09-01T08:30:00Z".parse().unwrap();
    RecordedEvent {
        position,
        stream_type: event.stream_type().to_owned(),
        stream_id: Uuid::from_u128(3).to_string(),
        sequence: 1,
        recorded_at,
        effective_at: recorded_at - TimeDelta::seconds(1),
        actor: if position.is_multiple_of(2) { Actor::Operator("17".to_owned()) } else { Actor::Service },
        on_behalf_of: Some(Actor::Account(AccountId(Uuid::from_u128(4)))),
        reason: Reason::SupportRequest,
        command: CommandId(Uuid::from_u128(5)),
        reference: Some("K7R2WAQ0XZ".to_owned()),
        leaf: [7; 32],
        event,
    }
}

/// Held against the published schema by `replay/tests/ocsf/validate.py`, which needs packages from a registry; a
/// change here wants that run again.
#[test]
fn every_event_in_its_class() {
    let lines: Vec<String> =
        (0..).zip(domain::samples::every_event()).map(|(n, event)| ocsf(&recorded(n, event)).to_string()).collect();
    insta::assert_snapshot!(lines.join("\n"));
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        let (class, activity) = (line["class_uid"].as_u64().unwrap(), line["activity_id"].as_u64().unwrap());
        assert_eq!(line["type_uid"].as_u64().unwrap(), class * 100 + activity);
        assert!(line["time"].as_i64() < line["metadata"]["logged_time"].as_i64(), "two clocks");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_goes_on_where_it_stopped_and_tells_nothing_personal() {
    let mut setting = Setting::new(61).await;
    setting.live(80).await;
    let half = setting.ledger.size();
    let mut whole = Vec::new();
    assert_eq!(export(&setting.ledger, 0, half, &mut whole).await.unwrap(), half);
    let mut parts = Vec::new();
    let mut next = 0;
    while next < half {
        next = export(&setting.ledger, next, half.min(next + 7), &mut parts).await.unwrap();
    }
    assert_eq!(whole, parts);
    setting.live(20).await;
    let size = setting.ledger.size();
    export(&setting.ledger, half, size, &mut whole).await.unwrap();
    let text = String::from_utf8(whole).unwrap();
    let positions: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["metadata"]["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, (0..size).collect::<Vec<_>>());
    for personal in ["Fictif", "Échantillon", "Jean-Loup", "t.essai", "example.org", "+336"] {
        assert!(!text.contains(personal), "{personal}");
    }
}
