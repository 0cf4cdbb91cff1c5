//! `[proof]`: how checkpoints of the ledger are signed, kept, witnessed and served.

use super::{Config, Secret, Span};
use ledger::checkpoint::witness::Witness;
use ledger::checkpoint::{Keep, KeySource, ObjectStore, Settings, VerifierKey};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use url::Url;
use zeroize::Zeroizing;

/// `[proof]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proof {
    /// Whether this instance takes its turn in signing.
    pub sign: bool,
    /// Where tiles and checkpoint are served.
    pub path: String,
    /// The log's name; without it, host and `path` of the service.
    pub origin: Option<String>,
    /// The least time between two checkpoints.
    pub every: Span,
    /// How many witnesses must cosign before a checkpoint is published.
    pub threshold: usize,
    /// RFC 3161 authority for the checkpoint of each day.
    pub timestamps: Option<Url>,
    /// The signing key.
    pub key: ProofKey,
    /// Where the last checkpoint is kept.
    pub keep: ProofKeep,
    /// Who is asked to cosign.
    pub witnesses: Vec<ProofWitness>,
}

/// `[proof.key]`: by default a file `checkpoint.key` in `data_dir`, made at first use.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProofKey {
    /// Another file.
    pub file: Option<PathBuf>,
    /// The key itself, 64 hexadecimal digits.
    pub value: Option<Secret>,
    /// A program that prints it.
    pub command: Option<Vec<String>>,
}

/// `[proof.keep]`: by default a file `checkpoint.last` in `data_dir`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProofKeep {
    /// Another file.
    pub file: Option<PathBuf>,
    /// A program, run with `get` or `put`.
    pub command: Option<Vec<String>>,
    /// An object store.
    pub store: Option<ProofStore>,
}

/// `[proof.keep.store]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProofStore {
    /// The store's address.
    pub endpoint: Url,
    /// Its region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The object's name.
    pub object: String,
    /// Access key.
    pub access_key: Secret,
    /// Secret key.
    pub secret_key: Secret,
}

/// `[[proof.witnesses]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProofWitness {
    /// Its submission prefix.
    pub url: Url,
    /// Its verifier key: `name+hash+key`.
    pub key: String,
}

impl Default for Proof {
    fn default() -> Self {
        Self {
            sign: true,
            path: "/log".to_owned(),
            origin: None,
            every: Span::seconds(1),
            threshold: 0,
            timestamps: None,
            key: ProofKey::default(),
            keep: ProofKeep::default(),
            witnesses: Vec::new(),
        }
    }
}

impl Proof {
    /// What is wrong with it.
    pub(super) fn faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        let segment = |text: &str| {
            let fit = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            !text.is_empty() && text.bytes().all(fit)
        };
        if !self.path.strip_prefix('/').is_some_and(|path| path.split('/').all(segment)) {
            faults.push("proof.path: write it as /log: small letters, digits and dashes, no slash at the end");
        }
        let unfit = |origin: &String| origin.is_empty() || origin.contains(|c: char| c.is_whitespace() || c == '+');
        if self.origin.as_ref().is_some_and(unfit) {
            faults.push("proof.origin: write it as host/path, without spaces and plus signs");
        }
        if self.every.0.is_zero() {
            faults.push("proof.every: more than nothing");
        }
        let keys = [self.key.file.is_some(), self.key.value.is_some(), self.key.command.is_some()];
        if keys.iter().filter(|given| **given).count() > 1 {
            faults.push("proof.key: give one of `file`, `value` and `command`");
        }
        let keeps = [self.keep.file.is_some(), self.keep.store.is_some(), self.keep.command.is_some()];
        if keeps.iter().filter(|given| **given).count() > 1 {
            faults.push("proof.keep: give one of `file`, `command` and `store`");
        }
        if [&self.key.command, &self.keep.command].into_iter().flatten().any(Vec::is_empty) {
            faults.push("proof: a command needs at least the program's name, as in [\"/usr/local/bin/keep\"]");
        }
        faults.extend(self.outside_faults());
        faults
    }

    /// What is wrong with others' addresses and keys.
    fn outside_faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        let web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
        if self.timestamps.as_ref().is_some_and(|url| !web(url)) {
            faults.push("proof.timestamps: write it as https://host/path");
        }
        if self.keep.store.as_ref().is_some_and(|store| !web(&store.endpoint)) {
            faults.push("proof.keep.store.endpoint: write it as https://host");
        }
        if !self.witnesses.iter().all(|witness| web(&witness.url)) {
            faults.push("proof.witnesses: write `url` as https://host/path");
        }
        let keys: Option<Vec<VerifierKey>> = self.witnesses.iter().map(|witness| witness.key.parse().ok()).collect();
        match keys {
            None => faults.push("proof.witnesses: a `key` is no verifier key; copy what the witness prints"),
            Some(keys) if !keys.iter().all(VerifierKey::is_cosigner) => {
                faults.push("proof.witnesses: a `key` is not a witness's; copy what matricule-replay witness prints");
            }
            Some(keys) if (1..keys.len()).any(|at| keys[..at].contains(&keys[at])) => {
                faults.push("proof.witnesses: a witness is named twice; it would count twice");
            }
            Some(_) => {}
        }
        if self.threshold > self.witnesses.len() {
            faults.push("proof.threshold: more than there are witnesses");
        }
        faults
    }
}

impl Config {
    /// The log's name: of its first generation.
    pub fn log_origin(&self) -> String {
        let host = self.origin();
        let host = host.split_once("://").map_or(host.as_str(), |(_, host)| host);
        self.proof.origin.clone().unwrap_or_else(|| format!("{host}{}", self.proof.path))
    }

    /// How checkpoints are made.
    ///
    /// # Errors
    /// The object store or a witness's key can't be used.
    pub fn checkpoints(&self) -> anyhow::Result<Settings> {
        let ProofKey { file, value, command } = self.proof.key.clone();
        let key = match (file, value, command) {
            (_, Some(value), _) => KeySource::Value(Zeroizing::new(value.expose().to_owned())),
            (_, _, Some(command)) => KeySource::Command(command),
            (file, ..) => KeySource::File(file.unwrap_or_else(|| self.data_dir.join("checkpoint.key"))),
        };
        let ProofKeep { file, command, store } = self.proof.keep.clone();
        let keep = match (file, command, store) {
            (_, Some(command), _) => Keep::Command(command),
            (_, _, Some(store)) => Keep::Store(Box::new(store.open()?)),
            (file, ..) => Keep::File(file.unwrap_or_else(|| self.data_dir.join("checkpoint.last"))),
        };
        let witness = |witness: &ProofWitness| {
            Ok::<_, anyhow::Error>(Witness { url: witness.url.clone(), key: witness.key.parse()? })
        };
        Ok(Settings {
            origin: self.log_origin(),
            key,
            keep,
            every: self.proof.every.0,
            witnesses: self.proof.witnesses.iter().map(witness).collect::<Result<_, _>>()?,
            threshold: self.proof.threshold,
            timestamps: self.proof.timestamps.clone(),
        })
    }
}

impl ProofStore {
    fn open(self) -> anyhow::Result<ObjectStore> {
        let credentials = (self.access_key.expose().to_owned(), self.secret_key.expose().to_owned());
        ObjectStore::new(self.endpoint, self.region, self.bucket, self.object, credentials).map_err(anyhow::Error::msg)
    }
}
