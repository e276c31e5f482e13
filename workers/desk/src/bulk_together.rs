//! The plain case of a bulk, many at once: a retry or a resume that the guard accepts as the ledger stands. Whatever else bears
//! on a case (a refusal, a key that was used, a step that somebody else has) goes alone, through the door of single commands;
//! the rules are the same.

use std::collections::BTreeMap;

use fallout_core::{
    action::{
        Action, OnStep, Target,
        catalogue::Approval,
        guard::{Accepted as Guarded, expired, guard},
        terms::Commercial,
    },
    case::{CaseEvent, next},
    claim::StepFacts,
    decide::classification,
    ids::{ActionId, CaseId, CommandId},
    offline::Window,
    policy::OrderFacts,
    step::{Direction, StepState},
    task::Definition,
};
use fallout_store::{
    batch::{self, StepOutputs},
    bulks::{self, Bulk, Given, TakenCase},
    cases::{self, Case},
    definitions, downstreams,
    recoveries::{self, Accepted, Common},
    steps::{self, Step},
};
use serde_json::json;
use uuid::Uuid;

use super::bulk_recovery::command_of;
use crate::{
    Desk, DeskError,
    authority::At,
    guarding::is_by_policy,
    recovery::{Ask, Kept, correlation, of_step, request_of},
    work::{facts, stopped},
};

/// What is the same for every case of a bulk, or was read for all of them.
struct Read {
    attempts: BTreeMap<fallout_core::ids::StepKey, Vec<fallout_core::attempt::AttemptFacts>>,
    definitions: BTreeMap<String, Definition>,
    outputs: Vec<StepOutputs>,
    stranded: std::collections::BTreeSet<fallout_core::ids::StepKey>,
    used: std::collections::BTreeSet<String>,
    windows: Vec<Window>,
    now: chrono::DateTime<chrono::Utc>,
}

impl Desk {
    /// Gives the commands of those that are plain and says so in the bulk, in one transaction; the others are left.
    pub async fn give_plain(&self, bulk: &Bulk, taken: &[TakenCase]) -> Result<Vec<CaseId>, DeskError> {
        let plain = matches!(bulk.action, Action::RetryStep | Action::ResumeWorkflow);
        if !plain || bulk.action.declaration().approval != Approval::One {
            return Ok(Vec::new());
        }
        let mut tx = self.tenant(&bulk.tenant).await?;
        // Whoever has the right for some of them only is asked case by case.
        let right = bulk.action.declaration().authority;
        if let Err(e) = self.may(&mut tx, &bulk.tenant, &bulk.requested_by, right, At::Tenant).await {
            return if matches!(e, DeskError::NotAuthorised(_)) { Ok(Vec::new()) } else { Err(e) };
        }
        let ids: Vec<CaseId> = taken.iter().map(|case| case.id).collect();
        let held = cases::hold_steps(&mut tx, &ids).await?;
        let cases = cases::held_all(&mut tx, &held.iter().map(|(case, _)| *case).collect::<Vec<_>>()).await?;
        let keys: Vec<_> = held.iter().map(|(_, step)| *step).collect();
        let steps = steps::get_all(&mut tx, &keys).await?;
        let read = self.read_for_bulk(&mut tx, bulk, &cases, &steps).await?;
        let mut asks = Vec::new();
        for case in &cases {
            let Some(step) = steps.iter().find(|s| case.step == Some(s.key)) else { continue };
            let key = bulks::key(bulk.id, case.number);
            let command = command_of(case.number, bulk.action, &bulk.reason, &bulk.requested_by, &key);
            let alone = self.second_person(&mut tx, case, bulk.action).await?.is_none();
            if alone && !read.used.contains(&key) && case.state.is_active() && self.fits(bulk.action, case, step, &read)
            {
                asks.push((case, step, Ask::new(&bulk.tenant, &bulk.requested_by, &command)?));
            }
        }
        let kept: Vec<Kept> = asks.iter().map(|(_, _, ask)| Kept::of(ask)).collect();
        let accepted: Vec<Accepted<'_>> =
            asks.iter().zip(&kept).map(|((case, step, ask), kept)| accepted(case, step, ask, kept)).collect();
        if accepted.is_empty() {
            return Ok(Vec::new());
        }
        let common = Common { tenant: &bulk.tenant, action: bulk.action, by: &bulk.requested_by, reason: &bulk.reason };
        recoveries::accept(&mut tx, &common, &accepted).await?;
        let given: Vec<_> = accepted.iter().map(|one| (one.case.id, Given::Recovering(one.action))).collect();
        bulks::given(&mut tx, bulk.id, &given).await?;
        tx.commit().await?;
        Ok(given.into_iter().map(|(case, _)| case).collect())
    }

