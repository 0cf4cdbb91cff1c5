//! A ledger with running views in a database of the test's own.

use ledger::postgres::Role;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::{Ledger, MasterKeys};
use projections::testing::World;
use projections::{Name, Runner, Views, compare};
use sqlx::PgPool;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Setting {
    pub ledger: Ledger,
    pub pool: PgPool,
    pub database: TestDatabase,
}

impl Setting {
    pub async fn new() -> Self {
        let database = fresh_database().await;
        let pool = database.pool(Role::Service, 8).await.unwrap();
        let ledger = Ledger::open(pool.clone(), MasterKeys::generate().unwrap()).await.unwrap();
        Self { ledger, pool, database }
    }

    pub async fn run(&self) -> Runner {
        Runner::start(self.ledger.clone(), self.pool.clone()).await.unwrap()
    }

    /// Appends the world's next commands; returns the position of the last event.
    pub async fn live(&self, world: &mut World, steps: usize) -> u64 {
        let mut last = 0;
        for _ in 0..steps {
            last = self.ledger.append(world.step()).await.unwrap().last().unwrap();
        }
        last
    }

    /// Everything recorded so far is visible.
    pub async fn settle(&self, views: &Views) {
        if let Some(last) = self.ledger.size().checked_sub(1) {
            views.caught_up(last, PATIENCE).await.unwrap();
        }
    }

    /// Every view equals its replay.
    pub async fn assert_equal_to_replay(&self) {
        for name in Name::ALL {
            let found = compare(&self.ledger, &self.pool, name, |_| {}).await.unwrap();
            assert!(found.is_equal(), "{found:#?}");
        }
    }
}
