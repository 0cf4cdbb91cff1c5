//! Connections that break in mid-commit: what was acknowledged is there, once.

use crate::races::check;
use crate::support::*;
use ledger::postgres::testing::fresh_database;
use ledger::{MasterKeys, Unit};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_backends_lose_and_double_nothing() {
    const WRITERS: usize = 8;
    let database = fresh_database().await;
    let keys = MasterKeys::generate().unwrap();
    let instances = [instance(&database, keys.clone()).await, instance(&database, keys).await];
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let ledger = instances[writer % 2].clone();
            let (acknowledged, stop) = (acknowledged.clone(), stop.clone());
            tokio::spawn(async move {
                let stream = id();
                let mut landed: Vec<(Uuid, u64)> = Vec::new();
                let mut version = 0;
                while !stop.load(Ordering::SeqCst) {
                    let context = context();
                    let command = context.command.0;
                    let unit = Unit::new(context).stream::<Club>(&stream, version, vec![visited(), visited()]);
                    // The writer's own connection breaks, and is mended behind this call.
                    let appended = ledger.append(unit).await.unwrap();
                    landed.push((command, appended.first));
                    version += 2;
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                landed
            })
        })
        .collect();

    // Sessions that have just written are the ones in or near a commit.
    let admin = owner(&database).await;
    let mut kills = 0;
    while kills < 25 {
        let before = acknowledged.load(Ordering::SeqCst);
        let killed: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND query LIKE 'WITH head%'",
        )
        .fetch_one(&admin)
        .await
        .unwrap();
        kills += killed;
        // Until something got through again.
        while acknowledged.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut landed = HashMap::new();
    for writer in writers {
        landed.extend(writer.await.unwrap());
    }
    let commands = check(&database).await;
    assert_eq!(commands.len(), 2 * landed.len(), "nothing lost, nothing twice");
    for (command, first) in landed {
        assert_eq!(commands[first as usize], command);
        assert_eq!(commands[first as usize + 1], command);
    }
}
