//! The access log: what is noted gets there in batches, what must be there first is, and months come and go.

use crate::support::{micros, owner};
use chrono::{DateTime, Months, Utc};
use domain::context::Actor;
use domain::ids::{AccountId, RelyingPartyId};
use ledger::access::{
    self, Access, AccessLog, Cursor, Deed, Grant, Kind, Of, Query, SignInMethod, SignInOutcome, TokenOutcome, Wanted,
};
use ledger::postgres::Role;
use ledger::postgres::testing::fresh_database;
use sqlx::PgPool;
use uuid::Uuid;

fn access(at: DateTime<Utc>, actor: Option<Actor>, deed: Deed) -> Access {
    Access { at, actor, origin: Some([7; 32]), reference: Some("234-567-89AN".parse().unwrap()), deed }
}

fn sign_in(at: DateTime<Utc>, account: AccountId, outcome: SignInOutcome) -> Access {
    let deed = Deed::SignIn { account: Some(account), method: SignInMethod::Password, outcome };
    access(at, Some(Actor::Account(account)), deed)
}

fn staff_read(at: DateTime<Utc>, concerned: Vec<Uuid>) -> Access {
    let query = Query {
        name: "history",
        concerned,
        purpose: Some("ticket 12".into()),
        filter: Some("account".into()),
        results: 3,
        ..Query::default()
    };
    access(at, Some(Actor::Operator("unix-1000".into())), Deed::StaffRead(query))
}

fn account() -> AccountId {
    AccountId(Uuid::new_v4())
}

async fn service() -> (PgPool, ledger::postgres::testing::TestDatabase) {
    let database = fresh_database().await;
    (database.pool(Role::Service, 4).await.unwrap(), database)
}

