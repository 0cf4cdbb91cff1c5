//! What is read of establishments and relying parties.

use super::{EstablishmentRow, RelyingPartyRow};
use crate::Views;
use crate::views::parsed;
use domain::identifiers::{Academie, Degree, Uai};
use domain::ids::{RelyingPartyId, SecretId};
use domain::relying_party::Registration;

/// An establishment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstablishmentRecord {
    /// National identifier.
    pub uai: Uai,
    /// Name, where known.
    pub name: Option<String>,
    /// Académie, where known.
    pub academie: Option<Academie>,
    /// First or second degree.
    pub degree: Degree,
}

impl TryFrom<EstablishmentRow> for EstablishmentRecord {
    type Error = sqlx::Error;

    fn try_from(row: EstablishmentRow) -> sqlx::Result<Self> {
        Ok(Self {
            uai: parsed("uai", &row.uai)?,
            name: row.name,
            academie: row.academie.and_then(|code| Academie::from_code(u8::try_from(code).ok()?).ok()),
            degree: if row.degree == "first" { Degree::First } else { Degree::Second },
        })
    }
}

/// A relying party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingPartyRecord {
    /// Its `client_id`.
    pub id: RelyingPartyId,
    /// Its registration.
    pub registration: Registration,
    /// Vault row of its client secret's hash.
    pub secret: Option<SecretId>,
    /// Whether it is served.
    pub enabled: bool,
    /// Whether its registration has ended for good.
    pub deregistered: bool,
}

impl From<RelyingPartyRow> for RelyingPartyRecord {
    fn from(row: RelyingPartyRow) -> Self {
        Self {
            id: RelyingPartyId(row.id),
            registration: row.registration.0,
            secret: row.secret.map(SecretId),
            enabled: row.enabled,
            deregistered: row.deregistered,
        }
    }
}

impl Views {
    /// An establishment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn establishment(&self, uai: Uai) -> sqlx::Result<Option<EstablishmentRecord>> {
        let row: Option<EstablishmentRow> = sqlx::query_as("SELECT * FROM view_services.establishment WHERE uai = $1")
            .bind(uai.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.map(EstablishmentRecord::try_from).transpose()
    }

    /// Establishments in the order of their UAI, from after `after` on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn establishments(&self, after: Option<Uai>, limit: u32) -> sqlx::Result<Vec<EstablishmentRecord>> {
        let rows: Vec<EstablishmentRow> =
            sqlx::query_as("SELECT * FROM view_services.establishment WHERE uai > $1 ORDER BY uai LIMIT $2")
                .bind(after.as_ref().map_or("", Uai::as_str))
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(EstablishmentRecord::try_from).collect()
    }

    /// A relying party.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn relying_party(&self, id: RelyingPartyId) -> sqlx::Result<Option<RelyingPartyRecord>> {
        let row: Option<RelyingPartyRow> = sqlx::query_as("SELECT * FROM view_services.relying_party WHERE id = $1")
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(RelyingPartyRecord::from))
    }

    /// Relying parties in the order of their ids, from after `after` on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn relying_parties(
        &self,
        after: Option<RelyingPartyId>,
        limit: u32,
    ) -> sqlx::Result<Vec<RelyingPartyRecord>> {
        let rows: Vec<RelyingPartyRow> = sqlx::query_as(
            "SELECT * FROM view_services.relying_party WHERE $1 IS NULL OR id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after.map(|id| id.0))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(RelyingPartyRecord::from).collect())
    }

    /// The relying parties in use that serve one of these establishments, or all, in the order of their ids.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn services_of(&self, establishments: &[Uai], limit: u32) -> sqlx::Result<Vec<RelyingPartyRecord>> {
        let uais: Vec<&str> = establishments.iter().map(Uai::as_str).collect();
        // Two arms, each with an index of its own.
        let rows: Vec<RelyingPartyRow> = sqlx::query_as(
            "SELECT * FROM (
                 SELECT * FROM view_services.relying_party WHERE registration -> 'establishments' -> 'only' ?| $1
                 UNION ALL
                 SELECT * FROM view_services.relying_party WHERE registration -> 'establishments' = '\"all\"'
             ) AS serving WHERE enabled ORDER BY id LIMIT $2",
        )
        .bind(&uais)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(RelyingPartyRecord::from).collect())
    }
}
