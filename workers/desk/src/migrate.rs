//! Moving the parked steps of an order to the newest version of their definition: an older one may have no branch for the
//! recovery that is needed. No token moves by it and nothing is sent; who wanted it, and what came of it, is kept.

use std::collections::BTreeMap;

use fallout_core::{
    action::{Refusal, catalogue::Authority},
    attempt::AttemptFacts,
    case::CaseEvent,
    command::EngineCommand,
    ids::{CaseNumber, CommandId, StepKey},
    people::text,
    task::Definition,
};
use fallout_store::{Tx, attempts, cases, cases::Actor, commands, context, definitions, steps, steps::Step};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    authority::At,
    case_command::{Entry, told},
};

/// What was asked of the engine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moving {
    pub order: String,
    /// The instances that are to be moved, with the definition that each runs.
    pub instances: BTreeMap<String, String>,
    /// It was asked before and has not been answered yet.
    pub already: bool,
    /// The open cases whose timelines say so.
    pub cases: Vec<CaseNumber>,
}

impl Desk {
    pub async fn migrate_order(
        &self,
        tenant: &str,
        principal: &str,
        order: &str,
        reason: &str,
    ) -> Result<Moving, DeskError> {
        let reason = text("the reason", reason)?;
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::ModifyProcess, At::Order(order)).await?;
        let known = context::known(&mut tx, tenant, order, false).await?;
        let known = known.ok_or_else(|| DeskError::NoSuchOrder(order.to_owned()))?;
        let run = context::latest_run(&mut tx, known.key).await?.filter(|run| run.ended_at.is_none());
        let run = run.ok_or_else(|| DeskError::NotUnderWay(order.to_owned()))?;
        let mut moving =
            Moving { order: order.to_owned(), instances: BTreeMap::new(), already: false, cases: Vec::new() };
        for key in steps::parked_of(&mut tx, run.id).await? {
            let step = steps::lock(&mut tx, key).await?;
            free(&mut tx, &step).await?;
            moving.instances.insert(step.process_instance_id, step.process_definition_id);
            moving.cases.extend(step.case);
        }
        if moving.instances.is_empty() {
            return Err(DeskError::NothingParked(order.to_owned()));
        }
        for (instance, source) in &moving.instances {
            if commands::is_pending(&mut tx, "migrate", instance).await? {
                moving.already = true;
                continue;
            }
            let (by, reason) = (principal.to_owned(), reason.to_owned());
            let (process_instance_id, source) = (instance.clone(), source.clone());
            let command = EngineCommand::Migrate { process_instance_id, source, by, reason };
            commands::insert(&mut tx, CommandId(Uuid::now_v7()), tenant, &command, None).await?;
        }
        if !moving.already {
            self.tell_of_move(&mut tx, tenant, &moving, (principal, reason)).await?;
        }
        tx.commit().await?;
        Ok(moving)
    }

    async fn tell_of_move(
        &self,
        tx: &mut Tx,
        tenant: &str,
        moving: &Moving,
        (by, reason): (&str, &str),
    ) -> Result<(), DeskError> {
        for number in &moving.cases {
            let Some(case) = cases::by_number(tx, tenant, *number).await? else { continue };
            let payload = json!({ "engine": "migrate", "instances": moving.instances });
            let entry = Entry { by: by.into(), event: CaseEvent::Noted, reason: Some(reason), payload };
            told(tx, &case, &entry).await?;
        }
        Ok(())
    }

    /// The instance was read back on this definition: guards read its branches from here on.
    pub async fn migrated(
        &self,
        process_instance_id: &str,
        source: &str,
        target: &Definition,
    ) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        definitions::insert(&mut tx, target).await?;
        let why = format!("the instance was moved from {source} to {}", target.id);
        for key in steps::of_instance(&mut tx, process_instance_id).await? {
            let step = steps::lock(&mut tx, key).await?;
            steps::set_definition(&mut tx, key, &target.id).await?;
            note(&mut tx, step.key, &why).await?;
        }
        Ok(tx.commit().await?)
    }

    /// It was not moved and will not be: the cases of its steps say why.
    pub async fn not_migrated(&self, process_instance_id: &str, why: &str) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        let why = format!("the instance stays on its definition: {why}");
        for key in steps::of_instance(&mut tx, process_instance_id).await? {
            steps::lock(&mut tx, key).await?;
            note(&mut tx, key, &why).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Nobody is at work on the step, so nobody relies on the branches it has now.
async fn free(tx: &mut Tx, step: &Step) -> Result<(), DeskError> {
    if step.gate.is_some() {
        return Err(Refusal::ActionUnderWay.into());
    }
    let attempts = attempts::of_latest_generation(tx, step.key).await?;
    if attempts.iter().any(AttemptFacts::is_open) {
        return Err(Refusal::AttemptOpen.into());
    }
    Ok(())
}

async fn note(tx: &mut Tx, step: StepKey, why: &str) -> Result<(), DeskError> {
    if let Some(case) = cases::active_of_step(tx, step).await? {
        let payload = json!({ "engine": "migrate" });
        cases::append_event(tx, Uuid::now_v7(), &case, CaseEvent::Noted, Actor::System("relay"), Some(why), &payload)
            .await?;
    }
    Ok(())
}
