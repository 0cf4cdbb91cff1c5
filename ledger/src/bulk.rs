//! Reading many events fast: a page comes as one `COPY … TO STDOUT (FORMAT BINARY)`, its keys in one query, and is
//! decoded away from the async threads; the next pages are on their way meanwhile.

use crate::copy::{Fields, copy_out};
use crate::error::ReadError;
use crate::record::{AnyEvent, Ciphers, Raw, RecordedEvent, broken, subjects};
use crate::seal::{KnownKeys, Subjects};
use crate::{Ledger, Upcasters};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Events per page of a stream: large enough to make a query's fixed cost small, small enough to keep in memory.
pub(crate) const PAGE: u64 = 8192;

/// Pages of a stream under way at a time: each waits for its rows, its keys and a decoder in turn, and so many keep
/// every processor busy meanwhile. A page takes 10 to 15 MB.
const AHEAD: usize = 8;
/// Below so many events a prepared query is faster than a COPY, which is planned each time.
const FEW: u64 = 64;
/// Rows of a single page decoded together by one thread.
const CHUNK: usize = 1024;
/// Bytes of a row, about: what a page's buffer starts with.
const ROW: usize = 640;
/// Columns that [`Ledger::fetch`] selects, and which of them holds the segments.
const COLUMNS: i16 = 16;
const SEGMENTS: i16 = 7;
/// PostgreSQL counts microseconds from 2000-01-01.
const EPOCH: i64 = 946_684_800_000_000;

/// A page as it came over the wire.
pub(crate) struct Page {
    bytes: Vec<u8>,
    /// Where each row's first field begins.
    rows: Vec<usize>,
    keys: KnownKeys,
}

/// Buffers that pages lay in and the next ones can: the system would take such large ones back and give new ones,
/// zeroed, each time. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty one with room for so many events, up to a page.
    fn take(&self, events: u64) -> Vec<u8> {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        used.unwrap_or_else(|| Vec::with_capacity(usize::try_from(events.min(PAGE)).unwrap_or_default() * ROW))
    }

    pub(crate) fn give(&self, mut used: Vec<u8>) {
        used.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(used);
    }
}

impl Ledger {
    /// All events from a position on, page by page, up to the end as it is when the last page has been read. Faster
    /// than [`Ledger::read`] page by page: the next pages are read and decoded while one is used.
    pub fn stream(&self, from: u64) -> impl Stream<Item = Result<Vec<RecordedEvent>, ReadError>> + Send + use<> {
        self.stream_as(from)
    }

    /// [`Ledger::stream`] into a program's own union of events.
    pub fn stream_as<E: AnyEvent>(
        &self,
        from: u64,
    ) -> impl Stream<Item = Result<Vec<RecordedEvent<E>>, ReadError>> + Send + use<E> {
        let ledger = self.clone();
        let stretches = stream::try_unfold(from, move |from| {
            let ledger = ledger.clone();
            async move {
                let (size, _) = ledger.root().await?;
                Ok::<_, ReadError>((from < size).then(|| (ledger.stretch(from, size), size)))
            }
        });
        stretches.try_flatten()
    }

    /// The pages of events that are all there, in order, several under way at a time.
    fn stretch<E: AnyEvent>(
        &self,
        from: u64,
        to: u64,
    ) -> impl Stream<Item = Result<Vec<RecordedEvent<E>>, ReadError>> + Send + use<E> {
        let ledger = self.clone();
        let buffers = Buffers::default();
        let pages = stream::iter((from..to).step_by(PAGE as usize)).map(move |first| {
            let page = tokio::spawn(ledger.clone().whole_page(first, PAGE.min(to - first), buffers.clone()));
            async move { page.await.map_err(|_| ReadError::Cancelled)? }
        });
        pages.buffered(AHEAD)
    }

