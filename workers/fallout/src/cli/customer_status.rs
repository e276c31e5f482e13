//! `fallout customer-status ORDER`: what may be told to the customer about an order, and nothing else.

use std::sync::Arc;

use fallout_core::customer::CustomerStatus;
use fallout_desk::Desk;

use super::{Context, case::told};
use crate::exit::Exit;

/// Say what a customer may be told about an order, over all its open cases
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is printed is safe to pass on: it is made of the texts of customer-status.toml, the order's number and its dates.")]
pub struct Args {
    /// The order's number as the customer knows it
    #[arg(value_name = "ORDER")]
    pub order: String,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let desk = Desk::new(context.settings.database.store()?, Arc::new(context.settings.catalogue()?));
    let status = desk.customer_status(&context.settings.tenant.id, &args.order).await.map_err(told)?;
    context.out.data(&status, || text(&status))?;
    Ok(Exit::Done)
}

fn text(status: &CustomerStatus) -> String {
    let mut text = format!("{}\n{}", status.label, status.message);
    if let Some(reason) = &status.delay_reason {
        text += &format!("\nReason: {}", reason.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_the_policy_says() {
        let status = CustomerStatus {
            order: "4711".into(),
            status: "PROCESSING_DELAYED".into(),
            label: "Processing delayed".into(),
            message: "Your order 4711 takes longer than planned.".into(),
            delay_reason: Some(fallout_core::customer::Reason {
                code: "DELAY".into(),
                text: "It takes longer.".into(),
            }),
            promised: None,
            new_date: None,
        };
        let expected = "Processing delayed\nYour order 4711 takes longer than planned.\nReason: It takes longer.";
        assert_eq!(text(&status), expected);
    }
}
