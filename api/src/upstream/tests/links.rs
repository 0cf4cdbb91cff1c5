//! Links that change, are added, given up, and ended.

use super::super::{SUBJECT, subject_hash};
use super::first_use::{first_use, prove};
use super::world::World;
use crate::activation::fixture::{Family, activate, context, token};
use crate::erasure::Eraser;
use crate::reset::operator::hand_out;
use crate::session::Method;
use crate::session::cookies::Cookies;
use crate::testing::Browser;
use axum::http::StatusCode;
use domain::account::{Account, AccountCommand, AccountEvent, Holder, UpstreamProof};
use domain::context::Actor;
use domain::erasure::Grounds;
use domain::guardian::{Guardian, GuardianCommand, GuardianContact, GuardianIdentity};
use domain::ids::{AccountId, GuardianId, LinkId, PupilId};
use ledger::Unit;
use uuid::Uuid;

/// Adds FranceConnect to the signed-in account.
async fn add(world: &World, browser: &mut Browser, person: &str) -> crate::testing::Answer {
    let left = browser.get("/account/ways-in/add/franceconnect").await;
    assert!(left.status.is_redirection(), "{}", left.body);
    let back = world.provider.walk(left.location(), person, "ok").await;
    browser.get(&back).await
}

async fn remove(browser: &mut Browser, link: LinkId) -> crate::testing::Answer {
    let page = browser.get("/account/ways-in").await;
    let token = token(&page, "/account/ways-in/remove");
    browser.post("/account/ways-in/remove", &[("form_token", &token), ("link", &link.to_string())]).await
}

async fn owners(world: &World, id: AccountId) -> usize {
    let held = world.service.app().ledger.held_by(&id.to_string()).await.unwrap();
    held.iter().filter(|held| held.kind == SUBJECT).count()
}

#[tokio::test]
async fn a_changed_subject_takes_the_formers_place_once_phone_and_children_are_proved_again() {
    let world = World::start().await;
    let family = Family::settle(world.service.app()).await;
    let mut before = first_use(&world, &family, "aude").await;
    let former = world.account(family.account).await;
    world.provider.correct_civil_status("aude").await;
    let mut browser = world.service.browser();
    assert_eq!(world.come_back(&mut browser, "aude").await.location(), "/activate", "unknown, so proved anew");
    let page = prove(&world, &mut browser, &family).await;
    assert!(page.body.contains("remplacera l’ancien"), "{}", page.body);
    let token = token(&page, "/sign-in/link");
    assert_eq!(browser.post("/sign-in/link", &[("form_token", &token)]).await.location(), "/account");
    let account = world.account(family.account).await;
    assert_eq!(account.links.len(), 1);
    assert_ne!(account.links.keys().next(), former.links.keys().next());
    assert_eq!(owners(&world, family.account).await, 1, "the former subject leads to nobody");
    assert!(before.get("/account").await.location().starts_with("/sign-in"), "what the former link opened has ended");
}

#[tokio::test]
async fn point_40_somebody_of_the_same_names_born_on_another_day_takes_no_place() {
    let world = World::start().await;
    let family = Family::settle(world.service.app()).await;
    first_use(&world, &family, "aude").await;
    let former = world.account(family.account).await.links;
    let mut browser = world.service.browser();
    world.come_back(&mut browser, "homonyme").await;
    let page = prove(&world, &mut browser, &family).await;
    let token = token(&page, "/sign-in/link");
    let refused = browser.post("/sign-in/link", &[("form_token", &token)]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("autre date de naissance"), "{}", refused.body);
    assert_eq!(world.account(family.account).await.links, former);
}

