//! After an erasure nothing of the person is left anywhere, and nothing of anybody else is gone.

use super::entitlement::Daily;
use super::{Eraser, ErasureError, NOBODY, follow_up, unit};
use crate::activation::fixture::{self, Family, PASSWORD, activate, context, day, school_data, tell};
use crate::app::App;
use crate::testing::TestService;
use chrono::TimeDelta;
use domain::Event;
use domain::account::{Account, Status};
use domain::context::Actor;
use domain::erasure::Grounds;
use domain::guardian::{ChildAsWritten, Guardian, GuardianCommand, GuardianEvent, HoldReason};
use domain::identifiers::match_value;
use domain::ids::{AccountId, SubjectId};
use domain::personal::Personal;
use domain::pupil::{Pupil, PupilCommand};
use ledger::postgres::Role;
use projections::{Name, compare};
use sqlx::PgPool;
use std::io::Write;
use std::sync::{Arc, Mutex};

const GROUNDS: Grounds = Grounds::OwnRequest;

struct World {
    service: TestService,
    family: Family,
    owner: PgPool,
    folder: tempfile::TempDir,
}

impl World {
    /// A family, activated; the register lies in a folder of the test's own.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let register = folder.path().join("erasures.register");
        let change = |config: &mut crate::config::Config| config.backup.erasure_register = Some(register);
        let service = TestService::with(change, |router| router).await;
        let family = Family::settle(service.app()).await;
        activate(&service, &family).await;
        let owner = service.database().pool(Role::Owner, 1).await.unwrap();
        let world = Self { service, family, owner, folder };
        world.caught_up().await;
        world
    }

    fn app(&self) -> &App {
        self.service.app()
    }

    fn eraser(&self) -> Eraser {
        Eraser::of(self.app())
    }

    async fn caught_up(&self) {
        let last = self.app().ledger.size() - 1;
        self.app().views.caught_up(last, std::time::Duration::from_secs(30)).await.unwrap();
    }

    async fn erase(&self, who: &str) -> super::Erased {
        let eraser = self.eraser();
        let person = eraser.find(who).await.unwrap();
        eraser.erase(&person, GROUNDS, Actor::Operator("17".into())).await.unwrap()
    }

    /// Every row of every table of every schema of ours, as text.
    async fn dump(&self) -> String {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
        )
        .fetch_all(&self.owner)
        .await
        .unwrap();
        assert!(tables.len() > 25, "{tables:?}");
        let mut dump = String::new();
        for table in tables {
            let rows: Vec<String> =
                sqlx::query_scalar(&format!("SELECT t::text FROM {table} t")).fetch_all(&self.owner).await.unwrap();
            rows.iter().for_each(|row| dump.push_str(&format!("{table} {row}\n")));
        }
        dump
    }

    /// The ledger proves itself and every view equals its replay.
    async fn check(&self) {
        let app = self.app();
        app.ledger.verify(|_| {}).await.unwrap();
        for name in Name::ALL {
            let compared = compare(&app.ledger, &app.db, name, |_| {}).await.unwrap();
            assert!(compared.is_equal(), "{compared:#?}");
        }
    }

    async fn rows(&self, table: &str, column: &str, id: uuid::Uuid) -> i64 {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = $1");
        sqlx::query_scalar(&sql).bind(id).fetch_one(&self.owner).await.unwrap()
    }
}

