//! The drill: back up, erase, restore; and everything that must stand against a restore.

use super::{BackupError, From, Restored, Settings, Taken, restore, take};
use crate::activation::fixture::{self, Family, PASSWORD, activate};
use crate::erasure::{Eraser, Register};
use crate::testing::TestService;
use chrono::TimeDelta;
use domain::account::{Account, Status};
use domain::context::Actor;
use domain::erasure::Grounds;
use domain::guardian::Guardian;
use domain::personal::Personal;
use domain::pupil::Pupil;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::postgres::{Database, Role};
use ledger::{Ledger, MasterKeys};
use std::path::Path;

struct Drill {
    service: TestService,
    family: Family,
    folder: tempfile::TempDir,
}

impl Drill {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let register = folder.path().join("register");
        let change = |config: &mut crate::config::Config| config.backup.erasure_register = Some(register);
        let service = TestService::with(change, |router| router).await;
        let family = Family::settle(service.app()).await;
        activate(&service, &family).await;
        Self { service, family, folder }
    }

    fn settings(&self) -> Settings {
        Settings {
            ledger_dir: self.folder.path().join("ledger"),
            keys_dir: self.folder.path().join("keys"),
            ledger_retention: TimeDelta::days(400),
            keys_retention: TimeDelta::days(35),
        }
    }

    fn register(&self) -> Register {
        Register::at(self.folder.path().join("register"))
    }

    fn master(&self) -> MasterKeys {
        self.service.app().ledger.master().clone()
    }

    async fn back_up(&self) -> Taken {
        self.service.app().access.written().await;
        let now = self.service.app().clock.now();
        take(self.service.database(), &self.settings(), &self.register(), now).await.unwrap()
    }

    async fn erase(&self, who: &str) -> crate::erasure::Erased {
        let eraser = Eraser::of(self.service.app());
        let person = eraser.find(who).await.unwrap();
        eraser.erase(&person, Grounds::OwnRequest, Actor::Service).await.unwrap()
    }

    async fn restore(&self, taken: &Taken, registers: Vec<Register>) -> (Result<Restored, BackupError>, TestDatabase) {
        let target = fresh_database().await;
        let from = From { ledger: taken.ledger.clone(), keys: Some(taken.keys.clone()), registers };
        (restore(&target, self.master(), &from).await, target)
    }
}

async fn open(database: &Database, master: MasterKeys) -> Ledger {
    Ledger::open(database.pool(Role::Service, 6).await.unwrap(), master).await.unwrap()
}

/// All files of a backup, as one text in which a value in clear would be found.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn contains(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|window| window == value.as_bytes())
}

#[tokio::test]
async fn who_is_erased_after_a_backup_stays_erased_when_it_is_restored() {
    let drill = Drill::new().await;
    let taken = drill.back_up().await;
    let before = drill.service.app().ledger.size();
    let erased = drill.erase("a.lefictif").await;
    let left = erased.complete_at.unwrap() - drill.service.app().clock.now();
    assert_eq!(left.num_days(), 34, "35 days from the backup");
    let (restored, database) = drill.restore(&taken, vec![drill.register()]).await;
    let restored = restored.unwrap();
    assert_eq!((restored.size, &restored.root, restored.erased_again), (before, &taken.root, 1));
    let ledger = open(&database, drill.master()).await;
    let family = &drill.family;
    let account = ledger.load::<Account>(&family.account.to_string()).await.unwrap().aggregate;
    assert!(account.erased && account.status == Status::Closed);
    let record = ledger.load::<Guardian>(&family.guardian.to_string()).await.unwrap().aggregate;
    assert!(record.erased);
    let told = ledger.read_stream("guardian", &family.guardian.to_string(), 1).await.unwrap();
    let domain::Event::Guardian(domain::guardian::GuardianEvent::GuardianRecorded { identity, .. }) = &told[0].event
    else {
        panic!("it begins by being recorded")
    };
    assert!(identity.get().is_err());
    let child = ledger.load::<Pupil>(&family.anais.to_string()).await.unwrap().aggregate;
    assert_eq!(child.civil_status.as_ref().and_then(Personal::known).unwrap().given_names, ["Anaïs"]);
    ledger.verify(|_| {}).await.unwrap();
    let owner = database.pool(Role::Owner, 1).await.unwrap();
    let keys: Vec<bool> = sqlx::query_scalar("SELECT wrapped IS NULL FROM keys.subject_key WHERE subject = ANY($1)")
        .bind(vec![family.account.0, family.guardian.0])
        .fetch_all(&owner)
        .await
        .unwrap();
    assert_eq!(keys, [true, true]);
    let held: Vec<(String, String)> =
        sqlx::query_as("SELECT kind, owner FROM ledger.reservation").fetch_all(&owner).await.unwrap();
    assert_eq!(held, [("login".to_owned(), "erased".to_owned())]);
    let guards: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'D'")
        .fetch_one(&owner)
        .await
        .unwrap();
    assert_eq!(guards, 0, "the ledger's guards are back");
}

