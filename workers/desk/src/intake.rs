//! Taking an order in: its document is stored, its run is guarded by a row, and its start is a command to the engine.

use std::collections::BTreeMap;

use fallout_core::{
    command::{EngineCommand, StartValue},
    context::OrderContext,
    ids::{CommandId, OrderKey, RunId},
    order::Order,
    step::business_key,
};
use fallout_store::{
    Tx, commands,
    context::{self, Part},
    orders, restore,
};
use uuid::Uuid;

use crate::{Desk, DeskError};

/// The process that fulfils orders.
pub const PROCESS: &str = "order-fulfilment";
/// The engine's column for text variables holds 4,000 characters.
const TEXT_MAX: usize = 4_000;

/// Whether this intake started something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    Started(RunId),
    /// The run was taken in before; nothing was started again.
    Already,
}

impl Desk {
    /// Takes one run of an order in. `start_at` is when its fulfilment begins, empty for at once.
    pub async fn accept_order(
        &self,
        tenant: &str,
        order: &Order,
        run: i32,
        start_at: &str,
    ) -> Result<Accepted, DeskError> {
        let variables = start_variables(tenant, order, run, start_at)?;
        let business_key = business_key(tenant, &order.id, run);
        let mut tx = self.tenant(tenant).await?;
        let key = self.keep_order(&mut tx, tenant, order).await?;
        let id = RunId(Uuid::now_v7());
        if !orders::insert_run(&mut tx, id, tenant, key, run, &business_key).await? {
            return Ok(Accepted::Already);
        }
        let command = EngineCommand::Start { run: id, process_key: PROCESS.into(), business_key, variables };
        let start = CommandId(Uuid::now_v7());
        commands::insert(&mut tx, start, tenant, &command, None).await?;
        restore::read_before_start(&mut tx, start).await?;
        tx.commit().await?;
        Ok(Accepted::Started(id))
    }

    /// Stores what is personal apart, and the facts that lists and severity go by.
    async fn keep_order(&self, tx: &mut Tx, tenant: &str, order: &Order) -> Result<OrderKey, DeskError> {
        let personal = &self.catalogue.personal;
        let mut document = order.document.clone();
        let cut = personal.cut(&mut document);
        let new = OrderKey(Uuid::now_v7());
        let kept = orders::upsert_order(tx, new, tenant, &order.id, order.customer.as_deref(), &document).await?;
        if kept.erased {
            return Err(DeskError::OrderErased(order.id.clone()));
        }
        if kept.fresh {
            context::put_personal(tx, tenant, kept.key, Part::TakenIn, &cut).await?;
            let facts = OrderContext::of(&order.document, personal);
            context::put(tx, tenant, kept.key, &facts, None).await?;
        }
        Ok(kept.key)
    }
}

fn start_variables(
    tenant: &str,
    order: &Order,
    run: i32,
    start_at: &str,
) -> Result<BTreeMap<String, StartValue>, DeskError> {
    let text = |text: &str| StartValue::Text(text.to_owned());
    let mut variables = BTreeMap::from([
        ("tenantId".to_owned(), text(tenant)),
        ("orderId".to_owned(), text(&order.id)),
        ("orderRun".to_owned(), StartValue::Integer(run)),
        ("startAt".to_owned(), text(start_at)),
        ("lineCount".to_owned(), StartValue::Integer(order.lines.len() as i32)),
    ]);
    for (index, line) in order.lines.iter().enumerate() {
        let needs: Vec<String> = line.relies_on.iter().map(usize::to_string).collect();
        let needs = needs.join(",");
        if needs.len() > TEXT_MAX {
            return Err(DeskError::TooLong(format!("line {} relies on {} others", line.id, line.relies_on.len())));
        }
        variables.insert(format!("lineId_{index}"), text(&line.id));
        variables.insert(format!("lineAction_{index}"), text(line.action.word()));
        variables.insert(format!("lineNeedsCount_{index}"), StartValue::Integer(line.relies_on.len() as i32));
        variables.insert(format!("lineNeeds_{index}"), StartValue::Text(needs));
    }
    Ok(variables)
}