/// In clear, or as PostgreSQL shows bytes.
fn holds(dump: &str, value: &str) -> Option<String> {
    let bytes = hex::encode(value);
    let line = dump.lines().find(|line| line.contains(value) || line.contains(&bytes));
    line.map(|line| format!("{value} in {line}"))
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_table_and_no_log_holds_an_erased_guardian_and_the_children_are_as_they_were() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    // While there is one subscriber only, a place in the code that another thread comes to first, without any, stays
    // silent for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let world = World::new().await;
    let (app, family) = (world.app(), &world.family);
    fixture::sign_in(&mut world.service.browser(), "a.lefictif", PASSWORD).await;
    // A flow in progress and a message that waits.
    fixture::identify(&mut world.service.browser(), fixture::SURNAME, fixture::GIVEN, fixture::MOBILE).await;
    let canaries = ["Aude", "aude@example.org", "639980001", "a.lefictif", "siecle:09:1"];
    let before = world.dump().await;
    for canary in ["Aude", "aude@example.org", "639980001", "a.lefictif"] {
        assert!(holds(&before, canary).is_some(), "{canary} stands nowhere: the test would prove nothing");
    }
    let children = |dump: &str| -> Vec<String> {
        let own = ["view_people.pupil ", "view_people.enrolment ", "keys.subject_key "];
        let ids = [family.anais.to_string(), family.basile.to_string()];
        let of_child = |line: &&str| ids.iter().any(|id| line.contains(id)) && own.iter().any(|t| line.starts_with(t));
        dump.lines().filter(of_child).map(ToOwned::to_owned).collect()
    };
    let erased = world.erase("a.lefictif").await;
    assert_eq!(erased.subjects, [SubjectId::from(family.account), SubjectId::from(family.guardian)]);
    let after = world.dump().await;
    for canary in canaries {
        assert_eq!(holds(&after, canary), None);
    }
    assert_eq!(children(&before), children(&after));
    assert_eq!(children(&after).len(), 6);
    for table in ["service.session", "service.flow", "service.authorization_code"] {
        assert_eq!(world.rows(table, "account", family.account.0).await, 0, "{table}");
    }
    assert_eq!(world.rows("view_people.link", "guardian", family.guardian.0).await, 0);
    // The hashes by which the person was found are gone; that of the login leads to nobody.
    let held: Vec<(String, String)> =
        sqlx::query_as("SELECT kind, owner FROM ledger.reservation").fetch_all(&world.owner).await.unwrap();
    assert_eq!(held, [("login".to_owned(), NOBODY.to_owned())]);
    let number = "+33639980001".parse().unwrap();
    let key = match_value(fixture::SURNAME, fixture::GIVEN, &number).unwrap();
    let hash = app.ledger.lookup_hash("guardian-match", &key);
    assert_eq!(app.ledger.reserved("guardian-match", &hash).await.unwrap(), None);
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("signed in"), "the log was read");
    for canary in canaries {
        assert_eq!(holds(&log, canary), None);
    }
    world.check().await;
    drop(world.folder);
}

#[tokio::test]
async fn what_was_sealed_reads_as_erased_and_the_rest_of_history_stays() {
    let world = World::new().await;
    let (ledger, family) = (&world.app().ledger, &world.family);
    let before = ledger.size();
    world.erase(&family.guardian.to_string()).await;
    let record = ledger.read_stream("guardian", &family.guardian.to_string(), 1).await.unwrap();
    let domain::Event::Guardian(domain::guardian::GuardianEvent::GuardianRecorded { identity, .. }) = &record[0].event
    else {
        panic!("it begins by being recorded")
    };
    assert!(matches!(identity.get(), Err(erased) if erased.0 == family.guardian.into()));
    let erasing: Vec<SubjectId> =
        ledger.read(before, 100).await.unwrap().iter().filter_map(|recorded| recorded.event.erases()).collect();
    assert_eq!(erasing, [SubjectId::from(family.account), SubjectId::from(family.guardian)]);
    let account = ledger.load::<Account>(&family.account.to_string()).await.unwrap().aggregate;
    assert!(account.erased && account.status == Status::Closed);
    let child = ledger.load::<Pupil>(&family.anais.to_string()).await.unwrap().aggregate;
    assert!(child.links.is_empty() && child.civil_status.as_ref().and_then(Personal::known).is_some());
}

#[tokio::test]
async fn an_erased_guardian_is_signed_out_and_a_stranger_and_the_login_is_never_given_again() {
    let world = World::new().await;
    let mut browser = world.service.browser();
    fixture::sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    assert_eq!(browser.get("/account").await.status, 200);
    world.erase(&world.family.account.to_string()).await;
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
    let mut browser = world.service.browser();
    let answer = fixture::sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    assert!(answer.body.contains("Identifiant ou mot de passe"), "{}", answer.body);
    assert!(matches!(world.eraser().find("a.lefictif").await, Err(ErasureError::Unknown)));
    let ledger = &world.app().ledger;
    let context = context(world.app());
    let login = crate::activation::assign_login(ledger, "elsewhere", "Aude", "Lefictif", &context).await;
    assert!(login.is_err(), "there is no account `elsewhere`");
    let hash = ledger.lookup_hash("login", "a.lefictif");
    let claim = ledger::Unit::new(context).claim("login", "another", hash);
    assert!(matches!(ledger.append(claim).await, Err(ledger::AppendError::Reserved { .. })));
}

