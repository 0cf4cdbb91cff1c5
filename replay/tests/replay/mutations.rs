//! What was recorded passes every check, and each way of changing it behind the ledger's back fails the check that
//! `docs/audit-bundles.md` names for it.

pub mod forger;

use crate::support::{ORIGIN, Setting};
use domain::context::{Actor, Context, Reason};
use domain::establishment::{Establishment, EstablishmentEvent};
use domain::guardian::{Guardian, GuardianContact, GuardianEvent, GuardianIdentity};
use domain::identifiers::{Degree, Uai};
use domain::ids::{CommandId, GuardianId};
use domain::personal::Personal;
use forger::{Forger, flip};
use ledger::Check::{self, *};
use ledger::checkpoint::{Checkpoint, SigningKey, Statement};
use ledger::postgres::Role;
use ledger::{Ledger, Unit};
use projections::poison::{skip, stops};
use projections::{Name, RebuildError, Runner};
use replay::bundle::Trust;
use replay::check::{Believed, CheckError, Checked, Format, Outcome, Stage, check};
use replay::language::Language;
use std::time::Duration;
use uuid::Uuid;

async fn checked(setting: &Setting) -> Checked {
    believing(setting, &Believed::default()).await
}

/// As whoever keeps something elsewhere checks.
async fn believing(setting: &Setting, believed: &Believed) -> Checked {
    loop {
        match check(&setting.ledger, &setting.pool, believed, |_, _| {}).await {
            // The connection of a comparison that failed is still being closed.
            Err(CheckError::View(RebuildError::Busy(_))) => tokio::task::yield_now().await,
            checked => return checked.unwrap(),
        }
    }
}

/// A ledger with a small life in it, its views, and someone who will tamper with it.
async fn tampered(seed: u64) -> (Setting, Forger) {
    let mut setting = Setting::new(seed).await;
    setting.live(60).await;
    setting.ledger.record_manifest(Actor::Service, Reason::Rule).await.unwrap().unwrap();
    setting.project().await;
    let forger = Forger::new(&setting.database).await;
    (setting, forger)
}

