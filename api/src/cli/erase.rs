//! `matricule erase`: a person's data, or that of everybody whose entitlement ended.

use super::Global;
use super::beside::Beside;
use crate::config::Config;
use crate::erasure::entitlement::{Cursor, due};
use crate::erasure::{Erased, Eraser, Person, Register};
use anyhow::Context as _;
use clap::Args;
use domain::context::Actor;
use domain::erasure::Grounds;
use ledger::access::local_operator;
use sqlx::PgPool;
use uuid::Uuid;

/// Erase a person for good: destroys their key and whatever else leads to them. Without --confirm it only says what
/// would be erased.
#[derive(Debug, Args)]
pub struct Erase {
    /// The person: a login, or the id of an account, a pupil or a guardian record; all that is theirs goes
    #[arg(required_unless_present = "ended", conflicts_with = "ended", value_name = "LOGIN|ID")]
    who: Option<String>,
    /// Why: own-request, recorded-in-error or legal-order
    #[arg(long, required_unless_present = "ended", conflicts_with = "ended", value_name = "GROUNDS")]
    reason: Option<Grounds>,
    /// Everybody whose entitlement ended longer ago than `retention.ended_entitlement`, as the service does every day
    #[arg(long)]
    ended: bool,
    /// Do it
    #[arg(long)]
    confirm: bool,
    /// The staff number of who does it, for the record (default: the operating system's user)
    #[arg(long, value_name = "NUMBER")]
    operator: Option<String>,
}

impl Erase {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        Beside::over(&config, async |beside| self.erase(&config, beside).await).await
    }

    async fn erase(self, config: &Config, beside: &Beside) -> anyhow::Result<()> {
        let eraser = Eraser {
            ledger: beside.ledger.clone(),
            db: beside.db.clone(),
            views: beside.views.clone(),
            register: Register::at(config.erasure_register()),
        };
        let actor = self.operator.map_or_else(local_operator, Actor::Operator);
        beside.wait_for_all().await?;
        let Some((who, grounds)) = self.who.zip(self.reason) else {
            return ended(config, &eraser, actor, self.confirm).await;
        };
        let person = eraser.find(&who).await?;
        println!("{}", told(&person));
        for warning in warnings(&beside.db, &person).await? {
            println!("Note: {warning}");
        }
        if !self.confirm {
            println!("Nothing was erased. To erase all of this for good, give the same command with --confirm.");
            return Ok(());
        }
        let erased = eraser.erase(&person, grounds, actor).await?;
        println!("{}", completion(&erased));
        Ok(())
    }
}

async fn ended(config: &Config, eraser: &Eraser, actor: Actor, confirm: bool) -> anyhow::Result<()> {
    let keep = config.retention.ended_entitlement;
    let before = eraser.ledger.now() - keep.delta();
    let (mut cursor, mut count, mut last) = (Some(Cursor::default()), 0_u64, None);
    while let Some(at) = cursor {
        let page = due(eraser, at, before).await?;
        cursor = page.next;
        for due in page.due {
            count += 1;
            println!("Entitled until {}", due.ended_at.format("%Y-%m-%d"));
            println!("{}", told(&due.person));
            if confirm {
                let erased = eraser.erase(&due.person, Grounds::EntitlementEnded, actor.clone()).await;
                last = Some(erased.with_context(|| format!("after {} people were erased", count - 1))?);
            }
        }
    }
    match last {
        Some(last) => println!("{count} people erased.\n{}", completion(&last)),
        None if count == 0 => println!("Nobody's entitlement ended more than {keep} ago."),
        None => println!("{count} people would be erased: give the same command with --confirm."),
    }
    Ok(())
}

/// Whom it means, by ids.
fn told(person: &Person) -> String {
    let mut lines = Vec::new();
    lines.extend(person.accounts.iter().map(|id| format!("  account          {id}")));
    lines.extend(person.pupils.iter().map(|id| format!("  pupil            {id}")));
    lines.extend(person.guardians.iter().map(|id| format!("  guardian record  {id}")));
    lines.join("\n")
}

/// What the operator should know before.
async fn warnings(db: &PgPool, person: &Person) -> anyhow::Result<Vec<String>> {
    let pupils: Vec<Uuid> = person.pupils.iter().map(|id| id.0).collect();
    let guardians: Vec<Uuid> = person.guardians.iter().map(|id| id.0).collect();
    let schools: Vec<String> = sqlx::query_scalar(
        "SELECT establishment FROM view_people.enrolment WHERE pupil = ANY($1) \
         UNION SELECT l.establishment FROM view_people.link l JOIN view_people.enrolment e ON e.pupil = l.pupil \
         WHERE l.guardian = ANY($2) ORDER BY 1",
    )
    .bind(&pupils)
    .bind(&guardians)
    .fetch_all(db)
    .await?;
    let mut warnings = Vec::new();
    if !schools.is_empty() {
        let schools = schools.join(", ");
        warnings.push(format!("{schools} still names the person: the next export will make a new record"));
    }
    Ok(warnings)
}

/// When it is over.
fn completion(erased: &Erased) -> String {
    let what = match erased.appended.and_then(|appended| appended.last()) {
        Some(position) => format!("Erased: {} key(s) destroyed, up to position {position}.", erased.subjects.len()),
        None => "Everything had been erased before; what was left beside the ledger is purged.".to_owned(),
    };
    let when = match erased.complete_at {
        Some(at) => format!(
            "Complete on {}: until then a backup of the keys, made before, still holds theirs.",
            at.format("%Y-%m-%d %H:%M UTC")
        ),
        None => "Complete now: no backup of the keys that `matricule backup` made still holds theirs. Copies made by \
                 other means count for themselves."
            .to_owned(),
    };
    format!("{what}\n{when}")
}
