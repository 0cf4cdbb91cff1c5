//! After a fault: what was acknowledged is there, once and whole; positions are gapless; the tree extends the one
//! that was there before; every view equals its replay.

use super::instance::Said;
use super::{WHOLE, open};
use chrono::{DateTime, Utc};
use domain::event::Event;
use ledger::merkle::Frontier;
use ledger::postgres::Role;
use projections::{Name, Views, compare, poison};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// How long views may take to be fed again after a fault.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is known of the ledger from the last examination.
#[derive(Default)]
pub struct Examiner {
    tree: Frontier,
    latest: DateTime<Utc>,
    commands: HashMap<String, Vec<&'static str>>,
}

impl Examiner {
    /// Number of events seen.
    pub fn events(&self) -> u64 {
        self.tree.size()
    }

    /// Examines what has come since, and the views as a whole.
    pub async fn examine(&mut self, data: &Path, said: &Mutex<Said>) {
        let (database, ledger) = open(data).await;
        // What is acknowledged by now is in the tree that is asked for next.
        let (acknowledged, refused) = {
            let said = said.lock().expect("no holder panics");
            (said.acknowledged.clone(), said.refused.clone())
        };
        let (size, root) = ledger.root().await.expect("the head reads");
        assert!(size >= self.tree.size(), "the tree has shrunk from {} to {size} leaves", self.tree.size());
        while self.tree.size() < size {
            let next = self.tree.size();
            let page = ledger.read(next, u32::try_from(size - next).unwrap_or(2_000).min(2_000)).await;
            let page = page.expect("the ledger reads");
            assert!(!page.is_empty(), "position {next} is missing");
            for event in page {
                assert_eq!(event.position, self.tree.size(), "positions are gapless");
                assert!(event.recorded_at >= self.latest, "time of record goes back at {}", event.position);
                self.latest = event.recorded_at;
                // The tree of the last examination with the new leaves: equal roots prove that nothing earlier changed.
                self.tree.push(event.leaf);
                let kind = match event.event {
                    Event::Guardian(_) => "guardian",
                    Event::Account(_) => "account",
                    other => panic!("nobody wrote {other:?}"),
                };
                self.commands.entry(event.command.to_string()).or_default().push(kind);
            }
        }
        assert_eq!(self.tree.root(), root, "the tree of {size} leaves extends the one before");
        for (command, kinds) in &self.commands {
            assert_eq!(kinds[..], WHOLE, "command {command} landed once and whole");
        }
        for command in &acknowledged {
            assert!(self.commands.contains_key(command), "acknowledged command {command} is lost");
        }
        for command in &refused {
            assert!(!self.commands.contains_key(command), "command {command} was refused, and is there");
        }
        let pool = database.pool(Role::Service, 4).await.expect("a pool");
        if let Some(last) = size.checked_sub(1) {
            let caught_up = Views::new(pool.clone()).caught_up(last, PATIENCE).await;
            caught_up.expect("an instance feeds the views");
        }
        for name in Name::ALL {
            let compared = compare(&ledger, &pool, name, |_| {}).await.expect("the view is rebuilt beside");
            assert!(compared.is_equal(), "{compared:#?}");
        }
        assert_eq!(poison::stops(&pool).await.expect("stops are read"), [], "no fault makes a view stop");
        ledger.close().await;
        pool.close().await;
        database.close().await;
    }

    /// Every leaf recomputed from its row.
    pub async fn verify(&self, data: &Path) {
        let (database, ledger) = open(data).await;
        let verified = ledger.verify(|_| {}).await.expect("the tree holds");
        assert!(verified.size >= self.tree.size());
        ledger.close().await;
        database.close().await;
    }
}