/// Exactly these checks fail, and the report names them in both languages; then everything is put back.
async fn fails(setting: &Setting, forger: &Forger, what: &str, expected: &[Check]) {
    let found = checked(setting).await;
    assert!(!found.is_sound(), "{what}");
    let failed: Vec<Check> = found.failed().into_iter().filter(|check| *check != ViewRows).collect();
    assert_eq!(failed, expected, "{what}: {}", found.findings);
    for format in [Format::Text(Language::Fr), Format::Text(Language::En), Format::Json] {
        let report = found.report(format);
        assert!(expected.iter().all(|check| report.contains(check.as_str())), "{report}");
    }
    forger.restore().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_is_sound() {
    let mut setting = Setting::new(41).await;
    setting.live(60).await;
    setting.project().await;
    let mut stages = Vec::new();
    let found =
        check(&setting.ledger, &setting.pool, &Believed::default(), |stage, _| stages.push(stage)).await.unwrap();
    assert!(found.is_sound(), "{}", found.report(Format::Text(Language::En)));
    assert_eq!((found.size, found.root), setting.ledger.root().await.map(|(size, root)| (size, Some(root))).unwrap());
    assert!(stages.contains(&Stage::Ledger) && stages.contains(&Stage::View(projections::Name::Audit)));
    let json: serde_json::Value = serde_json::from_str(&found.report(Format::Json)).unwrap();
    assert_eq!(json["sound"], true);
    assert_eq!(json["checks"].as_array().unwrap().len(), found.outcomes.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_view_fails_view_rows() {
    let (setting, forger) = tampered(42).await;
    for change in [
        "UPDATE view_accounts.account SET must_change = NOT must_change",
        "DELETE FROM view_people.pupil",
        "INSERT INTO view_audit.timeline VALUES ('nobody', 1)",
    ] {
        assert!(forger.run(change).await > 0, "{change}");
        let found = checked(&setting).await;
        assert_eq!(found.failed(), [ViewRows], "{change}: {}", found.findings);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_byte_fails_the_check_of_its_column() {
    let (setting, forger) = tampered(43).await;
    let last = forger.number("SELECT max(position) FROM ledger.event").await;
    let sealed = forger.number("SELECT min(position) FROM ledger.event WHERE octet_length(segments) > 100").await;
    for (what, change, at, expected) in [
        ("payload", "payload = (payload::text || ' ')::json".to_owned(), last, &[Leaf] as &[Check]),
        ("header: actor", "actor = 'operator:99'".to_owned(), last, &[Leaf]),
        ("header: effective time", "effective_at = effective_at + interval '1 us'".to_owned(), last, &[Leaf]),
        ("metadata: reference", "reference = 'AAAAAAAAAA'".to_owned(), last, &[Leaf]),
        ("metadata: command", format!("command_id = '{}'", Uuid::nil()), last, &[Leaf]),
        ("stored leaf", flip("leaf", 3), last, &[Leaf, Root]),
        ("commitment", flip("segments", 20), sealed, &[Leaf, SegmentCommitment]),
        ("ciphertext", flip("segments", 90), sealed, &[SegmentOpen]),
        ("nonce", flip("segments", 52), sealed, &[SegmentOpen]),
        ("frame", flip("segments", 0), sealed, &[Leaf, SegmentFrame]),
        ("subject of a segment", flip("segments", 10), sealed, &[Leaf, SegmentSubject, SegmentKey]),
    ] {
        assert_eq!(forger.run(&format!("UPDATE ledger.event SET {change} WHERE position = {at}")).await, 1);
        fails(&setting, &forger, what, expected).await;
    }
    for (what, change) in [("root", flip("root", 0)), ("frontier", flip("frontier", 0))] {
        forger.run(&format!("UPDATE ledger.head SET {change}")).await;
        fails(&setting, &forger, what, &[Root]).await;
    }
    forger.run(&format!("UPDATE keys.subject_key SET {}", flip("wrapped", 20))).await;
    let found = checked(&setting).await;
    assert!(found.failed().contains(&SegmentKey) || found.is_sound(), "keys may be in memory still");
    forger.restore().await;
    assert!(checked(&setting).await.is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_deleted_swapped_inserted_or_backdated_fail_by_name() {
    let (setting, forger) = tampered(44).await;
    let last = forger.number("SELECT max(position) FROM ledger.event").await;
    forger.run(&format!("DELETE FROM ledger.event WHERE position = {last} - 3")).await;
    let found = checked(&setting).await;
    assert!(found.failed().contains(&PositionGap), "{}", found.findings);
    assert!(!found.outcomes.contains_key(&Root) || found.findings.count(Root) == 0);
    assert_eq!(found.findings.named(PositionGap)[0].position, Some(last as u64 - 3));
    forger.restore().await;

    forger.run(&format!("DELETE FROM ledger.event WHERE position > {last} - 3")).await;
    fails(&setting, &forger, "truncated", &[PositionGap]).await;

    // Two neighbours of different streams, recorded at one moment, change places.
    forger
        .run(
            "CREATE TABLE public.pair AS SELECT a.position AS one FROM ledger.event a JOIN ledger.event b \
                ON b.position = a.position + 1 AND b.stream_id <> a.stream_id LIMIT 1",
        )
        .await;
    forger
        .run(
            "UPDATE ledger.event e SET position = -1, recorded_at = recorded_at FROM pair WHERE position = one; \
                UPDATE ledger.event e SET position = one FROM pair WHERE position = one + 1; \
                UPDATE ledger.event e SET position = one + 1 FROM pair WHERE position = -1",
        )
        .await;
    let found = checked(&setting).await;
    assert!(found.failed().contains(&Root), "{}", found.findings);
    forger.restore().await;

    // An event deleted and the others moved up: the stream misses it, and so does the tree.
    forger
        .run(
            "CREATE TABLE public.inner_event AS SELECT e.position FROM ledger.event e JOIN ledger.event n \
                USING (stream_type, stream_id) WHERE n.sequence = e.sequence + 1 LIMIT 1",
        )
        .await;
    let inner = forger.number("SELECT position FROM public.inner_event").await;
    forger.run(&format!("DELETE FROM ledger.event WHERE position = {inner}")).await;
    forger.shift(inner + 1, -1).await;
    let found = checked(&setting).await;
    for check in [PositionGap, StreamChain] {
        assert!(found.failed().contains(&check), "{}", found.findings);
    }
    forger.restore().await;

    // A copy of an event put in beyond the end, and in the middle of things.
    let copy = |sequence: i64, position: i64| {
        format!(
            "INSERT INTO ledger.event SELECT {position}, stream_type, stream_id, sequence + {sequence}, event_type, \
             event_version, payload, ''::bytea, recorded_at, effective_at, actor, on_behalf_of, reason, command_id, \
             reference, leaf FROM public.ledger_event WHERE position = {last}"
        )
    };
    forger.run(&copy(1, last + 1)).await;
    fails(&setting, &forger, "inserted beyond the end", &[PositionGap]).await;
    forger.shift(inner, 1).await;
    forger.run(&copy(1, inner)).await;
    let found = checked(&setting).await;
    for check in [PositionGap, StreamChain, Root] {
        assert!(found.failed().contains(&check), "{check}: {}", found.findings);
    }
    forger.restore().await;

    let backdate =
        format!("UPDATE ledger.event SET recorded_at = recorded_at - interval '1 hour' WHERE position = {last}");
    forger.run(&backdate).await;
    fails(&setting, &forger, "backdated", &[Leaf, ClockOrder]).await;
    forger.run(&backdate).await;
    forger.rewrite().await;
    fails(&setting, &forger, "backdated, and every leaf and root made to fit", &[ClockOrder]).await;
    assert!(checked(&setting).await.is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_swapped_or_sealed_with_a_nonce_again_fail_by_name() {
    let (setting, forger) = tampered(45).await;
    // Two events of one type about two persons, one segment each of the same length.
    let pair = |same_subject: bool| {
        let (how, order) = if same_subject { ("=", "") } else { ("<>", "") };
        format!(
            "SELECT a.position AS one, b.position AS two FROM ledger.event a JOIN ledger.event b \
             ON a.position < b.position AND substr(a.segments, 2, 2) = '\\x0001' AND substr(b.segments, 2, 2) = '\\x0001' \
             AND substr(a.segments, 4, 16) {how} substr(b.segments, 4, 16) AND a.event_type = b.event_type {order} LIMIT 1"
        )
    };
    forger.run(&format!("CREATE TABLE public.persons AS {}", pair(false))).await;
    forger.run(&format!("CREATE TABLE public.person AS {}", pair(true))).await;
    let swap = "UPDATE ledger.event e SET segments = u.segments FROM public.ledger_event u, public.persons p \
                WHERE (e.position = p.one AND u.position = p.two) OR (e.position = p.two AND u.position = p.one)";
    assert_eq!(forger.run(swap).await, 2);
    fails(&setting, &forger, "two persons' segments swapped", &[Leaf, SegmentSubject, SegmentOpen]).await;
    assert_eq!(forger.run(swap).await, 2);
    forger.rewrite().await;
    fails(&setting, &forger, "swapped, and every leaf made to fit", &[SegmentSubject, SegmentOpen, Manifest]).await;

    // Only what is sealed, with subject and commitment left as they were.
    let sealed = "UPDATE ledger.event e SET segments = substr(e.segments, 1, 51) || substr(u.segments, 52) \
                  FROM public.ledger_event u, public.persons p \
                  WHERE (e.position = p.one AND u.position = p.two) OR (e.position = p.two AND u.position = p.one)";
    assert_eq!(forger.run(sealed).await, 2);
    fails(&setting, &forger, "two persons' ciphertexts swapped", &[SegmentOpen]).await;

    let reuse = "UPDATE ledger.event e SET segments = overlay(e.segments PLACING substr(u.segments, 52, 12) FROM 52) \
                 FROM public.ledger_event u, public.person p WHERE e.position = p.two AND u.position = p.one";
    assert_eq!(forger.run(reuse).await, 1);
    fails(&setting, &forger, "nonce used again", &[SegmentOpen, SegmentNonce]).await;
    assert!(checked(&setting).await.is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cut_short_or_left_out_fails_the_manifest_even_if_all_else_is_made_to_fit() {
    let (setting, forger) = tampered(46).await;
    let whole =
        "(SELECT stream_type, stream_id FROM ledger.event GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 2 LIMIT 1)";
    for (what, which) in [
        (
            "last event of a stream deleted",
            "sequence = (SELECT max(sequence) FROM ledger.event x WHERE x.stream_id = e.stream_id)",
        ),
        ("stream deleted", "true"),
    ] {
        let rows = format!("ledger.event e WHERE (stream_type, stream_id) = {whole} AND {which}");
        forger.run(&format!("DELETE FROM {rows}")).await;
        // The rest moves up: no gap stays.
        forger
            .run("UPDATE ledger.event e SET position = -1 - n FROM (SELECT position AS p, row_number() OVER (ORDER BY position) - 1 AS n FROM ledger.event) x WHERE e.position = p; \
                  UPDATE ledger.event SET position = -1 - position")
            .await;
        forger.rewrite().await;
        fails(&setting, &forger, what, &[Manifest]).await;
    }
    assert!(checked(&setting).await.is_sound());
}

/// What fails, apart from the views.
fn names(found: &Checked) -> Vec<Check> {
    found.failed().into_iter().filter(|check| *check != ViewRows).collect()
}

/// Another instance, as after a restart: it knows nothing of what was before.
async fn restarted(setting: &Setting) -> Ledger {
    let pool = setting.database.pool(Role::Service, 5).await.unwrap();
    Ledger::open(pool, setting.ledger.master().clone()).await.unwrap()
}

/// Goes on: a few establishments that nobody has heard of.
pub async fn goes_on(ledger: &Ledger, events: u32, reference: Option<&str>) {
    for number in 0..events {
        let uai = Uai::from_number(210_100 + number).unwrap();
        let id = uai.to_string();
        let (name, academie, degree) = (None, None, Degree::Second);
        let event = EstablishmentEvent::EstablishmentRegistered { uai, name, academie, degree };
        let context = Context {
            command: CommandId(Uuid::new_v4()),
            actor: Actor::Service,
            on_behalf_of: None,
            reason: Reason::Rule,
            reference: reference.map(str::to_owned),
            effective_at: ledger.now(),
        };
        ledger.append(Unit::new(context).stream::<Establishment>(&id, 0, vec![event])).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_backup_put_back_and_a_fork_fail_checkpoint_extends() {
    let mut setting = Setting::new(47).await;
    setting.live(60).await;
    let kept = setting.sign().await;
    let forger = Forger::new(&setting.database).await;
    let believed = Believed { trust: Setting::trust(), own_keys: false, kept: vec![kept] };
    let found = believing(&setting, &believed).await;
    assert!(found.is_sound(), "{}", found.findings);
    for check in [CheckpointExtends, CheckpointSignature] {
        assert_eq!(found.outcomes[&check], Outcome::Passed(2), "the published one and the kept one");
    }

    // An older state, whole in itself, with the checkpoint that was published then: none.
    let size = forger.number("SELECT size FROM ledger.head").await;
    forger.run(&format!("DELETE FROM ledger.event WHERE position >= {size} - 10")).await;
    forger.run("DELETE FROM ledger.tile; DELETE FROM ledger.checkpoint").await;
    forger.rewrite().await;
    assert_eq!(names(&checked(&setting).await), [], "nothing within the database tells");
    let found = believing(&setting, &believed).await;
    assert_eq!(names(&found), [CheckpointExtends], "{}", found.findings);
    // And the service goes on, past where it had been.
    let again = restarted(&setting).await;
    goes_on(&again, 15, None).await;
    again.close().await;
    assert_eq!(names(&checked(&setting).await), []);
    let found = believing(&setting, &believed).await;
    assert_eq!(names(&found), [CheckpointExtends], "{}", found.findings);
    forger.restore().await;

    // Two forks: another last event, with leaves, tiles, head and a checkpoint that the right key signed.
    forger.run(&format!("UPDATE ledger.event SET reason = 'rule', actor = 'service', reference = 'AAAAAAAAAA' WHERE position = {size} - 1")).await;
    forger.run("DELETE FROM ledger.tile").await;
    forger.rewrite().await;
    let other = setting.sign().await;
    assert_ne!(other, believed.kept[0]);
    assert_eq!(names(&checked(&setting).await), []);
    let found = believing(&setting, &believed).await;
    assert_eq!(names(&found), [CheckpointExtends], "{}", found.findings);
    forger.restore().await;

    forger.run("UPDATE ledger.checkpoint SET note = replace(note, 'ecole', 'école')").await;
    let found = believing(&setting, &believed).await;
    assert_eq!(names(&found), [CheckpointSignature], "{}", found.findings);
    forger.restore().await;
    assert!(believing(&setting, &believed).await.is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_recovery_names_what_it_gives_up_and_excuses_nothing_else() {
    let mut setting = Setting::new(50).await;
    setting.live(40).await;
    let size = setting.ledger.size();
    let forger = Forger::new(&setting.database).await;
    // Two daily checkpoints of a log: what the ledger still extends, and what was lost with a disk.
    let old = |size, root| Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(&Setting::key()).unwrap();
    let root = setting.ledger.tree().root(size - 20).await.unwrap();
    let (common, lost) = (old(size - 20, root), old(size - 5, [7; 32]));
    for (day, note) in [("2026-05-01", common.text()), ("2026-05-02", lost.text())] {
        forger
            .run(&format!("INSERT INTO ledger.daily_checkpoint (day, size, note) VALUES ('{day}', 1, '{note}')"))
            .await;
    }
    let next = format!("{ORIGIN}/2");
    let believed = Believed {
        trust: Trust { logs: vec![Setting::key().verifier(&next)], ..Trust::default() },
        ..Believed::default()
    };
    // Before anybody declares it, a lost history is a failure, and its checkpoints are signed by nobody trusted.
    let found = believing(&setting, &believed).await;
    assert_eq!(names(&found), [CheckpointSignature, CheckpointExtends], "{}", found.findings);

    let statement = |key: &SigningKey| {
        let goes_on = (size, [9; 32]);
        let (keys, given_up) = (vec![Setting::key().verifier(ORIGIN)], Some((*lost).clone()));
        let (origin, at, reason) = (next.clone(), setting.ledger.now(), "disque perdu".to_owned());
        Statement { origin, at, goes_on, given_up, keys, reason }.sign(key).unwrap()
    };
    let record = |generation: u64, text: &str| {
        format!(
            "INSERT INTO ledger.recovery (generation, recorded_at, reason, kept, size, root, statement) \
             VALUES ({generation}, now(), 'disque perdu', '', {size}, decode(repeat('09', 32), 'hex'), '{text}')"
        )
    };
    // A row alone, or one that another key signed, excuses nothing.
    forger.run(&record(2, &statement(&SigningKey::from_seed(&[1; 32]).unwrap()))).await;
    let found = believing(&setting, &believed).await;
    assert_eq!(names(&found), [CheckpointSignature, CheckpointExtends]);
    assert!(found.recoveries[0].statement.is_none());
    forger.run(&record(3, &statement(&Setting::key()))).await;
    let found = believing(&setting, &believed).await;
    assert_eq!(names(&found), [], "{}", found.findings);
    let told = &found.recoveries[1];
    assert_eq!((told.given_up.len(), told.extended), (1, Some(size - 20)));
    for format in [Format::Json, Format::Text(Language::Fr), Format::Text(Language::En)] {
        let report = found.report(format);
        assert!(report.contains("disque perdu") && report.contains("2026-05-02"), "{report}");
    }
    // A longer checkpoint than the one that was given up is not covered by it.
    let later = old(size - 4, [7; 32]);
    let text = later.text();
    forger
        .run(&format!("INSERT INTO ledger.daily_checkpoint (day, size, note) VALUES ('2026-05-03', 1, '{text}')"))
        .await;
    assert_eq!(names(&believing(&setting, &believed).await), [CheckpointExtends]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_tile_fails_tiles() {
    let mut setting = Setting::new(48).await;
    while setting.ledger.size() < 300 {
        setting.live(20).await;
    }
    setting.sign().await;
    let forger = Forger::new(&setting.database).await;
    assert_eq!(checked(&setting).await.outcomes[&Tiles], Outcome::Passed(1));
    assert_eq!(forger.run(&format!("UPDATE ledger.tile SET {}", flip("root", 0))).await, 1);
    fails(&setting, &forger, "tile", &[Tiles]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_without_its_event_and_a_key_brought_back_fail_erasure_event() {
    let (mut setting, forger) = tampered(49).await;
    let destroy = "UPDATE keys.subject_key SET wrapped = NULL, destroyed_at = now() \
                   WHERE subject = (SELECT subject FROM keys.subject_key ORDER BY subject LIMIT 1)";
    assert_eq!(forger.run(destroy).await, 1);
    fails(&setting, &forger, "erased without its event", &[ErasureEvent]).await;
    let unit = loop {
        if let Some(unit) = setting.world.erase() {
            break unit;
        }
    };
    setting.ledger.append(unit).await.unwrap();
    let found = checked(&setting).await;
    assert_eq!((names(&found), &found.outcomes[&ErasureEvent]), (vec![], &Outcome::Passed(1)), "{}", found.findings);
    let back = "UPDATE keys.subject_key k SET wrapped = c.wrapped, destroyed_at = NULL FROM public.keys_subject_key c \
                WHERE c.subject = k.subject AND k.wrapped IS NULL";
    assert_eq!(forger.run(back).await, 1);
    assert_eq!(names(&checked(&setting).await), [ErasureEvent]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_stopped_and_what_it_was_told_to_skip_are_found() {
    let mut setting = Setting::new(44).await;
    setting.live(20).await;
    // Nothing that can't be read by the auditor, but a value that the view's table refuses.
    let guardian = GuardianId(Uuid::new_v4());
    let identity = GuardianIdentity { family_name: "FIC\0TIF".to_owned(), ..Default::default() };
    let recorded = GuardianEvent::GuardianRecorded {
        guardian,
        identity: Personal::new(guardian, identity),
        contact: Personal::new(guardian, GuardianContact::default()),
    };
    let unit = setting.world.step();
    let unit = Unit::new(unit.context().clone()).stream::<Guardian>(&guardian.to_string(), 0, vec![recorded]);
    let position = setting.ledger.append(unit).await.unwrap().first;
    let runner = Runner::start(setting.ledger.clone(), setting.pool.clone()).await.unwrap();
    while stops(&setting.pool).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let found = checked(&setting).await;
    assert_eq!((found.stops.len(), found.skips.len()), (1, 0));
    assert!(found.is_sound(), "as far as it goes");
    let operator = Actor::Operator("17".to_owned());
    skip(&setting.pool, Name::People, position, "sent again", &operator, setting.ledger.now()).await.unwrap();
    while !stops(&setting.pool).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    runner.views().caught_up(position, Duration::from_secs(60)).await.unwrap();
    runner.stop().await;
    let found = checked(&setting).await;
    assert!(found.is_sound() && found.stops.is_empty(), "{}", found.findings);
    assert_eq!((found.skips[0].fault.position, found.skips[0].reason.as_str()), (position, "sent again"));
}
