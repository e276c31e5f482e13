//! Problems: gathered by a controller, level by level and by any number of processes; taken and noted by people. A storm of
//! cases is one problem, told of once.

use fallout_core::{
    action::catalogue::Authority,
    authority::Place,
    case::Severity,
    ids::{ProblemId, ProblemNumber},
    people::{Group, name, text},
    problem::{Gathering, ProblemEvent, ProblemState},
};
use fallout_store::{
    Tx,
    cases::Actor,
    people,
    problems::{self, NewProblem, Problem, ProblemEntry},
    sla,
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Desk, DeskError, authority::At};

/// Cases that join in one transaction: a storm is taken in piece by piece.
const AT_ONCE: i64 = 500;

/// A problem with its timeline.
#[derive(Clone, Debug, Serialize)]
pub struct ProblemDetail {
    #[serde(flatten)]
    pub problem: Problem,
    pub timeline: Vec<ProblemEntry>,
}

impl Desk {
    /// Opens problems that have gathered, takes in their cases, raises and ends them: whatever is due now. How much that was.
    pub async fn tend_problems(&self) -> Result<usize, DeskError> {
        let mut tx = self.system("problems").await?;
        let rules = &self.catalogue.problems;
        let gathered = problems::gatherings(&mut tx, rules.window(), rules.least()).await?;
        let open = problems::all_open(&mut tx).await?;
        tx.commit().await?;
        let mut done = 0;
        for id in open {
            done += self.tend(id).await?;
        }
        for found in gathered.iter().filter(|found| rules.is_problem(found)) {
            done += self.open_problem(found).await?;
        }
        Ok(done)
    }

    /// With its first cases, so that it says at once how large it is.
    async fn open_problem(&self, found: &Gathering) -> Result<usize, DeskError> {
        let taxonomy = self.taxonomy(&found.tenant);
        let Some(category) = taxonomy.category_of(&found.classification) else { return Ok(0) };
        let mut tx = self.system("problems").await?;
        let id = ProblemId(Uuid::now_v7());
        let new = NewProblem {
            id,
            of: found,
            category: &category.code,
            severity: taxonomy.severity(&found.classification).unwrap_or(category.severity),
            group: &category.owner_group,
            window: self.catalogue.problems.window(),
        };
        if !problems::open(&mut tx, &new).await? {
            return Ok(0);
        }
        let Some(mut problem) = problems::take(&mut tx, id).await? else { return Ok(0) };
        self.take_in_cases(&mut tx, &mut problem).await?;
        let (severity, _) = self.weigh_problem(&mut tx, &mut problem).await?;
        problem.severity = severity;
        problems::keep(&mut tx, &problem).await?;
        let payload = json!({
            "problem": problem.number, "downstream": problem.downstream, "operation": problem.operation,
            "classification": problem.classification, "severity": problem.severity, "cases": problem.cases,
            "orders": problem.orders,
        });
        told(&mut tx, &problem, ProblemEvent::Opened, None, &payload).await?;
        tx.commit().await?;
        Ok(1)
    }

    async fn tend(&self, id: ProblemId) -> Result<usize, DeskError> {
        let mut tx = self.system("problems").await?;
        let Some(mut problem) = problems::take(&mut tx, id).await? else { return Ok(0) };
        let joined = if problem.taking { self.take_in_cases(&mut tx, &mut problem).await? } else { 0 };
        let (severity, impact) = self.weigh_problem(&mut tx, &mut problem).await?;
        let mut changed = joined > 0;
        // SEV1 is the gravest, and the least of the words.
        if severity < problem.severity {
            let payload = json!({
                "problem": problem.number, "from": problem.severity, "to": severity, "cases": problem.cases,
                "orders": problem.orders,
            });
            problem.severity = severity;
            told(&mut tx, &problem, ProblemEvent::SeverityRaised, None, &payload).await?;
            sla::look_at_all(&mut tx, &problem.tenant, &problem.downstream, &problem.classification).await?;
            changed = true;
        }
        if problem.taking && joined == 0 && impact.now > problem.takes_until {
            problem.taking = false;
            changed = true;
        }
        if self.catalogue.problems.is_over(impact.active, problem.joined_at, impact.now) {
            (problem.state, problem.taking, problem.closed_at) = (ProblemState::Closed, false, Some(impact.now));
            let payload = json!({ "problem": problem.number, "cases": problem.cases, "orders": problem.orders });
            told(&mut tx, &problem, ProblemEvent::Closed, Some("none of its cases is open any more"), &payload).await?;
            changed = true;
        }
        if changed {
            problems::keep(&mut tx, &problem).await?;
            tx.commit().await?;
        }
        Ok(usize::from(changed))
    }

    async fn take_in_cases(&self, tx: &mut Tx, problem: &mut Problem) -> Result<i64, DeskError> {
        let rules = &self.catalogue.problems;
        let (joined, latest) = problems::join(tx, problem, rules.window(), AT_ONCE).await?;
        if let Some(latest) = latest {
            problem.joined_at = problem.joined_at.max(latest);
            problem.takes_until = rules.takes_until(problem.opened_at, problem.joined_at).max(problem.takes_until);
        }
        Ok(joined)
    }

