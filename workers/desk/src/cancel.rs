//! Cancelling an order: nothing new begins, what is parked and known goes with it, and past a point of no return it is refused.

use fallout_core::{
    action::{Action, Commercial, terms::may_be_cancelled},
    command::EngineCommand,
    ids::{CaseNumber, CommandId, RunId},
    step::{Outputs, StepState},
};
use fallout_store::{Tx, commands, orders, policies, steps};
use uuid::Uuid;

use crate::{Desk, DeskError, Recovery, recovery::Ask, work::Work};

/// Texts from the engine are whatever somebody sent there; this much of one is kept.
const TEXT_CHARS_MAX: usize = 1_000;

/// A cancellation or an amendment that was asked for in the engine, outside of any case.
#[derive(Clone, Debug)]
pub struct AskedOutside<'a> {
    pub process_instance_id: &'a str,
    /// Which of them: the same instance may be asked twice.
    pub execution_id: &'a str,
    pub by: Option<&'a str>,
    pub reason: Option<&'a str>,
}

impl Desk {
    /// Takes it up in the ledger and has it answered. Asked again before the answer arrived, it answers once.
    pub async fn cancel_asked(&self, asked: &AskedOutside<'_>) -> Result<(), DeskError> {
        let mut tx = self.system("cancellations").await?;
        let Some(run) = orders::run_of_instance(&mut tx, asked.process_instance_id).await? else { return Ok(()) };
        orders::hold(&mut tx, run).await?;
        if commands::is_pending(&mut tx, "cancel_answered", asked.process_instance_id).await? {
            return Ok(());
        }
        let Some(run) = orders::run(&mut tx, run).await? else { return Ok(()) };
        let order = policies::order(&mut tx, run.id).await?;
        let past_return = self.past_return(&order);
        let by = Commercial {
            policies: self.policies(&run.tenant),
            order: &order,
            operation: "",
            classification: "",
            past_return: past_return.as_deref(),
            irreversible: None,
            uses: &[],
        };
        let refused = if run.cancel_requested { None } else { may_be_cancelled(&by).err().map(|why| why.to_string()) };
        if refused.is_none() && !run.cancel_requested {
            let by = format!("engine:{}", kept(asked.by, "unnamed"));
            let reason = kept(asked.reason, "asked for in the engine by order.cancel");
            orders::request_cancel(&mut tx, run.id, &by, &reason).await?;
            let ask = Recovery {
                tenant: &run.tenant,
                principal: &by,
                case: CaseNumber(0),
                action: Action::CancelOrder,
                reason: &reason,
                attestation: None,
                outputs: Outputs::new(),
                idempotency_key: asked.execution_id,
            };
            (tx, _) = self.cancel_parked(tx, run.id, &Ask::trusted(&ask)).await?;
        }
        let command = EngineCommand::CancelAnswered {
            process_instance_id: asked.process_instance_id.to_owned(),
            execution_id: asked.execution_id.to_owned(),
            refused,
        };
        commands::insert(&mut tx, CommandId(Uuid::now_v7()), &run.tenant, &command, None).await?;
        Ok(tx.commit().await?)
    }

    /// Every other parked step of the order goes with it, as far as it is known not to be applied or to be undone later.
    pub(crate) async fn cancel_parked(
        &self,
        mut tx: Tx,
        run: RunId,
        ask: &Ask<'_>,
    ) -> Result<(Tx, Vec<CaseNumber>), DeskError> {
        let mut also = Vec::new();
        let parked = |s: &steps::Step| s.state == StepState::Parked && s.case != Some(ask.case);
        for step in steps::of_run(&mut tx, run).await?.into_iter().filter(parked) {
            let step = steps::lock(&mut tx, step.key).await?;
            let mut work = Work::on(self, tx, step).await?;
            also.extend(work.cancel_too(ask).await?);
            tx = work.tx;
        }
        Ok((tx, also))
    }
}

/// Something to store and to show: never empty, never without end, never with control characters.
pub(crate) fn kept(text: Option<&str>, otherwise: &str) -> String {
    let plain: String = text.unwrap_or_default().chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
    match plain.trim() {
        "" => otherwise.to_owned(),
        text => text.to_owned(),
    }
}