async fn months(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'access.entry'::regclass ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_was_noted_is_there_once_the_writer_has_ended() {
    let (pool, _database) = service().await;
    let (log, writer) = AccessLog::start(pool.clone());
    let (now, account) = (micros(Utc::now()), account());
    for _ in 0..5_000 {
        log.note(sign_in(now, account, SignInOutcome::Wrong));
    }
    drop(log);
    writer.await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM access.entry").fetch_one(&pool).await.unwrap();
    assert_eq!(count, 5_000);
}

#[tokio::test]
async fn accesses_that_did_not_fit_are_told_as_a_gap() {
    let (pool, _database) = service().await;
    let (log, writer) = AccessLog::start(pool.clone());
    // Nothing is written between these: the test's thread never yields.
    let (now, account) = (micros(Utc::now()), account());
    for _ in 0..70_000 {
        log.note(sign_in(now, account, SignInOutcome::Wrong));
    }
    drop(log);
    writer.await.unwrap();
    let gaps = Wanted { kinds: vec![Kind::Lost], ..Wanted::all(Of::Everyone, 10) };
    let gaps = access::read(&pool, &gaps).await.unwrap();
    let missing: i64 = gaps.iter().filter_map(|gap| gap.results).sum();
    let written: i64 =
        sqlx::query_scalar("SELECT count(*) FROM access.entry WHERE kind <> 'lost'").fetch_one(&pool).await.unwrap();
    assert!(missing > 0);
    assert_eq!(written + missing, 70_000);
}

#[tokio::test]
async fn every_kind_keeps_what_it_says() {
    let (pool, _database) = service().await;
    let (now, holder, relying_party) = (micros(Utc::now()), account(), RelyingPartyId(Uuid::new_v4()));
    let token = Deed::Token {
        relying_party: Some(relying_party),
        account: Some(holder),
        grant: Grant::AuthorizationCode,
        outcome: TokenOutcome::Refused("invalid_grant"),
    };
    let query = Query {
        name: "explain",
        concerned: vec![holder.0],
        purpose: Some("contrôle annuel".into()),
        filter: Some("field=login".into()),
        results: 1,
        export_hash: Some([9; 32]),
        approved_by: Some(Actor::Operator("18".into())),
        refused: None,
    };
    let all = [
        access(now, Some(Actor::RelyingParty(relying_party)), token),
        access(now, Some(Actor::Operator("17".into())), Deed::AuditQuery(query)),
    ];
    access::record(&pool, &all).await.unwrap();
    let read = access::read(&pool, &Wanted::all(Of::Person(holder.0), 10)).await.unwrap();
    assert_eq!(read.len(), 2);
    let token = read.iter().find(|entry| entry.kind == "token").unwrap();
    assert_eq!((token.what.as_str(), token.outcome.as_str()), ("authorization_code", "invalid_grant"));
    assert_eq!(token.relying_party, Some(relying_party.0));
    assert_eq!((token.origin, token.reference.as_deref()), (Some([7; 32]), Some("23456789AN")));
    let query = read.iter().find(|entry| entry.kind == "audit-query").unwrap();
    assert_eq!((query.what.as_str(), query.actor.as_deref()), ("explain", Some("operator:17")));
    assert_eq!(query.purpose.as_deref(), Some("contrôle annuel"));
    assert_eq!((query.export_hash, query.approved_by.as_deref()), (Some([9; 32]), Some("operator:18")));
    assert_eq!((query.results, query.filter.as_deref()), (Some(1), Some("field=login")));
}

#[tokio::test]
async fn who_saw_finds_a_person_among_many_and_lists_by_actor_count_a_read_once() {
    let (pool, _database) = service().await;
    let now = micros(Utc::now());
    let people: Vec<Uuid> = (0..50).map(|_| Uuid::new_v4()).collect();
    let seen = people[17];
    access::record(&pool, &[sign_in(now, AccountId(seen), SignInOutcome::Success)]).await.unwrap();
    access::record(&pool, &[staff_read(now, people.clone())]).await.unwrap();
    let who_saw = access::read(&pool, &Wanted::seen(seen, 10)).await.unwrap();
    assert_eq!(who_saw.len(), 1, "the person's own sign-in is no sight by others");
    assert_eq!((who_saw[0].subject, who_saw[0].concerned), (Some(seen), 50));
    assert_eq!(who_saw[0].actor.as_deref(), Some("operator:unix-1000"));
    let by_actor = Wanted::all(Of::Actor("operator:unix-1000".into()), 10);
    assert_eq!(access::read(&pool, &by_actor).await.unwrap().len(), 1);
    let mut concerned = access::concerned(&pool, who_saw[0].cursor(), None, 30).await.unwrap();
    assert_eq!(concerned.len(), 30);
    concerned.extend(access::concerned(&pool, who_saw[0].cursor(), concerned.last().copied(), 30).await.unwrap());
    let mut sorted = people;
    sorted.sort_unstable();
    assert_eq!(concerned, sorted);
}

#[tokio::test]
async fn pages_meet_without_gap_or_overlap_and_times_bound_them() {
    let (pool, _database) = service().await;
    let (now, account) = (micros(Utc::now()), account());
    // Several at one moment: the id tells them apart.
    let moments = (0..40).map(|n| now - chrono::TimeDelta::seconds(n / 4));
    let accesses: Vec<Access> = moments.map(|at| sign_in(at, account, SignInOutcome::Success)).collect();
    access::record(&pool, &accesses).await.unwrap();
    for of in [Of::Everyone, Of::Person(account.0), Of::Actor(format!("account:{account}"))] {
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let page = access::read(&pool, &Wanted { after, ..Wanted::all(of.clone(), 7) }).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.cursor().to_string().parse::<Cursor>().unwrap());
            read.extend(page);
        }
        assert_eq!(read.len(), 40, "{of:?}");
        assert!(read.windows(2).all(|pair| (pair[0].at, pair[0].id) > (pair[1].at, pair[1].id)));
    }
    let from = Some(now - chrono::TimeDelta::seconds(2));
    let bounded = Wanted { from, to: Some(now), ..Wanted::all(Of::Everyone, 100) };
    assert_eq!(access::read(&pool, &bounded).await.unwrap().len(), 8);
}

