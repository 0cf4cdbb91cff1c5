//! The answer to an authorization request, on its way to the redirect URI.

use super::error::ProtocolError;
use super::request::{ResponseMode, Target};
use crate::pages::{Page, View};
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded::Serializer;

/// What the client is told.
pub enum Answer {
    /// Here is a code.
    Code(String),
    /// No.
    Refusal(ProtocolError),
}

/// Sends the browser to the client's redirect URI. A redirect is always 303: whatever was posted here, a password
/// above all, is never posted again there (RFC 9700 §4.12).
pub fn send(view: &View, issuer: &str, target: &Target, answer: Answer) -> Response {
    let fields = fields(issuer, target, answer);
    match target.response_mode {
        ResponseMode::Query => redirect(&with_query(&target.redirect_uri, &fields)),
        ResponseMode::FormPost => form_post(view, target, fields),
    }
}

/// The redirect URI with a refusal in its query: for a link on a page that explains it first.
pub fn refusal_link(issuer: &str, target: &Target, error: ProtocolError) -> String {
    with_query(&target.redirect_uri, &fields(issuer, target, Answer::Refusal(error)))
}

fn fields(issuer: &str, target: &Target, answer: Answer) -> Vec<(&'static str, String)> {
    let mut fields = match answer {
        Answer::Code(code) => vec![("code", code)],
        Answer::Refusal(error) => {
            vec![("error", error.code.as_str().to_owned()), ("error_description", error.description.to_owned())]
        }
    };
    fields.extend(target.state.clone().map(|state| ("state", state)));
    // RFC 9207: the client sees which provider answered.
    fields.push(("iss", issuer.to_owned()));
    fields
}

/// The URI with more parameters in its query. It has no fragment: registration refuses those.
pub(super) fn with_query(uri: &str, fields: &[(&'static str, String)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(fields).finish();
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, known)) if known.is_empty() || known.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{uri}{joint}{query}")
}

/// 303 to an address that has been checked.
pub(super) fn redirect(to: &str) -> Response {
    // Registered URIs are ASCII without spaces, and the query is encoded.
    let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Submits itself where there are scripts, and has a button where there are none.
#[derive(Template, Debug)]
#[template(path = "oidc/form_post.html")]
pub struct FormPostPage {
    view: View,
    action: String,
    fields: Vec<(&'static str, String)>,
}

impl crate::pages::Sample for FormPostPage {
    fn samples(view: &View) -> Vec<Self> {
        let fields = vec![("code", "…".to_owned()), ("state", "\"><script>".to_owned())];
        vec![Self { view: view.clone(), action: "https://notes.example.org/cb".to_owned(), fields }]
    }
}

/// The one script of the service; its hash stands in the page's policy.
const SUBMIT: &str = "document.forms[document.forms.length - 1].submit()";

fn form_post(view: &View, target: &Target, fields: Vec<(&'static str, String)>) -> Response {
    use base64::Engine;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SUBMIT.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    // The form's target may redirect wherever its owner likes, so `form-action` stays open.
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'"
    );
    let page = FormPostPage { view: view.clone(), action: target.redirect_uri.clone(), fields };
    let mut response = Page(page).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::with_query;

    #[test]
    fn parameters_join_a_query_that_is_there() {
        let fields = [("state", "a&b=c #é".to_owned())];
        let encoded = "state=a%26b%3Dc+%23%C3%A9";
        assert_eq!(with_query("https://a.test/cb", &fields), format!("https://a.test/cb?{encoded}"));
        assert_eq!(with_query("https://a.test/cb?x=1", &fields), format!("https://a.test/cb?x=1&{encoded}"));
        assert_eq!(with_query("https://a.test/cb?", &fields), format!("https://a.test/cb?{encoded}"));
    }
}
