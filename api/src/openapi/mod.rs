//! `/api/openapi.json`: what programs may ask of the service, as far as no specification elsewhere says so. The auditors'
//! interface describes itself (`crate::audit`). Both are kept by hand, held against the routes by tests, and against
//! what the running service answers by `tests/integration/openapi.rs`.

use axum::http::header;
use axum::response::IntoResponse;

/// The description.
const OPENAPI: &str = include_str!("openapi.json");

/// `GET /api/openapi.json`: open to all, like the rest of the source.
pub async fn describe() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

#[cfg(test)]
mod tests {
    use super::OPENAPI;
    use crate::testing::TestService;
    use axum::body::Body;
    use axum::http::Method;
    use serde_json::Value;

    /// The routes of the table of contents that are for programs.
    fn routed() -> Vec<String> {
        let source = include_str!("../router.rs");
        let mut paths: Vec<String> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix(".route("))
            .filter_map(|rest| match rest.split('"').nth(1) {
                Some(path) if rest.starts_with('"') => Some(path.to_owned()),
                _ => rest.starts_with("import::http::UPLOAD,").then(|| crate::import::http::UPLOAD.to_owned()),
            })
            .filter(|path| path.starts_with("/api/") || path.ends_with("z"))
            .collect();
        paths.sort_unstable();
        paths
    }

    #[tokio::test]
    async fn every_described_route_is_there_and_no_other() {
        let description: Value = serde_json::from_str(OPENAPI).unwrap();
        let described = description["paths"].as_object().unwrap();
        let mut paths: Vec<&str> = described.keys().map(String::as_str).collect();
        paths.sort_unstable();
        assert_eq!(routed(), paths);
        let service = TestService::start().await;
        for (path, methods) in described {
            let concrete = path.replace("{id}", "00000000-0000-0000-0000-000000000001");
            for method in ["get", "post", "put", "delete", "patch"] {
                let sent = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let answer = service.browser().send(sent, &concrete, Body::empty(), None).await;
                let there = methods.as_object().unwrap().contains_key(method);
                assert_eq!(answer.status != 405, there, "{method} {path}: {}", answer.status);
            }
        }
        let served = service.browser().get("/api/openapi.json").await;
        assert_eq!(serde_json::from_str::<Value>(&served.body).unwrap(), description);
    }
}
