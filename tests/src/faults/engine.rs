//! The engine as the matrix sees it: one step is dispatched, and some day the process was told how it ended. The real
//! one, or the stand-in.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use fallout_camunda::{Engine, ExternalTaskQuery, Variables};
use fallout_core::step::business_key;
use serde_json::{Value, json};

use super::{judge::Told, stand_in::StandIn};

/// The called process of every step; here it is started by itself.
const STEP: &str = "recoverable-step";

/// So that a rejection ends the step, which is seen.
const HANDLED: &str = ",PRODUCT_NOT_AVAILABLE,";

#[derive(Debug)]
pub enum Dispatcher {
    StandIn(StandIn),
    Real { engine: Engine, at: SocketAddr },
}

impl Dispatcher {
    pub fn at(&self) -> SocketAddr {
        match self {
            Dispatcher::StandIn(stand_in) => ([127, 0, 0, 1], stand_in.port).into(),
            Dispatcher::Real { at, .. } => *at,
        }
    }

    /// What follows the address in the URL that workers are given.
    pub fn path(&self) -> &'static str {
        match self {
            Dispatcher::StandIn(_) => "",
            Dispatcher::Real { .. } => "/engine-rest",
        }
    }

    /// Dispatches the one step of an order; the id of its process instance.
    pub async fn dispatch(&self, order: &str, topic: &str) -> Result<String> {
        let texts = [
            ("tenantId", order),
            ("orderId", order),
            ("lineId", ""),
            ("stepId", "step"),
            ("stepDirection", "do"),
            ("stepTopic", topic),
            ("handledCodes", HANDLED),
            ("recoveryActionId", "none"),
        ];
        match self {
            Dispatcher::StandIn(stand_in) => {
                let text = |(name, value): (&str, &str)| (name.to_owned(), json!({ "type": "String", "value": value }));
                let mut variables: serde_json::Map<String, Value> = texts.into_iter().map(text).collect();
                variables.insert("orderRun".into(), json!({ "type": "Integer", "value": 1 }));
                stand_in.add(order, topic, variables.into());
                Ok(order.to_owned())
            }
            Dispatcher::Real { engine, .. } => {
                let mut variables = Variables::new().with("orderRun", 1);
                texts.into_iter().for_each(|(name, value)| variables.insert(name, value));
                Ok(engine.start_by_key(STEP, &business_key(order, order, 1), &variables).await?.id)
            }
        }
    }

    /// What the process was told; `None` while it waits for its worker.
    pub async fn told(&self, instance: &str) -> Result<Option<Told>> {
        match self {
            Dispatcher::StandIn(stand_in) => Ok(stand_in.told(instance)),
            Dispatcher::Real { engine, .. } => told(engine, instance).await,
        }
    }

    /// Ends what is left, so that no later run meets it.
    pub async fn forget(&self, instance: &str) -> Result<()> {
        match self {
            Dispatcher::StandIn(stand_in) => stand_in.forget(instance),
            // One that has ended is not there any more.
            Dispatcher::Real { engine, .. } => drop(engine.delete_process_instance(instance).await),
        }
        Ok(())
    }
}

async fn told(engine: &Engine, instance: &str) -> Result<Option<Told>> {
    let query = ExternalTaskQuery { process_instance_id: Some(instance), ..Default::default() };
    if let Some(task) = engine.external_tasks(&query).await?.first() {
        return Ok((task.retries == Some(0)).then_some(Told::Parked));
    }
    let found = engine.historic_process_instance(instance).await?.context("the engine knows the instance")?;
    if found.end_time.is_none() {
        return Ok(None);
    }
    let endings = engine.historic_variables(instance, "stepEnding").await?;
    Ok(Some(match endings.first().and_then(|ending| ending.value.as_text()) {
        Some("DONE") => Told::Done,
        Some("REJECTED") => Told::Rejected,
        _ => Told::Ended,
    }))
}
