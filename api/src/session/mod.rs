//! Sessions of signed-in users.

use domain::ids::AccountId;

/// Who is signed in, as pages show it. The session's middleware finds it and hands it to
/// [`crate::incident::Incident::note_user`]; from there [`crate::pages::View`] and the request's record have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUser {
    /// The account.
    pub account: AccountId,
    /// What to call them on a page.
    pub name: String,
}