#[tokio::test]
async fn an_erased_child_leaves_the_guardians_account_and_nothing_else_of_it_changes() {
    let world = World::new().await;
    let (app, family) = (world.app(), &world.family);
    let before = world.dump().await;
    assert!(holds(&before, "Basile").is_some() && holds(&before, "2012-05-07").is_some());
    world.erase(&family.basile.to_string()).await;
    let after = world.dump().await;
    assert_eq!((holds(&after, "Basile"), holds(&after, "2012-05-07")), (None, None));
    assert!(holds(&after, "Anaïs").is_some() && holds(&after, "aude@example.org").is_some());
    let children = app.views.children_of(family.account).await.unwrap();
    assert_eq!(children.iter().map(|child| child.pupil).collect::<Vec<_>>(), [family.anais]);
    let account = app.ledger.load::<Account>(&family.account.to_string()).await.unwrap().aggregate;
    assert!(!account.confirmed.contains(&family.basile) && account.status == Status::Activated);
    assert_eq!(fixture::sign_in(&mut world.service.browser(), "a.lefictif", PASSWORD).await.location(), "/account");
    world.check().await;
    // The next export makes a new record: whoever the school names again begins anew.
    let again = domain::ids::PupilId(uuid::Uuid::new_v4());
    tell(app, school_data(again, "Basile", day(2012, 5, 7), &[family.guardian])).await;
}

