//! The mail server of `tests/smtp-server`, as long as its value lives.

use crate::config::{Smtp, SmtpTls, Span};
use serde::Deserialize;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub(super) struct MailServer {
    child: Child,
    pub port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
}

/// A mail that the server took.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub user: Option<String>,
    pub raw: String,
}

#[derive(Deserialize)]
struct Started {
    port: u16,
}

impl MailServer {
    pub(super) async fn start(arguments: &[&str]) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/smtp-server");
        assert!(
            directory.join("node_modules").is_dir(),
            "the mail server's packages are missing: run scripts/test, or `npm ci` in tests/smtp-server"
        );
        let mut child = Command::new("node")
            .arg(directory.join("server.js"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next_line().await.expect("its output").expect("its port");
        let Started { port } = serde_json::from_str(&first).expect("its port");
        let mails = Arc::new(Mutex::new(Vec::new()));
        let kept = mails.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(mail) = serde_json::from_str(&line) {
                    kept.lock().expect("no panic while held").push(mail);
                }
            }
        });
        Self { child, port, mails }
    }

    pub(super) async fn stop(mut self) {
        self.child.kill().await.expect("the mail server stops");
    }

    /// What it took so far.
    pub(super) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().expect("no panic while held").clone()
    }

    /// How to reach it.
    pub(super) fn config(&self) -> Smtp {
        smtp(self.port)
    }
}

pub(super) fn smtp(port: u16) -> Smtp {
    Smtp {
        host: "localhost".into(),
        port: Some(port),
        tls: SmtpTls::None,
        username: None,
        password: None,
        from: "Matricule <ne-pas-repondre@compte.example.org>".into(),
        timeout: Span::seconds(10),
    }
}
