//! Addresses to which only the form of another page is posted.

use crate::app::App;
use axum::response::Redirect;
use axum::routing::MethodRouter;

/// What answers a form that stands on the page at `page`. Whoever comes to the form's own address by GET is led
/// there: by the link to the other language on a form shown again, by the address bar, by coming back to a tab.
pub fn form_on(page: &'static str, answer: MethodRouter<App>) -> MethodRouter<App> {
    answer.get(move || async move { Redirect::to(page) })
}
