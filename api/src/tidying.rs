//! What is done from time to time: expired rows go, in bounded batches, and signing keys take turns.

use crate::app::App;
use crate::erasure::entitlement::Daily;
use crate::erasure::{Eraser, follow_up};
use crate::{audit, import, oidc, session};
use ledger::access::{drop_months, keep_months};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Between two rounds. Nothing depends on it: what has expired is not accepted even while its row is still there.
const EVERY: Duration = Duration::from_secs(60);
/// Batches of one kind in one round at most.
const BATCHES: u32 = 100;
/// Months of the access log that are made ahead.
const MONTHS_AHEAD: u32 = 2;

/// Starts the rounds. Several instances may tidy at once.
pub fn start(app: App) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut daily = Daily::default();
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = round(&app).await {
                tracing::error!(%error, "tidying failed");
            }
            if let Err(error) = retention(&app, &mut daily).await {
                tracing::error!(%error, "looking for people past retention failed");
            }
        }
    })
}

/// A bounded piece of the day's search for people whose entitlement ended.
///
/// # Errors
/// When the database, the register or the views fail; the next round goes on.
pub async fn retention(app: &App, daily: &mut Daily) -> anyhow::Result<()> {
    Ok(daily.round(&Eraser::of(app), app.config.retention.ended_entitlement.delta()).await?)
}

/// One round.
///
/// # Errors
/// When the database or a key fails; the next round tries again.
pub async fn round(app: &App) -> anyhow::Result<()> {
    let now = app.clock.now();
    for kid in app.keys.rotate_when_due(now, app.config.oidc.signing_key_lifetime.delta()).await? {
        tracing::info!(kid, "the next signing key signs from now on");
    }
    keep_months(&app.db, now, MONTHS_AHEAD).await?;
    let months = drop_months(&app.db, now - app.config.retention.access_log.delta()).await?;
    if months > 0 {
        tracing::info!(months, "the access log let go of what is past its retention");
    }
    let digests = replay::digest::round(&app.ledger, &app.db, now).await?;
    if digests > 0 {
        tracing::info!(digests, "digests of accounts' states were taken");
    }
    follow_up(&app.db).await?;
    oidc::end_sessions_of_the_gone(app).await?;
    for _ in 0..BATCHES {
        let kept = now - app.config.retention.access_log.delta();
        let reports = now - app.config.retention.import_reports.delta();
        let more = oidc::delete_expired(&app.db, now).await?
            | audit::sweep(&app.db, kept).await?
            | import::store::sweep(&app.db, reports).await?;
        let swept = session::sweep(&app.db, now).await?;
        let purged = app.ledger.vault_purge(now, 1000).await?;
        if !more && swept == 0 && purged == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestService;

    #[tokio::test]
    async fn what_imports_told_goes_after_its_retention_and_nothing_younger() {
        let service = TestService::start().await;
        let (app, db) = (service.app(), &service.app().db);
        let now = app.clock.now();
        let kept = app.config.retention.import_reports.delta();
        for (n, at) in [(1_u128, now - kept - chrono::TimeDelta::days(1)), (2, now - kept + chrono::TimeDelta::days(1))]
        {
            let id = uuid::Uuid::from_u128(n);
            sqlx::query(
                "INSERT INTO service.import_run (import, establishment, stage, ordinal, updated_at) \
                 VALUES ($1, '0210001A', 'done', 0, $2)",
            )
            .bind(id)
            .bind(at)
            .execute(db)
            .await
            .unwrap();
            sqlx::query(
                "INSERT INTO service.import_remark (import, kind, file, line, record, reason) \
                 SELECT $1, 'refused', 'Eleves.xml', n, 'élève', 'motif' FROM generate_series(1, 2500) n",
            )
            .bind(id)
            .execute(db)
            .await
            .unwrap();
            sqlx::query(
                "INSERT INTO service.import_request (id, state, options, received_at, finished_at) \
                 VALUES ($1, 'done', '{}', $2, $2)",
            )
            .bind(id)
            .bind(at)
            .execute(db)
            .await
            .unwrap();
        }
        round(app).await.unwrap();
        for (table, column, left) in
            [("import_run", "import", 1_i64), ("import_remark", "import", 2500), ("import_request", "id", 1)]
        {
            let sql = format!("SELECT count(*) FROM service.{table} WHERE {column} = $1");
            let count = async |n| {
                let id = uuid::Uuid::from_u128(n);
                sqlx::query_scalar::<_, i64>(&sql).bind(id).fetch_one(db).await.unwrap()
            };
            assert_eq!((count(1).await, count(2).await), (0, left), "{table}");
        }
    }
}
