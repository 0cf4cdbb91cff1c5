//! `GET /`

use super::{Page, Sample, View};
use askama::Template;

/// The three ways in.
#[derive(Template, Debug)]
#[template(path = "pages/home.html")]
pub struct HomePage {
    view: View,
}

impl Sample for HomePage {
    fn samples(view: &View) -> Vec<Self> {
        vec![Self { view: view.clone() }]
    }
}

/// The home page.
pub async fn home(view: View) -> Page<HomePage> {
    Page(HomePage { view })
}
