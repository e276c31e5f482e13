//! `fallout order migrate`: the parked steps of an order go on in the newest version of their model.

use fallout_desk::Desk;

use crate::cli::{Context, case::told};

/// Move the parked steps of an order to the newest version of their model
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout order migrate ord-88210 --reason 'its version has no branch for skip'

For an order that runs on an older model without the recovery that is needed: deploy the newer one first (fallout deploy).
No token moves by it and nothing is sent. What came of it stands on the timeline of each case, and the case then shows the
actions of the newer model. Refused while an attempt is open or an action is under way.")]
pub struct Migrate {
    /// The order's id, as the outside knows it
    #[arg(value_name = "ORDER")]
    pub order: String,
    /// Why; kept, and told on the timeline of every case of a moved step
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

pub async fn run(args: &Migrate, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let asked = desk.migrate_order(tenant, me, &args.order, &args.reason).await.map_err(told)?;
    context.out.data(&asked, || {
        let count = asked.instances.len();
        match asked.already {
            true => format!("already done: the engine is being told to move {}", asked.order),
            false => format!("the engine is told to move {count} parked steps of {}; see their cases", asked.order),
        }
    })?;
    Ok(())
}
