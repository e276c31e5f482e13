//! `fallout customer-status ORDER`: what may be told to the customer about an order, and nothing else.

use fallout_core::{customer::CustomerStatus, ids::CaseNumber};

use super::{
    Context,
    case::told,
    who::{self, Need},
};
use crate::exit::Exit;

/// Say what a customer may be told about an order, over all its open cases
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is printed is safe to pass on: it is made of the texts of customer-status.toml, the order's number and its dates.

Examples:
  fallout customer-status ord-88210
  fallout customer-status ord-88210 --told mail   passed on now: its words are kept on the timelines")]
pub struct Args {
    /// The order's number as the customer knows it
    #[arg(value_name = "ORDER")]
    pub order: String,
    /// It is told now, this way (mail, phone, portal): kept on the timeline of every open case of the order
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    pub told: Option<String>,
}

/// A word, so that nothing about the customer gets into a timeline that cannot be changed.
fn channel(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match (1..=40).contains(&text.len()) && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("expected a word of 1 to 40 characters of a-z, 0-9 and -, for example mail".to_owned()),
    }
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let need = if args.told.is_some() { Need::Act } else { Need::Read };
    let (desk, me) = who::desk(context, need).await?;
    let tenant = &context.settings.tenant.id;
    let status = match &args.told {
        None => desk.customer_status(tenant, &args.order).await.map_err(told)?,
        Some(channel) => {
            let told_now = desk.tell_customer(tenant, &args.order, &me, channel).await;
            let (status, cases) = told_now.map_err(told)?;
            context.out.note(&noted(&cases));
            status
        }
    };
    context.out.data(&status, || text(&status))?;
    Ok(Exit::Done)
}

fn noted(cases: &[CaseNumber]) -> String {
    match cases {
        [] => "no case of this order is open, so no timeline keeps it".into(),
        cases => {
            let cases: Vec<String> = cases.iter().map(ToString::to_string).collect();
            format!("kept on the timeline of {}", cases.join(", "))
        }
    }
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
    fn a_channel_is_a_word() {
        assert_eq!(channel("mail").as_deref(), Ok("mail"));
        for bad in ["", "Mail to a@b.example", "x\n"] {
            assert!(channel(bad).is_err(), "{bad}");
        }
    }

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
