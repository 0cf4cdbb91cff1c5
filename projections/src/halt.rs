//! How a projection comes to stand at an event that it can't take in, and what it remembers of that.

use crate::projection::Fault;
use ledger::RecordedEvent;
use std::time::Duration;
use tokio::time::Instant;

/// How often the log is told again of a view that still stands.
const REMIND: Duration = Duration::from_secs(600);

/// The event that a projection stands at, and when the log was told of it by this program.
#[derive(Default)]
pub(crate) struct Halt(Option<(Fault, Option<Instant>)>);

impl Halt {
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the projection, with its checkpoint at `next`, is not beyond it.
    pub(crate) fn holds(&self, next: u64) -> bool {
        self.0.as_ref().is_some_and(|(fault, _)| next <= fault.position)
    }

    /// Stands at this event. Says whether that is worth telling: when it is news, and from time to time.
    pub(crate) fn set(&mut self, fault: Fault) -> bool {
        if let Some((known, told)) = &self.0
            && *known == fault
            && told.is_some_and(|told| told.elapsed() < REMIND)
        {
            return false;
        }
        self.0 = Some((fault, Some(Instant::now())));
        true
    }

    /// Stands, until it is passed, where another program or an earlier run stood.
    pub(crate) fn inherit(&mut self, fault: Option<Fault>) {
        if self.0.is_none() {
            self.0 = fault.map(|fault| (fault, None));
        }
    }

    /// Stands no longer; says whether it did.
    pub(crate) fn end(&mut self) -> bool {
        self.0.take().is_some()
    }
}

/// How much of a page is taken at once: all of it, except while an event that can't be applied is singled out, so
/// that everything before it goes in.
pub(crate) struct Cut {
    events: usize,
    /// From this position on, whole pages again.
    until: u64,
}

impl Default for Cut {
    fn default() -> Self {
        Self { events: usize::MAX, until: 0 }
    }
}

impl Cut {
    pub(crate) fn of<'p>(&self, page: &'p [RecordedEvent]) -> &'p [RecordedEvent] {
        &page[..page.len().min(self.events)]
    }

    /// The checkpoint is at `next` now.
    pub(crate) fn passed(&mut self, next: u64) -> u64 {
        if next >= self.until {
            *self = Self::default();
        }
        next
    }

    /// Takes only what comes before the fault next time, from the returned position on.
    ///
    /// # Errors
    /// The fault, when nothing comes before it.
    pub(crate) fn before(&mut self, taken: &[RecordedEvent], fault: Fault) -> Result<u64, Fault> {
        let first = taken.first().map_or(fault.position, |event| event.position);
        if fault.position <= first {
            return Err(fault);
        }
        // No batch is longer than a page.
        self.events = usize::try_from(fault.position - first).unwrap_or(usize::MAX);
        self.until = fault.position;
        Ok(first)
    }

    /// Takes half as much next time, for a problem that does not say which event it is about.
    ///
    /// # Errors
    /// A fault, when the batch was of one event.
    pub(crate) fn half(&mut self, taken: &[RecordedEvent], problem: String) -> Result<u64, Fault> {
        let first = taken.first().map_or(0, |event| event.position);
        if taken.len() <= 1 {
            return Err(Fault { position: first, problem });
        }
        self.events = taken.len() / 2;
        self.until = first + taken.len() as u64;
        Ok(first)
    }
}
