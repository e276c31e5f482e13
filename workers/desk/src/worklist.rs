//! Worklists: pages of cases by filter, and where each page ends.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use fallout_core::{
    authority,
    case::Severity,
    worklist::{Asked, Cursor, Filter, LIMIT_MAX, Place, Refused, Search, Sort},
};
use fallout_store::{
    Tx,
    cases::CaseLine,
    problems::{self, Problem},
    worklist,
};
use serde::Serialize;

use crate::{Desk, DeskError};

/// Far more problems than are open at a time; members of those beyond stay rows.
const PROBLEMS_SHOWN: i64 = 200;

/// One page of a worklist.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// Open problems, above the cases of the first page; their members are on no page.
    pub problems: Vec<Problem>,
    pub cases: Vec<CaseLine>,
    /// For the next page; `None`: this one is the last.
    pub next: Option<String>,
}

impl Desk {
    /// The page after `after`, or the first one.
    pub async fn worklist(
        &self,
        tenant: &str,
        filter: &Filter,
        sort: Sort,
        limit: i64,
        after: Option<&str>,
    ) -> Result<Page, DeskError> {
        let place = after.map(|text| text.parse::<Cursor>()?.place(tenant, filter, sort)).transpose()?;
        let mut asked = Asked { filter: filter.clone(), sort, limit, after: place, hidden: Vec::new() };
        self.check(tenant, &asked)?;
        // One more shows whether there is a next page.
        asked.limit += 1;
        let tx = self.tenant(tenant).await?;
        let (mut tx, sight) = self.sight(tx, tenant).await?;
        let mut problems = rows(&mut tx, tenant, filter).await?;
        // Members of a problem that is not seen are rows of their own.
        problems.retain(|problem| sight.covers(&authority::Place::of_group(&problem.group)));
        asked.hidden = problems.iter().map(|problem| problem.id).collect();
        if asked.after.is_some() {
            problems.clear();
        }
        let mut cases = Vec::new();
        for filter in sight.narrowed(filter) {
            let counts = worklist::frequencies(&mut tx, tenant, &filter).await?;
            let search = Search::of(&filter, &counts)?;
            let asked = Asked { filter, ..asked.clone() };
            cases.push(worklist::page(&mut tx, tenant, &asked, &search).await?);
        }
        tx.commit().await?;
        let mut cases = merged(cases, sort);
        let more = cases.len() as i64 > limit;
        cases.truncate(usize::try_from(limit).unwrap_or_default());
        let last = cases.last().filter(|_| more).map(|case| place_of(case, sort)).transpose()?;
        let next = last.map(|place| Cursor::new(tenant, filter, sort, place).to_string());
        Ok(Page { problems, cases, next })
    }

    fn check(&self, tenant: &str, asked: &Asked) -> Result<(), DeskError> {
        asked.check()?;
        let known = &self.taxonomy(tenant).categories;
        match &asked.filter.category {
            Some(code) if known.iter().all(|category| category.code != *code) => {
                let known: Vec<&str> = known.iter().map(|category| category.code.as_str()).collect();
                Err(Refused::UnknownCategory(code.clone(), known.join(", ")).into())
            }
            _ => Ok(()),
        }
    }

    /// One tenant's cases, worst and oldest first, read page by page; `only_active` leaves out those that are over.
    pub async fn cases(
        &self,
        tenant: &str,
        only_active: bool,
        order: Option<&str>,
        most: usize,
    ) -> Result<Vec<CaseLine>, DeskError> {
        let filter = Filter { all: !only_active, order: order.map(str::to_owned), members: true, ..Filter::default() };
        let (mut cases, mut after) = (Vec::new(), None);
        while cases.len() < most {
            let page = self.worklist(tenant, &filter, Sort::Severity, LIMIT_MAX, after.as_deref()).await?;
            cases.extend(page.cases);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        cases.truncate(most);
        Ok(cases)
    }
}

/// Pages of what somebody sees piece by piece, as one: each has its own index, and a case can be in several.
fn merged(mut pages: Vec<Vec<CaseLine>>, sort: Sort) -> Vec<CaseLine> {
    if pages.len() == 1 {
        return pages.remove(0);
    }
    let mut cases: Vec<CaseLine> = pages.into_iter().flatten().collect();
    cases.sort_by(|a, b| in_order(sort, a, b));
    cases.dedup_by(|a, b| a.id == b.id);
    cases
}

/// As the database orders them.
fn in_order(sort: Sort, a: &CaseLine, b: &CaseLine) -> Ordering {
    let due = |case: &CaseLine| case.sla_due_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
    match sort {
        Sort::Severity => (&a.severity, a.created_at, a.id).cmp(&(&b.severity, b.created_at, b.id)),
        Sort::Due => (due(a), a.id).cmp(&(due(b), b.id)),
        Sort::Age => (a.created_at, a.id).cmp(&(b.created_at, b.id)),
        Sort::Updated => (b.updated_at, b.id).cmp(&(a.updated_at, a.id)),
    }
}

async fn rows(tx: &mut Tx, tenant: &str, filter: &Filter) -> Result<Vec<Problem>, DeskError> {
    match filter.of_problems() {
        Some(asked) => Ok(problems::rows(tx, tenant, &asked, PROBLEMS_SHOWN).await?),
        None => Ok(Vec::new()),
    }
}

fn place_of(case: &CaseLine, sort: Sort) -> Result<Place, DeskError> {
    let severity: Severity = case.severity.parse().map_err(fallout_store::StoreError::from)?;
    let at = match sort {
        Sort::Severity | Sort::Age => Some(case.created_at),
        Sort::Due => case.sla_due_at,
        Sort::Updated => Some(case.updated_at),
    };
    Ok(Place { severity: (sort == Sort::Severity).then_some(severity), at, id: case.id })
}
