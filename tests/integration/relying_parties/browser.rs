//! A browser for pages that need no script: cookies, redirects, forms.

use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// More redirects than any sign-in takes.
const MOST_REDIRECTS: usize = 20;

/// Cookies by host – ports share them, as in every browser – and by name.
pub struct Browser {
    client: Client,
    cookies: BTreeMap<(String, String), String>,
}

/// A page, read to its end.
#[derive(Debug)]
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Browser {
    pub fn new() -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy();
        let client = client.timeout(Duration::from_secs(60)).build().expect("a client");
        Self { client, cookies: BTreeMap::new() }
    }

    /// Throws away the cookies of one host.
    pub fn forget(&mut self, host: &str) {
        self.cookies.retain(|(of, _), _| of != host);
    }

    /// Opens an address and follows where it leads.
    pub async fn open(&mut self, url: &str) -> Page {
        let page = self.ask(url).await;
        self.follow(page).await
    }

    /// Asks an address and follows nothing.
    pub async fn ask(&mut self, url: &str) -> Page {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let request = self.client.request(Method::GET, url.clone());
        self.send(url, request).await
    }

    /// Sends the first form that has these fields, filled in, with all else that it carries; follows where it leads.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        self.submit_part(page, &page.body, fields).await
    }

    /// Sends the form that carries this hidden field, as it is.
    pub async fn press(&mut self, page: &Page, field: &str) -> Page {
        let form = forms(&page.body).into_iter().find(|form| form.has(field));
        let hidden = form.unwrap_or_else(|| panic!("no form with {field} on {page}")).hidden;
        let (_, value) = hidden.into_iter().find(|(name, _)| name == field).expect("it is hidden");
        self.submit(page, &[(field, &value)]).await
    }

    /// As [`Self::submit`], with the first such form in a part of the page.
    pub async fn submit_part(&mut self, page: &Page, part: &str, fields: &[(&str, &str)]) -> Page {
        let form = forms(part).into_iter().find(|form| fields.iter().all(|(name, _)| form.has(name)));
        let form = form.unwrap_or_else(|| panic!("no form with {fields:?} on {page}"));
        assert_eq!(form.method, "post", "{page}");
        let action = page.url.join(&form.action).expect("where the form goes");
        let mut body: Vec<(&str, &str)> = form.hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
        body.retain(|(name, _)| fields.iter().all(|(filled, _)| filled != name));
        body.extend(fields);
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(body).finish();
        let request = self.client.request(Method::POST, action.clone()).body(body);
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ORIGIN, page.url.origin().ascii_serialization());
        let page = self.send(action, request).await;
        self.follow(page).await
    }

    async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..MOST_REDIRECTS {
            if !page.status.is_redirection() {
                return page;
            }
            assert_ne!(page.status, StatusCode::TEMPORARY_REDIRECT, "{page}");
            page = self.ask(page.location().as_str()).await;
        }
        panic!("redirects without end: {page}");
    }

    async fn send(&mut self, url: Url, request: RequestBuilder) -> Page {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = request.header(ACCEPT, "text/html,*/*;q=0.8").header(ACCEPT_LANGUAGE, "fr");
        let own: Vec<String> =
            self.cookies.iter().filter(|((of, _), _)| *of == host).map(|((_, n), v)| format!("{n}={v}")).collect();
        if !own.is_empty() {
            request = request.header(COOKIE, own.join("; "));
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let (status, headers) = (answer.status(), answer.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let text = String::from_utf8_lossy(cookie.as_bytes()).into_owned();
            let (pair, rest) = text.split_once(';').unwrap_or((&text, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let rest = rest.to_lowercase().replace(' ', "");
            let key = (host.clone(), name.trim().to_owned());
            if value.is_empty() || rest.contains("max-age=0") || rest.contains("1970") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        let body = answer.text().await.unwrap_or_default();
        Page { url, status, headers, body }
    }
}

impl Page {
    /// Where it redirects to.
    pub fn location(&self) -> Url {
        let to =
            self.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_else(|| panic!("no way on: {self}"));
        self.url.join(to).unwrap_or_else(|error| panic!("{to}: {error}"))
    }

    pub fn has_form_with(&self, field: &str) -> bool {
        forms(&self.body).iter().any(|form| form.has(field))
    }

    /// Its JSON, where it is good.
    pub fn json(&self) -> Value {
        assert!(self.status.is_success(), "{self}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}):\n{}", self.url, self.status, self.body)
    }
}

/// A form, as far as a test fills it in.
struct Form {
    action: String,
    method: String,
    names: Vec<String>,
    hidden: Vec<(String, String)>,
}

impl Form {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

fn forms(html: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut inside = false;
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = tag.split_whitespace().next().unwrap_or_default().to_lowercase();
        let attributes = attributes(tag);
        let value_of = |wanted: &str| attributes.get(wanted).cloned().unwrap_or_default();
        match name.as_str() {
            "form" => {
                inside = true;
                let (action, method) = (value_of("action"), value_of("method").to_lowercase());
                forms.push(Form { action, method, names: Vec::new(), hidden: Vec::new() });
            }
            "/form" => inside = false,
            "input" | "button" | "select" | "textarea" if inside => {
                let Some(form) = forms.last_mut() else { continue };
                let name = value_of("name");
                if value_of("type") == "hidden" {
                    form.hidden.push((name.clone(), value_of("value")));
                }
                form.names.push(name);
            }
            _ => {}
        }
    }
    forms
}

fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("=\"") {
        let name = before.split_whitespace().last().unwrap_or_default();
        let (value, next) = after.split_once('"').unwrap_or((after, ""));
        found.insert(name.to_lowercase(), unescape(value));
        rest = next;
    }
    found
}

/// The text that is written with these entities.
pub fn unescape(text: &str) -> String {
    let plain = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    let plain = plain.replace("&#39;", "'").replace("&#x27;", "'").replace("&#34;", "\"").replace("&#38;", "&");
    plain.replace("&#60;", "<").replace("&#62;", ">").replace("&amp;", "&")
}
