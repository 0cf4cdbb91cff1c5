//! A ledger with a small world in it.

use ledger::postgres::Role;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::{Ledger, MasterKeys};
use projections::testing::World;
use projections::{Runner, Views};
use sqlx::PgPool;
use std::time::Duration;

pub struct Setting {
    pub ledger: Ledger,
    pub pool: PgPool,
    pub database: TestDatabase,
    pub world: World,
}

impl Setting {
    pub async fn new(seed: u64) -> Self {
        let database = fresh_database().await;
        let pool = database.pool(Role::Service, 8).await.unwrap();
        let ledger = Ledger::open(pool.clone(), MasterKeys::generate().unwrap()).await.unwrap();
        projections::install(&pool).await.unwrap();
        Self { ledger, pool, database, world: World::new(seed) }
    }

    pub async fn live(&mut self, steps: usize) {
        for _ in 0..steps {
            self.ledger.append(self.world.step()).await.unwrap();
        }
    }

    /// Lets the views catch up, then stops feeding them.
    pub async fn project(&self) -> Views {
        let runner = Runner::start(self.ledger.clone(), self.pool.clone()).await.unwrap();
        let views = runner.views();
        views.caught_up(self.ledger.size() - 1, Duration::from_secs(60)).await.unwrap();
        runner.stop().await;
        views
    }
}
