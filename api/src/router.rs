//! The table of contents: every route of the service on one page.

use crate::app::App;
use crate::pages::form_on;
use crate::session::second;
use crate::{
    account, activation, audit, delivery, headers, import, incident, oidc, openapi, pages, proof, reset, session,
    upstream,
};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::csrf::{ConfigError, CsrfLayer};

/// Every route.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        // Pages
        .route("/", get(pages::home))
        .route("/accessibility", get(pages::accessibility))
        .route("/legal", get(pages::legal))
        .route("/problems/{code}", get(pages::problem))
        .route("/language/{code}", get(pages::switch_language))
        .route("/assets/{*file}", get(pages::assets::asset))
        // OpenID provider
        .merge(oidc::routes())
        // Demo
        .route("/demo", get(delivery::to_inbox))
        .route("/demo/inbox", get(delivery::inbox))
        // Signing in
        .route("/sign-in", get(session::show_sign_in).post(session::sign_in))
        .route(session::STEP_UP_PATH, get(session::show_again).post(session::sign_in_again))
        .route(session::SWITCH_PATH, form_on("/account", post(session::switch_user)))
        .route(second::PATH, get(second::show_second).post(second::second_step))
        .route(second::START_OVER, form_on(second::PATH, post(second::start_over)))
        .route("/sign-out", form_on("/account", post(session::sign_out)))
        .route("/account", get(session::account))
        .route(session::OWN_SESSIONS_PATH, get(session::own_sessions))
        .route(session::END_SESSION_PATH, form_on(session::OWN_SESSIONS_PATH, post(session::end_own_session)))
        .route(session::WAYS_IN_PATH, get(session::ways_in))
        .route(second::TOTP_PATH, get(second::show_totp).post(second::enrol_totp))
        .route(second::REMOVE_PATH, form_on(session::WAYS_IN_PATH, post(second::remove_factor)))
        .route(second::RECOVERY_PATH, form_on(session::WAYS_IN_PATH, post(second::issue_recovery_codes)))
        .route(account::HISTORY_PATH, get(account::history))
        .route(account::DATA_PATH, get(account::data))
        .route(account::DOWNLOAD_JSON, get(account::json))
        .route(account::DOWNLOAD_HTML, get(account::html))
        .route("/account/password", get(session::show_own_password).post(session::change_own_password))
        .route("/account/children", get(activation::show_own_children))
        .route("/account/children/confirm", form_on("/account/children", post(activation::confirm_own_child)))
        .route("/account/children/report", form_on("/account/children", post(activation::report_own_child)))
        // Other providers
        .route("/sign-in/with/{provider}", get(upstream::begin))
        .route("/sign-in/with/{provider}/callback", get(upstream::callback))
        .route("/sign-in/without", get(upstream::forget))
        .route("/sign-in/link", get(upstream::show_link).post(upstream::link))
        .route("/account/ways-in/add/{provider}", get(upstream::add))
        .route("/account/ways-in/remove", form_on(session::WAYS_IN_PATH, post(upstream::unlink)))
        // First use and recovery
        .route("/activate", get(activation::show_identify).post(activation::identify))
        .route("/reset", get(reset::show_reset).post(reset::reset))
        .route("/reset/identity", form_on("/reset", post(reset::reset_by_identity)))
        .route("/code", get(activation::show_code).post(activation::check_code))
        .route("/code/resend", form_on("/code", post(activation::resend_code)))
        .route("/children", get(activation::show_children))
        .route("/children/confirm", form_on("/children", post(activation::confirm_child)))
        .route("/children/report", form_on("/children", post(activation::report_child)))
        .route("/new-password", get(activation::show_password).post(activation::choose_password))
        // Programs of the school information systems
        .route(import::http::UPLOAD, post(import::http::create).layer(DefaultBodyLimit::disable()))
        .route("/api/imports/{id}", get(import::http::status))
        .route("/api/imports/{id}/report", get(import::http::report))
        .route("/api/openapi.json", get(openapi::describe))
        // Auditors
        .merge(audit::routes())
        // Supervision
        .route("/healthz", get(pages::health::alive))
        .route("/readyz", get(pages::health::ready))
        .fallback(async || incident::AppError::not_found())
}

/// The service.
///
/// # Errors
/// The public origin is none a browser would send.
pub fn service(app: App) -> Result<Router, ConfigError> {
    around(routes(), app)
}

/// The routes inside what holds for all of them. A request passes the layers from the last to the first.
pub(crate) fn around(routes: Router<App>, app: App) -> Result<Router, ConfigError> {
    let body_limit = usize::try_from(app.config.http.body_limit.0).unwrap_or(usize::MAX);
    // A form posted from another site's page is refused. Programs send neither of the headers it goes by.
    let same_site = CsrfLayer::new()
        .add_trusted_origin(app.config.origin())?
        .with_insecure_bypass(|_, uri| oidc::takes_foreign_forms(uri.path()));
    // Tiles are hashes: compressing them makes them longer.
    let worthwhile = DefaultPredicate::new().and(NotForContentType::const_new("application/octet-stream"));
    Ok(routes
        // Proof: checkpoint and tiles, under a configured path
        .merge(proof::routes(&app.config.proof.path))
        .layer(from_fn_with_state(app.clone(), session::recognise))
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(same_site)
        .layer(from_fn_with_state(app.clone(), incident::around))
        .layer(from_fn_with_state(app.clone(), headers::secure))
        .layer(CompressionLayer::new().compress_when(worthwhile))
        .layer(CatchPanicLayer::custom(incident::last_resort))
        .with_state(app))
}
