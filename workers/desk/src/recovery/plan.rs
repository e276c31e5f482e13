//! The dry run of a command: everything is checked, what would change is said, nothing is written.

use fallout_core::{
    action::{Accepted, Declaration, Terms, command::RecoveryCommand, revision::Revised},
    case::{CaseEvent, CaseState, next},
    ids::CaseNumber,
    step::StepState,
};
use fallout_store::{
    cases::{self, Case},
    steps,
};
use serde::Serialize;
use serde_json::Value;

use super::{ask::Ask, correct::Planned};
use crate::{Desk, DeskError, guarding::guarded_without_step, work::Work};

/// What a command would do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub case: CaseNumber,
    pub declaration: &'static Declaration,
    /// What the policies say of it.
    #[serde(skip_serializing_if = "Terms::is_nothing")]
    pub terms: Terms,
    pub changes: Vec<String>,
}

impl Desk {
    /// The same checks in the same order as [`Desk::command`]; a refusal is the answer, and is not kept: nothing was asked.
    pub async fn plan(&self, tenant: &str, principal: &str, command: &RecoveryCommand) -> Result<Plan, DeskError> {
        let ask = Ask::new(tenant, principal, command)?;
        let mut tx = self.tenant(tenant).await?;
        let case = cases::by_number(&mut tx, tenant, ask.case).await?.ok_or(DeskError::NoSuchCase(ask.case))?;
        self.may_take(&mut tx, &ask, &case).await?;
        ask.is_for(&mut tx, &case).await?;
        if !case.state.is_active() {
            return Err(DeskError::CaseIsOver(case.number, case.state));
        }
        let why = self.second_person(&mut tx, &case, ask.action).await?;
        let (accepted, own, terms) = match case.step {
            None => {
                let now = tx.now().await?;
                (guarded_without_step(&case, ask.action, &ask.asked(), now)?, Vec::new(), Terms::default())
            }
            Some(step) => {
                let step = steps::get(&mut tx, step).await?;
                let mut work = Work::on(self, tx, step).await?;
                // Written where nobody sees it: the transaction is never committed.
                let case = work.take_over(case.clone(), &ask).await?;
                let accepted = work.accepts(&case, &ask).await?;
                let performs = matches!(accepted, Accepted::Perform { .. });
                let own = if performs { work.own_effect(&case, &ask).await? } else { Vec::new() };
                (accepted, own, work.terms(&case, ask.action, &ask.asked()).await?)
            }
        };
        let declaration = ask.action.declaration();
        let mut changes = changes(&ask, case.state, &accepted, why)?;
        changes.splice(1..1, own);
        changes.extend(terms.told());
        Ok(Plan { case: case.number, declaration, terms, changes })
    }
}

impl Work<'_> {
    /// What the action makes itself, and what follows from that.
    async fn own_effect(&mut self, case: &Case, ask: &Ask<'_>) -> Result<Vec<String>, DeskError> {
        let declaration = ask.action.declaration();
        Ok(match Revised::of(ask.action) {
            Some(revised) => self.revising(revised, ask).await?.told(declaration),
            None => corrects(&self.correction(case, ask).await?, declaration),
        })
    }
}

/// What a correction changes, and what it does not. Personal values are not repeated.
fn corrects(planned: &Planned, declaration: &Declaration) -> Vec<String> {
    let field = planned.declared.field;
    let value = |value: &Value| if planned.is_personal { "a personal value".to_owned() } else { value.to_string() };
    let old = planned.old.as_ref().map_or_else(|| "nothing".to_owned(), value);
    let of = if planned.line.is_empty() { String::new() } else { format!(" of line {}", planned.line) };
    let mut changes = vec![format!("{field}{of} goes from {old} to {}", value(&planned.new))];
    match (&planned.pointer, declaration.performs) {
        (Some(_), Some(operation)) => {
            changes.push(format!("the order's owner has it first, by {operation}; refused there, nothing is changed"));
        }
        _ => changes.push("it is kept here; no owner is asked".into()),
    }
    changes.extend(planned.open.iter().map(|step| format!("{step} is rendered from it when it is sent")));
    changes.extend(planned.done.iter().map(|step| format!("{step} was made with the old value, and stays")));
    changes
}

fn changes(
    ask: &Ask<'_>,
    stands: CaseState,
    accepted: &Accepted,
    second_person: Option<String>,
) -> Result<Vec<String>, DeskError> {
    let declaration = ask.action.declaration();
    if let Some(why) = second_person {
        let waits = next(stands, CaseEvent::ApprovalRequested)?;
        return Ok(vec![
            match waits == stands {
                true => format!("the case stays {stands} meanwhile"),
                false => format!("the case goes from {stands} to {waits}"),
            },
            format!("a second person is asked to agree to exactly this command: {why}"),
        ]);
    }
    if *accepted == Accepted::Stop {
        return Ok(vec![
            "the exchange under way runs to its end and is recorded; no retry and no lookup follows it".into(),
            "then everything is checked again over what is known by then: the action has the step, or is refused and \
             the step goes on"
                .into(),
        ]);
    }
    let recovering = next(stands, CaseEvent::ActionRequested)?;
    let mut changes = vec![format!("the case goes from {stands} to {recovering}")];
    match accepted {
        Accepted::Correlate { settles } | Accepted::HandOut { settles } => {
            if let Some(outcome) = settles {
                changes.push(format!("what was unknown is settled as {}, by your word", outcome.word()));
            }
            changes.push(format!("the step stays {}, reserved for this action", StepState::Parked));
            changes.push(match accepted {
                Accepted::HandOut { .. } => {
                    "the engine is told to hand the task out again: its model has no branches".into()
                }
                _ => format!("the engine is told: {} with {}", declaration.relay, ask.action),
            });
            changes.push(format!("then the step: {}", declaration.transitions.step));
        }
        Accepted::RecordUndone => {
            changes.push("the effect counts as undone, by your word; the case is resolved".into())
        }
        Accepted::Check(_) => changes.push("the downstream is asked; its answer settles the step or is told".into()),
        Accepted::SaidOutside { settles } => {
            if let Some(outcome) = settles {
                changes.push(format!("what was unknown is settled as {}, by your word", outcome.word()));
            }
            changes.push(
                "the downstream is asked whether it is so; where it cannot be, the case is resolved by your word"
                    .into(),
            );
        }
        Accepted::EndCase | Accepted::Stop => {}
        Accepted::Perform { settles } => {
            if let Some(outcome) = settles {
                changes.push(format!("what was unknown is settled as {}, by your word", outcome.word()));
            }
        }
    }
    changes.push(format!("verified when: {}", declaration.expected));
    Ok(changes)
}
