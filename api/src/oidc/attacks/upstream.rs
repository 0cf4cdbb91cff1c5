//! What tokens say of a session that another provider opened, and that it ends with its link.

use super::world::{World, claims, error};
use crate::session::cookies::Cookies;
use crate::session::{ByLink, Method, open_by_link};
use crate::testing::Browser;
use domain::account::{Account, AccountCommand, AccountEvent, UpstreamIdentity, UpstreamProof};
use domain::ids::{LinkId, SecretId};
use ledger::Unit;
use uuid::Uuid;

async fn linked(world: &World, provider: &str, proof: UpstreamProof) -> LinkId {
    let link = LinkId(Uuid::new_v4());
    let identity = UpstreamIdentity { subject: provider.to_owned(), ..UpstreamIdentity::default() };
    let command =
        AccountCommand::LinkUpstreamIdentity { link, provider: provider.to_owned(), identity, proof, flow: None };
    world.tell::<Account>(world.account.0, command).await;
    link
}

/// A browser that this link has signed in.
async fn entered(world: &World, link: LinkId, method: Method) -> Browser {
    let app = world.service.app();
    let account = app.ledger.load::<Account>(&world.account.to_string()).await.unwrap().aggregate;
    let by = ByLink { link, sign_out: SecretId(Uuid::new_v4()) };
    let jar = open_by_link(app, &Cookies::default(), world.account, &account, method, by).await.unwrap();
    let mut browser = world.service.browser();
    browser.cookies.insert("session".to_owned(), jar.get("session").unwrap().value().to_owned());
    browser
}

#[tokio::test]
async fn acr_and_amr_say_which_way_was_used() {
    let world = World::new().await;
    for (provider, proof, method, acr) in [
        (
            "franceconnect",
            UpstreamProof::SignedIn,
            Method::FranceConnect,
            "urn:matricule:acr:guardian-by-school-record-and-franceconnect",
        ),
        ("desk", UpstreamProof::SignedIn, Method::Upstream, "urn:matricule:acr:guardian-by-school-record-and-provider"),
        ("other", UpstreamProof::EducationVector, Method::Upstream, "urn:matricule:acr:guardian-by-provider"),
    ] {
        let link = linked(&world, provider, proof).await;
        let mut browser = entered(&world, link, method).await;
        let id = claims(&world.tokens(&mut browser).await.1);
        assert_eq!((&id["acr"], &id["amr"]), (&acr.into(), &serde_json::json!(["fed"])));
    }
    // A password is a password still.
    let mut browser = world.signed_in().await;
    let id = claims(&world.tokens(&mut browser).await.1);
    assert_eq!(id["amr"], serde_json::json!(["pwd"]));
}

#[tokio::test]
async fn a_session_and_its_tokens_end_in_the_append_that_ends_the_link() {
    let world = World::new().await;
    let link = linked(&world, "franceconnect", UpstreamProof::SignedIn).await;
    let mut browser = entered(&world, link, Method::FranceConnect).await;
    let (access, _) = world.tokens(&mut browser).await;
    assert_eq!(world.userinfo(&access).await.status, 200);
    let unused = world.code(&mut browser).await;

    // Only the event: no row is deleted.
    let app = world.service.app();
    let loaded = app.ledger.load::<Account>(&world.account.to_string()).await.unwrap();
    let events = loaded.aggregate.decide(AccountCommand::UnlinkUpstreamIdentity { link }).unwrap();
    assert!(matches!(events.as_slice(), [AccountEvent::UpstreamIdentityUnlinked { .. }]));
    let unit = Unit::new(world.context()).stream::<Account>(&loaded.id, loaded.version, events);
    app.ledger.append(unit).await.unwrap();
    assert_eq!(world.userinfo(&access).await.status, 401);
    assert_eq!(error(&world.redeem(&unused).await), "invalid_grant");
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
}
