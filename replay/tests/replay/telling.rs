//! History and state.

use crate::support::Setting;
use domain::ids::AccountId;
use ledger::access::{Query, Wanted, read};
use replay::history::history;
use replay::language::Language;
use replay::moment::{Recorded, resolve};
use replay::state::state;
use replay::trace;

async fn told(setting: &Setting, views: &projections::Views, account: AccountId, language: Language) -> String {
    let mut out = Vec::new();
    let as_of = resolve(&setting.ledger, None).await.unwrap();
    history(&setting.ledger, views, account, as_of, language, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_whole_whether_or_not_the_timeline_is_up_to_date() {
    let mut setting = Setting::new(31).await;
    setting.live(80).await;
    let account: AccountId = setting.world.accounts[0].id.parse().unwrap();
    let views = projections::Views::new(setting.pool.clone());
    let without = told(&setting, &views, account, Language::Fr).await;
    let views = setting.project().await;
    let indexed = told(&setting, &views, account, Language::Fr).await;
    assert_eq!(without, indexed);
    setting.live(40).await;
    let half = told(&setting, &views, account, Language::Fr).await;
    assert!(half.len() >= indexed.len());
    let views = setting.project().await;
    let account_events = setting.world.accounts[0].version as usize;
    for (language, by, opened) in [(Language::Fr, "Par ", "Le compte"), (Language::En, "By ", "Account")] {
        let text = told(&setting, &views, account, language).await;
        assert!(text.lines().filter(|line| line.trim_start().starts_with(by)).count() >= account_events);
        assert!(text.contains(opened), "{text}");
        let positions: Vec<u64> =
            text.lines().filter_map(|line| line.strip_prefix('#')?.split_whitespace().next()?.parse().ok()).collect();
        assert!(positions.is_sorted_by(|a, b| a < b), "an event is told twice or out of order");
    }
    assert_eq!(told(&setting, &views, account, Language::Fr).await, {
        let views = projections::Views::new(setting.pool.clone());
        told(&setting, &views, account, Language::Fr).await
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_what_the_account_was_at_that_position_and_time() {
    let mut setting = Setting::new(32).await;
    setting.live(20).await;
    let member = setting.world.accounts[0].clone();
    let account: AccountId = member.id.parse().unwrap();
    let then = setting.ledger.size() - 1;
    let as_of = resolve(&setting.ledger, Some(Recorded::Position(then).into())).await.unwrap();
    setting.live(60).await;
    let found = state(&setting.ledger, account, as_of).await.unwrap();
    assert_eq!((found.status, found.holder), (member.state.status, member.state.holder));
    assert_eq!(found.children.len(), member.state.confirmed.union(&member.state.reported).count());
    assert_eq!(found.guardians.len(), member.state.guardians.len());
    // The same moment by its time: the last event recorded no later.
    let same = resolve(&setting.ledger, Some(Recorded::Time(as_of.recorded_at).into())).await.unwrap();
    assert!(same.position >= then && same.recorded_at == as_of.recorded_at);
    assert!(resolve(&setting.ledger, Some(Recorded::Position(setting.ledger.size()).into())).await.is_err());
    assert!(resolve(&setting.ledger, Some("1999-01-01T00:00:00Z".parse().unwrap())).await.is_err());
    let now = resolve(&setting.ledger, None).await.unwrap();
    let found = state(&setting.ledger, account, now).await.unwrap();
    let member = &setting.world.accounts[0];
    assert_eq!(found.status, member.state.status);
    assert_eq!(found.login.as_ref(), member.state.login.as_ref().and_then(|login| login.known()));
    for language in Language::ALL {
        assert!(found.table(language).contains(&member.id));
    }
    assert!(serde_json::to_string(&found).unwrap().contains(&member.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_told_by_both_clocks() {
    use replay::fold::life;
    let mut setting = Setting::new(34).await;
    setting.live(150).await;
    let views = setting.project().await;
    let mut left_out = 0;
    for member in setting.world.accounts.clone() {
        let account: AccountId = member.id.parse().unwrap();
        let now = resolve(&setting.ledger, None).await.unwrap();
        let all = life(&setting.ledger, account, now).await.unwrap();
        let mut times: Vec<_> = all.iter().map(|event| event.effective_at).collect();
        times.sort_unstable();
        for time in times.into_iter().step_by(5) {
            let moment = format!("effective:{}", time.to_rfc3339()).parse().unwrap();
            let as_of = resolve(&setting.ledger, Some(moment)).await.unwrap();
            let held = life(&setting.ledger, account, as_of).await.unwrap();
            assert!(held.iter().all(|event| event.effective_at <= time));
            left_out += all.len() - held.len();
            // As it prints itself, it is asked for again with the same answer.
            let again = resolve(&setting.ledger, Some(as_of.to_string().parse().unwrap())).await.unwrap();
            assert_eq!(again, as_of);
            let Ok(found) = state(&setting.ledger, account, as_of).await else { continue };
            assert_eq!(found.effective_at, Some(time));
            assert!(found.table(Language::Fr).contains("En vigueur le"));
            let told = replay::history::life(&setting.ledger, &views, account, as_of).await.unwrap();
            assert!(told.events.iter().all(|event| event.effective_at <= time));
            let told = |events: &[replay::told::Told]| events.iter().map(|event| event.position).collect::<Vec<_>>();
            let all = replay::history::life(&setting.ledger, &views, account, now).await.unwrap();
            assert!(told(&all.events).is_sorted_by(|a, b| a < b));
        }
    }
    assert!(left_out > 20, "{left_out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_found_by_its_login() {
    use cqrs_es::Aggregate as _;
    use domain::account::{Account, AccountCommand, Holder};
    let setting = Setting::new(33).await;
    let id = domain::samples::ACCOUNT;
    let context = domain::context::Context {
        command: domain::ids::CommandId(uuid::Uuid::from_u128(1)),
        actor: domain::context::Actor::Service,
        on_behalf_of: None,
        reason: domain::context::Reason::Rule,
        reference: None,
        effective_at: setting.ledger.now(),
    };
    let mut account = Account::default();
    let mut events = Vec::new();
    for command in [
        AccountCommand::Open { account: id, holder: Holder::Guardian(domain::samples::GUARDIAN) },
        AccountCommand::AssignLogin { login: "e.exemple1".to_owned() },
    ] {
        for event in account.decide(command).unwrap() {
            account.apply(event.clone());
            events.push(event);
        }
    }
    let hash = setting.ledger.lookup_hash("login", "e.exemple1");
    let unit = ledger::Unit::new(context).stream::<Account>(&id.to_string(), 0, events);
    setting.ledger.append(unit.claim("login", id.to_string(), hash)).await.unwrap();
    for text in ["e.exemple1", " E.Exemple1 ", &id.to_string()] {
        assert_eq!(replay::account::find(&setting.ledger, text).await.unwrap(), id);
    }
    assert!(replay::account::find(&setting.ledger, "nobody").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn point_41_a_read_is_in_the_access_log_of_everyone_it_shows() {
    let mut setting = Setting::new(33).await;
    setting.live(80).await;
    let member = &setting.world.accounts[0];
    let account: AccountId = member.id.parse().unwrap();
    let query = trace::of_account(&setting.ledger, "history", account).await.unwrap();
    assert!(query.concerned.contains(&account.0));
    let shown: Vec<uuid::Uuid> =
        member.state.guardians.iter().map(|id| id.0).chain(member.state.confirmed.iter().map(|id| id.0)).collect();
    let query = Query { purpose: Some("contrôle".into()), results: 7, ..query };
    trace::staff_read(&setting.ledger, &setting.pool, query).await.unwrap();
    for person in shown.into_iter().chain([account.0]) {
        let seen = read(&setting.pool, &Wanted::seen(person, 10)).await.unwrap();
        assert_eq!((seen.len(), seen[0].what.as_str(), seen[0].results), (1, "history", Some(7)));
        assert!(seen[0].actor.as_deref().unwrap().starts_with("operator:unix-"));
        assert_eq!(seen[0].purpose.as_deref(), Some("contrôle"));
    }
}