#[tokio::test]
async fn a_restored_service_goes_on_where_the_backup_was() {
    let drill = Drill::new().await;
    let taken = drill.back_up().await;
    let (restored, database) = drill.restore(&taken, vec![drill.register()]).await;
    assert_eq!(restored.unwrap().erased_again, 0);
    let register = drill.folder.path().join("register");
    let change = |config: &mut crate::config::Config| config.backup.erasure_register = Some(register);
    let service = TestService::on(database, drill.master(), change).await;
    let mut browser = service.browser();
    assert_eq!(fixture::sign_in(&mut browser, "a.lefictif", PASSWORD).await.location(), "/account");
    let page = browser.get("/account").await;
    assert!(page.body.contains("Anaïs") || page.status == 200, "{}", page.body);
    // The access log came along, and what waited to be sent is not sent a second time.
    service.app().access.written().await;
    let seen = ledger::access::Wanted::all(ledger::access::Of::Person(drill.family.account.0), 10);
    assert_eq!(ledger::access::read(&service.app().db, &seen).await.unwrap().len(), 2);
    assert_eq!(fixture::last_sms(service.app()).await, None);
}

#[tokio::test]
async fn without_a_register_as_young_as_the_backup_nothing_is_restored_unless_told() {
    let drill = Drill::new().await;
    let first = drill.back_up().await;
    let old = drill.folder.path().join("old-register");
    std::fs::copy(drill.register().path(), &old).unwrap();
    drill.service.app().clock.advance(TimeDelta::minutes(5));
    let second = drill.back_up().await;
    drill.erase("a.lefictif").await;
    let (missing, _) = drill.restore(&second, vec![Register::at(drill.folder.path().join("nowhere"))]).await;
    assert!(matches!(missing, Err(BackupError::Register(_))), "{missing:?}");
    let (older, target) = drill.restore(&second, vec![Register::at(&old)]).await;
    assert!(matches!(older, Err(BackupError::OlderRegister { .. })), "{older:?}");
    let untouched = open(&target, MasterKeys::generate().unwrap()).await;
    assert_eq!(untouched.size(), 0);
    // Several registers: the present one knows.
    let (both, _) = drill.restore(&second, vec![Register::at(&old), drill.register()]).await;
    assert_eq!(both.unwrap().erased_again, 1);
    let (told, target) = drill.restore(&first, Vec::new()).await;
    assert_eq!(told.unwrap().erased_again, 0);
    let ledger = open(&target, drill.master()).await;
    let account = ledger.load::<Account>(&drill.family.account.to_string()).await.unwrap().aggregate;
    assert!(!account.erased, "that is what --without-register is warned of");
}

#[tokio::test]
async fn a_backup_that_was_changed_mixed_or_is_in_the_way_is_refused() {
    let drill = Drill::new().await;
    let first = drill.back_up().await;
    drill.service.app().clock.advance(TimeDelta::seconds(2));
    drill.erase(&drill.family.basile.to_string()).await;
    let second = drill.back_up().await;
    let mixed = Taken { keys: second.keys.clone(), ..first.clone() };
    let (refused, _) = drill.restore(&mixed, vec![drill.register()]).await;
    assert!(matches!(refused, Err(BackupError::NotAPair { .. })), "{refused:?}");
    let from = From { ledger: first.ledger.clone(), keys: Some(first.keys.clone()), registers: vec![drill.register()] };
    let in_the_way = restore(drill.service.database(), drill.master(), &from).await;
    assert!(matches!(in_the_way, Err(BackupError::NotEmpty(_))), "{in_the_way:?}");
    // With another master key than the one in force nothing opens.
    let target = fresh_database().await;
    let other = restore(&target, MasterKeys::generate().unwrap(), &from).await;
    assert!(matches!(other, Err(BackupError::Ledger(_))), "{other:?}");
    let events = first.ledger.join("ledger.event.copy");
    let mut bytes = std::fs::read(&events).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&events, &bytes).unwrap();
    let (changed, _) = drill.restore(&first, vec![drill.register()]).await;
    assert!(matches!(&changed, Err(BackupError::Changed(path)) if *path == events), "{changed:?}");
    // Whoever forges the manifest as well meets the tree.
    let path = first.ledger.join("manifest.json");
    let mut manifest = super::Manifest::read(&first.ledger).await.unwrap();
    let table = manifest.tables.iter_mut().find(|table| table.table == "ledger.event").unwrap();
    let place = bytes.windows(7).position(|window| window == b"service").unwrap();
    bytes[middle] ^= 1;
    bytes[place..place + 7].copy_from_slice(b"servict");
    std::fs::write(&events, &bytes).unwrap();
    table.sha256 = hex::encode(ledger::leaf::sha256(&bytes));
    std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let (forged, _) = drill.restore(&first, vec![drill.register()]).await;
    assert!(matches!(forged, Err(BackupError::Proof(_))), "{forged:?}");
}

