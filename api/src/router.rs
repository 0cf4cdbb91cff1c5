//! The table of contents: every route of the service on one page.

use crate::app::App;
use crate::session::second;
use crate::{account, activation, audit, delivery, headers, import, incident, oidc, pages, proof, reset, session};
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
        .route(session::SWITCH_PATH, post(session::switch_user))
        .route(second::PATH, get(second::show_second).post(second::second_step))
        .route(second::START_OVER, post(second::start_over))
        .route("/sign-out", post(session::sign_out))
        .route("/account", get(session::account))
        .route(session::OWN_SESSIONS_PATH, get(session::own_sessions))
        .route(session::END_SESSION_PATH, post(session::end_own_session))
        .route(session::WAYS_IN_PATH, get(session::ways_in))
        .route(second::TOTP_PATH, get(second::show_totp).post(second::enrol_totp))
        .route(second::REMOVE_PATH, post(second::remove_factor))
        .route(second::RECOVERY_PATH, post(second::issue_recovery_codes))
        .route(account::HISTORY_PATH, get(account::history))
        .route(account::DATA_PATH, get(account::data))
        .route(account::DOWNLOAD_JSON, get(account::json))
        .route(account::DOWNLOAD_HTML, get(account::html))
        .route("/account/password", get(session::show_own_password).post(session::change_own_password))
        .route("/account/children", get(activation::show_own_children))
        .route("/account/children/confirm", post(activation::confirm_own_child))
        .route("/account/children/report", post(activation::report_own_child))
        // First use and recovery
        .route("/activate", get(activation::show_identify).post(activation::identify))
        .route("/reset", get(reset::show_reset).post(reset::reset))
        .route("/reset/identity", post(reset::reset_by_identity))
        .route("/code", get(activation::show_code).post(activation::check_code))
        .route("/code/resend", post(activation::resend_code))
        .route("/children", get(activation::show_children))
        .route("/children/confirm", post(activation::confirm_child))
        .route("/children/report", post(activation::report_child))
        .route("/new-password", get(activation::show_password).post(activation::choose_password))
        // Programs of the school information systems
        .route(import::http::UPLOAD, post(import::http::create).layer(DefaultBodyLimit::disable()))
        .route("/api/imports/{id}", get(import::http::status))
        .route("/api/imports/{id}/report", get(import::http::report))
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
