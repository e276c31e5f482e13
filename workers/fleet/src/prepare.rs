//! What has to be known before a claim: which step a task is, the definition it runs in, what its request is rendered from.

use std::{sync::Arc, time::Duration};

use fallout_camunda::{LockedTask, Variables};
use fallout_core::{attempt::Prepared, task::TaskRef};

use crate::{
    Ledger, LedgerError,
    definitions::NotLearnt,
    fleet::Flow,
    handler,
    identity::{self, NotAStep},
    life::Slot,
    lock::{AT_ONCE, Lock},
    report::failure,
    work::Work,
};

/// A rendered request, the defect that prevented it, or nothing where the stored one will do.
pub(crate) type Rendered = Option<Result<Prepared, String>>;

impl<L: Ledger> Flow<L> {
    /// The tasks that are steps; the others are refused.
    pub(crate) async fn identify(&self, fetched: Vec<(LockedTask, Slot)>) -> Vec<Work> {
        let mut works = Vec::with_capacity(fetched.len());
        for (task, slot) in fetched {
            let lock = Lock::new(&self.engine, &self.bell, (&task.id, &task.worker_id), self.lock_duration);
            match (identity::task_ref(&task), self.performers.get(&task.topic_name)) {
                (Ok(task), Some(performer)) => {
                    works.push(Work { task, lock, performer: Arc::clone(performer), slot });
                }
                (Ok(_), None) => {
                    self.refuse(&task, &NotAStep { variable: "stepTopic", problem: "names no operation here" }).await;
                }
                (Err(problem), _) => self.refuse(&task, &problem).await,
            }
        }
        works
    }

    /// There is no step and so no row to hang a case on: the engine's own incident has to say it.
    async fn refuse(&self, task: &LockedTask, problem: &NotAStep) {
        tracing::error!(task = task.id, topic = task.topic_name, definition = task.process_definition_id, "{problem}");
        let (message, variables) = (problem.to_string(), Variables::new());
        let failure = failure(&message, 0, Duration::ZERO, &variables);
        if let Err(error) = self.engine.failure(&task.id, &task.worker_id, failure).await {
            tracing::debug!(task = task.id, "not refused, it will be fetched again: {error}");
        }
    }

    /// Each task with its rendered request; or none, when the ledger or the engine could not say what is needed.
    pub(crate) async fn render_all(&self, works: Vec<Work>) -> Vec<(Work, Rendered)> {
        let tasks: Vec<TaskRef> = works.iter().map(|work| work.task.clone()).collect();
        let contexts = match self.known(&tasks).await {
            Ok(()) => self.ledger.contexts(&tasks).await.map_err(NotLearnt::from),
            Err(problem) => Err(problem),
        };
        match contexts {
            Ok(contexts) if contexts.len() == works.len() => {
                let render = |(work, context): (Work, _)| {
                    let rendered = handler::render(work.performer.handler.as_ref(), &work.task, &context);
                    (work, rendered)
                };
                works.into_iter().zip(contexts).map(render).collect()
            }
            Ok(_) => {
                self.put_off_all(works, LedgerError::Broken("contexts do not match their tasks".into()).into()).await
            }
            Err(problem) => self.put_off_all(works, problem).await,
        }
    }

    async fn known(&self, tasks: &[TaskRef]) -> Result<(), NotLearnt> {
        for task in tasks {
            self.definitions.meet(self.ledger.as_ref(), &self.engine, task).await?;
        }
        Ok(())
    }

    async fn put_off_all(&self, works: Vec<Work>, problem: NotLearnt) -> Vec<(Work, Rendered)> {
        for work in works {
            match &problem {
                NotLearnt::Ledger(problem) => self.put_off(&work, problem).await,
                NotLearnt::Engine { .. } => {
                    tracing::warn!("{problem}; its tasks wait");
                    work.lock.hand_back(self.lock_duration).await;
                }
            }
        }
        Vec::new()
    }

    /// Nothing was begun and the ledger cannot say what to do: back to the engine, without spending a retry.
    pub(crate) async fn put_off(&self, work: &Work, problem: &LedgerError) {
        match problem {
            LedgerError::Away(_) => {
                self.gate.close(problem);
                work.lock.hand_back(AT_ONCE).await;
            }
            LedgerError::Broken(_) => {
                tracing::error!("{}: {problem}; tried again after {} s", work.task.step, self.lock_duration.as_secs());
                work.lock.hand_back(self.lock_duration).await;
            }
        }
    }
}
