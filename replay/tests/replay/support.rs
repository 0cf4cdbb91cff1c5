//! A ledger with a small world in it.

use ledger::checkpoint::{Checkpoint, SigningKey};
use ledger::postgres::Role;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::{Ledger, MasterKeys};
use projections::testing::World;
use projections::{Runner, Views};
use replay::bundle::Trust;
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

/// The log's name in these tests.
pub const ORIGIN: &str = "ecole.example.org/log";

impl Setting {
    /// The key that signs this ledger's checkpoints.
    pub fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32]).unwrap()
    }

    /// Signs the ledger as it is, has it cosigned, and publishes that, as the service does.
    pub async fn sign(&self) -> String {
        let (size, root) = self.ledger.root().await.unwrap();
        self.ledger.tree().store(size).await.unwrap();
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root };
        let mut signed = checkpoint.sign(&Self::key()).unwrap();
        let line = signed.cosign(&Self::witness(), WITNESS, 1_790_000_000).unwrap();
        assert!(signed.add(&line, &Self::witness().cosigner(WITNESS)));
        let publish = "INSERT INTO ledger.checkpoint AS c (generation, size, note, signed_at) VALUES (1, $1, $2, now()) \
                       ON CONFLICT (singleton) DO UPDATE SET size = excluded.size, note = excluded.note";
        let publish = sqlx::query(publish).bind(size as i64).bind(signed.text());
        publish.execute(&self.pool).await.unwrap();
        signed.text().to_owned()
    }

    fn witness() -> SigningKey {
        SigningKey::from_seed(&[8; 32]).unwrap()
    }

    /// Whom to believe.
    pub fn trust() -> Trust {
        Trust {
            logs: vec![Self::key().verifier(ORIGIN)],
            witnesses: vec![Self::witness().cosigner(WITNESS)],
            threshold: 1,
        }
    }
}

const WITNESS: &str = "temoin.example.org/w1";
