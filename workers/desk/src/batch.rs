//! The plain case of claim and record, many at once: the first try of a step, and its success. Whatever else bears on a step
//! goes through `ledger`, alone; the rules are the same.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use fallout_core::{
    attempt::{Prepared, idempotency_key},
    claim::{Claim, Decision, Permission, Recorded, StepFacts, decide_claim},
    decide::{Catches, Situation, Verdict, decide},
    evidence::Evidence,
    ids::{AttemptId, IntentId, StepKey},
    offline::{Window, is_closed},
    operation::Operation,
    outcome::classify,
    step::{Direction, Outputs},
    task::TaskRef,
};
use fallout_store::{
    batch::{self, First, OpenFirst, RunFacts, Success},
    downstreams,
};
use uuid::Uuid;

use crate::{Desk, DeskError};

/// A task that may be the first to claim its step.
struct Candidate<'a> {
    op: &'a Operation,
    first: First<'a>,
}

impl Desk {
    /// Claims those that are the first of their step and may send at once.
    pub async fn claim_all(
        &self,
        asked: &[(&TaskRef, Option<&Result<Prepared, String>>)],
    ) -> Result<Vec<Option<Claim>>, DeskError> {
        let mut tx = self.system("fleet").await?;
        let keys: Vec<String> = asked.iter().map(|(task, _)| task.step.business_key()).collect();
        let runs = batch::runs(&mut tx, &keys).await?;
        let (now, windows) = downstreams::moment(&mut tx).await?;
        let mut seen = BTreeSet::new();
        let candidates: Vec<Option<Candidate<'_>>> = asked
            .iter()
            .zip(&keys)
            .map(|((task, prepared), key)| {
                let run = runs.get(key)?;
                let Some(Ok(prepared)) = prepared else { return None };
                let candidate = self.candidate(task, prepared, run, (now, &windows))?;
                seen.insert(candidate.first.step).then_some(candidate)
            })
            .collect();
        let firsts: Vec<First<'_>> = candidates.iter().flatten().map(|c| c.first.clone()).collect();
        if firsts.is_empty() {
            return Ok(candidates.iter().map(|_| None).collect());
        }
        let begun = batch::begin(&mut tx, &firsts).await?;
        let firsts: Vec<First<'_>> = firsts.into_iter().filter(|f| begun.contains(&f.step)).collect();
        batch::open(&mut tx, &firsts).await?;
        tx.commit().await?;
        let claim = |candidate: Option<Candidate<'_>>| {
            let Candidate { op, first } = candidate.filter(|c| begun.contains(&c.first.step))?;
            Some(Claim::Fresh(Permission {
                attempt: first.attempt,
                request: first.request.clone(),
                key: first.key,
                generation: 1,
                send_within_ms: u64::from(op.timeouts.send_within_ms),
            }))
        };
        Ok(candidates.into_iter().map(claim).collect())
    }

    /// What the rule says of a step that nobody knows yet; only "send" is plain.
    fn candidate<'a>(
        &'a self,
        task: &'a TaskRef,
        prepared: &'a Prepared,
        run: &RunFacts,
        (now, windows): (DateTime<Utc>, &[Window]),
    ) -> Option<Candidate<'a>> {
        // Handed out before: its identity has to be compared with the step that it stood for.
        // And what is left of an effect that it takes back has to be read.
        if task.retries.is_some() || task.step.direction == Direction::Undo {
            return None;
        }
        let op = self.operation(&task.operation).ok()?;
        let step = StepKey::of(&task.step);
        // What is not to be sent now is not plain.
        if is_closed(windows, op, now) || run.held.iter().any(|line| line.is_empty() || *line == task.step.line) {
            return None;
        }
        let facts = StepFacts::unknown(step, run.cancel_requested);
        let none = Catches::none();
        let at = Situation { epoch: 0, catches: &none, handled: &task.handled_codes, now };
        let sends = decide_claim(op, &facts, task.action, &at) == Decision::Send { generation: prepared.generation };
        sends.then(|| Candidate {
            op,
            first: First {
                step,
                run: run.id,
                task,
                operation_version: op.version,
                intent: IntentId(Uuid::now_v7()),
                key: idempotency_key(step, prepared.generation),
                request: &prepared.request,
                attempt: AttemptId(Uuid::now_v7()),
                send_within_ms: op.timeouts.send_within_ms,
                total_ms: op.timeouts.total_ms,
                retention_s: op.idempotency.retention_s(),
            },
        })
    }

    /// Records those that succeeded at the first try of a step without a case.
    pub async fn record_all(
        &self,
        proofs: &[(AttemptId, &Evidence, &Result<Outputs, String>)],
    ) -> Result<Vec<Option<Recorded>>, DeskError> {
        let mut tx = self.system("fleet").await?;
        let attempts: Vec<AttemptId> = proofs.iter().map(|(attempt, ..)| *attempt).collect();
        let mut firsts = batch::open_firsts(&mut tx, &attempts).await?;
        let verdicts: Vec<Option<Verdict>> = proofs
            .iter()
            .map(|(attempt, evidence, read)| {
                let first = firsts.iter_mut().find(|f| f.facts.id == *attempt)?;
                self.plain_success(first, evidence, read)
            })
            .collect();
        let mut successes = Vec::new();
        for ((attempt, evidence, _), verdict) in proofs.iter().zip(&verdicts) {
            let first = firsts.iter().find(|f| f.facts.id == *attempt);
            let Some((first, Verdict::Complete { outputs })) = first.zip(verdict.as_ref()) else { continue };
            let Some(outcome) = &first.facts.outcome else { continue };
            let (step, tenant) = (first.step, first.tenant.as_str());
            let verdict = serde_json::to_value(verdict).unwrap_or_default();
            successes.push(Success { step, tenant, attempt: *attempt, evidence, outcome, verdict, outputs });
        }
        if successes.is_empty() {
            return Ok(proofs.iter().map(|_| None).collect());
        }
        batch::settle(&mut tx, &successes).await?;
        tx.commit().await?;
        Ok(verdicts.into_iter().map(|v| v.map(|verdict| Recorded { verdict: Some(verdict), case: None })).collect())
    }

    fn plain_success(
        &self,
        first: &mut OpenFirst,
        evidence: &Evidence,
        read: &Result<Outputs, String>,
    ) -> Option<Verdict> {
        let op = self.operation(&first.operation).ok()?;
        first.facts.outcome = Some(classify(op, evidence, read, false));
        let none = Catches::none();
        let at = Situation { epoch: first.epoch, catches: &none, handled: &[], now: first.now };
        decide(op, std::slice::from_ref(&first.facts), &at).filter(|v| matches!(v, Verdict::Complete { .. }))
    }
}
