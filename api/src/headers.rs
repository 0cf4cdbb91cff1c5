//! Headers on every answer that keep browsers from doing harm.

use crate::app::App;
use crate::upstream::Provider;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Nothing but our own style sheet, images and forms; no script at all; no frame around us.
const CONTENT: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                       base-uri 'none'; frame-ancestors 'none'";
/// The same for [`FORMS_LEAD_AWAY`].
const CONTENT_LEADING_AWAY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Pages whose form may end at a relying party: browsers hold `form-action` against the redirects that answer a
/// form, too.
const FORMS_LEAD_AWAY: [&str; 7] = [
    "/sign-in",
    crate::session::second::PATH,
    crate::session::STEP_UP_PATH,
    "/new-password",
    "/end-session",
    "/authorize",
    "/authorize/continue",
];
const FEATURES: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()";

/// The middleware. It adds what a handler has not set itself.
pub async fn secure(State(app): State<App>, request: Request, next: Next) -> Response {
    let ours = content_security(&app);
    let leads_away = FORMS_LEAD_AWAY.contains(&request.uri().path());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !leads_away && let Some(ours) = ours {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(ours);
    }
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(header::CONTENT_SECURITY_POLICY, if leads_away { CONTENT_LEADING_AWAY } else { CONTENT });
    add(header::X_FRAME_OPTIONS, "DENY");
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::REFERRER_POLICY, "same-origin");
    add(HeaderName::from_static("permissions-policy"), FEATURES);
    add(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    add(header::CACHE_CONTROL, "no-store");
    if app.config.is_https() {
        add(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
    }
    response
}

/// [`CONTENT`], where signing out may lead on to a provider that is configured. Its button stands on every page.
fn content_security(app: &App) -> Option<HeaderValue> {
    let origins: Vec<String> = app.upstreams.all().iter().flat_map(Provider::origins).collect();
    let allowed = format!("form-action 'self' {}", origins.join(" "));
    (!origins.is_empty()).then(|| CONTENT.replace("form-action 'self'", &allowed)).and_then(|text| text.parse().ok())
}
