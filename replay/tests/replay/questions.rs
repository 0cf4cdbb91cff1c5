//! Explanations, differences and filters.

use crate::support::Setting;
use domain::ids::AccountId;
use domain::rules::DECISIONS;
use ledger::RecordedEvent;
use replay::diff::diff;
use replay::events::{Filter, FilterError, FilterText, Page, events};
use replay::explain::explain;
use replay::fields::{Field, Sight};
use replay::language::Language;
use replay::moment::{AsOf, Recorded, resolve};
use serde_json::Value;

async fn now(setting: &Setting) -> AsOf {
    resolve(&setting.ledger, None).await.unwrap()
}

/// Every event that fits, page by page.
async fn all(setting: &Setting, views: &projections::Views, text: &FilterText, as_of: AsOf) -> Vec<RecordedEvent> {
    let filter = Filter::new(&setting.ledger, text).await.unwrap();
    let (mut from, mut found) = (0, Vec::new());
    loop {
        let Page { events, next } = events(&setting.ledger, views, &filter, as_of, from, 7).await.unwrap();
        assert!(events.len() <= 7);
        found.extend(events);
        match next {
            Some(next) => {
                assert!(next > from, "a page must go on");
                from = next;
            }
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_finds_what_looking_at_every_event_finds() {
    let mut setting = Setting::new(51).await;
    setting.live(420).await;
    let views = setting.project().await;
    // What comes now the view does not have yet.
    setting.live(40).await;
    let everything = setting.ledger.read(0, 100_000).await.unwrap();
    assert!(everything.len() > 600, "too small to have several pages of marks: {}", everything.len());
    let as_of = now(&setting).await;
    let account = setting.world.accounts[0].id.clone();
    let school = setting.world.establishments.iter().find(|school| school.version > 0).unwrap();
    let some = everything.iter().find(|event| event.on_behalf_of.is_some()).unwrap();
    let day = some.effective_at.date_naive();
    let text = |text: &str| Some(text.to_owned());
    let filters = [
        FilterText::default(),
        FilterText { r#type: text("AccountDisabled"), ..FilterText::default() },
        FilterText { r#type: text("ChildConfirmed, PupilTransferred"), ..FilterText::default() },
        FilterText { establishment: Some(school.id.clone()), ..FilterText::default() },
        FilterText { actor: text("operator:17"), r#type: text("PupilEnrolled"), ..FilterText::default() },
        FilterText { actor: text("operator:18"), ..FilterText::default() },
        FilterText { on_behalf_of: Some(some.on_behalf_of.as_ref().unwrap().to_string()), ..FilterText::default() },
        FilterText { command: Some(some.command.to_string()), ..FilterText::default() },
        FilterText { account: Some(account), ..FilterText::default() },
        FilterText {
            recorded_from: Some(everything[100].recorded_at.to_rfc3339()),
            recorded_before: Some(everything[300].recorded_at.to_rfc3339()),
            ..FilterText::default()
        },
        FilterText {
            effective_from: Some(format!("{day}T00:00:00Z")),
            effective_before: Some(format!("{}T12:00:00Z", day + chrono::Days::new(2))),
            ..FilterText::default()
        },
    ];
    let mut hits = 0;
    for text in filters {
        let filter = match Filter::new(&setting.ledger, &text).await {
            Ok(filter) => filter,
            Err(error) => panic!("{text:?}: {error}"),
        };
        let expected: Vec<u64> =
            everything.iter().filter(|event| filter.fits(event)).map(|event| event.position).collect();
        let found: Vec<u64> = all(&setting, &views, &text, as_of).await.iter().map(|event| event.position).collect();
        assert_eq!(found, expected, "{text:?}");
        hits += usize::from(!expected.is_empty());
    }
    assert!(hits >= 9, "most filters find something in this world: {hits}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_at_a_position_does_not_change_while_the_ledger_grows() {
    let mut setting = Setting::new(52).await;
    setting.live(120).await;
    let views = setting.project().await;
    let as_of = now(&setting).await;
    let text = FilterText { r#type: Some("PupilEnrolled".to_owned()), ..FilterText::default() };
    let first = all(&setting, &views, &text, as_of).await;
    let account: AccountId = setting.world.accounts[0].id.parse().unwrap();
    let status = explain(&setting.ledger, account, Field::Status, as_of, Sight::Clear).await.unwrap();
    setting.live(120).await;
    let views = setting.project().await;
    assert_eq!(all(&setting, &views, &text, as_of).await, first);
    assert!(all(&setting, &views, &text, now(&setting).await).await.len() > first.len());
    let by_time = resolve(&setting.ledger, Some(Recorded::Position(as_of.position).into())).await.unwrap();
    let again = explain(&setting.ledger, account, Field::Status, by_time, Sight::Clear).await.unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&status).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_cannot_be_applied_is_refused() {
    let mut setting = Setting::new(53).await;
    setting.live(20).await;
    let some = |text: &str| Some(text.to_owned());
    let refused = [
        FilterText { r#type: some("AccountExploded"), ..FilterText::default() },
        FilterText { r#type: some(""), ..FilterText::default() },
        FilterText { establishment: some("0750001X"), ..FilterText::default() },
        FilterText { establishment: some("0133288N"), ..FilterText::default() },
        FilterText { actor: some("somebody"), ..FilterText::default() },
        FilterText { on_behalf_of: some("account:no"), ..FilterText::default() },
        FilterText { command: some("12"), ..FilterText::default() },
        FilterText { reference: some("K7R-2WA-Q0X4"), ..FilterText::default() },
        FilterText { account: some("00000000-0000-0000-0000-0000000000ff"), ..FilterText::default() },
        FilterText { recorded_from: some("yesterday"), ..FilterText::default() },
        FilterText {
            recorded_from: some("2026-09-02T00:00:00Z"),
            recorded_before: some("2026-09-01T00:00:00Z"),
            ..FilterText::default()
        },
        FilterText { effective_from: some("2026-09-02T00:00:00Z"), ..FilterText::default() },
        FilterText {
            effective_from: some("2020-09-02T00:00:00Z"),
            effective_before: some("2026-09-01T00:00:00Z"),
            ..FilterText::default()
        },
    ];
    for text in refused {
        let error = Filter::new(&setting.ledger, &text).await.map(|_| ()).unwrap_err();
        assert!(error.is_refusal() && !error.to_string().is_empty(), "{text:?}: {error}");
    }
    let unknown = FilterText { r#type: some("X"), ..FilterText::default() };
    let Err(error @ FilterError::UnknownType(_)) = Filter::new(&setting.ledger, &unknown).await else { panic!() };
    assert!(error.to_string().contains("AccountActivated"), "{error}");
    assert!(serde_json::from_str::<FilterText>(r#"{"typo":"x"}"#).is_err());
    let error = "shoe-size".parse::<Field>().unwrap_err().to_string();
    assert!(Field::ALL.iter().all(|field| error.contains(field.as_str())), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explanation_names_the_events_that_made_each_field() {
    let mut setting = Setting::new(54).await;
    setting.live(200).await;
    let as_of = now(&setting).await;
    let mut told = 0;
    for member in setting.world.accounts.clone() {
        let account: AccountId = member.id.parse().unwrap();
        for field in Field::ALL {
            let found = explain(&setting.ledger, account, field, as_of, Sight::Clear).await.unwrap();
            told += found.causes.len();
            // Each part has exactly the value that the last of its changes says.
            for (part, value) in &found.value {
                let last = found.causes.iter().rfind(|cause| cause.changes.iter().any(|change| change.part == *part));
                let last = last.unwrap_or_else(|| panic!("{field}: nothing made {part} so"));
                assert!(last.in_force);
                assert!(last.changes.iter().any(|change| change.part == *part && change.after == *value));
            }
            let positions: Vec<u64> = found.causes.iter().map(|cause| cause.event.position).collect();
            assert!(positions.is_sorted_by(|a, b| a < b));
            for language in Language::ALL {
                assert!(found.text(language).contains(&format!("--at {}", as_of.position)));
            }
            let masked = explain(&setting.ledger, account, field, as_of, Sight::Masked).await.unwrap();
            let masked = serde_json::to_string(&masked).unwrap();
            for name in ["Fictif", "Échantillon", "Jean-Loup", "example.org", "+336"] {
                assert!(!masked.contains(name), "{field}: {masked}");
            }
        }
        let status = explain(&setting.ledger, account, Field::Status, as_of, Sight::Clear).await.unwrap();
        let expected = serde_json::to_value(member.state.status).unwrap();
        assert_eq!(status.value["status"], expected);
    }
    assert!(told > 50, "this world explains something: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_is_what_the_events_between_made() {
    let mut setting = Setting::new(55).await;
    setting.live(60).await;
    let account: AccountId = setting.world.accounts[0].id.parse().unwrap();
    let from = now(&setting).await;
    setting.live(200).await;
    let to = now(&setting).await;
    let found = diff(&setting.ledger, account, from, to, Sight::Clear).await.unwrap();
    assert!(!found.changes.is_empty() && !found.events.is_empty());
    assert!(found.events.iter().all(|event| event.position > from.position && event.position <= to.position));
    for field in Field::ALL {
        let then = explain(&setting.ledger, account, field, from, Sight::Clear).await.unwrap();
        let later = explain(&setting.ledger, account, field, to, Sight::Clear).await.unwrap();
        for change in found.changes.iter().filter(|change| change.field == field) {
            // What a record said before it belonged to the account, only the later explanation knows.
            if let Some(before) = then.value.get(&change.part) {
                assert_eq!(&change.before, before);
            }
            assert_eq!(&change.after, later.value.get(&change.part).unwrap_or(&Value::Null));
        }
    }
    let same = diff(&setting.ledger, account, to, to, Sight::Clear).await.unwrap();
    assert!(same.changes.is_empty() && same.events.is_empty());
    assert!(diff(&setting.ledger, account, to, from, Sight::Clear).await.is_err());
    for language in Language::ALL {
        assert!(found.text(language).contains(&from.position.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_has_the_rules_announced_before_it() {
    use domain::rules::{Rulebook, Rules, RulesCommand, STREAM};
    let mut setting = Setting::new(56).await;
    let context = |setting: &Setting| domain::context::Context {
        command: domain::ids::CommandId(uuid::Uuid::from_u128(u128::from(setting.ledger.size()) + 1)),
        actor: domain::context::Actor::Service,
        on_behalf_of: None,
        reason: domain::context::Reason::Rule,
        reference: None,
        effective_at: setting.ledger.now(),
    };
    let announce = |minutes: &str| RulesCommand::Announce {
        program: "0.1.0".to_owned(),
        rules: Rulebook::current([("activation.code_lifetime".to_owned(), minutes.to_owned())].into()),
    };
    setting.live(30).await;
    setting.ledger.execute::<Rules>(STREAM, announce("30min"), &context(&setting)).await.unwrap();
    setting.live(30).await;
    setting.ledger.execute::<Rules>(STREAM, announce("30min"), &context(&setting)).await.unwrap();
    setting.ledger.execute::<Rules>(STREAM, announce("20min"), &context(&setting)).await.unwrap();
    setting.live(30).await;
    let announced = replay::rules::Announced::read(&setting.ledger).await.unwrap();
    let mut numbers = Vec::new();
    for event in setting.ledger.read(0, 1000).await.unwrap() {
        let rules = announced.of(&event);
        if let Some(rules) = &rules {
            assert!(rules.announced_at < event.position && rules.since <= event.recorded_at);
            let decided = DECISIONS.iter().find(|(kind, _)| *kind == event.stream_type);
            assert_eq!(rules.decisions, decided.map(|(_, version)| *version));
        }
        numbers.push(rules.map_or(0, |rules| rules.number));
    }
    numbers.dedup();
    assert_eq!(numbers, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_saw_an_account_is_told_page_by_page_and_children_are_other_people() {
    use ledger::access::Query;
    use replay::trace;
    use replay::who_saw::who_saw;
    let mut setting = Setting::new(57).await;
    setting.live(150).await;
    let held_by_guardian = |member: &&projections::testing::Member<domain::account::Account>| {
        matches!(member.state.holder, Some(domain::account::Holder::Guardian(_))) && !member.state.confirmed.is_empty()
    };
    let member = setting.world.accounts.iter().find(held_by_guardian).unwrap();
    let account: AccountId = member.id.parse().unwrap();
    let Some(domain::account::Holder::Guardian(guardian)) = member.state.holder else { unreachable!() };
    let child = *member.state.confirmed.first().unwrap();
    let read = async |name: &'static str, concerned: Vec<uuid::Uuid>| {
        let purpose = Some("demande 4711".to_owned());
        let query = Query { name, concerned, purpose, ..Query::default() };
        trace::staff_read(&setting.ledger, &setting.pool, query).await.unwrap();
    };
    for _ in 0..3 {
        read("state", vec![account.0, guardian.0, child.0]).await;
    }
    read("import-queue", vec![guardian.0]).await;
    read("incident", vec![child.0]).await;
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = who_saw(&setting.ledger, &setting.pool, account, after, 3).await.unwrap();
        assert!(page.text(Language::Fr).contains("demande 4711") || page.reads.is_empty());
        names.extend(page.reads.iter().map(|read| read.what.clone()));
        let Some(next) = page.next else { break };
        after = Some(next.parse().unwrap());
    }
    assert_eq!(names, ["import-queue", "state", "state", "state"]);
}