#[tokio::test]
async fn a_signed_in_holder_adds_a_way_in_and_gives_it_up() {
    let world = World::start().await;
    let app = world.service.app();
    let family = Family::settle(app).await;
    let mut browser = activate(&world.service, &family).await;
    assert!(browser.get("/account").await.body.contains("/account/ways-in"));
    let back = world.leave(&mut browser, "angela", "ok").await;
    assert_eq!(browser.get(&back).await.location(), "/account/ways-in", "nobody signs in on top of another");
    let refused = add(&world, &mut browser, "angela").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("pas la même personne"), "{}", refused.body);
    let added = add(&world, &mut browser, "aude").await;
    assert_eq!(added.location(), "/account/ways-in?changed=added", "{}", added.body);
    let page = browser.get(added.location()).await;
    assert!(page.body.contains("Aude Marie LEFICTIF") && page.body.contains("est ajouté"), "{}", page.body);
    let account = world.account(family.account).await;
    let (link, linked) = account.links.iter().next().unwrap();
    assert_eq!(linked.proof, UpstreamProof::SignedIn);

    let mut other = world.service.browser();
    assert_eq!(world.come_back(&mut other, "aude").await.location(), "/account");
    let removed = remove(&mut browser, *link).await;
    assert_eq!(removed.location(), "/account/ways-in?changed=removed", "{}", removed.body);
    assert_eq!(browser.get("/account").await.status, StatusCode::OK, "the password's session goes on");
    assert!(other.get("/account").await.location().starts_with("/sign-in"), "the link's has ended");
    assert_eq!((owners(&world, family.account).await, world.account(family.account).await.links.len()), (0, 0));
    assert_eq!(world.come_back(&mut other, "aude").await.location(), "/activate", "a stranger again");
}

#[tokio::test]
async fn the_last_way_in_stays_and_changes_need_a_fresh_sign_in() {
    let world = World::start().await;
    let app = world.service.app();
    let family = Family::settle(app).await;
    let mut browser = first_use(&world, &family, "aude").await;
    let link = *world.account(family.account).await.links.keys().next().unwrap();
    let page = browser.get("/account/ways-in").await;
    assert!(page.body.contains("seul moyen de connexion") && !page.body.contains("/account/ways-in/remove"));
    let session = crate::session::Token::read(&browser.cookies["session"]).unwrap();
    let form = session.for_form(&app.ledger, "upstream-remove");
    let fields = [("form_token", form.as_str()), ("link", &link.to_string())];
    let refused = browser.post("/account/ways-in/remove", &fields).await;
    assert_eq!(refused.location(), "/account/ways-in?changed=last");
    assert_eq!(world.account(family.account).await.links.len(), 1);
    // Not by the clock: the provider's own would not follow.
    sqlx::query("UPDATE service.session SET authenticated_at = authenticated_at - interval '1 hour'")
        .execute(&app.db)
        .await
        .unwrap();
    assert!(browser.post("/account/ways-in/remove", &fields).await.location().starts_with("/sign-in"));
    let again = browser.get("/account/ways-in/add/franceconnect").await;
    assert!(again.location().starts_with("/sign-in/again"), "{}", again.location());
    // Whoever has no password proves it where they came from; the session goes on.
    let page = browser.get(again.location()).await;
    assert!(page.body.contains("/sign-in/with/franceconnect?return_to=%2Faccount%2Fways-in%2Fadd%2Ffranceconnect"));
    assert!(!page.body.contains("name=\"password\""), "{}", page.body);
    assert_eq!(world.come_back(&mut browser, "aude").await.location(), "/account");
    assert!(!browser.get("/account/ways-in/add/franceconnect").await.location().starts_with("/sign-in/again"));
}