#[tokio::test]
async fn what_a_school_wrote_of_an_erased_child_in_a_waiting_link_goes_with_the_child() {
    let world = World::new().await;
    let (app, family) = (world.app(), &world.family);
    let guardian = family.guardian.to_string();
    let written = |given: &str| ChildAsWritten {
        family_name: "LEFICTIF-ÉCRIT".to_owned(),
        given_name: given.to_owned(),
        class: Some("CM2 B".to_owned()),
    };
    let links = vec![
        (written("Basyle"), vec![family.basile], HoldReason::Ambiguous),
        (written("Anaÿs"), vec![family.anais], HoldReason::Ambiguous),
    ];
    let hold = GuardianCommand::HoldLinks { establishment: fixture::uai(), links };
    app.ledger.execute::<Guardian>(&guardian, hold, &context(app)).await.unwrap();
    world.caught_up().await;
    assert!(holds(&world.dump().await, "Basyle").is_some());
    world.erase(&family.basile.to_string()).await;
    let after = world.dump().await;
    assert_eq!(holds(&after, "Basyle"), None);
    assert!(holds(&after, "Anaÿs").is_some(), "another child's link waits on");
    let record = app.ledger.load::<Guardian>(&guardian).await.unwrap().aggregate;
    assert_eq!(record.held.keys().collect::<Vec<_>>(), [&2]);
    // And no event can be read for it, though the guardian is still known.
    let told = app.ledger.read_stream("guardian", &guardian, 1).await.unwrap();
    let names: Vec<bool> = told
        .iter()
        .filter_map(|event| match &event.event {
            Event::Guardian(GuardianEvent::ChildLinkHeld { link, number: _ }) => Some(link.child.known().is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(names, [false, true]);
    assert!(record.identity.unwrap().known().is_some());
    world.check().await;
}

#[tokio::test]
async fn an_erasure_cut_off_before_its_purge_is_made_whole_by_tidying() {
    let world = World::new().await;
    let (app, family) = (world.app(), &world.family);
    fixture::sign_in(&mut world.service.browser(), "a.lefictif", PASSWORD).await;
    fixture::identify(&mut world.service.browser(), fixture::SURNAME, fixture::GIVEN, fixture::MOBILE).await;
    follow_up(&app.db).await.unwrap();
    let eraser = world.eraser();
    let person = eraser.find("a.lefictif").await.unwrap();
    let cut_off = unit::decide(&eraser, &person, GROUNDS, context(app)).await.unwrap();
    app.ledger.append(cut_off).await.unwrap();
    let messages = async || -> i64 {
        let waiting = "SELECT count(*) FROM outbox.message WHERE body IS NOT NULL";
        sqlx::query_scalar(waiting).fetch_one(&app.db).await.unwrap()
    };
    assert!(world.rows("service.session", "account", family.account.0).await > 0 && messages().await > 0);
    assert_eq!(follow_up(&app.db).await.unwrap(), 1);
    assert_eq!((world.rows("service.session", "account", family.account.0).await, messages().await), (0, 0));
    assert_eq!(follow_up(&app.db).await.unwrap(), 0);
    // The command given again finds nothing more to record, by whichever id, and enters the person in the register.
    world.caught_up().await;
    let again = world.erase(&family.account.to_string()).await;
    assert_eq!(again.appended, None);
    assert_eq!(again.subjects.len(), 2);
    assert_eq!(eraser.register.whom().await.unwrap(), again.subjects.into_iter().collect());
}

#[tokio::test]
async fn without_the_register_nobody_is_erased() {
    let world = World::new().await;
    let mut eraser = world.eraser();
    // A folder stands where the file should be: writing fails, for root too.
    eraser.register = super::Register::at(world.folder.path());
    let person = eraser.find("a.lefictif").await.unwrap();
    let refused = eraser.erase(&person, GROUNDS, Actor::Service).await;
    assert!(matches!(refused, Err(ErasureError::Register(_))), "{refused:?}");
    let account = world.app().ledger.load::<Account>(&world.family.account.to_string()).await.unwrap().aggregate;
    assert!(!account.erased);
    // A register lost later is made anew from the ledger before the next erasure.
    world.erase(&world.family.basile.to_string()).await;
    let register = world.eraser().register;
    std::fs::remove_file(register.path()).unwrap();
    world.erase("a.lefictif").await;
    assert_eq!(register.whom().await.unwrap().len(), 3);
}

async fn leaves(app: &App, pupil: domain::ids::PupilId) {
    let (pupil, command) = (
        pupil.to_string(),
        PupilCommand::RecordAbsence { establishment: fixture::uai(), on: app.clock.now().date_naive() },
    );
    app.ledger.execute::<Pupil>(&pupil, command, &context(app)).await.unwrap();
}

/// Works through the day; how many were erased.
async fn day_of(world: &World) -> i64 {
    world.caught_up().await;
    let (mut daily, eraser) = (Daily::default(), world.eraser());
    let today = world.app().clock.now().date_naive();
    let erased = "SELECT erased FROM service.retention_day WHERE day = $1";
    loop {
        daily.round(&eraser, TimeDelta::days(92)).await.unwrap();
        let over: Option<i64> = sqlx::query_scalar(erased).bind(today).fetch_optional(&world.owner).await.unwrap();
        if let Some(erased) = over {
            return erased;
        }
    }
}

#[tokio::test]
async fn whose_entitlement_ended_three_months_ago_is_erased_and_nobody_else() {
    let world = World::new().await;
    let (app, family) = (world.app(), &world.family);
    leaves(app, family.basile).await;
    assert_eq!(day_of(&world).await, 0, "the time to keep has only begun");
    app.clock.advance(TimeDelta::days(60));
    leaves(app, family.anais).await;
    app.clock.advance(TimeDelta::days(40));
    assert_eq!(day_of(&world).await, 1, "Basile left a hundred days ago; his mother's last child only forty");
    let state = async |account: AccountId| app.ledger.load::<Account>(&account.to_string()).await.unwrap().aggregate;
    assert!(app.ledger.load::<Pupil>(&family.basile.to_string()).await.unwrap().aggregate.erased);
    assert!(!state(family.account).await.erased);
    assert_eq!(day_of(&world).await, 1, "once a day");
    app.clock.advance(TimeDelta::days(60));
    assert_eq!(day_of(&world).await, 2, "Anaïs and the guardian, with all that is hers");
    assert!(state(family.account).await.erased);
    assert!(app.ledger.load::<Guardian>(&family.guardian.to_string()).await.unwrap().aggregate.erased);
    assert_eq!(world.rows("view_people.guardian", "id", family.guardian.0).await, 0);
    world.check().await;
}

#[tokio::test]
async fn a_guardian_still_declared_in_another_role_loses_the_account_alone() {
    let world = World::new().await;
    let (app, family) = (world.app(), &world.family);
    for (pupil, name, birth) in [(family.anais, "Anaïs", day(2014, 9, 3)), (family.basile, "Basile", day(2012, 5, 7))]
    {
        let mut data = school_data(pupil, name, birth, &[family.guardian]);
        data.links[0].level = domain::identifiers::GuardianLevel::Contact;
        tell(app, data).await;
    }
    app.clock.advance(TimeDelta::days(91));
    assert_eq!(day_of(&world).await, 0);
    app.clock.advance(TimeDelta::days(2));
    assert_eq!(day_of(&world).await, 1);
    assert!(app.ledger.load::<Account>(&family.account.to_string()).await.unwrap().aggregate.erased);
    let record = app.ledger.load::<Guardian>(&family.guardian.to_string()).await.unwrap().aggregate;
    assert!(!record.erased && record.identity.as_ref().and_then(Personal::known).is_some());
    app.clock.advance(TimeDelta::days(100));
    assert_eq!(day_of(&world).await, 0, "the contact stays one");
    world.check().await;
}