/// The planner must see each list's own index, also with a filter on kinds.
#[tokio::test]
async fn every_list_goes_by_an_index() {
    let (pool, database) = service().await;
    let now = micros(Utc::now());
    let accesses: Vec<Access> = (0..1_000).map(|_| sign_in(now, account(), SignInOutcome::Success)).collect();
    access::record(&pool, &accesses).await.unwrap();
    let owner = owner(&database).await;
    let mut connection = owner.acquire().await.unwrap();
    sqlx::raw_sql("ANALYZE access.entry; SET enable_seqscan = off").execute(&mut *connection).await.unwrap();
    for (condition, index) in [
        ("ordinal = 0", "at_id_idx"),
        ("subject = '00000000-0000-0000-0000-000000000001'", "subject_at_id_idx"),
        ("subject = '00000000-0000-0000-0000-000000000001' AND kind IN ('staff-read', 'audit-query')", "subject_at"),
        ("ordinal = 0 AND actor = 'operator:17'", "actor_at_id_idx"),
    ] {
        let explain = format!("EXPLAIN SELECT * FROM access.entry WHERE {condition} ORDER BY at DESC, id DESC LIMIT 9");
        let plan: Vec<String> = sqlx::query_scalar(&explain).fetch_all(&mut *connection).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(index) && !plan.contains("Sort"), "{condition}\n{plan}");
    }
}

#[tokio::test]
async fn months_come_ahead_and_go_by_retention() {
    let (pool, _database) = service().await;
    let now = Utc::now();
    let before = |count| now.checked_sub_months(Months::new(count)).unwrap();
    // Rows of a month without a partition make it.
    let old = account();
    access::record(&pool, &[sign_in(before(14), old, SignInOutcome::Success)]).await.unwrap();
    access::record(&pool, &[sign_in(before(1), old, SignInOutcome::Success)]).await.unwrap();
    access::keep_months(&pool, now, 3).await.unwrap();
    assert_eq!(months(&pool).await.len(), 6, "14 months ago, the last, this one and three ahead");
    assert_eq!(access::drop_months(&pool, before(12)).await.unwrap(), 1);
    assert_eq!(access::drop_months(&pool, before(12)).await.unwrap(), 0);
    let left = access::read(&pool, &Wanted::all(Of::Person(old.0), 10)).await.unwrap();
    assert_eq!(left.len(), 1);
    // The last months stay, whatever is asked.
    assert_eq!(access::drop_months(&pool, now + chrono::TimeDelta::days(900)).await.unwrap(), 0);
}

#[tokio::test]
async fn the_service_may_add_and_read_and_nothing_else() {
    let (pool, _database) = service().await;
    access::record(&pool, &[sign_in(Utc::now(), account(), SignInOutcome::Success)]).await.unwrap();
    let partition = &months(&pool).await[0];
    for statement in [
        "UPDATE access.entry SET outcome = 'success'".to_owned(),
        "DELETE FROM access.entry".to_owned(),
        "TRUNCATE access.entry".to_owned(),
        format!("DELETE FROM access.{partition}"),
        format!("DROP TABLE access.{partition}"),
    ] {
        let refused = sqlx::query(&statement).execute(&pool).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{statement}");
    }
}

#[tokio::test]
async fn long_texts_are_cut_and_instances_make_a_month_once() {
    let (pool, _database) = service().await;
    let person = Uuid::new_v4();
    let query =
        Query { name: "events", concerned: vec![person], purpose: Some("é\0".repeat(4_000)), ..Query::default() };
    let read = access(Utc::now(), None, Deed::AuditQuery(query));
    access::record(&pool, &[read]).await.unwrap();
    let stored = access::read(&pool, &Wanted::seen(person, 1)).await.unwrap();
    assert!(stored[0].purpose.as_deref().unwrap().len() <= access::LONGEST_TEXT);
    let far = Utc::now() + chrono::TimeDelta::days(400);
    let made = (0..4).map(|_| access::keep_months(&pool, far, 0));
    futures::future::try_join_all(made).await.unwrap();
}