    /// The gravest of what its cases are and what so many orders are; never less than before.
    async fn weigh_problem(
        &self,
        tx: &mut Tx,
        problem: &mut Problem,
    ) -> Result<(Severity, problems::Impact), DeskError> {
        let impact = problems::impact(tx, problem.id).await?;
        problem.cases = i32::try_from(impact.cases).unwrap_or(i32::MAX);
        problem.orders = i32::try_from(impact.orders).unwrap_or(i32::MAX);
        let by_orders = self.catalogue.severity.of_orders(impact.orders);
        let gravest = [Some(problem.severity), impact.gravest, by_orders].into_iter().flatten().min();
        Ok((gravest.unwrap_or(problem.severity), impact))
    }

    pub async fn problems(&self, tenant: &str, only_open: bool, limit: i64) -> Result<Vec<Problem>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let (mut tx, sight) = self.sight(tx, tenant).await?;
        let all = problems::list(&mut tx, tenant, only_open, limit).await?;
        Ok(all.into_iter().filter(|problem| sight.covers(&Place::of_group(&problem.group))).collect())
    }

    pub async fn problem(&self, tenant: &str, number: ProblemNumber) -> Result<ProblemDetail, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let problem = problems::held(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchProblem(number))?;
        tx = self.visible(tx, tenant, At::Group(&problem.group)).await?;
        let timeline = problems::timeline(&mut tx, problem.id).await?;
        Ok(ProblemDetail { problem, timeline })
    }

    /// To a group, a person of it, or both. False when it is there already.
    pub async fn assign_problem(
        &self,
        tenant: &str,
        principal: &str,
        number: ProblemNumber,
        group: Option<&str>,
        user: Option<&str>,
    ) -> Result<bool, DeskError> {
        let group = group.map(|group| name("the group", group)).transpose()?;
        let user = user.map(|user| name("the person", user)).transpose()?;
        let mut tx = self.tenant(tenant).await?;
        let mut problem = open_one(&mut tx, tenant, number).await?;
        let had = (problem.group.clone(), problem.user.clone());
        let takes = user == Some(principal) && group.is_none_or(|group| group == had.0);
        let right = if takes { Authority::WorkCase } else { Authority::AssignCase };
        tx = self.authorised(tx, tenant, principal, right, At::Group(&had.0)).await?;
        may_have(&mut tx, &problem, principal, takes, group, user).await?;
        if let Some(group) = group.filter(|group| *group != problem.group) {
            (problem.group, problem.user) = (group.to_owned(), None);
        }
        if let Some(user) = user {
            problem.user = Some(user.to_owned());
        }
        if had == (problem.group.clone(), problem.user.clone()) {
            return Ok(false);
        }
        problems::keep(&mut tx, &problem).await?;
        let event = if takes { ProblemEvent::Taken } else { ProblemEvent::Assigned };
        let payload =
            json!({ "group": problem.group, "user": problem.user, "from": { "group": had.0, "user": had.1 } });
        problems::tell(&mut tx, Uuid::now_v7(), &problem, event, Actor::User(principal), None, &payload).await?;
        tx.commit().await?;
        Ok(true)
    }

    pub async fn note_problem(
        &self,
        tenant: &str,
        principal: &str,
        number: ProblemNumber,
        note: &str,
    ) -> Result<(), DeskError> {
        let note = text("the note", note)?;
        let mut tx = self.tenant(tenant).await?;
        let problem = problems::held(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchProblem(number))?;
        tx = self.authorised(tx, tenant, principal, Authority::WorkCase, At::Group(&problem.group)).await?;
        let by = Actor::User(principal);
        problems::tell(&mut tx, Uuid::now_v7(), &problem, ProblemEvent::Noted, by, Some(note), &Value::Null).await?;
        Ok(tx.commit().await?)
    }
}

/// By the rules of its group, as for a case: who takes it is in the group, who gives it to another leads it.
async fn may_have(
    tx: &mut Tx,
    problem: &Problem,
    principal: &str,
    takes: bool,
    group: Option<&str>,
    user: Option<&str>,
) -> Result<(), DeskError> {
    let group = group.unwrap_or(&problem.group);
    let members = people::members(tx, &problem.tenant, group).await?;
    let group = Group { name: group, members: &members };
    if takes {
        return Ok(group.may_take(principal, problem.user.as_deref())?);
    }
    Ok(group.may_assign(principal, user)?)
}

async fn open_one(tx: &mut Tx, tenant: &str, number: ProblemNumber) -> Result<Problem, DeskError> {
    let problem = problems::held(tx, tenant, number).await?.ok_or(DeskError::NoSuchProblem(number))?;
    match problem.state {
        ProblemState::Open => Ok(problem),
        ProblemState::Closed => Err(DeskError::ProblemIsOver(number)),
    }
}

async fn told(
    tx: &mut Tx,
    problem: &Problem,
    event: ProblemEvent,
    reason: Option<&str>,
    payload: &Value,
) -> Result<(), DeskError> {
    Ok(problems::tell(tx, Uuid::now_v7(), problem, event, Actor::System("problems"), reason, payload).await?)
}
