//! A pupil's school record: who they are, where they are enrolled, who is responsible for them.
//!
//! ```text
//!            PupilRegistered
//!                  │
//!                  ▼                 PupilDeparted
//!   ┌──────── registered ◀───────────────────────────────┐
//!   │              │ PupilEnrolled                       │
//!   │              ▼                                     │
//!   │      enrolled in one ──PupilEnrolled──▶ enrolled in several
//!   │              │                                     │
//!   └──────────────┴── PupilTransferred (one place left, another current)
//! ```
//!
//! The record follows the school's files: the source of truth is outside. What this aggregate decides is which
//! *facts* a new file adds, and whether the pupil may hold an account ([`Pupil::eligibility`]).

mod command;
mod event;

pub use command::{CivilStatus, EnrolmentFact, LinkFact, Placement, PupilCommand, SchoolData};
pub use event::{Departure, PupilEvent, Unlinking};

use crate::event::handle_by_decide;
use crate::identifiers::{GuardianLevel, Ine, Relationship, Uai};
use crate::ids::{GuardianId, PupilId};
use crate::personal::Personal;
use chrono::NaiveDate;
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a command about a pupil is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PupilError {
    /// The command speaks of a pupil nobody registered.
    #[error("this pupil is not registered")]
    NotRegistered,
    /// More than two legal guardians were declared by one establishment.
    #[error("{establishment} declares {count} legal guardians for this pupil; at most two are possible")]
    TooManyLegalGuardians {
        /// The establishment whose file it is.
        establishment: Uai,
        /// How many it declares.
        count: usize,
    },
    /// The pupil's data was erased: nothing more is recorded about them.
    #[error("this pupil's data was erased")]
    Erased,
    /// The link to settle concerns an establishment where the pupil is not enrolled.
    #[error("this pupil is not enrolled in {0}")]
    NotEnrolledThere(Uai),
}

/// A current enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Start year of the school year.
    pub school_year: u16,
    /// Since when.
    pub entered_on: Option<NaiveDate>,
    /// Class and level; sealed for the pupil.
    pub placement: Personal<Placement>,
}

/// A current responsibility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Level of responsibility.
    pub level: GuardianLevel,
    /// `CODE_PARENTE`.
    pub relationship: Personal<Option<Relationship>>,
}

/// May this pupil hold an account?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eligibility {
    /// Yes: the record is complete and there is one current enrolment.
    Eligible(Uai),
    /// No: these things are missing from the record.
    Incomplete(Vec<&'static str>),
    /// No: enrolled in several establishments at once; they must settle it.
    SeveralEstablishments(Vec<Uai>),
    /// No: enrolled nowhere.
    NotEnrolled,
}

/// The record as its events make it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pupil {
    /// The pupil; `None` before registration.
    pub id: Option<PupilId>,
    /// National identifier.
    pub ine: Option<Personal<Ine>>,
    /// Civil status.
    pub civil_status: Option<Personal<CivilStatus>>,
    /// Current enrolments by establishment.
    pub enrolments: BTreeMap<Uai, Enrolment>,
    /// The establishment left last, if nothing was joined since: the `from` of a transfer to come.
    pub left_last: Option<Uai>,
    /// Current responsibilities by (establishment that declares, guardian).
    #[serde(with = "links_as_list")]
    pub links: BTreeMap<(Uai, GuardianId), Link>,
    /// Their data was erased.
    #[serde(default)]
    pub erased: bool,
}

/// JSON has no tuple keys.
mod links_as_list {
    use super::{BTreeMap, Deserialize, GuardianId, Link, Serialize, Uai};
    use serde::{Deserializer, Serializer};

    type Links = BTreeMap<(Uai, GuardianId), Link>;

