//! A new price or a new baseline, made by the quote system: what is asked is looked at in full before anything is stored, and
//! what comes out stands among the corrections of the order once the quote system has it.

use fallout_core::{
    action::{
        Declaration, Refusal, Terms,
        revision::{Revised, version},
    },
    ids::ActionId,
    step::Outputs,
};
use fallout_store::{
    StoreError,
    actions::StoredAction,
    cases::Case,
    context,
    corrections::{self, NewCorrection},
};
use serde_json::{Value, json};

use super::ask::Ask;
use crate::{DeskError, guarding::stays, work::Work};

/// What may be made anew.
pub(crate) struct Revising {
    /// Steps of the order that will be rendered from it.
    open: Vec<String>,
    /// Steps that were made with what there was.
    done: Vec<String>,
}

impl Revising {
    /// What changes, and what does not.
    pub fn told(&self, declaration: &Declaration) -> Vec<String> {
        let by = declaration.performs.unwrap_or_default();
        let mut changes = vec![format!("the quote system makes it first, by {by}; refused there, nothing is changed")];
        changes.extend(self.open.iter().map(|step| format!("{step} is rendered from it when it is sent")));
        changes.extend(self.done.iter().map(|step| format!("{step} was made with what there was, and stays")));
        changes
    }
}

impl Work<'_> {
    /// A refusal says what stands in the way: what was sent may be applied.
    pub(super) async fn revising(&mut self, revised: Revised, ask: &Ask<'_>) -> Result<Revising, DeskError> {
        // Who runs without a quote system hears so at once.
        self.desk.operation(performed(ask)?)?;
        let relying = self.relying(|op| revised.at().is_used_by(op), "").await?;
        let beside = match revised {
            Revised::Quote => None,
            Revised::Baseline => self.relying(stays, "").await?.in_the_way,
        };
        match relying.in_the_way.or(beside) {
            Some((step, is)) => Err(Refusal::InUse { step, is }.into()),
            None => Ok(Revising { open: relying.open, done: relying.done }),
        }
    }

    /// What the policies say is kept with the action; the controller of effects goes on.
    pub(super) async fn revise(&mut self, action: ActionId, ask: &Ask<'_>) -> Result<(), DeskError> {
        self.agree(action, ask).await?;
        self.begin_effect(action, performed(ask)?).await
    }

    /// The quote system has it: it is so here from now on, and a retry renders from it.
    pub(crate) async fn revised(
        &mut self,
        case: &mut Case,
        stored: &StoredAction,
        outputs: &Outputs,
    ) -> Result<(), DeskError> {
        let revised = Revised::of(stored.action);
        let revised = revised.ok_or_else(|| StoreError::Corrupt(format!("action {} makes nothing anew", stored.id)))?;
        let document = context::rendered(&mut self.tx, self.run.order).await?.document();
        let was = revised.known(document.pointer(revised.pointer()).unwrap_or(&Value::Null));
        let becomes = revised.becomes(&was, outputs);
        let agreed = stored.terms.as_ref().and_then(|terms| terms.price.as_ref()?.agreed.as_deref());
        let new = NewCorrection {
            action: stored.id,
            tenant: &case.tenant,
            order: self.run.order,
            case: case.id,
            business_key: &self.run.business_key,
            field: revised.word(),
            line: "",
            pointer: Some(revised.pointer()),
            old: Some(&was).filter(|was| !was.is_null()),
            new: &becomes,
            personal: None,
            source: agreed,
            reason: &stored.reason,
            by: &stored.requested_by,
            authority: stored.action.declaration().authority.word(),
        };
        corrections::insert(&mut self.tx, &new).await?;
        self.holds(case, stored, None, "the quote system has made it; what is still to be sent is rendered from it")
            .await
    }
}

fn performed(ask: &Ask<'_>) -> Result<&'static str, DeskError> {
    let none = || StoreError::Corrupt(format!("{} has no effect of its own", ask.action)).into();
    ask.action.declaration().performs.ok_or_else(none)
}

/// What the request to the quote system is rendered from.
pub(crate) fn values(stored: &StoredAction, document: &Value) -> Value {
    let mut values = json!({ "id": stored.id, "by": stored.requested_by });
    let Some(revised) = Revised::of(stored.action) else { return values };
    let was = document.pointer(revised.pointer()).unwrap_or(&Value::Null);
    values[revised.word()] = was["id"].clone();
    values["version"] = version(was);
    if let Some(Terms { price: Some(price), .. }) = &stored.terms {
        values["price"] = json!({ "unit": price.unit, "value": price.was });
        values["limit"] = json!(price.limit);
    }
    values
}
