//! What the schools say now: pupils, enrolments, guardian records, responsibilities, held links.

mod reads;
mod rows;

pub use reads::{Enrolment, GuardianRecord, HeldLink, PupilRecord};
pub use rows::{EnrolmentRow, GuardianRow, HeldLinkRow, LinkRow, PupilRow};

use crate::projection::{Fault, Projection, stream_uuid};
use crate::row::Table;
use crate::writes::Writes;
use domain::Event;
use domain::guardian::GuardianEvent;
use domain::pupil::PupilEvent;
use ledger::RecordedEvent;
use sqlx::PgConnection;
use uuid::Uuid;

/// The rows a batch touches.
#[derive(Default)]
pub(crate) struct People {
    pupils: Table<PupilRow>,
    enrolments: Table<EnrolmentRow>,
    guardians: Table<GuardianRow>,
    links: Table<LinkRow>,
    held: Table<HeldLinkRow>,
}

impl Projection for People {
    fn want(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        match &event.event {
            Event::Pupil(PupilEvent::IneAssigned { .. } | PupilEvent::CivilStatusCorrected { .. }) => {
                self.pupils.want((stream_uuid(event)?,));
            }
            // Whole rows are written, or removed: what stood there does not matter.
            Event::Pupil(
                PupilEvent::PupilRegistered { .. }
                | PupilEvent::PupilEnrolled { .. }
                | PupilEvent::PlacementChanged { .. }
                | PupilEvent::PupilTransferred { .. }
                | PupilEvent::PupilDeparted { .. }
                | PupilEvent::GuardianLinked { .. }
                | PupilEvent::GuardianLinkChanged { .. }
                | PupilEvent::GuardianUnlinked { .. }
                | PupilEvent::PupilErased { .. },
            ) => {}
            Event::Guardian(
                GuardianEvent::GuardianIdentityCorrected { .. } | GuardianEvent::GuardianContactCorrected { .. },
            ) => self.guardians.want((stream_uuid(event)?,)),
            Event::Guardian(
                GuardianEvent::GuardianRecorded { .. }
                | GuardianEvent::ChildLinkHeld { .. }
                | GuardianEvent::ChildLinkSettled { .. }
                | GuardianEvent::ChildLinkLapsed { .. }
                | GuardianEvent::GuardianErased { .. },
            ) => {}
            Event::Account(_)
            | Event::Establishment(_)
            | Event::RelyingParty(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => {}
        }
        Ok(())
    }

    async fn load(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        self.pupils.load(connection).await?;
        self.guardians.load(connection).await
    }

    fn apply(&mut self, event: &RecordedEvent) -> Result<(), Fault> {
        match &event.event {
            Event::Pupil(pupil_event) => self.pupil(event, stream_uuid(event)?, pupil_event),
            Event::Guardian(guardian_event) => self.guardian(event, stream_uuid(event)?, guardian_event),
            Event::Account(_)
            | Event::Establishment(_)
            | Event::RelyingParty(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => Ok(()),
        }
    }

    fn write(self, writes: &mut Writes) {
        self.pupils.write(writes);
        self.enrolments.write(writes);
        self.guardians.write(writes);
        self.links.write(writes);
        self.held.write(writes);
    }
}

impl People {
    fn pupil(&mut self, event: &RecordedEvent, pupil: Uuid, fact: &PupilEvent) -> Result<(), Fault> {
        match fact {
            PupilEvent::PupilRegistered { pupil: _, ine, civil_status } => {
                self.pupils.put(PupilRow::new(pupil, ine.as_ref(), civil_status));
            }
            PupilEvent::IneAssigned { ine } => {
                let row = self.pupils.change(&(pupil,)).ok_or_else(|| Fault::no_row(event, "pupil"))?;
                row.ine = ine.known().map(ToString::to_string);
            }
            PupilEvent::CivilStatusCorrected { civil_status } => {
                let row = self.pupils.change(&(pupil,)).ok_or_else(|| Fault::no_row(event, "pupil"))?;
                row.set_civil_status(civil_status);
            }
            PupilEvent::PupilEnrolled { establishment, school_year, entered_on, placement }
            | PupilEvent::PlacementChanged { establishment, school_year, entered_on, placement } => {
                self.enrolments.put(EnrolmentRow::new(pupil, establishment, *school_year, *entered_on, placement));
            }
            PupilEvent::PupilTransferred { from, to, school_year, entered_on, placement } => {
                self.enrolments.remove((pupil, from.to_string()));
                self.enrolments.put(EnrolmentRow::new(pupil, to, *school_year, *entered_on, placement));
            }
            PupilEvent::PupilDeparted { establishment, left_on: _, departure: _ } => {
                self.enrolments.remove((pupil, establishment.to_string()));
            }
            PupilEvent::GuardianLinked { guardian, establishment, level, relationship }
            | PupilEvent::GuardianLinkChanged { guardian, establishment, level, relationship } => {
                self.links.put(LinkRow::new(pupil, *guardian, establishment, *level, relationship));
            }
            PupilEvent::GuardianUnlinked { guardian, establishment, cause: _ } => {
                self.links.remove((pupil, guardian.0, establishment.to_string()));
            }
            PupilEvent::PupilErased { pupil: _, grounds: _ } => {
                self.pupils.remove((pupil,));
                self.enrolments.purge("pupil", pupil, |key| key.0 == pupil);
                self.links.purge("pupil", pupil, |key| key.0 == pupil);
            }
        }
        Ok(())
    }

    fn guardian(&mut self, event: &RecordedEvent, guardian: Uuid, fact: &GuardianEvent) -> Result<(), Fault> {
        let number = |number: u32| {
            i32::try_from(number).map_err(|_| Fault {
                position: event.position,
                problem: "a held link's number is too large".to_owned(),
            })
        };
        match fact {
            GuardianEvent::GuardianRecorded { guardian: _, identity, contact } => {
                self.guardians.put(GuardianRow::new(guardian, identity, contact));
            }
            GuardianEvent::GuardianIdentityCorrected { identity } => {
                let row = self.guardians.change(&(guardian,)).ok_or_else(|| Fault::no_row(event, "guardian"))?;
                row.set_identity(identity);
            }
            GuardianEvent::GuardianContactCorrected { contact } => {
                let row = self.guardians.change(&(guardian,)).ok_or_else(|| Fault::no_row(event, "guardian"))?;
                row.set_contact(contact);
            }
            GuardianEvent::ChildLinkHeld { number: given, link } => {
                self.held.put(HeldLinkRow::new(guardian, number(*given)?, link));
            }
            GuardianEvent::ChildLinkSettled { number: given, pupil: _ }
            | GuardianEvent::ChildLinkLapsed { number: given } => self.held.remove((guardian, number(*given)?)),
            GuardianEvent::GuardianErased { guardian: _, grounds: _ } => {
                self.guardians.remove((guardian,));
                self.links.purge("guardian", guardian, |key| key.1 == guardian);
                self.held.purge("guardian", guardian, |key| key.0 == guardian);
            }
        }
        Ok(())
    }
}