#[tokio::test]
async fn the_ledgers_half_alone_says_nothing_of_anybody_and_old_halves_go_by_their_own_retention() {
    let drill = Drill::new().await;
    let first = drill.back_up().await;
    let ledger = bytes_of(&first.ledger);
    for value in ["Lefictif", "LEFICTIF", "Aude", "639980001", "aude@example.org", "a.lefictif", "2014-09-03"] {
        assert!(!contains(&ledger, value), "{value}");
    }
    assert!(contains(&ledger, "AccountActivated") && contains(&ledger, &drill.family.account.to_string()));
    let names: Vec<_> = std::fs::read_dir(&first.ledger).unwrap().map(|file| file.unwrap().file_name()).collect();
    let names: Vec<&str> = names.iter().filter_map(|name| name.to_str()).collect();
    assert!(names.contains(&"ledger.event.copy") && names.contains(&"access.entry.copy"));
    let keys_only = ["keys.subject_key.copy", "vault.secret.copy", "ledger.reservation.copy", "outbox.message.copy"];
    assert!(keys_only.iter().all(|file| !names.contains(file) && first.keys.join(file).is_file()), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("view_") || name.starts_with("service.session")));
    drill.service.app().clock.advance(TimeDelta::days(36));
    let second = drill.back_up().await;
    assert_eq!(second.deleted, std::slice::from_ref(&first.keys));
    assert!(first.ledger.is_dir() && !first.keys.exists());
    drill.service.app().clock.advance(TimeDelta::days(399));
    let third = drill.back_up().await;
    assert_eq!(third.deleted, [first.ledger, second.keys], "the second ledger has a day left");
}

#[tokio::test]
async fn the_ledgers_half_alone_makes_an_archive_that_proves_and_opens_nothing() {
    let drill = Drill::new().await;
    let taken = drill.back_up().await;
    let target = fresh_database().await;
    let from = From { ledger: taken.ledger.clone(), keys: None, registers: Vec::new() };
    // The keys are gone, and any master key will do.
    let master = MasterKeys::generate().unwrap();
    let restored = restore(&target, master.clone(), &from).await.unwrap();
    assert_eq!(restored.root, taken.root);
    let ledger = open(&target, master.clone()).await;
    let archive = ledger.archive().await.unwrap().unwrap();
    assert!(taken.ledger.ends_with(&archive.backup), "{archive:?}");
    let pool = target.pool(Role::Service, 4).await.unwrap();
    let checked = replay::check::check(&ledger, &pool, &Default::default(), |_, _| {}).await.unwrap();
    assert!(checked.is_sound(), "{:?}", checked.findings);
    let family = &drill.family;
    let told = ledger.read_stream("guardian", &family.guardian.to_string(), 1).await.unwrap();
    let domain::Event::Guardian(domain::guardian::GuardianEvent::GuardianRecorded { identity, .. }) = &told[0].event
    else {
        panic!("it begins by being recorded")
    };
    assert!(identity.get().is_err());
    // Nothing is recorded there any more, not even by a service.
    let owner = target.pool(Role::Owner, 1).await.unwrap();
    let refused = sqlx::query("INSERT INTO ledger.event SELECT * FROM ledger.event LIMIT 1").execute(&owner).await;
    assert!(refused.unwrap_err().to_string().contains("archive"));
    ledger.close().await;
    let mut config = crate::config::Config::default();
    // Its key would lie in a directory that tests share.
    config.proof.sign = false;
    let refused =
        crate::running::Running::over((*target).clone(), config, master, crate::clock::Clock::default()).await;
    assert!(refused.err().unwrap().to_string().contains("archive without keys"));
    // The keys' half is none.
    let wrong = From { ledger: taken.keys.clone(), keys: None, registers: Vec::new() };
    let target = fresh_database().await;
    let refused = restore(&target, MasterKeys::generate().unwrap(), &wrong).await;
    assert!(matches!(refused, Err(BackupError::NotALedger(_))), "{refused:?}");
}
