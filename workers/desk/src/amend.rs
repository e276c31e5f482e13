//! Amending an order from outside: what its owner has told by then is what steps are rendered from; what was asked for its cases
//! and not sent is overtaken.

use fallout_core::{
    action::correction::put,
    command::EngineCommand,
    ids::CommandId,
    order::amend::{Amended, Amendment, Begun, amended, still_corrected},
    step::Direction,
    undo::{self, Left},
};
use fallout_store::{
    Tx, amendments,
    amendments::By,
    attempts, cases, commands,
    context::{self, Part},
    orders::{self, Run},
    policies, steps,
};
use serde_json::json;
use uuid::Uuid;

use crate::{AskedOutside, Desk, DeskError, cancel::kept, work::Work};

/// What waiting cases of an amended order are told by.
const AMENDED: &str = "ORDER_AMENDED";

impl Desk {
    /// Takes up that an order was asked to be amended, and has it answered, unless it is too early to say.
    pub async fn amend_asked(&self, asked: &AskedOutside<'_>) -> Result<(), DeskError> {
        let mut tx = self.system("amendments").await?;
        let Some(run) = orders::run_of_instance(&mut tx, asked.process_instance_id).await? else { return Ok(()) };
        orders::hold(&mut tx, run).await?;
        if commands::is_pending(&mut tx, "amend_answered", asked.process_instance_id).await? {
            return Ok(());
        }
        let Some(run) = orders::run(&mut tx, run).await? else { return Ok(()) };
        let (mut tx, answer) = self.amend(tx, &run, asked).await?;
        let refused = match answer {
            Amended::Wait => return Ok(()),
            Amended::Accepted => None,
            Amended::Refused(why) => Some(why.to_string()),
        };
        let command = EngineCommand::AmendAnswered {
            process_instance_id: asked.process_instance_id.to_owned(),
            execution_id: asked.execution_id.to_owned(),
            refused,
        };
        commands::insert(&mut tx, CommandId(Uuid::now_v7()), &run.tenant, &command, None).await?;
        Ok(tx.commit().await?)
    }

    /// The rule's answer, and where it is accepted what follows from it.
    async fn amend(&self, mut tx: Tx, run: &Run, asked: &AskedOutside<'_>) -> Result<(Tx, Amended), DeskError> {
        let known = context::known(&mut tx, &run.tenant, &run.external_id, true).await?;
        let known = known.ok_or_else(|| DeskError::NoSuchOrder(run.external_id.clone()))?;
        let rendered = context::rendered(&mut tx, known.key).await?;
        let holds = |corrected| still_corrected(&rendered.taken_in, &known.document, corrected);
        let (corrected, personal) = (holds(&rendered.corrected), holds(&rendered.corrected_personal));
        let mut becomes = known.document.clone();
        corrected.iter().chain(&personal).for_each(|(pointer, value)| put(&mut becomes, pointer, value));
        let was = rendered.document();
        let mut begun = Vec::new();
        let of_run = steps::of_run(&mut tx, run.id).await?;
        for step in of_run.iter().filter(|step| step.identity.direction == Direction::Do) {
            steps::hold(&mut tx, step.key).await?;
            let op = self.operation(&step.operation)?;
            let attempts = attempts::of_latest_generation(&mut tx, step.key).await?;
            // A step between two tries sends the same again, until it parks: only an action makes another request of it.
            let left = match undo::left(op, &attempts, step.undone) {
                Left::Nothing if step.state.is_live() && !attempts.is_empty() => Left::Unsure,
                left => left,
            };
            begun.push(Begun { step: &step.identity, op, left });
        }
        let past_return = self.past_return(&policies::order(&mut tx, run.id).await?);
        let about = Amendment {
            was: &was,
            becomes: known.as_of.and(Some(&becomes)),
            begun: &begun,
            cancelled: run.cancel_requested,
            past_return: past_return.as_deref(),
        };
        let answer = amended(&about);
        if answer == Amended::Accepted {
            let reason = kept(asked.reason, "asked for in the engine by order.amend");
            let who = format!("engine:{}", kept(asked.by, "unnamed"));
            let mut document = known.document.clone();
            let cut = self.catalogue.personal.cut(&mut document);
            let by = By { who: &who, reason: &reason };
            let version = amendments::amend(&mut tx, Uuid::now_v7(), (known.key, run.id), &document, by).await?;
            context::set_corrected(&mut tx, &run.tenant, known.key, &corrected, &personal).await?;
            if known.erased_at.is_none() {
                context::put_personal(&mut tx, &run.tenant, known.key, Part::TakenIn, &cut).await?;
            }
            tx = self.overtake(tx, run, version, by).await?;
        }
        Ok((tx, answer))
    }

    /// What was asked about the order as it was is taken back, as far as it was not sent; every waiting case is told.
    async fn overtake(&self, mut tx: Tx, run: &Run, version: i32, by: By<'_>) -> Result<Tx, DeskError> {
        let why = "the order was amended before this action was sent; look at it as it is now, then ask again";
        for step in steps::of_run(&mut tx, run.id).await? {
            let step = steps::lock(&mut tx, step.key).await?;
            let Some(mut case) = cases::active_of_step(&mut tx, step.key).await? else { continue };
            let mut work = Work::on(self, tx, step).await?;
            work.amended_meanwhile(&mut case, why).await?;
            let said = format!("{}:amended:{version}", work.step.key);
            let reason = format!(
                "the order was amended by {}: {}; what is sent from now on is rendered from it",
                by.who, by.reason
            );
            work.note(AMENDED, &said, &reason, &json!({ "amendment": version })).await?;
            tx = work.tx;
        }
        Ok(tx)
    }
}
