//! Reading events of earlier versions: each step turns a payload of one version into one of the next.

use serde_json::Value;
use std::collections::HashMap;

type Step = Box<dyn Fn(Value) -> Value + Send + Sync>;

/// The known steps, by stream type, event type and the version they start from.
#[derive(Default)]
pub struct Upcasters(HashMap<(&'static str, &'static str, u16), Step>);

impl Upcasters {
    /// None: every stored version is the current one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The steps of this program: every version of an event that was ever recorded becomes the present one. None yet:
    /// all events are of their first version. A new step stands here, and the stored form that it starts from stays
    /// for ever in `ledger/tests/golden/events`.
    pub fn program() -> Self {
        Self::new()
    }

    /// Adds the step from `version` to `version + 1` of one event type. Personal fields keep their places: a
    /// step sees whose they are, never what they say.
    #[must_use]
    pub fn step(
        mut self,
        stream_type: &'static str,
        event_type: &'static str,
        version: u16,
        step: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.0.insert((stream_type, event_type, version), Box::new(step));
        self
    }

    /// Whether a stored payload must be changed before it is read.
    pub(crate) fn wants(&self, stream_type: &str, event_type: &str, version: u16) -> bool {
        !self.0.is_empty() && self.0.contains_key(&(stream_type, event_type, version) as &(&str, &str, u16))
    }

    /// Takes a payload through all the steps there are from its version on.
    pub fn apply(&self, stream_type: &str, event_type: &str, mut version: u16, mut payload: Value) -> Value {
        while let Some(step) = self.0.get(&(stream_type, event_type, version) as &(&str, &str, u16)) {
            payload = step(payload);
            version += 1;
        }
        payload
    }
}
