//! Pages of text: accessibility and legal notices.

use super::{Page, Sample, View};
use crate::app::App;
use crate::config::{Operator, Span};
use askama::Template;
use axum::extract::State;

/// How far the pages are accessible, and whom to tell of an obstacle.
#[derive(Template, Debug)]
#[template(path = "pages/accessibility.html")]
pub struct AccessibilityPage {
    view: View,
    operator: Operator,
}

/// Who runs the service, and what it does with personal data.
#[derive(Template, Debug)]
#[template(path = "pages/legal.html")]
pub struct LegalPage {
    view: View,
    operator: Operator,
    /// How long the record of requests is kept, in days.
    kept: u64,
}

fn known() -> Operator {
    Operator { name: Some("Académie fictive".into()), contact: Some("aide@example.org".into()) }
}

impl Sample for AccessibilityPage {
    fn samples(view: &View) -> Vec<Self> {
        [known(), Operator::default()].map(|operator| Self { view: view.clone(), operator }).into()
    }
}

impl Sample for LegalPage {
    fn samples(view: &View) -> Vec<Self> {
        [known(), Operator::default()].map(|operator| Self { view: view.clone(), operator, kept: 180 }).into()
    }
}

fn days(span: Span) -> u64 {
    span.0.as_secs().div_ceil(86_400)
}

/// `GET /accessibility`
pub async fn accessibility(State(app): State<App>, view: View) -> Page<AccessibilityPage> {
    Page(AccessibilityPage { view, operator: app.config.operator.clone() })
}

/// `GET /legal`
pub async fn legal(State(app): State<App>, view: View) -> Page<LegalPage> {
    let config = &app.config;
    Page(LegalPage { view, operator: config.operator.clone(), kept: days(config.http.request_retention) })
}
