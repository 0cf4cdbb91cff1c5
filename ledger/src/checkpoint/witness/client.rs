//! Asking the configured witnesses.

use super::{AddCheckpoint, Witness};
use crate::checkpoint::http;
use crate::checkpoint::note::SignedCheckpoint;
use crate::tree::Tree;
use futures::future::join_all;
use reqwest::Client;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// After a failure, a witness that is not needed for the threshold is left alone for so long.
const REST: Duration = Duration::from_secs(30);

/// The witnesses, and what is known of each.
pub(crate) struct Witnesses {
    client: Client,
    known: Vec<Known>,
}

struct Known {
    witness: Witness,
    /// The origin and size it cosigned last, as far as this process knows.
    seen: Option<(String, u64)>,
    rests_until: Option<Instant>,
    problem: Option<String>,
}

/// What asking them came to.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// How many have cosigned.
    pub cosigned: usize,
    /// Whether all have.
    pub all: bool,
    /// What each of the others said, by name.
    pub failures: BTreeMap<String, String>,
}

impl Witnesses {
    pub(crate) fn new(witnesses: Vec<Witness>) -> Result<Self, reqwest::Error> {
        let known = |witness| Known { witness, seen: None, rests_until: None, problem: None };
        Ok(Self { client: http::client()?, known: witnesses.into_iter().map(known).collect() })
    }

    /// Asks all at once for their cosignatures, and puts them into the note. Those that failed lately are asked only
    /// where `needed` can't be reached without them.
    pub(crate) async fn gather(&mut self, signed: &mut SignedCheckpoint, tree: &Tree, needed: usize) -> Gathered {
        let now = Instant::now();
        let awake = self.known.iter().filter(|known| !known.rests(now)).count();
        let wake = awake < needed;
        let client = self.client.clone();
        let note: &SignedCheckpoint = signed;
        let asked = self.known.iter_mut().filter(|known| wake || !known.rests(now)).map(|known| {
            let client = client.clone();
            async move {
                let answer = known.ask(&client, note, tree).await;
                known.seen = answer.is_ok().then(|| (note.origin.clone(), note.size));
                known.rests_until = answer.is_err().then(|| now + REST);
                known.problem = answer.as_ref().err().cloned();
                answer.ok().map(|lines| (lines, known.witness.key.clone()))
            }
        });
        let answers: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        let cosigned = answers.iter().filter(|(lines, key)| signed.add(lines, key)).count();
        let problem = |known: &Known| Some((known.witness.key.name().to_owned(), known.problem.clone()?));
        Gathered {
            cosigned,
            all: cosigned == self.known.len(),
            failures: self.known.iter().filter_map(problem).collect(),
        }
    }
}

impl Known {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// The witness's signature lines, checked to be valid.
    async fn ask(&self, client: &Client, note: &SignedCheckpoint, tree: &Tree) -> Result<String, String> {
        let mut old = match &self.seen {
            Some((origin, size)) if *origin == note.origin => *size,
            _ => 0,
        };
        // Once more when it remembers another size than we do.
        for _ in 0..2 {
            let proof = tree.consistency_proof(old, note.size).await.map_err(|error| error.to_string())?;
            let proof = if old == 0 { Vec::new() } else { proof };
            let body = AddCheckpoint { old, proof, note: note.text().to_owned() }.to_string();
            let prefix = self.witness.url.as_str().trim_end_matches('/');
            let (status, answer) = http::text(client.post(format!("{prefix}/add-checkpoint")).body(body)).await?;
            match status.as_u16() {
                200 => {
                    let mut cosigned = note.clone();
                    let valid = cosigned.add(&answer, &self.witness.key);
                    return if valid { Ok(answer) } else { Err("its answer is not signed by its key".to_owned()) };
                }
                409 => {
                    let seen = crate::tree::decimal(answer.trim_end_matches('\n'));
                    let seen = seen.ok_or("it answers 409 without a size")?;
                    if seen > note.size {
                        return Err(format!(
                            "it has cosigned a tree of {seen} events, and this one has {}: history was lost or forked",
                            note.size
                        ));
                    }
                    old = seen;
                }
                403 | 404 => return Err(format!("it does not know this log's origin and key ({status})")),
                422 => return Err("it has seen another history: the trees have forked (422)".to_owned()),
                _ => return Err(format!("it answers {status}")),
            }
        }
        Err("it remembers another size with every answer".to_owned())
    }
}
