//! Faults: whatever was acknowledged is there, once and whole; the tree extends; the views equal their replay.
//!
//! - `kills`: a writer, the server, the service with an import, killed at random moments under full load.
//! - `storm`: one random fault after another from a seed, of every kind there is, each followed by an examination.

mod examine;
mod instance;
mod kills;
mod proxy;
mod server;
mod storm;

use domain::account::{Account, AccountEvent, Holder};
use domain::context::{Actor, Context, Reason};
use domain::guardian::{Guardian, GuardianContact, GuardianEvent, GuardianIdentity};
use domain::ids::{AccountId, CommandId, GuardianId};
use domain::personal::Personal;
use ledger::postgres::{Database, Role, Source, migrate};
use ledger::{Ledger, MasterKeys, Unit};
use std::path::Path;
use uuid::Uuid;

fn keys(dir: &Path) -> MasterKeys {
    MasterKeys::from_file(&dir.join("master.key")).expect("the master key")
}

async fn open(dir: &Path) -> (Database, Ledger) {
    let database = Database::attach(dir).await.expect("the database opens");
    let pool = database.pool(Role::Service, 8).await.expect("a pool");
    let ledger = Ledger::open(pool, keys(dir)).await.expect("the ledger opens");
    (database, ledger)
}

async fn migrated(dir: &Path) {
    let database = Database::open(Source::Embedded(dir.to_owned())).await.expect("the database opens");
    let owner = database.pool(Role::Owner, 1).await.expect("a pool");
    migrate(&owner).await.expect("the schema");
    owner.close().await;
    drop(keys(dir));
    database.close().await;
}

/// The events of one command, by kind of stream, as [`unit`] makes them.
const WHOLE: [&str; 3] = ["guardian", "account", "account"];

/// A guardian record and the account opened for it: two streams, three events, one unit.
fn unit() -> (CommandId, Unit) {
    let guardian = GuardianId(Uuid::new_v4());
    let account = AccountId(Uuid::new_v4());
    let command = CommandId(Uuid::new_v4());
    let identity = GuardianIdentity { family_name: "FICTIF".into(), given_name: "Ariane".into(), ..Default::default() };
    let context = Context {
        command,
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Rule,
        reference: None,
        effective_at: chrono::Utc::now(),
    };
    let recorded = GuardianEvent::GuardianRecorded {
        guardian,
        identity: Personal::new(guardian, identity),
        contact: Personal::new(guardian, GuardianContact::default()),
    };
    let opened = vec![
        AccountEvent::AccountOpened { account, holder: Holder::Guardian(guardian) },
        AccountEvent::GuardianRecordAttached { guardian },
    ];
    let unit = Unit::new(context).stream::<Guardian>(&guardian.to_string(), 0, vec![recorded]).stream::<Account>(
        &account.to_string(),
        0,
        opened,
    );
    (command, unit)
}
