//! A cancelled order whose lines have drained: its effects are taken back one by one, latest first, by its own process or by
//! people; with none left it ends.

use fallout_core::{
    command::{EngineCommand, UNDONE_MESSAGE},
    decide::classification,
    ids::{CommandId, StepKey},
    step::{Direction, StepState},
    undo::{self, Left, Next, Remains},
};
use fallout_store::{
    Tx, cases, commands,
    orders::{self, Run},
    steps::{self, Step},
};
use uuid::Uuid;

use crate::{Desk, DeskError, cases::Detection, work::Work};

impl Desk {
    /// The token of this root instance waits for its effects to be undone. `modelled`: the definition that it runs can be
    /// sent to an undo; without that, every effect is for people.
    pub async fn settle_cancellation(&self, process_instance_id: &str, modelled: bool) -> Result<(), DeskError> {
        let mut tx = self.system("cancellations").await?;
        let Some(run) = orders::run_of_instance(&mut tx, process_instance_id).await? else {
            return Ok(());
        };
        orders::hold(&mut tx, run).await?;
        let Some(run) = orders::run(&mut tx, run).await? else {
            return Ok(());
        };
        let (mut tx, remains) = self.remains(tx, &run, process_instance_id, modelled).await?;
        let command = match undo::next(&remains) {
            Next::End => Some(EngineCommand::Undone { run: run.id, process_instance_id: process_instance_id.into() }),
            Next::Undo { step, operation } => {
                let step = steps::get(&mut tx, step).await?;
                undo_of(&mut tx, &step, operation, process_instance_id).await?
            }
            Next::Wait => None,
        };
        if let Some(command) = command
            && !commands::is_pending(&mut tx, command.kind(), process_instance_id).await?
        {
            commands::insert(&mut tx, CommandId(Uuid::now_v7()), &run.tenant, &command, None).await?;
        }
        Ok(tx.commit().await?)
    }

    /// What is left of the run's effects. Those that people take back have their case from here on, whosever turn it is.
    async fn remains(
        &self,
        mut tx: Tx,
        run: &Run,
        waiting: &str,
        modelled: bool,
    ) -> Result<(Tx, Vec<Remains>), DeskError> {
        let mut remains = Vec::new();
        let steps = steps::of_run(&mut tx, run.id).await?;
        // What an action did to the order itself stays.
        let fulfils = |step: &&Step| step.identity.direction == Direction::Do && step.identity.action().is_none();
        for step in steps.iter().filter(fulfils) {
            let step = steps::lock(&mut tx, step.key).await?;
            let mut work = Work::on(self, tx, step).await?;
            let left = undo::left(work.op, &work.attempts, work.step.undone);
            if left != Left::Nothing {
                let given_up = |other: &Step| is_undo_of(&work.step, other) && other.state == StepState::Cancelled;
                let by = work.op.undone_by().filter(|_| modelled && !steps.iter().any(given_up)).map(str::to_owned);
                let since = work.attempts.iter().map(|a| a.opened_at).max().unwrap_or(work.now);
                if left == Left::Effect && by.is_none() {
                    work.require_undo(waiting).await?;
                }
                remains.push(Remains { step: work.step.key, left, since, by });
            }
            tx = work.tx;
        }
        Ok((tx, remains))
    }
}

/// The command that sends the process there; none while it is there already.
async fn undo_of(
    tx: &mut Tx,
    step: &Step,
    operation: String,
    process_instance_id: &str,
) -> Result<Option<EngineCommand>, DeskError> {
    let begun = steps::find(tx, StepKey::of(&step.identity.undoing())).await?.is_some();
    Ok((!begun).then(|| EngineCommand::Undo {
        undoes: step.key,
        process_instance_id: process_instance_id.to_owned(),
        line: step.identity.line.clone(),
        step: step.identity.step.clone(),
        operation,
    }))
}

fn is_undo_of(step: &Step, other: &Step) -> bool {
    other.identity.direction == Direction::Undo && other.identity.undone() == step.identity
}

impl Work<'_> {
    /// A case for the effect, shown in Cockpit at the instance that waits.
    async fn require_undo(&mut self, waiting: &str) -> Result<(), DeskError> {
        let active = cases::active_of_step(&mut self.tx, self.step.key).await?;
        if active.is_some_and(|case| case.classification == classification::UNDO_REQUIRED) {
            return Ok(());
        }
        let reason = format!(
            "order {} is cancelled and the effect of {} still exists; no call takes it back, {} do it by hand",
            self.step.identity.order,
            self.op.name,
            self.op.undone_by_hand()
        );
        let detection = Detection::new(classification::UNDO_REQUIRED, reason);
        let event = format!("{}:undo", self.step.key);
        let summary = detection.reason.clone();
        let Some(case) = self.detect("cancellations", &event, &detection).await? else { return Ok(()) };
        let command = EngineCommand::Incident {
            case,
            process_instance_id: waiting.to_owned(),
            external_task_id: self.step.external_task_id.clone(),
            message: UNDONE_MESSAGE.to_owned(),
            summary: format!("{case} {}: {summary}", detection.classification),
            at: None,
        };
        commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), &self.step.identity.tenant, &command, None).await?;
        Ok(())
    }
}
