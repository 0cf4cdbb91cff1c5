//! Pages of the ledger, read once for all projections that are about as far.

use ledger::{Ledger, ReadError, RecordedEvent};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Events per page, at most.
pub(crate) const PAGE: u32 = 2_000;
/// Pages kept: the projections are rarely further apart, and who lags more reads for itself.
const KEPT: usize = 6;

/// Consecutive events.
pub(crate) type Page = Arc<Vec<RecordedEvent>>;

/// The pages read last. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pages {
    ledger: Ledger,
    recent: Arc<Mutex<VecDeque<Slot>>>,
}

#[derive(Clone)]
struct Slot {
    from: u64,
    page: Arc<OnceCell<Page>>,
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum NoPage {
    /// No event there yet.
    End,
    Read(ReadError),
}

impl Pages {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, recent: Arc::default() }
    }

    /// The page from a position on. Whoever asks for the same one meanwhile waits for the same read.
    pub(crate) async fn get(&self, from: u64) -> Result<Page, NoPage> {
        let slot = self.slot(from);
        let page = slot.get_or_try_init(|| async {
            let events = self.read(from).await.map_err(NoPage::Read)?;
            if events.is_empty() { Err(NoPage::End) } else { Ok(Arc::new(events)) }
        });
        page.await.cloned()
    }

    /// Up to a page of events; fewer where one that can't be read follows, and its error where it is the first.
    async fn read(&self, from: u64) -> Result<Vec<RecordedEvent>, ReadError> {
        let mut limit = PAGE;
        loop {
            match self.ledger.read(from, limit).await {
                Err(ReadError::Event { position, .. }) if position > from && position - from < limit.into() => {
                    limit = u32::try_from(position - from).unwrap_or(limit);
                }
                read => return read,
            }
        }
    }

    /// Starts reading the page that follows a full one, while that one is applied.
    pub(crate) fn read_ahead(&self, page: &Page) {
        if page.len() < PAGE as usize {
            return;
        }
        if let Some(last) = page.last() {
            let (pages, from) = (self.clone(), last.position + 1);
            // Whoever needs the page meets the error again.
            tokio::spawn(async move { drop(pages.get(from).await) });
        }
    }

    fn slot(&self, from: u64) -> Arc<OnceCell<Page>> {
        // Nothing can be left half-changed here.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = recent.iter().find(|slot| slot.from == from) {
            return slot.page.clone();
        }
        if recent.len() == KEPT {
            recent.pop_front();
        }
        let page = Arc::default();
        recent.push_back(Slot { from, page: Arc::clone(&page) });
        page
    }
}
