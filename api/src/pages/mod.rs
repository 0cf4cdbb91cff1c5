//! Pages: server-rendered, in French and English, usable without JavaScript.
//!
//! # Adding a page
//! 1. Its words: `api/locales/fr/FOLDER.ftl` and `api/locales/en/FOLDER.ftl`, keys `folder-page-…`.
//! 2. Its template: `api/templates/FOLDER/page.html`, which begins with `{% extends "layout.html" %}` and fills
//!    the blocks `title` and `main`. Words come by `{{ view.t("key") }}`, `{{ view.t1("key", "name", value) }}` or
//!    `{{ view.tn("key", "count", number) }}`; form controls by the macros of `components/form.html`, notices, step
//!    indicators and the like by those of `components/parts.html` (each file begins with how to call it).
//! 3. Its struct: `#[derive(Template)] #[template(path = "FOLDER/page.html")]` with `view: View` and its content;
//!    and its [`Sample`]s, so that the test in [`samples`] renders it in both languages (one line there).
//! 4. Its handler: takes [`View`], returns [`Page`] or `Result<Page<_>, AppError>`. A form that is refused is shown
//!    again with status 422 and its [`FormErrors`]: `(StatusCode::UNPROCESSABLE_ENTITY, Page(form))`. After a POST
//!    that did something, redirect with 303 (`Redirect::to`).
//! 5. Its route: one line in `router.rs`; by [`form_on()`] where only its form is posted there. A path below `/account`
//!    puts the page inside "my account", with its navigation; which section it belongs to is said in [`section`].
//!
//! A refusal that is a page of its own is an [`crate::incident::AppError`] with a code, and the messages
//! `error-CODE-title` and `error-CODE-text`.

pub mod assets;
mod error_page;
mod form;
mod form_on;
pub mod health;
mod home;
mod language;
mod plain;
mod respond;
pub mod samples;
pub mod section;
mod switch;
#[cfg(test)]
mod tests;
mod view;

pub use error_page::{ErrorPage, problem};
pub use form::{DateInput, FormErrors};
pub use form_on::form_on;
pub use home::home;
pub use language::Language;
pub use plain::{accessibility, legal};
pub use respond::{Page, page};
pub use samples::Sample;
pub use switch::{language_cookie, switch_language};
pub use view::View;
