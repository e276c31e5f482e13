//! Telling the engine, and finding out whether it heard. Only a recorded verdict comes here, and only the report is ever
//! repeated. What cannot be said within the lock is left: the task comes back, and its claim answers with the report.

use std::time::Duration;

use fallout_camunda::{EngineError, Failure, ReportError, TaskLogEvent, Variables};
use fallout_core::ids::CaseNumber;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    Away, Ledger, Point,
    fleet::Flow,
    readback::{Held, Next, Reading, SoFar, Verb, after_error, after_reading},
    telling::{self, SOON, Telling, Word, word},
    work::{Settled, Work},
};

impl<L: Ledger> Flow<L> {
    /// Reports a recorded verdict; without one, the step is at work elsewhere and the task waits a little.
    pub(crate) async fn tell(&self, work: &Work, settled: Option<Settled>) {
        if work.lock.is_lost() {
            tracing::debug!("recorded but not reported: the task is not ours any more");
            return work.lock.expire();
        }
        let Some(settled) = settled else {
            return work.lock.hand_back(SOON).await;
        };
        let report = Uuid::now_v7();
        let told = match word(&settled, report) {
            Word::Wait(wait) => return work.lock.hand_back(wait).await,
            Word::Tell(told) => told,
        };
        if self.say(work, &told, report).await != Next::Applied {
            return;
        }
        say_parked(work, &told);
        self.probes.at(Point::Reported);
        if let Some(attempt) = settled.attempt {
            self.mark_reported(attempt, report).await;
        }
    }

    /// A parked step was dispatched without a recovery: nothing is tried, and the engine says why.
    pub(crate) async fn park_again(&self, work: &Work, case: CaseNumber) {
        let told = telling::parked_again(case);
        if self.say(work, &told, Uuid::now_v7()).await == Next::Applied {
            say_parked(work, &told);
        }
    }

    /// Says it until it is known how it ended, and sees to it that the task is looked at again when it has to be.
    async fn say(&self, work: &Work, told: &Telling, report: Uuid) -> Next {
        let mut problem = String::new();
        let end = self.insist(work, told, report, &mut problem).await;
        match (end, told) {
            (Next::Applied, Telling::Failure { retries: 1.., retry_timeout, .. }) => {
                work.lock.look_again_in(*retry_timeout)
            }
            (Next::Applied, _) => {}
            (Next::NotOurs, _) => tracing::debug!("recorded but not reported: the task is not ours any more"),
            (Next::Refused, _) => self.cannot_report(work, &problem).await,
            (Next::NotAllowed, _) => {
                tracing::error!("{}: recorded, but not reported: {problem}", work.task.step);
                work.lock.expire();
            }
            (Next::Suspended | Next::Again | Next::Read, _) => work.lock.expire(),
        }
        end
    }

    /// Someone has to own it. The next claim says the same, at least a whole lock later, so that what never succeeds keeps
    /// nobody busy; it also opens the case when the ledger is away now.
    async fn cannot_report(&self, work: &Work, problem: &str) {
        let step = &work.task.step;
        tracing::error!("{step}: recorded, but the engine does not take the report: {problem}; it is told again later");
        if let Err(away) = self.ledger.cannot_report(&work.task, problem).await {
            tracing::warn!("{step}: {away}; its case is opened when it is told again");
        }
        work.lock.hand_back(work.lock.duration()).await;
    }

    /// `problem` is the engine's last objection.
    async fn insist(&self, work: &Work, told: &Telling, report: Uuid, problem: &mut String) -> Next {
        let mut pauses = Away::new("the engine");
        let mut so_far = SoFar::default();
        let mut next = Next::Again;
        loop {
            next = match next {
                Next::Again => match work.lock.last(self.call(work, told)).await {
                    Ok(()) => return Next::Applied,
                    Err(error) => {
                        *problem = error.to_string();
                        after_error(&error, &mut so_far)
                    }
                },
                Next::Read => match self.read(work, told.verb(), report).await {
                    Ok(reading) => after_reading(told.verb(), reading, &mut so_far),
                    Err(_) => Next::Read,
                },
                end => return end,
            };
            if matches!(next, Next::Again | Next::Read) && !self.may_wait(work, pauses.pause()).await {
                return next;
            }
        }
    }

    /// A pause, as long as the lock holds and somebody waits for us.
    async fn may_wait(&self, work: &Work, pause: Duration) -> bool {
        if Instant::now() + pause >= work.lock.until() {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.life.over() => false,
        }
    }

    async fn call(&self, work: &Work, told: &Telling) -> Result<(), ReportError> {
        let (task, worker) = (&work.task.external_task_id, &work.task.worker_id);
        match told {
            Telling::Complete { variables } => self.engine.complete(task, worker, variables).await,
            Telling::BpmnError { code, message, variables } => {
                self.engine.bpmn_error(task, worker, code, message, variables).await
            }
            Telling::Failure { message, retries, retry_timeout, variables } => {
                let failure = failure(message, *retries, *retry_timeout, variables);
                self.engine.failure(task, worker, failure).await
            }
        }
    }

    async fn read(&self, work: &Work, verb: Verb, report: Uuid) -> Result<Reading, EngineError> {
        let task = match self.engine.external_task(&work.task.external_task_id).await? {
            None => Held::Gone,
            Some(task) if task.suspended => Held::Suspended,
            Some(task) if task.worker_id.as_deref() == Some(&work.task.worker_id) => Held::Ours,
            Some(_) => Held::ByAnother,
        };
        let traced = match verb {
            Verb::Failure => self.logged(work, TaskLogEvent::Failed).await?,
            // What completes or raises an error ends the task: while it is there, there is no trace to look for.
            _ if task != Held::Gone => false,
            Verb::Complete => self.logged(work, TaskLogEvent::Completed).await?,
            Verb::BpmnError => self.remembered(work, report).await?,
        };
        Ok(Reading { task, traced })
    }

    async fn logged(&self, work: &Work, event: TaskLogEvent) -> Result<bool, EngineError> {
        let task = &work.task;
        let log = self.engine.history_external_task_log(&task.external_task_id, &task.process_instance_id).await?;
        Ok(log.iter().any(|entry| entry.event == event && entry.worker_id.as_deref() == Some(&task.worker_id)))
    }

    /// A BPMN error leaves the same log entry as an interrupting message; only its variable is surely ours.
    async fn remembered(&self, work: &Work, report: Uuid) -> Result<bool, EngineError> {
        let report = report.to_string();
        for variable in self.engine.historic_variables(&work.task.process_instance_id, "reportId").await? {
            let values = self.engine.historic_variable_updates(&variable.id).await?;
            if values.iter().any(|value| value.value.as_text() == Some(&report)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(crate) fn failure<'a>(
    message: &'a str,
    retries: u32,
    retry_timeout: Duration,
    variables: &'a Variables,
) -> Failure<'a> {
    Failure { error_message: message, error_details: None, retries, retry_timeout, variables }
}

fn say_parked(work: &Work, told: &Telling) {
    match told {
        Telling::Failure { retries: 0, message, .. } => tracing::info!("{} is parked: {message}", work.task.step),
        told => tracing::debug!("reported {}", told.verb().word()),
    }
}
