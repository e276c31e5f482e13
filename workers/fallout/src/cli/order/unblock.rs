//! `fallout order unblock`: the engine is told to go on with an order that it does not move.

use fallout_desk::Desk;

use crate::cli::{Context, case::told};

/// Activate what is suspended of an order, and let failed jobs of its process be tried again
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout order unblock ord-88210 --reason 'the engine has its memory back'

No recovery action reaches a suspended process or a job that the engine has given up. Nothing is sent to a downstream by
this: what a step may send is decided by its own record when it is dispatched.")]
pub struct Unblock {
    /// The order's id, as the outside knows it
    #[arg(value_name = "ORDER")]
    pub order: String,
    /// Why; kept, and told on the timeline of every open case of the order
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

pub async fn run(args: &Unblock, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let asked = desk.unblock_order(tenant, me, &args.order, &args.reason).await.map_err(told)?;
    context.out.data(&asked, || match asked.already {
        true => format!("already done: the engine is being told to go on with {}", asked.order),
        false => format!("the engine is told to go on with {}", asked.order),
    })?;
    Ok(())
}
