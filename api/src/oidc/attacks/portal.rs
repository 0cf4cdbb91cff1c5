//! "My services": each sees the services of their own schools, and what services received of them; and ends it.

use super::world::{World, college, field, json, parameter, registration, school};
use axum::http::StatusCode;
use domain::relying_party::{Establishments, GrantType, Registration, ServiceLink};

fn linked(name: &str, establishments: Establishments) -> Registration {
    let mut linked = registration(establishments);
    linked.name = name.to_owned();
    linked.terms.link = ServiceLink {
        home_uri: Some("https://notes.example.org/accueil".to_owned()),
        initiate_login_uri: Some("https://notes.example.org/connexion".to_owned()),
        english_name: Some(format!("{name} (English)")),
    };
    linked
}

#[tokio::test]
async fn a_guardian_chooses_a_child_and_then_a_service_of_the_childs_school() {
    let world = World::new().await;
    world.register(linked("Cahier du collège", Establishments::Only([college()].into()))).await;
    world.register(linked("Cahier de l’école", Establishments::Only([school()].into()))).await;
    let mut everybodys = linked("Téléservice", Establishments::All);
    everybodys.terms.link.initiate_login_uri = None;
    world.register(everybodys).await;
    let disabled = world.register(linked("Ancien service", Establishments::All)).await.0;
    let ledger = &world.service.app().ledger;
    crate::oidc::registry::set_enabled(ledger, disabled, world.context(), false).await.unwrap();
    world.views_are_there().await;
    let mut browser = world.signed_in().await;
    let page = browser.get("/account/services").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.location());
    for shown in ["Zoé", "Élie", "Collège Fictif", "Cahier du collège", "Téléservice"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    for hidden in ["Cahier de l’école", "Ancien service", "Carnet du collège Fictif"] {
        assert!(!page.body.contains(hidden), "of another school, disabled, or without a place: {hidden}");
    }
    assert!(page.body.contains("href=\"https://notes.example.org/accueil\""));
    // Both children go to the same collège: each link names the child that was chosen, as the service knows them.
    let links: Vec<String> = page
        .body
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .filter(|href| href.starts_with("https://notes.example.org/connexion"))
        .map(|href| href.replace("&#38;", "&").replace("&amp;", "&"))
        .collect();
    assert_eq!(links.len(), 2, "{links:?}");
    let (access, id) = world.tokens(&mut browser).await;
    let seen = json(&world.userinfo(&access).await);
    let children: Vec<String> =
        seen["children"].as_array().unwrap().iter().map(|child| super::world::text(&child["sub"])).collect();
    for link in &links {
        assert_eq!(parameter(link, "iss").as_deref(), Some(super::world::ISSUER));
        assert_eq!(parameter(link, "login_hint"), super::world::claims(&id)["sub"].as_str().map(str::to_owned));
        let target = parameter(link, "target_link_uri").unwrap();
        assert!(target.starts_with("https://notes.example.org/accueil?child="), "{target}");
        assert!(children.contains(&parameter(&target, "child").unwrap()), "{target}");
    }
    // In English by their English names; the child moves, and so does the offer.
    world.enrol(world.children[0], school(), 2027, None).await;
    world.views_are_there().await;
    browser.headers.insert("accept-language", "en".parse().unwrap());
    let page = browser.get("/account/services").await;
    assert!(page.body.contains("Cahier de l’école (English)"), "{}", page.body);
}

#[tokio::test]
async fn a_pupil_sees_the_services_of_their_own_school() {
    let mut world = World::new().await;
    world.become_the_pupil().await;
    world.register(linked("Cahier du collège", Establishments::Only([college()].into()))).await;
    world.views_are_there().await;
    let page = world.signed_in().await.get("/account/services").await;
    assert!(page.body.contains("Cahier du collège") && !page.body.contains("Élie"), "{}", page.body);
    assert!(!page.body.contains("child%3D"), "there is no child to choose");
}

#[tokio::test]
async fn point_19_a_service_without_refresh_token_is_shown_and_its_access_ended() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    let marks = world.register(registration(Establishments::All)).await;
    let mut portal = registration(Establishments::All);
    portal.name = "Portail sans mémoire".to_owned();
    portal.terms.grant_types.insert(GrantType::TokenExchange);
    portal.terms.audiences = [marks.0].into();
    (world.client, world.secret) = world.register(portal).await;
    let none = browser.get("/account/services").await;
    assert!(!none.body.contains("Portail sans mémoire"));
    let (access, _) = world.tokens(&mut browser).await;
    let waiting = world.code(&mut browser).await;
    let audience = marks.0.to_string();
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", access.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", audience.as_str()),
    ];
    let exchanged = super::world::text(&json(&world.token(&exchange).await)["access_token"]);
    let active = async |world: &World| {
        let fields = [("token", exchanged.as_str())];
        let mut program = world.program();
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", marks.0, marks.1));
        program.headers.insert("authorization", format!("Basic {basic}").parse().unwrap());
        json(&program.post("/introspect", &fields).await)["active"] == true
    };
    assert!(active(&world).await);
    let page = browser.get("/account/services").await;
    assert!(page.body.contains("Portail sans mémoire"), "{}", page.body);
    let client = world.client.to_string();
    let (before, _) = page.body.split_once(&format!("name=\"client\" value=\"{client}\"")).unwrap();
    let form = &before[before.rfind("<form").unwrap()..];
    let token = field(form, "form_token");
    let ended =
        browser.post("/account/services/revoke", &[("form_token", token.as_str()), ("client", client.as_str())]).await;
    assert_eq!(ended.location(), "/account/services");
    assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
    assert!(!active(&world).await, "what was made from it ends with it");
    assert_eq!(super::world::error(&world.redeem(&waiting).await), "invalid_grant");
    assert!(!browser.get("/account/services").await.body.contains("Portail sans mémoire"));
    // The next sign-in is another one.
    let (access, _) = world.tokens(&mut browser).await;
    assert_eq!(world.userinfo(&access).await.status, StatusCode::OK);
}
