//! Beginning a transaction on a pool.

use sqlx::{PgPool, Postgres, Transaction};

/// Begins a transaction on a connection of the pool. Unlike [`sqlx::Pool::begin`] it may be given up at any moment.
///
/// When a request's task is cancelled while sqlx 0.8 waits for the answer to `BEGIN`, the connection goes back to the
/// pool within the transaction that it just began, and what the next user of it writes is never committed. So the
/// waiting is done by a task that nobody cancels: a transaction that nobody waits for any more is rolled back there.
///
/// # Errors
/// When there is no connection, or the server refuses.
pub async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    #[expect(clippy::disallowed_methods, reason = "this is what stands in its place")]
    let begun = tokio::spawn(async move { pool.begin().await });
    // It ends early only with the runtime.
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
