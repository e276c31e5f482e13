//! Orders from a file into the desk.

use std::path::Path;

use anyhow::{Context, Result};
use chrono::DateTime;
use fallout_core::order::{Order, read_orders};
use fallout_desk::Desk;

use crate::{codes::Failure, config::shipped};

/// The orders of a file, or the built-in ones; everything wrong at once.
pub fn orders(file: Option<&Path>) -> Result<Vec<Order>> {
    let (name, bytes) = match file {
        None => ("config/demo/orders.json (built in)".to_owned(), shipped::ORDERS.as_bytes().to_vec()),
        Some(path) => {
            let unreadable = |e| Failure::new("FO-003", format!("{} cannot be read", path.display())).because(e);
            (path.display().to_string(), std::fs::read(path).map_err(unreadable)?)
        }
    };
    read_orders(&name, &bytes).map_err(|problems| {
        let told: Vec<String> = problems.iter().map(|p| format!("  {p}")).collect();
        Failure::new("FO-003", format!("nothing was started, the orders cannot be taken:\n{}", told.join("\n"))).into()
    })
}

/// When the fulfilment begins: a start in the future waits in a timer, which `soon_s` shortens where a person is waiting.
pub fn start_at(order: &Order, now: DateTime<chrono::Utc>, soon_s: Option<i64>) -> String {
    let wanted = order.requested_start.as_deref().and_then(|t| DateTime::parse_from_rfc3339(t).ok());
    match (wanted.filter(|at| *at > now), soon_s) {
        (None, _) => String::new(),
        (Some(at), None) => at.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        (Some(at), Some(soon)) => {
            let at = at.to_utc().min(now + chrono::Duration::seconds(soon));
            at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
        }
    }
}

/// Takes every order in as its first run.
pub async fn accept(desk: &Desk, tenant: &str, orders: &[Order], soon_s: Option<i64>) -> Result<()> {
    let now = desk.now().await?;
    for order in orders {
        let start = start_at(order, now, soon_s);
        desk.accept_order(tenant, order, 1, &start).await.with_context(|| format!("taking in order {}", order.id))?;
    }
    Ok(())
}
