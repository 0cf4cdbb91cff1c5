//! Establishments and relying parties.

mod reads;
mod rows;

pub use reads::{EstablishmentRecord, RelyingPartyRecord};
pub use rows::{EstablishmentRow, RelyingPartyRow};

use crate::projection::{Fault, Projection, stream_uuid};
use crate::row::Table;
use crate::writes::Writes;
use domain::Event;
use domain::establishment::EstablishmentEvent;
use domain::relying_party::RelyingPartyEvent;
use ledger::RecordedEvent;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

/// The rows a batch touches.
#[derive(Default)]
pub(crate) struct Services {
    establishments: Table<EstablishmentRow>,
    relying_parties: Table<RelyingPartyRow>,
}

impl Projection for Services {
    fn want(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        match &event.event {
            Event::Establishment(EstablishmentEvent::EstablishmentDescribed { .. }) => {
                self.establishments.want((event.stream_id.clone(),));
            }
            Event::Establishment(
                EstablishmentEvent::EstablishmentRegistered { .. }
                | EstablishmentEvent::SchoolDataImportStarted { .. }
                | EstablishmentEvent::SchoolDataImported { .. },
            ) => {}
            Event::RelyingParty(
                RelyingPartyEvent::RelyingPartyChanged { .. }
                | RelyingPartyEvent::ClientSecretReplaced { .. }
                | RelyingPartyEvent::ClientSecretWithdrawn {}
                | RelyingPartyEvent::RelyingPartyDisabled {}
                | RelyingPartyEvent::RelyingPartyEnabled {}
                | RelyingPartyEvent::RelyingPartyDeregistered {},
            ) => self.relying_parties.want((stream_uuid(event)?,)),
            Event::RelyingParty(
                RelyingPartyEvent::RelyingPartyRegistered { .. } | RelyingPartyEvent::RegistrationTokenIssued { .. },
            ) => {}
            Event::Pupil(_)
            | Event::Guardian(_)
            | Event::Account(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => {}
        }
        Ok(())
    }

    async fn load(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        self.establishments.load(connection).await?;
        self.relying_parties.load(connection).await
    }

    fn apply(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        match &event.event {
            Event::Establishment(establishment_event) => self.establishment(event, establishment_event),
            Event::RelyingParty(party_event) => self.relying_party(event, stream_uuid(event)?, party_event),
            Event::Pupil(_)
            | Event::Guardian(_)
            | Event::Account(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => Ok(()),
        }
    }

    fn write(self, writes: &mut Writes) {
        self.establishments.write(writes);
        self.relying_parties.write(writes);
    }
}

impl Services {
    fn establishment(&mut self, event: &RecordedEvent, fact: &EstablishmentEvent) -> Result<(), Fault> {
        match fact {
            EstablishmentEvent::EstablishmentRegistered { uai, name, academie, degree } => {
                self.establishments.put(EstablishmentRow::new(uai.to_string(), name, *academie, *degree));
            }
            EstablishmentEvent::EstablishmentDescribed { name, academie, degree } => {
                let uai = event.stream_id.clone();
                let row = self.establishments.change(&(uai.clone(),));
                let row = row.ok_or_else(|| Fault::no_row(event, "establishment"))?;
                *row = EstablishmentRow::new(uai, name, *academie, *degree);
            }
            // Import runs are the audit projection's.
            EstablishmentEvent::SchoolDataImportStarted { .. } | EstablishmentEvent::SchoolDataImported { .. } => {}
        }
        Ok(())
    }

    fn relying_party(&mut self, event: &RecordedEvent, id: Uuid, fact: &RelyingPartyEvent) -> Result<(), Fault> {
        if let RelyingPartyEvent::RelyingPartyRegistered { id: _, registration, secret } = fact {
            let (registration, secret) = (Json(registration.as_ref().clone()), secret.map(|secret| secret.0));
            self.relying_parties.put(RelyingPartyRow { id, registration, secret, enabled: true, deregistered: false });
            return Ok(());
        }
        if let RelyingPartyEvent::RegistrationTokenIssued { token: _ } = fact {
            return Ok(());
        }
        let row = self.relying_parties.change(&(id,)).ok_or_else(|| Fault::no_row(event, "relying party"))?;
        match fact {
            // Written whole above, or nothing of the row's.
            RelyingPartyEvent::RelyingPartyRegistered { .. } | RelyingPartyEvent::RegistrationTokenIssued { .. } => {}
            RelyingPartyEvent::RelyingPartyChanged { registration } => {
                row.registration = Json(registration.as_ref().clone())
            }
            RelyingPartyEvent::ClientSecretReplaced { secret } => row.secret = Some(secret.0),
            RelyingPartyEvent::ClientSecretWithdrawn {} => row.secret = None,
            RelyingPartyEvent::RelyingPartyDisabled {} => row.enabled = false,
            RelyingPartyEvent::RelyingPartyEnabled {} => row.enabled = true,
            RelyingPartyEvent::RelyingPartyDeregistered {} => {
                row.secret = None;
                row.enabled = false;
                row.deregistered = true;
            }
        }
        Ok(())
    }
}
