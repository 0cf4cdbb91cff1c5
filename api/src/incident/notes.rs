//! What a request's own code tells its record while it runs: who acts, which commands were given.

use super::Reference;
use crate::session::CurrentUser;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use domain::context::{Actor, Context, Reason};
use domain::ids::CommandId;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The running request's incident: its reference, and what is noted of it. An extractor; clones are one.
#[derive(Clone, Debug)]
pub struct Incident(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reference: Reference,
    notes: Mutex<Notes>,
}

/// What goes into the request's record.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub user: Option<CurrentUser>,
    pub commands: Vec<Uuid>,
}

impl Incident {
    pub(super) fn new(reference: Reference) -> Self {
        Self(Arc::new(Inner { reference, notes: Mutex::default() }))
    }

    /// The reference that the user will see if anything goes wrong.
    pub fn reference(&self) -> Reference {
        self.0.reference
    }

    /// Who is signed in, once that is known.
    pub fn note_user(&self, user: CurrentUser) {
        self.notes(|notes| notes.user = Some(user));
    }

    /// Who is signed in, if that is known and anybody is.
    pub fn user(&self) -> Option<CurrentUser> {
        self.notes(|notes| notes.user.clone())
    }

    /// A command that is about to be given, whatever becomes of it. [`Incident::context`] does it by itself.
    pub fn note_command(&self, command: CommandId) {
        self.notes(|notes| notes.commands.push(command.0));
    }

    /// The circumstances of a new command of this request, noted in its record.
    pub fn context(&self, actor: Actor, reason: Reason, now: DateTime<Utc>) -> Context {
        let command = CommandId(Uuid::now_v7());
        self.note_command(command);
        Context {
            command,
            actor,
            on_behalf_of: None,
            reason,
            reference: Some(self.reference().compact().to_owned()),
            effective_at: now,
        }
    }

    pub(super) fn take_notes(&self) -> Notes {
        self.notes(|notes| notes.clone())
    }

    fn notes<T>(&self, f: impl FnOnce(&mut Notes) -> T) -> T {
        // A panic between two assignments can't leave notes that are worth refusing.
        f(&mut self.0.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Sync> FromRequestParts<S> for Incident {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Every route lies inside the middleware that inserts it; a handler called without it gets its own.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self::new(super::new_reference())))
    }
}