    pub fn serialize<S: Serializer>(links: &Links, s: S) -> Result<S::Ok, S::Error> {
        links.iter().collect::<Vec<_>>().serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Links, D::Error> {
        Ok(Vec::<((Uai, GuardianId), Link)>::deserialize(d)?.into_iter().collect())
    }
}

impl Pupil {
    /// Which facts a command adds.
    ///
    /// # Errors
    /// [`PupilError`]; nothing is recorded then.
    pub fn decide(&self, command: PupilCommand) -> Result<Vec<PupilEvent>, PupilError> {
        let mut draft = Draft { next: self.clone(), events: Vec::new() };
        if self.erased {
            return match command {
                PupilCommand::Erase { .. } | PupilCommand::ForgetGuardian { .. } => Ok(Vec::new()),
                PupilCommand::RecordSchoolData(_)
                | PupilCommand::RecordAbsence { .. }
                | PupilCommand::LinkGuardian { .. } => Err(PupilError::Erased),
            };
        }
        match command {
            PupilCommand::RecordSchoolData(data) => draft.school_data(*data)?,
            PupilCommand::RecordAbsence { establishment, on } => {
                if self.id.is_none() {
                    return Err(PupilError::NotRegistered);
                }
                draft.depart(&establishment, Some(on), Departure::AbsentFromExport);
                draft.drop_links_of_former_schools();
            }
            PupilCommand::LinkGuardian { establishment, link } => {
                if self.id.is_none() {
                    return Err(PupilError::NotRegistered);
                }
                if !self.enrolments.contains_key(&establishment) {
                    return Err(PupilError::NotEnrolledThere(establishment));
                }
                let count = 1 + self.legal_guardians_by(&establishment).filter(|known| *known != link.guardian).count();
                if link.level == GuardianLevel::Legal && count > 2 {
                    return Err(PupilError::TooManyLegalGuardians { establishment, count });
                }
                draft.link(&establishment, link);
            }
            PupilCommand::ForgetGuardian { guardian } => draft.forget(guardian),
            PupilCommand::Erase { grounds } => {
                let pupil = self.id.ok_or(PupilError::NotRegistered)?;
                draft.emit(PupilEvent::PupilErased { pupil, grounds });
            }
        }
        Ok(draft.events)
    }

    /// May this pupil hold an account?
    pub fn eligibility(&self) -> Eligibility {
        let status = self.civil_status.as_ref().and_then(Personal::known);
        let mut missing = Vec::new();
        if self.ine.is_none() {
            missing.push("INE");
        }
        if status.is_none_or(|status| status.family_name.is_empty()) {
            missing.push("family name");
        }
        if status.is_none_or(|status| status.given_names.is_empty()) {
            missing.push("given name");
        }
        if status.is_none_or(|status| status.birth_date.is_none()) {
            missing.push("birth date");
        }
        let mut places = self.enrolments.keys();
        match (missing.is_empty(), places.next(), places.next()) {
            (false, _, _) => Eligibility::Incomplete(missing),
            (true, None, _) => Eligibility::NotEnrolled,
            (true, Some(only), None) => Eligibility::Eligible(*only),
            (true, Some(_), Some(_)) => Eligibility::SeveralEstablishments(self.enrolments.keys().cloned().collect()),
        }
    }

    /// Guardian records that any establishment declares legal guardians now.
    pub fn legal_guardians(&self) -> impl Iterator<Item = GuardianId> + '_ {
        self.links.iter().filter(|(_, link)| link.level == GuardianLevel::Legal).map(|((_, guardian), _)| *guardian)
    }

    fn legal_guardians_by<'a>(&'a self, establishment: &'a Uai) -> impl Iterator<Item = GuardianId> + 'a {
        self.links
            .iter()
            .filter(move |((by, _), link)| by == establishment && link.level == GuardianLevel::Legal)
            .map(|((_, guardian), _)| *guardian)
    }
}

/// A record on which a decision's events are tried as they are found, so that later rules see earlier ones.
struct Draft {
    next: Pupil,
    events: Vec<PupilEvent>,
}

