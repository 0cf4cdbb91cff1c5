//! Rebuilding views the way cqrs-es offers it: `QueryReplay` over `GenericQuery` with postgres-es's view
//! repository. Each event loads its view, changes it and stores it.

use crate::plain;
use crate::school::{AccountFact, GuardianFact, PlainAccount, PlainGuardian, PlainPupil, PupilFact, Step};
use cqrs_es::persist::{GenericQuery, QueryReplay};
use cqrs_es::{Aggregate, EventEnvelope, View};
use domain::account::Holder;
use domain::guardian::{GuardianContact, GuardianIdentity};
use domain::identifiers::{GuardianLevel, Ine, Relationship, Uai};
use domain::ids::GuardianId;
use domain::pupil::{CivilStatus, Placement};
use postgres_es::{PostgresEventRepository, PostgresViewRepository};
use serde::{Deserialize, Serialize};
use sqlx::{Executor, PgPool};
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, Default, Serialize, Deserialize)]
struct PupilView {
    ine: Option<Ine>,
    civil_status: Option<CivilStatus>,
    enrolments: Vec<(Uai, u16, Placement)>,
    links: Vec<(GuardianId, Uai, GuardianLevel, Option<Relationship>)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct GuardianView {
    identity: Option<GuardianIdentity>,
    contact: Option<GuardianContact>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct AccountView {
    holder: Option<Holder>,
}

impl View<PlainPupil> for PupilView {
    fn update(&mut self, event: &EventEnvelope<PlainPupil>) {
        match event.payload.clone() {
            PupilFact::PupilRegistered { pupil: _, ine, civil_status } => {
                (self.ine, self.civil_status) = (ine, Some(civil_status));
            }
            PupilFact::PupilEnrolled { pupil: _, establishment, school_year, entered_on: _, placement } => {
                self.enrolments.push((establishment, school_year, placement));
            }
            PupilFact::GuardianLinked { guardian, establishment, level, relationship } => {
                self.links.push((guardian, establishment, level, relationship));
            }
        }
    }
}

impl View<PlainGuardian> for GuardianView {
    fn update(&mut self, event: &EventEnvelope<PlainGuardian>) {
        let GuardianFact::GuardianRecorded { guardian: _, identity, contact } = event.payload.clone();
        (self.identity, self.contact) = (Some(identity), Some(contact));
    }
}

impl View<PlainAccount> for AccountView {
    fn update(&mut self, event: &EventEnvelope<PlainAccount>) {
        let AccountFact::AccountOpened { account: _, holder } = event.payload.clone();
        self.holder = Some(holder);
    }
}

/// Rebuilds the views of three aggregates from these steps; events per second.
pub async fn rebuild(pool: &PgPool, steps: Vec<Step>) -> anyhow::Result<f64> {
    pool.execute("DROP TABLE IF EXISTS sample_events, pupil_view, guardian_view, account_view").await?;
    plain::create(pool, "sample_events").await?;
    for view in ["pupil_view", "guardian_view", "account_view"] {
        // As postgres-es's `db/init.sql` prescribes it.
        let create = format!(
            "CREATE TABLE {view} (
                 view_id text                        NOT NULL,
                 version bigint CHECK (version >= 0) NOT NULL,
                 payload json                        NOT NULL,
                 PRIMARY KEY (view_id)
             )"
        );
        pool.execute(create.as_str()).await?;
    }
    let count = steps.len();
    plain::store(pool, "sample_events", steps).await?;
    pool.execute("ANALYZE sample_events").await?;
    let began = Instant::now();
    replay::<GuardianView, PlainGuardian>(pool, "guardian_view").await?;
    replay::<PupilView, PlainPupil>(pool, "pupil_view").await?;
    replay::<AccountView, PlainAccount>(pool, "account_view").await?;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let applied: i64 = sqlx::query_scalar(
        "SELECT (SELECT sum(version) FROM pupil_view)::bigint + (SELECT sum(version) FROM guardian_view)::bigint \
         + (SELECT sum(version) FROM account_view)::bigint",
    )
    .fetch_one(pool)
    .await?;
    anyhow::ensure!(applied == count as i64, "QueryReplay applied {applied} of {count} events");
    Ok(rate)
}

async fn replay<V: View<A> + 'static, A: Aggregate + 'static>(pool: &PgPool, view: &str) -> anyhow::Result<()>
where
    A::Error: Send + Sync,
{
    let views = Arc::new(PostgresViewRepository::<V, A>::new(view, pool.clone()));
    let mut query = GenericQuery::new(views);
    query.use_error_handler(Box::new(|error| eprintln!("QueryReplay: {error}")));
    let repository = PostgresEventRepository::new(pool.clone()).with_tables("sample_events", "snapshots");
    QueryReplay::new(repository, query).replay_all().await.map_err(|error| anyhow::anyhow!("{error}"))
}
