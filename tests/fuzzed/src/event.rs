//! Decoding of stored events.

use cqrs_es::Aggregate;
use domain::Event;
use domain::account::Account;
use domain::establishment::Establishment;
use domain::guardian::Guardian;
use domain::personal::Sealable;
use domain::pupil::Pupil;
use domain::relying_party::RelyingParty;

const STREAMS: [&str; 6] =
    [Pupil::TYPE, Guardian::TYPE, Account::TYPE, Establishment::TYPE, RelyingParty::TYPE, "of a newer program"];

/// First byte: kind of stream; the rest: payload.
///
/// # Panics
/// A payload that is understood is not written as it was read, or personal data came with it.
pub fn event(data: &[u8]) {
    let Some((kind, payload)) = data.split_first() else { return };
    let stream_type = STREAMS[usize::from(*kind) % STREAMS.len()];
    let Ok(mut event) = Event::decode(stream_type, payload) else { return };
    assert_eq!(event.stream_type(), stream_type);
    let written = event.payload().expect("what was read can be written");
    assert!(written.contains(&event.event_type()), "the payload names the event");
    // Personal fields are put in afterwards, from sealed segments only.
    assert!(event.segments().iter().all(|segment| segment.plaintext().is_none()), "nothing personal was read in clear");
    let again = Event::decode(stream_type, written.as_bytes()).expect("what was written can be read");
    assert_eq!(again, event);
    assert_eq!(again.payload().expect("it was written before"), written);
}