impl Draft {
    fn school_data(&mut self, data: SchoolData) -> Result<(), PupilError> {
        let SchoolData { pupil, ine, civil_status, enrolment, links } = data;
        let establishment = enrolment.establishment;
        let count = links.iter().filter(|link| link.level == GuardianLevel::Legal).count();
        if count > 2 {
            return Err(PupilError::TooManyLegalGuardians { establishment, count });
        }
        let stays = enrolment.left_on.is_none();
        self.identity(pupil, ine, civil_status);
        self.enrolment(pupil, enrolment);
        if stays {
            self.links(&establishment, links);
        }
        self.drop_links_of_former_schools();
        Ok(())
    }

    fn emit(&mut self, event: PupilEvent) {
        self.next.apply(event.clone());
        self.events.push(event);
    }

    fn identity(&mut self, pupil: PupilId, ine: Option<Ine>, civil_status: CivilStatus) {
        if self.next.id.is_none() {
            let ine = ine.map(|ine| Personal::new(pupil, ine));
            return self.emit(PupilEvent::PupilRegistered {
                pupil,
                ine,
                civil_status: Personal::new(pupil, civil_status),
            });
        }
        if let Some(ine) = ine
            && self.next.ine.as_ref().and_then(Personal::known) != Some(&ine)
        {
            self.emit(PupilEvent::IneAssigned { ine: Personal::new(pupil, ine) });
        }
        if self.next.civil_status.as_ref().and_then(Personal::known) != Some(&civil_status) {
            self.emit(PupilEvent::CivilStatusCorrected { civil_status: Personal::new(pupil, civil_status) });
        }
    }

    fn enrolment(&mut self, pupil: PupilId, fact: EnrolmentFact) {
        if let Some(left_on) = fact.left_on {
            return self.depart(&fact.establishment, Some(left_on), Departure::Declared { code: fact.leaving_reason });
        }
        let EnrolmentFact { establishment, school_year, entered_on, placement, .. } = fact;
        let placement = Personal::new(pupil, placement);
        if let Some(known) = self.next.enrolments.get(&establishment) {
            if *known != (Enrolment { school_year, entered_on, placement: placement.clone() }) {
                self.emit(PupilEvent::PlacementChanged { establishment, school_year, entered_on, placement });
            }
            return;
        }
        // A later school year elsewhere ends the earlier one: schools rarely declare the summer's departures.
        let superseded: Vec<Uai> = self
            .next
            .enrolments
            .iter()
            .filter(|(_, known)| known.school_year < school_year)
            .map(|(uai, _)| *uai)
            .collect();
        let mut superseded = superseded.into_iter();
        let left_before = if self.next.enrolments.is_empty() { self.next.left_last } else { None };
        let from = superseded.next().or(left_before).filter(|from| *from != establishment);
        for other in superseded {
            self.emit(PupilEvent::PupilDeparted {
                establishment: other,
                left_on: entered_on,
                departure: Departure::AbsentFromExport,
            });
        }
        self.emit(match from {
            Some(from) => PupilEvent::PupilTransferred { from, to: establishment, school_year, entered_on, placement },
            None => PupilEvent::PupilEnrolled { establishment, school_year, entered_on, placement },
        });
    }

    fn depart(&mut self, from: &Uai, left_on: Option<NaiveDate>, departure: Departure) {
        if !self.next.enrolments.contains_key(from) {
            return;
        }
        let mut others = self.next.enrolments.iter().filter(|(uai, _)| *uai != from);
        let event = match (others.next(), others.next()) {
            // Both schools had the pupil for a while; now one is left: that is the transfer.
            (Some((to, stay)), None) => PupilEvent::PupilTransferred {
                from: *from,
                to: *to,
                school_year: stay.school_year,
                entered_on: stay.entered_on,
                placement: stay.placement.clone(),
            },
            _ => PupilEvent::PupilDeparted { establishment: *from, left_on, departure },
        };
        self.emit(event);
    }

