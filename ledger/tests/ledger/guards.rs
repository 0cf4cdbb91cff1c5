//! The ledger is append-only, whoever asks.

use crate::support::*;
use ledger::Unit;
use ledger::postgres::Role;
use sqlx::Executor;

const CHANGES: [&str; 3] =
    ["UPDATE ledger.event SET actor = 'someone else'", "DELETE FROM ledger.event", "TRUNCATE ledger.event"];

async fn refused(pool: &sqlx::PgPool, sql: &str) -> String {
    let error = pool.execute(sql).await.expect_err(sql);
    let error = error.as_database_error().unwrap_or_else(|| panic!("{sql}: {error}"));
    assert_eq!(error.code().as_deref(), Some("42501"), "{sql}: {error}");
    error.message().to_owned()
}

#[tokio::test]
async fn the_service_lacks_the_privilege_and_the_owner_meets_the_trigger() {
    let (ledger, database) = ledger().await;
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, vec![visited()])).await.unwrap();
    let service = database.pool(Role::Service, 1).await.unwrap();
    let owner = owner(&database).await;
    for sql in CHANGES {
        assert!(refused(&service, sql).await.contains("permission denied"), "{sql}");
        assert!(refused(&owner, sql).await.contains("append-only"), "{sql}");
    }
    for sql in ["DELETE FROM ledger.head", "TRUNCATE ledger.head"] {
        refused(&service, sql).await;
        assert!(refused(&owner, sql).await.contains("append-only"), "{sql}");
    }
    for pool in [&service, &owner] {
        let back = "UPDATE ledger.head SET size = 0, revision = revision + 1";
        assert!(refused(pool, back).await.contains("only advances"));
    }
    refused(&service, "ALTER TABLE ledger.event DISABLE TRIGGER append_only").await;
    refused(&service, "DROP TABLE ledger.event").await;
    assert_eq!(ledger.read_as::<ClubEvent>(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_service_owns_nothing() {
    let (_ledger, database) = ledger().await;
    let owned: Vec<String> = sqlx::query_scalar(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relowner = 'matricule_service'::regrole UNION ALL \
         SELECT nspname FROM pg_namespace WHERE nspowner = 'matricule_service'::regrole",
    )
    .fetch_all(&owner(&database).await)
    .await
    .unwrap();
    assert!(owned.is_empty(), "{owned:?}");
}
