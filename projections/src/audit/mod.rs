//! Which events are about whom, and what each import run brought.

mod marks;
mod reads;
mod rows;
mod search;

pub use marks::{Mark, PAGE_OF_MARKS, establishments};
pub use rows::{ImportRunRow, MarkRow, TimelineRow};
pub use search::{Search, Step};

use crate::projection::{Fault, Projection};
use crate::row::Table;
use crate::writes::Writes;
use domain::Event;
use domain::account::{AccountEvent, Holder};
use domain::establishment::EstablishmentEvent;
use domain::pupil::PupilEvent;
use ledger::RecordedEvent;
use sqlx::PgConnection;

/// The rows a batch touches.
#[derive(Default)]
pub(crate) struct Audit {
    timeline: Table<TimelineRow>,
    marks: Table<MarkRow>,
    imports: Table<ImportRunRow>,
}

impl Projection for Audit {
    fn want(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        match &event.event {
            Event::Establishment(EstablishmentEvent::SchoolDataImported { import, counts: _ }) => {
                self.imports.want((import.0,));
            }
            Event::Establishment(
                EstablishmentEvent::EstablishmentRegistered { .. }
                | EstablishmentEvent::EstablishmentDescribed { .. }
                | EstablishmentEvent::SchoolDataImportStarted { .. },
            )
            | Event::Pupil(_)
            | Event::Guardian(_)
            | Event::Account(_)
            | Event::RelyingParty(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => {}
        }
        Ok(())
    }

    async fn load(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        self.imports.load(connection).await
    }

    fn apply(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        let position = i64::try_from(event.position)
            .map_err(|_| Fault { position: event.position, problem: "a position past 2^63".to_owned() })?;
        for entity in entities(event) {
            self.timeline.put(TimelineRow { entity, position });
        }
        for (mark, value) in marks::of(event) {
            self.marks.put(MarkRow { mark: mark.number(), value, page: position / PAGE_OF_MARKS });
        }
        self.import_run(event)
    }

    fn write(self, writes: &mut Writes) {
        self.timeline.write(writes);
        self.marks.write(writes);
        self.imports.write(writes);
    }
}

/// Whom or what an event is about, as in [`TimelineRow::entity`].
pub fn entities(event: &RecordedEvent) -> impl Iterator<Item = String> {
    std::iter::once(event.stream_id.clone()).chain(others_concerned(&event.event))
}

/// Whom an event is about besides its own stream.
fn others_concerned(event: &Event) -> Option<String> {
    match event {
        Event::Pupil(
            PupilEvent::GuardianLinked { guardian, .. }
            | PupilEvent::GuardianLinkChanged { guardian, .. }
            | PupilEvent::GuardianUnlinked { guardian, .. },
        ) => Some(guardian.to_string()),
        Event::Pupil(
            PupilEvent::PupilRegistered { .. }
            | PupilEvent::IneAssigned { .. }
            | PupilEvent::CivilStatusCorrected { .. }
            | PupilEvent::PupilEnrolled { .. }
            | PupilEvent::PlacementChanged { .. }
            | PupilEvent::PupilTransferred { .. }
            | PupilEvent::PupilDeparted { .. }
            | PupilEvent::PupilErased { .. },
        ) => None,
        Event::Account(AccountEvent::AccountOpened { holder, account: _ }) => Some(match holder {
            Holder::Pupil(pupil) => pupil.to_string(),
            Holder::Guardian(guardian) => guardian.to_string(),
        }),
        Event::Account(
            AccountEvent::GuardianRecordAttached { guardian } | AccountEvent::GuardianRecordDetached { guardian },
        ) => Some(guardian.to_string()),
        Event::Account(
            AccountEvent::ChildConfirmed { pupil }
            | AccountEvent::ChildReported { pupil }
            | AccountEvent::ChildDetached { pupil, cause: _ },
        ) => Some(pupil.to_string()),
        Event::Account(
            AccountEvent::VerificationCodeIssued { .. }
            | AccountEvent::VerificationCodeAccepted { .. }
            | AccountEvent::LoginAssigned { .. }
            | AccountEvent::PasswordChosen { .. }
            | AccountEvent::AccountActivated {}
            | AccountEvent::ProvisionalPasswordIssued { .. }
            | AccountEvent::UpstreamIdentityLinked { .. }
            | AccountEvent::UpstreamIdentityUnlinked { .. }
            | AccountEvent::SecondFactorEnrolled { .. }
            | AccountEvent::SecondFactorRemoved { .. }
            | AccountEvent::RecoveryCodesIssued { .. }
            | AccountEvent::RecoveryCodeUsed { .. }
            | AccountEvent::RecoveryCodesWithdrawn {}
            | AccountEvent::AccountDisabled {}
            | AccountEvent::AccountEnabled {}
            | AccountEvent::AccountClosed {}
            | AccountEvent::AccountErased { .. },
        )
        | Event::Guardian(_)
        | Event::Establishment(_)
        | Event::RelyingParty(_)
        | Event::InitialAccess(_)
        | Event::Auditor(_)
        | Event::LedgerManifest(_)
        | Event::Rules(_) => None,
    }
}

impl Audit {
    fn import_run(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        match &event.event {
            Event::Establishment(EstablishmentEvent::SchoolDataImportStarted {
                import,
                format,
                school_year,
                exported_at,
                digests: _,
            }) => {
                let establishment = event.stream_id.clone();
                let started_at = event.recorded_at;
                let run =
                    ImportRunRow::started(import.0, establishment, *format, *school_year, *exported_at, started_at);
                self.imports.put(run);
            }
            Event::Establishment(EstablishmentEvent::SchoolDataImported { import, counts }) => {
                let run = self.imports.change(&(import.0,)).ok_or_else(|| Fault::no_row(event, "an import run of"))?;
                run.completed(event.recorded_at, counts);
            }
            Event::Establishment(
                EstablishmentEvent::EstablishmentRegistered { .. } | EstablishmentEvent::EstablishmentDescribed { .. },
            )
            | Event::Pupil(_)
            | Event::Guardian(_)
            | Event::Account(_)
            | Event::RelyingParty(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => {}
        }
        Ok(())
    }
}
