//! Reading for people and judges; nothing here changes anything.

use fallout_core::{
    ids::{CaseNumber, RunId},
    operation::Kind,
    outcome::Outcome,
};
use fallout_store::{actions, attempts, cases, orders, orders::Run, steps, steps::Step};
use serde::Serialize;
use serde_json::Value;

use crate::{Desk, DeskError, authority::At};

#[derive(Clone, Debug, Serialize)]
pub struct AttemptView {
    pub number: i32,
    pub generation: i32,
    pub operation: String,
    pub idempotency_key: String,
    pub opened_at: chrono::DateTime<chrono::Utc>,
    pub state: String,
    pub outcome: Option<Outcome>,
    pub evidence: Vec<Value>,
}

/// One order run with its steps, as the demo's judge compares it with the book.
#[derive(Clone, Debug)]
pub struct RunView {
    pub run: Run,
    pub steps: Vec<StepView>,
}

#[derive(Clone, Debug)]
pub struct StepView {
    pub step: Step,
    pub kind: Kind,
    /// Idempotency keys that attempts were made with, with their generation.
    pub keys: Vec<(String, i32)>,
}

impl Desk {
    /// The database's time: the only clock that is stored or compared with what is stored.
    pub async fn now(&self) -> Result<chrono::DateTime<chrono::Utc>, DeskError> {
        Ok(self.system("clock").await?.now().await?)
    }

    /// The actions of a case that were taken so far, newest last.
    pub async fn actions(&self, tenant: &str, number: CaseNumber) -> Result<Vec<actions::StoredAction>, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let case = cases::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchCase(number))?;
        tx = self.visible(tx, tenant, At::Case(case.id, &number.to_string())).await?;
        Ok(actions::of_case(&mut tx, case.id).await?)
    }

    /// Runs that have begun and not ended, after `after`.
    pub async fn running(&self, after: Option<RunId>, limit: i64) -> Result<Vec<Run>, DeskError> {
        let mut tx = self.system("orders").await?;
        Ok(orders::running(&mut tx, after, limit).await?)
    }

    /// The engine says that the order reached this end event.
    pub async fn run_ended(&self, run: RunId, state: &str, end_event: &str) -> Result<bool, DeskError> {
        let mut tx = self.system("orders").await?;
        let changed = orders::set_ended(&mut tx, run, state, Some(end_event)).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// The run that this process instance is the root of.
    pub async fn run_of_instance(&self, process_instance_id: &str) -> Result<Option<Run>, DeskError> {
        let mut tx = self.system("orders").await?;
        match orders::run_of_instance(&mut tx, process_instance_id).await? {
            Some(id) => Ok(orders::run(&mut tx, id).await?),
            None => Ok(None),
        }
    }

    /// Every run of a tenant, without its steps.
    pub async fn runs(&self, tenant: &str) -> Result<Vec<Run>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Tenant).await?;
        Ok(orders::of_tenant(&mut tx, tenant).await?)
    }

    /// Every run of a tenant with what the ledger knows of its steps.
    pub async fn ledger(&self, tenant: &str) -> Result<Vec<RunView>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Tenant).await?;
        let mut views = Vec::new();
        for run in orders::of_tenant(&mut tx, tenant).await? {
            let keys = attempts::keys_of_run(&mut tx, run.id).await?;
            let mut found = Vec::new();
            for step in steps::of_run(&mut tx, run.id).await? {
                let own = keys.iter().filter(|(_, key, _)| *key == step.key).map(|(k, _, g)| (k.clone(), *g));
                let kind = self.operation(&step.operation)?.kind;
                found.push(StepView { keys: own.collect(), kind, step });
            }
            views.push(RunView { run, steps: found });
        }
        tx.commit().await?;
        Ok(views)
    }
}

impl From<attempts::AttemptLine> for AttemptView {
    fn from(a: attempts::AttemptLine) -> Self {
        AttemptView {
            number: a.number,
            generation: a.generation,
            operation: a.operation,
            idempotency_key: a.key,
            opened_at: a.opened_at,
            state: a.state,
            outcome: a.outcome,
            evidence: a.evidence,
        }
    }
}
