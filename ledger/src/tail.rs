//! Who waits for the ledger to grow: a watch fed by the local writer and by what other instances notify.

use crate::seal::KeyStore;
use crate::writer::Head;
use domain::ids::SubjectId;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// Channel: the ledger's size after each batch.
pub(crate) const GROWN: &str = "ledger_grown";
/// Channel: each subject whose key was destroyed.
pub(crate) const ERASED: &str = "ledger_erased";

/// The ledger's size as far as this instance knows. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tail(Arc<watch::Sender<u64>>);

impl Tail {
    pub(crate) fn new(size: u64) -> Self {
        Self(Arc::new(watch::channel(size).0))
    }

    /// News may come out of order; the size only grows.
    pub(crate) fn grown(&self, size: u64) {
        self.0.send_if_modified(|known| {
            let grown = size > *known;
            *known = size.max(*known);
            grown
        });
    }

    pub(crate) fn size(&self) -> u64 {
        *self.0.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// Listens to the other instances until the pool is closed or the task aborted.
pub(crate) async fn listen(pool: PgPool, tail: Tail, keys: KeyStore) {
    loop {
        if let Err(error) = follow(&pool, &tail, &keys).await {
            if pool.is_closed() {
                return;
            }
            tracing::debug!(%error, "listening for new events was interrupted");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn follow(pool: &PgPool, tail: &Tail, keys: &KeyStore) -> Result<(), crate::ReadError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all([GROWN, ERASED]).await?;
    loop {
        // At the start and after a lost connection, news was missed.
        keys.forget_all();
        tail.grown(Head::read(pool).await?.size());
        while let Some(news) = listener.try_recv().await? {
            match news.channel() {
                GROWN => {
                    if let Ok(size) = news.payload().parse() {
                        tail.grown(size);
                    }
                }
                _ => match news.payload().parse::<Uuid>() {
                    Ok(subject) => keys.forget(SubjectId(subject)),
                    Err(_) => keys.forget_all(),
                },
            }
        }
    }
}
