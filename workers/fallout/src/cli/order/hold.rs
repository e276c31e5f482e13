//! `fallout order hold | release`: nothing is sent for an order, or for one line of it, until it is released.

use fallout_desk::{Desk, HoldAnswer, HoldCommand};

use crate::cli::{Context, case::told};

/// Which order, or line of it, and why.
#[derive(Debug, clap::Args)]
pub struct Hold {
    /// The order's id, as the outside knows it
    #[arg(value_name = "ORDER")]
    pub order: String,
    /// Only this line; its siblings go on
    #[arg(long, value_name = "LINE")]
    pub line: Option<String>,
    /// Why; kept, and told on the timeline of every open case of what is held
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

pub async fn hold(args: &Hold, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let answer = desk.hold_order(&ask(args, me, context)).await.map_err(told)?;
    context.out.data(&answer, || text(&answer))?;
    Ok(())
}

pub async fn release(args: &Hold, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let answer = desk.release_order(&ask(args, me, context)).await.map_err(told)?;
    context.out.data(&answer, || text(&answer))?;
    Ok(())
}

fn ask<'a>(args: &'a Hold, me: &'a str, context: &'a Context) -> HoldCommand<'a> {
    HoldCommand {
        tenant: &context.settings.tenant.id,
        principal: me,
        order: &args.order,
        line: args.line.as_deref(),
        reason: &args.reason,
    }
}

fn text(answer: &HoldAnswer) -> String {
    let what = match &answer.line {
        Some(line) => format!("line {line} of {}", answer.order),
        None => answer.order.clone(),
    };
    match (answer.held, answer.already) {
        (true, false) => format!("{what} is held: what is under way ends, nothing new is sent until it is released"),
        (true, true) => format!("already done: {what} is held"),
        (false, false) => format!("{what} is released; it goes on within seconds"),
        (false, true) => format!("already done: {what} is not held"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_named_and_a_repetition_says_so() {
        let answer = |held, already, line: Option<&str>| {
            let line = line.map(str::to_owned);
            text(&HoldAnswer { order: "o-1".into(), line, held, already, cases: Vec::new() })
        };
        assert!(answer(true, false, Some("2")).starts_with("line 2 of o-1 is held"));
        assert_eq!(answer(true, true, None), "already done: o-1 is held");
        assert!(answer(false, false, None).starts_with("o-1 is released"));
        assert_eq!(answer(false, true, None), "already done: o-1 is not held");
    }
}
