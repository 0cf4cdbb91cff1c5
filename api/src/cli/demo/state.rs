//! What the demo remembers beside its ledger, in a file that also marks its directory as a demo's.

use anyhow::Context;
use domain::ids::RelyingPartyId;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file's content.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Position of the last event of the schools' first files, once they are in.
    pub imported: Option<u64>,
    /// The relying party, once it is registered.
    pub relying_party: Option<Registered>,
}

/// What a relying party is configured with.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Registered {
    pub client_id: RelyingPartyId,
    pub client_secret: String,
    /// Where it listened when it was registered.
    pub port: u16,
}

fn file(dir: &Path) -> PathBuf {
    dir.join("demo.json")
}

impl State {
    /// Whether this is a demo's directory.
    pub(super) fn is_there(dir: &Path) -> bool {
        file(dir).is_file()
    }

    /// What a former start left, or the state of a new demo, written down at once to mark the directory.
    pub(super) fn read_or_new(dir: &Path) -> anyhow::Result<Self> {
        let path = file(dir);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; start over with --fresh", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
                let new = Self::default();
                new.write(dir)?;
                Ok(new)
            }
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// Writes it down, for its owner's eyes: it holds the relying party's secret.
    pub(super) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let (path, new) = (file(dir), dir.join("demo.json.new"));
        let written = (|| {
            let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            out.write_all(&serde_json::to_vec_pretty(self)?)?;
            out.sync_all()?;
            std::fs::rename(&new, &path)
        })();
        written.with_context(|| format!("can't write {}", path.display()))
    }
}