    async fn read_for_bulk(
        &self,
        tx: &mut fallout_store::Tx,
        bulk: &Bulk,
        cases: &[Case],
        steps: &[Step],
    ) -> Result<Read, DeskError> {
        let keys: Vec<_> = steps.iter().map(|step| step.key).collect();
        let runs: Vec<_> = steps.iter().map(|step| step.run).collect();
        let given: Vec<String> = cases.iter().map(|case| bulks::key(bulk.id, case.number)).collect();
        let mut known = BTreeMap::new();
        for step in steps {
            if !known.contains_key(&step.process_definition_id)
                && let Some(definition) = definitions::get(tx, &step.process_definition_id).await?
            {
                known.insert(step.process_definition_id.clone(), definition);
            }
        }
        let (now, windows) = downstreams::moment(tx).await?;
        Ok(Read {
            attempts: fallout_store::attempts::of_latest_generations(tx, &keys).await?,
            definitions: known,
            outputs: batch::outputs(tx, &runs).await?,
            stranded: recoveries::stranded(tx, steps).await?,
            used: recoveries::used_keys(tx, &bulk.tenant, &given).await?,
            windows,
            now,
        })
    }

    /// Whether the guard accepts it, and nothing has to be settled first.
    fn fits(&self, action: Action, case: &Case, step: &Step, read: &Read) -> bool {
        let Ok(op) = self.operation(&step.operation) else { return false };
        let (Some(attempts), Some(definition)) =
            (read.attempts.get(&step.key), read.definitions.get(&step.process_definition_id))
        else {
            return false;
        };
        // What is left of an effect that it takes back has to be read, and of several tokens of an instance the step's found.
        let special = step.state != StepState::Parked
            || step.identity.direction == Direction::Undo
            // Policies ask about the whole order, and who changed its route about two operations.
            || is_by_policy(action)
            || step.route.is_some()
            || definition.embedded.contains_key(&step.activity_id);
        if special || next(case.state, CaseEvent::ActionRequested).is_err() {
            return false;
        }
        let facts = StepFacts { stopped: stopped(step, op, &read.windows, read.now), ..facts(step, attempts) };
        let line = &step.identity.line;
        let earlier = read.outputs.iter().filter(|o| o.run == step.run && (o.line.is_empty() || o.line == *line));
        let commercial = Commercial {
            policies: self.policies(&step.identity.tenant),
            order: &OrderFacts::default(),
            operation: &step.operation,
            classification: &case.classification,
            past_return: None,
            irreversible: None,
            uses: &[],
        };
        let on = OnStep {
            op,
            facts: &facts,
            branches: &definition.branches,
            is_gone: read.stranded.contains(&step.key),
            expired: expired(op, earlier.map(|o| (o.step.as_str(), &o.outputs)), read.now),
            commercial,
        };
        let is_undo = case.classification == classification::UNDO_REQUIRED;
        let target = Target { case: case.state, is_undo, step: Some(on), now: read.now };
        let none = fallout_core::step::Outputs::new();
        let asked = fallout_core::action::Asked::of(&none);
        matches!(guard(action, &target, &asked), Ok(Guarded::Correlate { settles: None }))
    }
}

fn accepted<'a>(case: &'a Case, step: &Step, ask: &Ask<'_>, kept: &'a Kept) -> Accepted<'a> {
    let action = ActionId(Uuid::now_v7());
    Accepted {
        action,
        case,
        step: step.key,
        key: ask.key().to_owned(),
        content_hash: ask.hash.clone(),
        target: ask.target(of_step(step)),
        event: Uuid::now_v7(),
        command_id: CommandId(Uuid::now_v7()),
        payload: json!({ "action": action, "type": ask.action, "attestation": ask.command.attestation }),
        command: correlation(action, step, ask.action),
        request: request_of(kept, action),
    }
}