    fn links(&mut self, establishment: &Uai, facts: Vec<LinkFact>) {
        let undeclared: Vec<GuardianId> = self
            .next
            .links
            .keys()
            .filter(|(by, guardian)| by == establishment && !facts.iter().any(|fact| fact.guardian == *guardian))
            .map(|(_, guardian)| *guardian)
            .collect();
        for guardian in undeclared {
            let establishment = *establishment;
            self.emit(PupilEvent::GuardianUnlinked { guardian, establishment, cause: Unlinking::NoLongerDeclared });
        }
        for fact in facts {
            self.link(establishment, fact);
        }
    }

    fn link(&mut self, establishment: &Uai, fact: LinkFact) {
        let LinkFact { guardian, level, relationship } = fact;
        let relationship = Personal::new(guardian, relationship);
        let establishment = *establishment;
        match self.next.links.get(&(establishment, guardian)) {
            Some(known) if known.level == level && known.relationship == relationship => {}
            Some(_) => {
                self.emit(PupilEvent::GuardianLinkChanged { guardian, establishment, level, relationship });
            }
            None => self.emit(PupilEvent::GuardianLinked { guardian, establishment, level, relationship }),
        }
    }

    fn forget(&mut self, guardian: GuardianId) {
        let by: Vec<Uai> = self.next.links.keys().filter(|(_, id)| *id == guardian).map(|(by, _)| *by).collect();
        for establishment in by {
            self.emit(PupilEvent::GuardianUnlinked { guardian, establishment, cause: Unlinking::GuardianErased });
        }
    }

    /// A school the pupil has left no longer says who is responsible, once a present school does.
    fn drop_links_of_former_schools(&mut self) {
        let present = |uai: &Uai| self.next.enrolments.contains_key(uai);
        if !self.next.links.keys().any(|(by, _)| present(by)) {
            return;
        }
        let former: Vec<_> = self.next.links.keys().filter(|(by, _)| !present(by)).cloned().collect();
        for (establishment, guardian) in former {
            self.emit(PupilEvent::GuardianUnlinked { guardian, establishment, cause: Unlinking::Transferred });
        }
    }
}

impl Aggregate for Pupil {
    const TYPE: &'static str = "pupil";
    type Command = PupilCommand;
    type Event = PupilEvent;
    type Error = PupilError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: PupilEvent) {
        match event {
            PupilEvent::PupilRegistered { pupil, ine, civil_status } => {
                self.id = Some(pupil);
                self.ine = ine;
                self.civil_status = Some(civil_status);
            }
            PupilEvent::IneAssigned { ine } => self.ine = Some(ine),
            PupilEvent::CivilStatusCorrected { civil_status } => self.civil_status = Some(civil_status),
            PupilEvent::PupilEnrolled { establishment, school_year, entered_on, placement }
            | PupilEvent::PlacementChanged { establishment, school_year, entered_on, placement } => {
                self.enrolments.insert(establishment, Enrolment { school_year, entered_on, placement });
                self.left_last = None;
            }
            PupilEvent::PupilTransferred { from, to, school_year, entered_on, placement } => {
                self.enrolments.remove(&from);
                self.enrolments.insert(to, Enrolment { school_year, entered_on, placement });
                self.left_last = None;
            }
            PupilEvent::PupilDeparted { establishment, left_on: _, departure: _ } => {
                self.enrolments.remove(&establishment);
                if self.enrolments.is_empty() {
                    self.left_last = Some(establishment);
                }
            }
            PupilEvent::GuardianLinked { guardian, establishment, level, relationship }
            | PupilEvent::GuardianLinkChanged { guardian, establishment, level, relationship } => {
                self.links.insert((establishment, guardian), Link { level, relationship });
            }
            PupilEvent::GuardianUnlinked { guardian, establishment, cause: _ } => {
                self.links.remove(&(establishment, guardian));
            }
            PupilEvent::PupilErased { pupil, grounds: _ } => {
                *self = Self { id: Some(pupil), erased: true, ..Self::default() };
            }
        }
    }
}

#[cfg(test)]
mod tests;
