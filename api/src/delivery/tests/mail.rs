//! Mail, to a real server.

use super::mail_server::{MailServer, smtp};
use super::{World, mail};
use crate::config::{Secret, SmtpTls};

#[tokio::test]
async fn a_mail_arrives_once_with_its_headers() {
    let server = MailServer::start(&["--user", "matricule", "--password", "épée"]).await;
    let mut config = server.config();
    (config.username, config.password) = (Some("matricule".into()), Some(Secret::new("épée")));
    let world = World::new(|all| all.smtp = Some(config)).await;
    // Queued before there is any worker, so that both find it at the same time.
    let id = world.queue(mail("camille.fictif@example.org")).await;
    let (worker, another) = (world.worker(), world.worker());
    assert_eq!(world.settled(id).await.status, "sent");
    worker.stop(super::DEADLINE).await;
    another.stop(super::DEADLINE).await;

    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    let arrived = &mails[0];
    assert_eq!(arrived.from, "ne-pas-repondre@compte.example.org");
    assert_eq!(arrived.to, ["camille.fictif@example.org"]);
    assert_eq!(arrived.user.as_deref(), Some("matricule"));
    let (head, body) = arrived.raw.split_once("\r\n\r\n").expect("a head and a body");
    let queued_at: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT created_at FROM outbox.message").fetch_one(&world.db).await.unwrap();
    let date = queued_at.format("%a, %d %b %Y %H:%M:%S +0000").to_string();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "Auto-Submitted: auto-generated",
            "Content-Language: fr",
            "Content-Transfer-Encoding: quoted-printable",
            "Content-Type: text/plain; charset=utf-8",
            &format!("Date: {date}"),
            "From: Matricule <ne-pas-repondre@compte.example.org>",
            "MIME-Version: 1.0",
            &format!("Message-ID: <{id}@compte.example.org>"),
            "Subject: Votre code Matricule",
            "To: camille.fictif@example.org",
        ]
    );
    assert!(body.contains("402913 est votre code"), "{body}");
    assert!(body.lines().all(|line| line.len() <= 78), "{body}");
}

#[tokio::test]
async fn many_mails_over_two_workers_arrive_once_each() {
    let server = MailServer::start(&[]).await;
    let world = World::new(|all| all.smtp = Some(server.config())).await;
    let (worker, another) = (world.worker(), world.worker());
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(world.queue(mail(&format!("fictif{number}@example.org"))).await);
    }
    for id in ids {
        assert_eq!(world.settled(id).await.status, "sent");
    }
    worker.stop(super::DEADLINE).await;
    another.stop(super::DEADLINE).await;
    let mut to: Vec<String> = server.mails().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to.len(), 40);
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 40);
}

#[tokio::test]
async fn a_mail_waits_for_a_server_that_is_down() {
    let server = MailServer::start(&[]).await;
    let port = server.port;
    server.stop().await;
    let world = World::new(|all| all.smtp = Some(smtp(port))).await;
    let worker = world.worker();
    let id = world.queue(mail("camille.fictif@example.org")).await;
    let row = world.until(id, |row| row.attempts >= 2).await;
    assert!(row.has_body, "{row:?}");
    let server = MailServer::start(&["--port", &port.to_string()]).await;
    assert_eq!(world.settled(id).await.status, "sent");
    worker.stop(super::DEADLINE).await;
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_final_or_not_as_the_server_says() {
    let server = MailServer::start(&[]).await;
    let world = World::new(|all| all.smtp = Some(server.config())).await;
    let worker = world.worker();
    for (address, status, attempts, error) in [
        ("later.fictif@example.org", "sent", 3, None),
        ("busy.fictif@example.org", "sent", 2, None),
        ("refused.fictif@example.org", "failed", 1, Some("recipient: 550")),
        ("rejected.fictif@example.org", "failed", 1, Some("mail: 554")),
    ] {
        let id = world.queue(mail(address)).await;
        let row = world.settled(id).await;
        assert_eq!(
            (row.status.as_str(), row.attempts, row.last_error.as_deref()),
            (status, attempts, error),
            "{address}"
        );
    }
    let counts = worker.sending().counts();
    assert_eq!((counts.sent, counts.retried, counts.failed, counts.uncertain), (2, 3, 2, 0));
    worker.stop(super::DEADLINE).await;
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_mail_whose_receipt_is_missing_is_uncertain_and_not_sent_again() {
    let server = MailServer::start(&[]).await;
    let world = World::new(|all| all.smtp = Some(server.config())).await;
    let worker = world.worker();
    let id = world.queue(mail("silent.fictif@example.org")).await;
    let row = world.settled(id).await;
    assert_eq!((row.status.as_str(), row.attempts), ("uncertain", 1), "{row:?}");
    assert_eq!(worker.sending().counts().uncertain, 1);
    worker.stop(super::DEADLINE).await;
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn nothing_is_said_in_clear_where_tls_is_configured() {
    // The server's certificate is its own making, and nobody vouches for it.
    let server = MailServer::start(&["--starttls", "--user", "matricule", "--password", "secret"]).await;
    let without = MailServer::start(&[]).await;
    for (server, error) in [(&server, "connecting: no connection"), (&without, "connecting: the server lacks")] {
        let mut config = server.config();
        config.tls = SmtpTls::Starttls;
        (config.username, config.password) = (Some("matricule".into()), Some(Secret::new("secret")));
        let world = World::new(|all| all.smtp = Some(config)).await;
        let worker = world.worker();
        let id = world.queue(mail("camille.fictif@example.org")).await;
        let row = world.until(id, |row| row.attempts >= 2 && row.last_error.is_some()).await;
        assert!(row.last_error.as_deref().is_some_and(|said| said.starts_with(error)), "{row:?}");
        worker.stop(super::DEADLINE).await;
        assert!(server.mails().is_empty());
    }
}
