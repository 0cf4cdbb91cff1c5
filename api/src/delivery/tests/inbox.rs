//! The demo's inbox.

use super::{World, mail, mobile};
use crate::delivery::inbox::messages;
use crate::testing::TestService;
use axum::http::StatusCode;

#[tokio::test]
async fn the_inbox_shows_sms_and_mails_newest_first() {
    let world = World::new(|all| all.demo.inbox = true).await;
    let worker = world.worker();
    for to in [mobile(), mail("camille.fictif@example.org")] {
        let id = world.queue(to).await;
        assert_eq!(world.settled(id).await.status, "sent");
    }
    worker.stop(super::DEADLINE).await;
    let shown = messages(&world.db).await.unwrap();
    let recipients: Vec<&str> = shown.iter().map(|message| message.recipient.as_str()).collect();
    assert_eq!(recipients, ["camille.fictif@example.org", "+33639980123"]);
    assert_eq!(shown[0].subject.as_deref(), Some("Votre code Matricule"));
    assert!(shown[1].body.starts_with("402913 "), "{}", shown[1].body);
}

#[tokio::test]
async fn the_page_is_there_in_a_demo_only() {
    let service = TestService::start().await;
    assert_eq!(service.browser().get("/demo/inbox").await.status, StatusCode::NOT_FOUND);
    let service = TestService::with(|config| config.demo.inbox = true, |router| router).await;
    let page = service.browser().get("/demo/inbox").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Aucun message"), "{}", page.body);
    assert_eq!(service.browser().get("/demo").await.location(), "/demo/inbox");
}