/// An account of somebody of the same names, in use, with a session.
async fn namesake(world: &World) -> (AccountId, Browser) {
    let app = world.service.app();
    let (account, guardian) = (AccountId(Uuid::new_v4()), GuardianId(Uuid::new_v4()));
    let identity = GuardianIdentity {
        source_key: "siecle:09:2".into(),
        family_name: "LEFICTIF".into(),
        given_name: "Aude".into(),
        ..GuardianIdentity::default()
    };
    let contact = GuardianContact::default();
    let recorded = Guardian::default().decide(GuardianCommand::RecordSchoolData { guardian, identity, contact });
    let mut events =
        Account::default().decide(AccountCommand::Open { account, holder: Holder::Guardian(guardian) }).unwrap();
    let secret = domain::ids::SecretId(Uuid::new_v4());
    let pupil = PupilId(Uuid::new_v4());
    events.push(AccountEvent::ChildConfirmed { pupil });
    events.push(AccountEvent::PasswordChosen { secret, origin: domain::account::PasswordOrigin::Activation });
    events.push(AccountEvent::AccountActivated {});
    let unit = Unit::new(context(app))
        .stream::<Guardian>(&guardian.to_string(), 0, recorded.unwrap())
        .stream::<Account>(&account.to_string(), 0, events);
    app.ledger.append(unit).await.unwrap();
    let jar = crate::session::open(app, &Cookies::default(), account, secret, Method::Password).await.unwrap();
    let mut browser = world.service.browser();
    browser.cookies.insert("session".into(), jar.get("session").unwrap().value().to_owned());
    (account, browser)
}

#[tokio::test]
async fn an_identity_of_another_account_is_told_the_way_out() {
    let world = World::start().await;
    let family = Family::settle(world.service.app()).await;
    first_use(&world, &family, "aude").await;
    let (namesake, mut browser) = namesake(&world).await;
    let refused = add(&world, &mut browser, "aude").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("ouvre déjà un autre compte"), "{}", refused.body);
    assert!(world.account(namesake).await.links.is_empty());
    assert_eq!(world.account(family.account).await.links.len(), 1);
}

#[tokio::test]
async fn a_trip_begun_by_one_account_ends_in_no_other() {
    let world = World::start().await;
    let family = Family::settle(world.service.app()).await;
    let mut browser = activate(&world.service, &family).await;
    let left = browser.get("/account/ways-in/add/franceconnect").await;
    assert!(left.status.is_redirection(), "{} {}", left.status, left.body);
    let back = world.provider.walk(left.location(), "aude", "ok").await;
    let (_, other) = namesake(&world).await;
    browser.cookies.insert("session".into(), other.cookies["session"].clone());
    assert_eq!(browser.get(&back).await.status, StatusCode::GONE);
    assert_eq!(owners(&world, family.account).await, 0);
}

#[tokio::test]
async fn a_handed_out_password_and_an_erasure_end_links_and_their_hashes() {
    let world = World::start().await;
    let app = world.service.app();
    let family = Family::settle(app).await;
    let mut browser = first_use(&world, &family, "aude").await;
    let validity = app.config.passwords.provisional_validity.delta();
    hand_out(&app.ledger, &app.db, &app.guard.passwords, family.account, validity, &context(app)).await.unwrap();
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
    assert_eq!((owners(&world, family.account).await, world.account(family.account).await.links.len()), (0, 0));

    let browser = first_use(&world, &family, "aude").await;
    assert!(browser.cookies.contains_key("session"));
    assert_eq!(owners(&world, family.account).await, 1);
    let subject =
        world.account(family.account).await.links.values().next().unwrap().identity.get().unwrap().subject.clone();
    let eraser = Eraser::of(app);
    let person = eraser.find(&family.account.to_string()).await.unwrap();
    eraser.erase(&person, Grounds::OwnRequest, Actor::Service).await.unwrap();
    assert_eq!(owners(&world, family.account).await, 0);
    assert_eq!(app.ledger.reserved(SUBJECT, &subject_hash(app, "franceconnect", &subject)).await.unwrap(), None);
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM service.session) + (SELECT count(*) FROM service.upstream_visit WHERE account IS NOT NULL)
              + (SELECT count(*) FROM vault.secret WHERE kind LIKE 'upstream%')",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(left, 0, "nothing beside the ledger remembers");
}
