//! What an event bears that an auditor filters by.
//!
//! An index over every event would cost each append, or each projected event several rows. So the view keeps marks by
//! *page* of the ledger: whoever filters reads the pages that bear all marks asked for, and there looks at each event.

use domain::Event;
use domain::establishment::EstablishmentEvent;
use domain::guardian::GuardianEvent;
use domain::identifiers::Uai;
use domain::pupil::PupilEvent;
use ledger::RecordedEvent;

/// Events in one page of marks.
pub const PAGE_OF_MARKS: i64 = 256;

/// A kind of mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The event's type.
    Type,
    /// An establishment that the event names, or is about.
    Establishment,
    /// Who acted, as stored.
    Actor,
    /// On whose behalf, as stored.
    OnBehalfOf,
    /// The day from which the event holds, in UTC, e.g. `2026-09-01`.
    EffectiveDay,
}

impl Mark {
    /// As in the table; it must not change.
    pub fn number(self) -> i16 {
        match self {
            Self::Type => 0,
            Self::Establishment => 1,
            Self::Actor => 2,
            Self::OnBehalfOf => 3,
            Self::EffectiveDay => 4,
        }
    }
}

/// The marks an event leaves on its page.
pub(super) fn of(event: &RecordedEvent) -> impl Iterator<Item = (Mark, String)> {
    let principal = event.on_behalf_of.as_ref();
    let always = [
        (Mark::Type, event.event.event_type()),
        (Mark::Actor, event.actor.to_string()),
        (Mark::EffectiveDay, event.effective_at.date_naive().to_string()),
    ];
    always
        .into_iter()
        .chain(principal.map(|principal| (Mark::OnBehalfOf, principal.to_string())))
        .chain(establishments(event).into_iter().map(|uai| (Mark::Establishment, uai.to_string())))
}

/// The establishments an event names, or is about. An account's events name none: where its people are enrolled
/// changes over time, and stands in their own records.
pub fn establishments(event: &RecordedEvent) -> Vec<Uai> {
    match &event.event {
        Event::Pupil(
            PupilEvent::PupilEnrolled { establishment, .. }
            | PupilEvent::PlacementChanged { establishment, .. }
            | PupilEvent::PupilDeparted { establishment, .. }
            | PupilEvent::GuardianLinked { establishment, .. }
            | PupilEvent::GuardianLinkChanged { establishment, .. }
            | PupilEvent::GuardianUnlinked { establishment, .. },
        ) => vec![*establishment],
        Event::Pupil(PupilEvent::PupilTransferred { from, to, .. }) => vec![*from, *to],
        Event::Pupil(
            PupilEvent::PupilRegistered { .. }
            | PupilEvent::IneAssigned { .. }
            | PupilEvent::CivilStatusCorrected { .. }
            | PupilEvent::PupilErased { .. },
        ) => vec![],
        Event::Guardian(GuardianEvent::ChildLinkHeld { link, number: _ }) => vec![link.establishment],
        Event::Guardian(
            GuardianEvent::GuardianRecorded { .. }
            | GuardianEvent::GuardianIdentityCorrected { .. }
            | GuardianEvent::GuardianContactCorrected { .. }
            | GuardianEvent::ChildLinkSettled { .. }
            | GuardianEvent::ChildLinkLapsed { .. }
            | GuardianEvent::GuardianErased { .. },
        ) => vec![],
        Event::Establishment(
            EstablishmentEvent::EstablishmentRegistered { .. }
            | EstablishmentEvent::EstablishmentDescribed { .. }
            | EstablishmentEvent::SchoolDataImportStarted { .. }
            | EstablishmentEvent::SchoolDataImported { .. },
        ) => event.stream_id.parse().into_iter().collect(),
        Event::Account(_)
        | Event::RelyingParty(_)
        | Event::InitialAccess(_)
        | Event::Auditor(_)
        | Event::LedgerManifest(_)
        | Event::Rules(_) => {
            vec![]
        }
    }
}
