//! The certified client library `openid-client` signs in through the pages, over a real socket.

use super::world::{BYE, CALLBACK, World};
use crate::password::Password;
use crate::router;
use ledger::{Unit, VaultChange};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use tokio::net::TcpListener;
use tokio::process::Command;
use zeroize::Zeroizing;

const PASSWORD: &str = "une longue phrase de passe, pour essai";

#[tokio::test(flavor = "multi_thread")]
async fn the_certified_client_signs_in_reads_claims_and_logs_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let origin = issuer.parse().unwrap();
    let world = World::configured(move |config| config.public_origin = origin).await;
    give_password(&world).await;
    let service = router::service(world.service.app().clone()).unwrap();
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    let serving = tokio::spawn(async move { axum::serve(listener, service).await });

    let output = node(&[
        ("ISSUER", &issuer),
        ("CLIENT_ID", &world.client.to_string()),
        ("CLIENT_SECRET", &world.secret),
        ("REDIRECT_URI", CALLBACK),
        ("POST_LOGOUT_REDIRECT_URI", BYE),
        ("LOGIN", "t.lefictif"),
        ("PASSWORD", PASSWORD),
    ])
    .await;
    serving.abort();
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{wrong}");
    let seen: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(seen["userinfo"]["name"], "Thérèse Lefictif");
    assert_eq!(seen["userinfo"]["children"].as_array().unwrap().len(), 2);
    assert_eq!(seen["id_token"]["acr"], "urn:matricule:acr:guardian-by-school-record");
}

/// What choosing a password at activation leaves: its hash in the vault, and the login reserved.
async fn give_password(world: &World) {
    let app = world.service.app();
    let hash = app.guard.passwords.hash(Password::read(PASSWORD).unwrap()).await.unwrap();
    let secret = Zeroizing::new(hash.as_bytes().to_vec());
    let put = VaultChange::Put { id: world.credential, kind: "password", secret, expires_at: None };
    let login = app.ledger.lookup_hash("login", "t.lefictif");
    let unit = Unit::new(world.context()).claim("login", world.account.to_string(), login).vault(put);
    app.ledger.append(unit).await.unwrap();
}

/// Runs the script with its library, installed on first use as its lock file says.
async fn node(environment: &[(&str, &str)]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/relying-party");
    if !folder.join("node_modules/openid-client").exists() {
        let installed = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().await;
        let installed = installed.expect("npm is needed to install the client library");
        assert!(installed.status.success(), "npm ci: {}", String::from_utf8_lossy(&installed.stderr));
    }
    let script = Command::new("node")
        .arg("e2e.mjs")
        .current_dir(&folder)
        .envs(environment.iter().copied())
        .kill_on_drop(true)
        .output();
    script.await.expect("node, 18 or later, is needed to run the client library")
}
