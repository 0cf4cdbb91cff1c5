//! Files of the pages, inside the program. Their names carry a hash of their content, so browsers keep them for
//! ever and get new ones at once.

use crate::incident::AppError;
use aws_lc_rs::digest;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// One file.
#[derive(Debug)]
pub struct Asset {
    path: String,
    kind: &'static str,
    content: &'static [u8],
}

impl Asset {
    fn new(stem: &str, extension: &str, kind: &'static str, content: &'static [u8]) -> Self {
        let hash = hex::encode(&digest::digest(&digest::SHA256, content).as_ref()[..8]);
        Self { path: format!("/assets/{stem}-{hash}.{extension}"), kind, content }
    }

    /// Its address.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The one style sheet.
pub static CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("matricule", "css", "text/css; charset=utf-8", include_bytes!("../../assets/matricule.css"))
});

/// The sign in the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")));

/// `GET /assets/{*file}`
pub async fn asset(Path(file): Path<String>) -> Result<Response, AppError> {
    let wanted = format!("/assets/{file}");
    let all: [&'static LazyLock<Asset>; 2] = [&CSS, &ICON];
    let asset = all.into_iter().find(|asset| asset.path == wanted).ok_or_else(AppError::not_found)?;
    let mut response = asset.content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}
