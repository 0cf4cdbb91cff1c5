//! From marks to positions.

use super::{Mark, PAGE_OF_MARKS};
use crate::Views;
use chrono::{DateTime, Utc};
use domain::identifiers::Uai;
use sqlx::{Postgres, QueryBuilder};
use std::ops::Range;

/// Pages of marks looked at in one round.
const PAGES: i64 = 32;

/// What is searched for: an event must fit everything that is given.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// One of these types; any where empty.
    pub types: Vec<String>,
    /// Names this establishment.
    pub establishment: Option<Uai>,
    /// This actor, as stored.
    pub actor: Option<String>,
    /// On behalf of this one, as stored.
    pub on_behalf_of: Option<String>,
    /// Effective in this interval. Every day of it is looked up: keep it short.
    pub effective: Option<Range<DateTime<Utc>>>,
}

/// A step of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Positions that fit, in order. Whether an event names the establishment is told by its text only: look again at
    /// the event itself.
    pub positions: Vec<u64>,
    /// Where to go on; `None` when the range is searched.
    pub next: Option<u64>,
}

impl Search {
    /// Whether there is anything to search by.
    pub fn is_empty(&self) -> bool {
        self.conditions().is_empty()
    }

    /// Each condition as a kind of mark and the values of which one is needed.
    fn conditions(&self) -> Vec<(Mark, Vec<String>)> {
        let mut conditions = Vec::new();
        let one = |mark, value: &Option<String>| value.clone().map(|value| (mark, vec![value]));
        if !self.types.is_empty() {
            conditions.push((Mark::Type, self.types.clone()));
        }
        conditions.extend(self.establishment.map(|uai| (Mark::Establishment, vec![uai.to_string()])));
        conditions.extend(one(Mark::Actor, &self.actor));
        conditions.extend(one(Mark::OnBehalfOf, &self.on_behalf_of));
        if let Some(interval) = &self.effective {
            let (first, last) = (interval.start.date_naive(), interval.end.date_naive());
            let days = first.iter_days().take_while(|day| *day <= last).map(|day| day.to_string());
            conditions.push((Mark::EffectiveDay, days.collect()));
        }
        conditions
    }
}

impl Views {
    /// A step of a search from a position on, before `end`: at most `limit` positions, found with a bounded number of
    /// index look-ups and rows read, however large the ledger is. There may be none, and yet more to come: see
    /// [`Step::next`]. Only what the audit view has is found: `end` must not lie beyond its checkpoint.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn search(&self, search: &Search, from: u64, end: u64, limit: u32) -> sqlx::Result<Step> {
        let (from, end) = (clamp(from), clamp(end));
        if from >= end {
            return Ok(Step { positions: Vec::new(), next: None });
        }
        let pages = self.marked_pages(&search.conditions(), from / PAGE_OF_MARKS, (end - 1) / PAGE_OF_MARKS).await?;
        let Some(last) = pages.last() else { return Ok(Step { positions: Vec::new(), next: None }) };
        let more = pages.len() as i64 == PAGES;
        let after = (last + 1).saturating_mul(PAGE_OF_MARKS);
        let positions = self.fitting(search, &pages, from, end, limit).await?;
        let next = match positions.last() {
            Some(last) if positions.len() == limit as usize => Some(last + 1),
            _ => more.then_some(after),
        };
        let positions = positions.into_iter().map(i64::cast_unsigned).collect();
        Ok(Step { positions, next: next.filter(|next| *next < end).map(i64::cast_unsigned) })
    }

    /// The first pages that bear all marks, in order: one ordered index scan for each value of the first condition,
    /// and one look-up in each of the others.
    async fn marked_pages(&self, conditions: &[(Mark, Vec<String>)], from: i64, to: i64) -> sqlx::Result<Vec<i64>> {
        let Some(((mark, values), others)) = conditions.split_first() else {
            return Ok((from..=to).take(PAGES as usize).collect());
        };
        let mut sql = QueryBuilder::<Postgres>::new("SELECT DISTINCT p.page FROM unnest(");
        sql.push_bind(values).push("::text[]) AS v (value) CROSS JOIN LATERAL (SELECT m.page FROM view_audit.mark m ");
        sql.push("WHERE m.mark = ").push_bind(mark.number()).push(" AND m.value = v.value AND m.page BETWEEN ");
        sql.push_bind(from).push(" AND ").push_bind(to);
        for (mark, values) in others {
            sql.push(" AND EXISTS (SELECT FROM view_audit.mark o WHERE o.page = m.page AND o.mark = ");
            sql.push_bind(mark.number()).push(" AND o.value = ANY(").push_bind(values).push("::text[]))");
        }
        sql.push(" ORDER BY m.page LIMIT ").push_bind(PAGES).push(") p ORDER BY p.page LIMIT ").push_bind(PAGES);
        sql.build_query_scalar().fetch_all(&self.pool).await
    }

    /// The events of these pages that fit, by their columns.
    async fn fitting(&self, search: &Search, pages: &[i64], from: i64, end: i64, limit: u32) -> sqlx::Result<Vec<i64>> {
        let mut sql = QueryBuilder::<Postgres>::new("SELECT e.position FROM unnest(");
        sql.push_bind(pages).push("::bigint[]) AS p (page) CROSS JOIN LATERAL (SELECT * FROM ledger.event WHERE ");
        sql.push("position >= greatest(p.page * ").push_bind(PAGE_OF_MARKS).push(", ").push_bind(from);
        sql.push(") AND position < least((p.page + 1) * ").push_bind(PAGE_OF_MARKS).push(", ").push_bind(end);
        sql.push(") OFFSET 0) e WHERE true");
        if !search.types.is_empty() {
            sql.push(" AND e.event_type = ANY(").push_bind(&search.types).push("::text[])");
        }
        if let Some(actor) = &search.actor {
            sql.push(" AND e.actor = ").push_bind(actor);
        }
        if let Some(principal) = &search.on_behalf_of {
            sql.push(" AND e.on_behalf_of = ").push_bind(principal);
        }
        if let Some(interval) = &search.effective {
            sql.push(" AND e.effective_at >= ").push_bind(interval.start);
            sql.push(" AND e.effective_at < ").push_bind(interval.end);
        }
        if let Some(uai) = search.establishment {
            sql.push(" AND (e.stream_id = ").push_bind(uai.to_string());
            sql.push(" OR position(").push_bind(format!("\"{uai}\"")).push(" IN e.payload::text) > 0)");
        }
        sql.push(" ORDER BY e.position LIMIT ").push_bind(i64::from(limit));
        sql.build_query_scalar().fetch_all(&self.pool).await
    }
}

fn clamp(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
