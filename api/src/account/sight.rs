//! Which events a person may see.

use crate::app::App;
use crate::incident::AppError;
use domain::Event;
use domain::account::{Account, AccountEvent, Holder};
use domain::guardian::GuardianEvent;
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::pupil::{Pupil, PupilEvent};
use ledger::RecordedEvent;
use std::collections::{BTreeMap, BTreeSet};

/// What one person may see of the ledger.
pub struct Sight {
    account: AccountId,
    records: BTreeSet<GuardianId>,
    /// Each child, and the position from which on its schools' data is shown.
    children: BTreeMap<PupilId, u64>,
    /// The holder, where that is a pupil.
    own: Option<PupilId>,
}

impl Sight {
    /// As the ledger says at this moment, and the children's state with it.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn of(app: &App, id: AccountId, account: &Account) -> Result<(Self, Vec<Pupil>), AppError> {
        let own = match account.holder {
            Some(Holder::Pupil(pupil)) => Some(pupil),
            Some(Holder::Guardian(_)) | None => None,
        };
        let mut since: BTreeMap<PupilId, u64> = BTreeMap::new();
        for recorded in app.ledger.read_stream("account", &id.to_string(), 1).await? {
            if let Event::Account(AccountEvent::ChildConfirmed { pupil }) = recorded.event {
                since.insert(pupil, recorded.position);
            }
        }
        let mut children = Vec::new();
        if !account.confirmed.is_empty() {
            let ids: Vec<String> = account.confirmed.iter().map(ToString::to_string).collect();
            let loaded = app.ledger.load_many::<Pupil>(&ids).await?;
            let now_mine =
                |pupil: &Pupil| pupil.legal_guardians().any(|guardian| account.guardians.contains(&guardian));
            children.extend(loaded.into_values().map(|loaded| loaded.aggregate).filter(now_mine));
        }
        let shown = children.iter().filter_map(|pupil| pupil.id.and_then(|id| Some((id, *since.get(&id)?))));
        let shown = shown.collect();
        Ok((Self { account: id, records: account.guardians.clone(), children: shown, own }, children))
    }

    /// Whose events to look at.
    pub fn entities(&self) -> Vec<String> {
        let records = self.records.iter().map(ToString::to_string);
        let pupils = self.children.keys().copied().chain(self.own).map(|pupil| pupil.to_string());
        std::iter::once(self.account.to_string()).chain(records).chain(pupils).collect()
    }

    /// Whether the person may see this event. What is about one of theirs may be somebody else's all the same: the
    /// other parent confirms the same child.
    pub fn shows(&self, event: &RecordedEvent) -> bool {
        match &event.event {
            Event::Account(_) => event.stream_id == self.account.to_string(),
            Event::Guardian(fact) => {
                let own = event.stream_id.parse().is_ok_and(|id| self.records.contains(&id));
                own && match fact {
                    GuardianEvent::GuardianRecorded { .. }
                    | GuardianEvent::GuardianIdentityCorrected { .. }
                    | GuardianEvent::GuardianContactCorrected { .. }
                    | GuardianEvent::GuardianErased { .. } => true,
                    // They name children of whom nobody knows yet whose they are.
                    GuardianEvent::ChildLinkHeld { .. }
                    | GuardianEvent::ChildLinkSettled { .. }
                    | GuardianEvent::ChildLinkLapsed { .. } => false,
                }
            }
            Event::Pupil(fact) => event.stream_id.parse().is_ok_and(|pupil| self.shows_of(pupil, fact, event.position)),
            Event::Establishment(_)
            | Event::RelyingParty(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => false,
        }
    }

    fn shows_of(&self, pupil: PupilId, fact: &PupilEvent, position: u64) -> bool {
        let theirs = self.own == Some(pupil);
        let since = self.children.get(&pupil);
        match fact {
            // The tie to this very person, whenever it was declared; the tie to anybody else, never.
            PupilEvent::GuardianLinked { guardian, .. }
            | PupilEvent::GuardianLinkChanged { guardian, .. }
            | PupilEvent::GuardianUnlinked { guardian, .. } => since.is_some() && self.records.contains(guardian),
            PupilEvent::PupilEnrolled { .. }
            | PupilEvent::PlacementChanged { .. }
            | PupilEvent::PupilTransferred { .. }
            | PupilEvent::PupilDeparted { .. }
            | PupilEvent::CivilStatusCorrected { .. } => theirs || since.is_some_and(|since| position >= *since),
            PupilEvent::PupilRegistered { .. } | PupilEvent::IneAssigned { .. } => theirs,
            PupilEvent::PupilErased { .. } => false,
        }
    }
}
