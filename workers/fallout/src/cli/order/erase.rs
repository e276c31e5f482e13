//! `fallout order erase`: the personal data of one order, before their time.

use fallout_desk::Desk;

use crate::cli::{Context, case::told};

/// Erase the personal data of an order that is over, and the requests and answers in which they stand
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout order erase ord-88210 --reason 'letter of 3 December' --yes

Refused while the order's fulfilment runs or a case of it is open. Who did it and why is kept, and of what was erased a hash.
What people typed into reasons and notes stays, since the history of cases never changes: docs/ORDERS.md.")]
pub struct Erase {
    /// The order's id, as the outside knows it
    #[arg(value_name = "ORDER")]
    pub order: String,
    /// Why; kept
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Do it: what is erased is gone
    #[arg(long, required = true)]
    pub yes: bool,
}

pub async fn run(args: &Erase, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let erased = desk.erase_order(tenant, me, &args.order, &args.reason).await.map_err(told)?;
    context.out.data(&erased, || match erased.now {
        true => format!(
            "erased {} personal fields of {}, archived {} runs",
            erased.fields, erased.order, erased.archived_runs
        ),
        false => format!("already done: the personal data of {} were erased before", erased.order),
    })?;
    Ok(())
}
