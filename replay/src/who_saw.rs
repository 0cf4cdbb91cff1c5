//! Who, other than its holder, has read an account's data: from the access log, for as long as it is kept.

use crate::explain::as_of_line;
use crate::fold::{Fold, life};
use crate::language::Language;
use crate::moment::{AsOf, resolve};
use chrono::{DateTime, Utc};
use domain::account::Holder;
use domain::ids::AccountId;
use ledger::Ledger;
use ledger::access::{Cursor, Stored, Wanted, read};
use serde::Serialize;
use sqlx::PgPool;
use std::collections::BTreeSet;
use uuid::Uuid;

/// One read.
#[derive(Clone, Debug, Serialize)]
pub struct Read {
    /// When.
    pub at: DateTime<Utc>,
    /// Which.
    pub id: Uuid,
    /// `staff-read` or `audit-query`.
    pub kind: String,
    /// Name of the query.
    pub what: String,
    /// `success`, or one word on why there was no answer.
    pub outcome: String,
    /// Who.
    pub actor: Option<String>,
    /// Incident reference.
    pub reference: Option<String>,
    /// What for, in the reader's words.
    pub purpose: Option<String>,
    /// What was asked.
    pub filter: Option<String>,
    /// Results handed out.
    pub results: Option<i64>,
    /// SHA-256 of what was handed out, hexadecimal.
    pub export_hash: Option<String>,
    /// The second person.
    pub approved_by: Option<String>,
    /// How many people the read concerned.
    pub concerned: i32,
}

/// A page of reads, the latest first.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// The moment by which the records behind the account were determined.
    pub as_of: AsOf,
    /// The account.
    pub account: AccountId,
    /// The ids looked for: the account and the records of its holder, as pupil or guardian.
    pub ids: BTreeSet<Uuid>,
    /// The reads.
    pub reads: Vec<Read>,
    /// Where the next page begins; `null` when there are no more.
    pub next: Option<String>,
}

/// The reads of the data of an account and of its holder's records. Its children are other people: their accounts
/// are asked about by themselves.
///
/// # Errors
/// There is no such account, or the ledger or the access log can't be read.
pub async fn who_saw(
    ledger: &Ledger,
    pool: &PgPool,
    account: AccountId,
    after: Option<Cursor>,
    limit: u32,
) -> anyhow::Result<Seen> {
    let as_of = resolve(ledger, None).await?;
    let fold = Fold::of(&life(ledger, account, as_of).await?);
    let mut ids: BTreeSet<Uuid> = fold.guardians.keys().map(|guardian| guardian.0).collect();
    ids.insert(account.0);
    if let Some(Holder::Pupil(pupil)) = fold.account.holder {
        ids.insert(pupil.0);
    }
    let mut found: Vec<Stored> = Vec::new();
    for id in &ids {
        found.extend(read(pool, &Wanted { after, ..Wanted::seen(*id, limit) }).await?);
    }
    // One read may concern several of the ids.
    found.sort_unstable_by_key(|stored| std::cmp::Reverse((stored.at, stored.id)));
    found.dedup_by_key(|stored| stored.id);
    let more = found.len() >= limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|stored| stored.cursor().to_string());
    Ok(Seen { as_of, account, ids, reads: found.into_iter().map(Read::from).collect(), next })
}

impl From<Stored> for Read {
    fn from(stored: Stored) -> Self {
        Self {
            at: stored.at,
            id: stored.id,
            kind: stored.kind,
            what: stored.what,
            outcome: stored.outcome,
            actor: stored.actor,
            reference: stored.reference,
            purpose: stored.purpose,
            filter: stored.filter,
            results: stored.results,
            export_hash: stored.export_hash.map(hex::encode),
            approved_by: stored.approved_by,
            concerned: stored.concerned,
        }
    }
}

impl Seen {
    /// For people.
    pub fn text(&self, language: Language) -> String {
        let mut text = format!("{}\n", as_of_line(language, self.as_of));
        text.push_str(&format!("{} {}\n", language.of("Compte", "Account"), self.account));
        if self.reads.is_empty() {
            let none = "Aucune lecture par un tiers n’est enregistrée.\n";
            text.push_str(language.of(none, "No read by anyone else is on record.\n"));
        }
        let moment = language.of("%d/%m/%Y %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S UTC");
        for read in &self.reads {
            let actor = read.actor.as_deref().unwrap_or("–");
            text.push_str(&format!("{}  {actor}  {} ({})", read.at.format(moment), read.what, read.kind));
            if read.outcome != "success" {
                text.push_str(&format!(" – {}", read.outcome));
            }
            for (word, value) in [
                (language.of("motif :", "purpose:"), &read.purpose),
                (language.of("demande :", "asked:"), &read.filter),
                (language.of("approuvé par", "approved by"), &read.approved_by),
            ] {
                text.extend(value.iter().map(|value| format!("\n    {word} {value}")));
            }
            text.push('\n');
        }
        if let Some(next) = &self.next {
            text.push_str(&format!("{} --after {next}\n", language.of("Suite :", "Next page:")));
        }
        text
    }
}
