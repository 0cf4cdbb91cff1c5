//! Pages of text: accessibility and legal notices.

use super::{Page, Sample, View};
use askama::Template;

/// How far the pages are accessible, and whom to tell of an obstacle.
#[derive(Template, Debug)]
#[template(path = "pages/accessibility.html")]
pub struct AccessibilityPage {
    view: View,
}

/// Who runs the service, and what it does with personal data.
#[derive(Template, Debug)]
#[template(path = "pages/legal.html")]
pub struct LegalPage {
    view: View,
}

impl Sample for AccessibilityPage {
    fn samples(view: &View) -> Vec<Self> {
        vec![Self { view: view.clone() }]
    }
}

impl Sample for LegalPage {
    fn samples(view: &View) -> Vec<Self> {
        vec![Self { view: view.clone() }]
    }
}

/// `GET /accessibility`
pub async fn accessibility(view: View) -> Page<AccessibilityPage> {
    Page(AccessibilityPage { view })
}

/// `GET /legal`
pub async fn legal(view: View) -> Page<LegalPage> {
    Page(LegalPage { view })
}
