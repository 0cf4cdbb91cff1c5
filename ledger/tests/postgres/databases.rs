//! Opening databases from every source, and the tests' own databases.

use ledger::postgres::testing::{TempDataDir, fresh_database};
use ledger::postgres::{Database, OpenError, Role, Source, begin, migrate};
use sqlx::{ConnectOptions, Executor};

use super::child::Helper;

async fn embedded(dir: &TempDataDir) -> Database {
    let source = Source::Embedded(dir.path().to_owned());
    Database::open(source).await.unwrap()
}

/// The URL of an embedded server's database, as for a server that somebody else runs.
fn url(database: &Database, user: &str, name: &str) -> String {
    let socket = database.options(Role::Owner).get_socket().unwrap();
    let socket = socket.to_str().unwrap().replace('/', "%2F");
    format!("postgres://{user}@{socket}/{name}")
}

async fn who(database: &Database, role: Role) -> String {
    let mut connection = database.options(role).connect().await.unwrap();
    sqlx::query_scalar("SELECT current_user || ' in ' || current_database()").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn each_source_leads_to_the_same_roles() {
    let dir = TempDataDir::new();
    let first = embedded(&dir).await;
    let one_url = Source::Url { service: url(&first, "matricule_owner", "matricule"), owner: None };
    let two_urls = Source::Url {
        service: url(&first, "matricule_service", "matricule"),
        owner: Some(url(&first, "matricule_owner", "matricule")),
    };
    let running = Source::Running(dir.path().to_owned());
    for source in [one_url, two_urls, running] {
        let shown = format!("{source:?}");
        let database = Database::open(source).await.unwrap();
        let roles = [who(&database, Role::Owner).await, who(&database, Role::Service).await];
        let expected = ["matricule_owner in matricule", "matricule_service in matricule"];
        assert_eq!(roles, expected, "{shown}");
    }
    first.close().await;
}

/// Only the cluster's own account may be the superuser, so this one needs a normal user, or a
/// server on which the owner may create roles.
#[tokio::test]
async fn a_missing_service_role_is_explained_or_created_by_racing_openers() {
    let dir = TempDataDir::new();
    let first = embedded(&dir).await;
    let rename = "ALTER ROLE matricule_service RENAME TO another";
    let as_superuser = url(&first, "postgres", "matricule");
    first.clone().close().await;
    let mut owner = first.options(Role::Owner).connect().await.unwrap();
    assert!(owner.execute(rename).await.is_err(), "the owner is no administrator");

    let Ok(mut admin) = as_superuser.parse::<sqlx::postgres::PgConnectOptions>().unwrap().connect().await else {
        return; // root: the cluster belongs to another account
    };
    admin.execute(rename).await.unwrap();
    let source = Source::Running(dir.path().to_owned());
    let error = Database::open(source.clone()).await.unwrap_err().to_string();
    assert!(error.contains("CREATE ROLE matricule_service"), "{error}");

    admin.execute("ALTER ROLE matricule_owner CREATEROLE").await.unwrap();
    let source = Source::Url { service: url(&first, "matricule_owner", "matricule"), owner: None };
    let racing = (0..8).map(|_| Database::open(source.clone()));
    for opened in futures::future::join_all(racing).await {
        let database = opened.unwrap();
        assert_eq!(who(&database, Role::Service).await, "matricule_service in matricule");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_url_is_said_without_its_password() {
    for bad in ["not a url", "mysql://user:s3cret@localhost/x"] {
        let source = Source::Url { service: bad.to_owned(), owner: None };
        assert!(!format!("{source:?}").contains("s3cret"));
        let error = Database::open(source).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
    let source = Source::Url { service: "postgres://user:s3cret@%2Fno%2Fsuch%2Ffolder/x".to_owned(), owner: None };
    let error = Database::open(source).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"));

    let dir = TempDataDir::new();
    let first = embedded(&dir).await;
    let with_password = url(&first, "matricule_owner:s3cret", "matricule");
    let source = Source::Url { service: with_password, owner: None };
    let database = Database::open(source).await.unwrap();
    assert_eq!(format!("{database:?}"), "Database(\"matricule\")");
}

#[tokio::test]
async fn attaching_uses_a_running_server_or_starts_one() {
    let dir = TempDataDir::new();
    let error = Database::attach(dir.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::NoDatabase { .. }), "{error}");
    let error = Database::attach(&dir.path().join("absent")).await.unwrap_err();
    assert!(matches!(error, OpenError::NoDatabase { .. }), "{error}");

    let mut service = Helper::start("serve", dir.path(), None);
    service.report();
    let beside = Database::attach(dir.path()).await.unwrap();
    assert!(beside.server().is_none());
    assert_eq!(who(&beside, Role::Owner).await, "matricule_owner in matricule");
    service.kill_hard();

    let alone = Database::attach(dir.path()).await.unwrap();
    assert!(alone.server().is_some());
    assert_eq!(who(&alone, Role::Service).await, "matricule_service in matricule");
    alone.close().await;
}

#[tokio::test]
async fn attaching_waits_for_a_server_that_is_starting() {
    let dir = TempDataDir::new();
    let mut service = Helper::start("first start", dir.path(), None);
    service.report();
    super::eventually("the lock is taken", || {
        std::fs::read_to_string(dir.path().join("lock")).is_ok_and(|text| text.ends_with('\n'))
    });
    let beside = Database::attach(dir.path()).await.unwrap();
    assert!(beside.server().is_none());
    who(&beside, Role::Owner).await;
    service.kill_hard();
}

#[tokio::test]
async fn the_migrations_apply_once_whoever_comes_first() {
    let database = fresh_database().await;
    let (one, other) = (database.pool(Role::Owner, 1).await.unwrap(), database.pool(Role::Owner, 1).await.unwrap());
    let (first, second) = tokio::join!(migrate(&one), migrate(&other));
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn tests_get_databases_of_their_own() {
    let one = fresh_database().await;
    let two = fresh_database().await;
    for database in [&one, &two] {
        let pool = database.pool(Role::Owner, 1).await.unwrap();
        pool.execute("CREATE TABLE mine (x int)").await.unwrap();
    }
    assert_ne!(who(&one, Role::Service).await, who(&two, Role::Service).await);
}

#[tokio::test]
async fn many_tests_at_once_get_databases() {
    let names = futures::future::join_all((0..8).map(|_| async {
        let database = fresh_database().await;
        who(&database, Role::Owner).await
    }));
    let mut names = names.await;
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8);
}

#[tokio::test]
async fn a_database_is_created_copied_and_dropped() {
    let database = fresh_database().await;
    let template = database.create("a_template").await.unwrap();
    let pool = template.pool(Role::Owner, 1).await.unwrap();
    pool.execute("CREATE TABLE copied AS SELECT 1 AS x").await.unwrap();
    pool.close().await;
    let copy = database.create_from_template("a_template", "a_copy").await.unwrap();
    let pool = copy.pool(Role::Owner, 1).await.unwrap();
    pool.execute("SELECT x FROM copied").await.unwrap();
    // Somebody is connected still.
    database.drop_database("a_copy").await.unwrap();
    database.drop_database("a_copy").await.unwrap();
    assert!(copy.options(Role::Owner).connect().await.is_err());
    database.drop_database("a_template").await.unwrap();

    for unfit in ["", "1st", "Upper", "a\"b", "a b", &"x".repeat(64)] {
        let error = database.create(unfit).await.unwrap_err();
        assert!(matches!(error, OpenError::Name(_)), "{unfit}");
    }
}

#[tokio::test]
async fn a_transaction_given_up_while_it_begins_leaves_nothing_behind() {
    let database = fresh_database().await;
    let (pool, other) = (database.pool(Role::Owner, 1).await.unwrap(), database.pool(Role::Owner, 1).await.unwrap());
    sqlx::query("CREATE TABLE written (n integer)").execute(&pool).await.unwrap();
    let mut written = 0;
    for polls in 1..12 {
        for _ in 0..8 {
            {
                let mut begin = std::pin::pin!(begin(&pool));
                for _ in 0..polls {
                    if futures::poll!(begin.as_mut()).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            // On the only connection there is: what it writes must not hang on the transaction that was given up.
            sqlx::query("INSERT INTO written VALUES (1)").execute(&pool).await.unwrap();
            written += 1;
            let found: i64 = sqlx::query_scalar("SELECT count(*) FROM written").fetch_one(&other).await.unwrap();
            assert_eq!(found, written, "given up after {polls} polls");
        }
    }
}
