//! Incidents: every request has a reference from its arrival, and whatever goes wrong can be found by it.
//!
//! ```text
//!  arrival ─► Reference ─► span, Incident extension ─► handler ─► response
//!                                                        │            │ status ≥ 400 or AppError
//!                             commands, account (notes) ◄┘            ▼
//!                                                      page or problem+json with the reference
//!                                                                     │
//!                        service.request ◄── row ◄─────────────────────┘
//! ```

mod error;
mod middleware;
mod notes;
mod panics;
mod record;
mod render;
#[cfg(test)]
mod tests;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
pub use domain::reference::{NotAReference, Reference};
pub use error::AppError;
#[cfg(test)]
pub(crate) use middleware::BARE_CODES;
pub use middleware::{around, last_resort};
pub use notes::Incident;
pub use panics::watch as watch_panics;
pub use record::{RequestLog, RequestRow, find};

/// The response header that carries the reference, on every answer.
pub const HEADER: axum::http::HeaderName = axum::http::HeaderName::from_static("incident-reference");

/// A reference at random.
pub fn new_reference() -> Reference {
    let random = SystemRandom::new();
    Reference::draw(|| {
        let mut byte = [0];
        random.fill(&mut byte).expect("the operating system gives random bytes");
        byte[0]
    })
}
