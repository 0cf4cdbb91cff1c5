//! The page of a refusal or a fault.

use super::{Page, Sample, View};
use crate::incident::AppError;
use askama::Template;
use axum::extract::Path;

/// What went wrong, what to do, and the reference.
#[derive(Template, Debug)]
#[template(path = "pages/error.html")]
pub struct ErrorPage {
    view: View,
    title: String,
    text: String,
}

impl ErrorPage {
    /// The page for an error code.
    pub fn new(view: View, code: &str) -> Self {
        let title = view.t(&format!("error-{code}-title"));
        let text = view.t(&format!("error-{code}-text"));
        Self { view, title, text }
    }
}

impl Sample for ErrorPage {
    fn samples(view: &View) -> Vec<Self> {
        ["internal", "not-found", "too-many"].map(|code| Self::new(view.clone(), code)).into()
    }
}

/// What an error code means: where the `type` of a problem document leads.
#[derive(Template, Debug)]
#[template(path = "pages/problem.html")]
pub struct ProblemPage {
    view: View,
    code: String,
    title: String,
    text: String,
}

impl Sample for ProblemPage {
    fn samples(view: &View) -> Vec<Self> {
        vec![Self { view: view.clone(), code: "not-found".into(), title: "…".into(), text: "…".into() }]
    }
}

/// `GET /problems/{code}`
pub async fn problem(view: View, Path(code): Path<String>) -> Result<Page<ProblemPage>, AppError> {
    let title = format!("error-{code}-title");
    if !view.language.has(&title) {
        return Err(AppError::not_found());
    }
    let (title, text) = (view.t(&title), view.t(&format!("error-{code}-text")));
    Ok(Page(ProblemPage { view, code, title, text }))
}