    async fn whole_page<E: AnyEvent>(
        self,
        from: u64,
        count: u64,
        buffers: Buffers,
    ) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        let page = self.fetch(from, count, buffers.take(count)).await?;
        if page.len() as u64 != count {
            return Err(broken(from + page.len() as u64, &"missing"));
        }
        let upcasters = self.upcasters();
        let decoded = tokio::task::spawn_blocking(move || {
            let events = page.decode(0, page.len(), &upcasters, from);
            buffers.give(page.bytes);
            events
        });
        decoded.await.map_err(|_| ReadError::Cancelled)?
    }

    /// One page of any size.
    pub(crate) async fn page<E: AnyEvent>(&self, from: u64, limit: u64) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        // What was recorded a moment ago, mostly: whoever reads it is waited for.
        if self.size().saturating_sub(from).min(limit) < FEW {
            return self.few(from, limit).await;
        }
        let page = self.clone().start(from, limit).await.map_err(|_| ReadError::Cancelled)??;
        self.decode(page, from).await
    }

    /// A task of its own: a connection left in the middle of a COPY would be of no more use.
    pub(crate) fn start(self, from: u64, limit: u64) -> tokio::task::JoinHandle<Result<Page, ReadError>> {
        tokio::spawn(async move { self.fetch(from, limit, Buffers::default().take(limit)).await })
    }

    async fn fetch(&self, from: u64, limit: u64, mut bytes: Vec<u8>) -> Result<Page, ReadError> {
        self.copy(from, limit, &mut bytes).await?;
        let mut rows = Vec::new();
        let mut wanted = Subjects::default();
        let mut reader = Fields::after_header(&bytes).ok_or_else(|| malformed(from))?;
        while let Some(start) = reader.next_row(COLUMNS).ok_or_else(|| malformed(from))? {
            let expected = from + rows.len() as u64;
            rows.push(start);
            let (position, segments) = reader.position_and_segments().ok_or_else(|| malformed(expected))?;
            if position != expected {
                return Err(broken(expected, &format!("missing; {position} follows")));
            }
            for subject in subjects(position, segments)? {
                wanted.insert(subject?);
            }
        }
        let time = |start: Option<&usize>| {
            let row = start.and_then(|start| Fields { bytes: &bytes, at: *start }.row());
            row.map_or(0, |row| row.recorded_at)
        };
        let keys = self.keys().get_created(wanted, time(rows.first()), time(rows.last())).await?;
        Ok(Page { bytes, rows, keys })
    }

    /// The rows from a position on, as PostgreSQL sends them.
    async fn copy(&self, from: u64, limit: u64, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
        let to = from.saturating_add(limit).min(i64::MAX as u64);
        let copy = format!(
            "COPY (SELECT position, stream_type, stream_id, sequence, event_type, event_version, payload, segments, \
             recorded_at, effective_at, actor, on_behalf_of, reason, command_id, reference, leaf FROM ledger.event \
             WHERE position >= {from} AND position < {to} ORDER BY position) TO STDOUT (FORMAT BINARY)"
        );
        Ok(copy_out(self.pool(), &copy, bytes).await?)
    }

    /// The rows of these positions, whatever they hold: for whoever looks for faults. In a buffer of `buffers`, to be
    /// given back.
    pub(crate) async fn rows(&self, from: u64, count: u64, buffers: &Buffers) -> Result<Vec<u8>, ReadError> {
        let mut bytes = buffers.take(count);
        self.copy(from, count, &mut bytes).await?;
        Ok(bytes)
    }

    async fn decode<E: AnyEvent>(&self, page: Page, from: u64) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        let page = Arc::new(page);
        let chunks: Vec<_> = (0..page.len())
            .step_by(CHUNK)
            .map(|first| {
                let (page, upcasters) = (page.clone(), self.upcasters());
                tokio::task::spawn_blocking(move || page.decode(first, CHUNK, &upcasters, from))
            })
            .collect();
        let mut events = Vec::with_capacity(page.len());
        for chunk in chunks {
            events.extend(chunk.await.map_err(|_| ReadError::Cancelled)??);
        }
        Ok(events)
    }
}

impl Page {
    /// Number of events.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// So many of its rows, from row `first` on.
    fn raws_within(&self, first: usize, count: usize, from: u64) -> impl Iterator<Item = Result<Raw<'_>, ReadError>> {
        let rows = self.rows.iter().zip(from..).skip(first).take(count);
        rows.map(|(start, position)| Fields { bytes: &self.bytes, at: *start }.row().ok_or_else(|| malformed(position)))
    }

    fn decode<E: AnyEvent>(
        &self,
        first: usize,
        count: usize,
        upcasters: &Upcasters,
        from: u64,
    ) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        let ciphers = Ciphers::new(&self.keys);
        let mut events = Vec::with_capacity(count.min(self.len()));
        for raw in self.raws_within(first, count, from) {
            events.push(raw?.decode(upcasters, &ciphers)?);
        }
        Ok(events)
    }
}

/// The rows of a COPY one by one, whatever they hold: for whoever looks for faults. A row that can't be read is an
/// error and the last.
pub(crate) fn each_row(bytes: &[u8], from: u64) -> impl Iterator<Item = Result<Raw<'_>, ReadError>> {
    let mut rest = Some(Fields::after_header(bytes));
    let mut position = from;
    std::iter::from_fn(move || {
        let read = rest.take()?.and_then(|mut fields| match fields.next_row(COLUMNS)? {
            None => Some(None),
            Some(_) => fields.row().map(|row| Some((row, fields))),
        });
        match read {
            None => Some(Err(malformed(position))),
            Some(None) => None,
            Some(Some((row, fields))) => {
                position = row.position + 1;
                rest = Some(Some(fields));
                Some(Ok(row))
            }
        }
    })
}

fn malformed(position: u64) -> ReadError {
    broken(position, &"the database sent a malformed row")
}

impl<'a> Fields<'a> {
    /// What tells which keys a row needs; the rest is stepped over unread.
    fn position_and_segments(&mut self) -> Option<(u64, &'a [u8])> {
        let position = u64::try_from(self.number()?).ok()?;
        for _ in 1..SEGMENTS {
            self.optional()?;
        }
        let segments = self.field()?;
        for _ in SEGMENTS + 1..COLUMNS {
            self.optional()?;
        }
        Some((position, segments))
    }

    /// One row, in the order that [`Ledger::fetch`] selects.
    fn row(&mut self) -> Option<Raw<'a>> {
        Some(Raw {
            position: u64::try_from(self.number()?).ok()?,
            stream_type: self.text()?,
            stream_id: self.text()?,
            sequence: u64::try_from(self.number()?).ok()?,
            event_type: self.text()?,
            event_version: u16::from_be_bytes(self.field()?.try_into().ok()?),
            payload: self.field()?,
            segments: self.field()?,
            recorded_at: self.number()?.checked_add(EPOCH)?,
            effective_at: self.number()?.checked_add(EPOCH)?,
            actor: self.text()?,
            on_behalf_of: self.optional_text()?,
            reason: self.text()?,
            command: Uuid::from_bytes(self.field()?.try_into().ok()?),
            reference: self.optional_text()?,
            leaf: self.field()?.try_into().ok()?,
        })
    }
}
