//! `GET /account/data`: what of a person can be taken away.

use crate::pages::{Page, Sample, View};
use crate::session::CurrentUser;
use askama::Template;

/// The page's path.
pub const PATH: &str = "/account/data";

/// The two forms of the download.
#[derive(Template, Debug)]
#[template(path = "account/data.html")]
pub struct DataPage {
    view: View,
}

impl Sample for DataPage {
    fn samples(view: &View) -> Vec<Self> {
        vec![Self { view: view.signed_in(PATH) }]
    }
}

/// Shows it.
pub async fn data(view: View, _: CurrentUser) -> Page<DataPage> {
    Page(DataPage { view })
}
