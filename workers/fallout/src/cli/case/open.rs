//! `fallout case open`: a trouble that a person has seen; it joins the case of its trouble where there is one.

use fallout_core::signal::{Finding, NewSignal, Place, SignalState};
use fallout_desk::{Answer, Desk};
use serde_json::json;
use uuid::Uuid;

use super::told;
use crate::{cli::Context, codes::Failure};

/// Raise a case by hand, or join the one that is there
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout case open --order ord-88210 --line 1 --step provision --code ADDRESS_NOT_SERVICEABLE --reason 'a call from the fitter'
  fallout case open --downstream billing --code ORDER_STUCK --reason 'their hotline says they are down'

Codes: fallout taxonomy show. The same --idempotency-key again is answered, not done again.")]
pub struct Args {
    /// The order's id, as the outside knows it
    #[arg(long, value_name = "ID", required_unless_present = "downstream")]
    pub order: Option<String>,
    /// Which start of the order; the latest when it is not given
    #[arg(long, value_name = "N", requires = "order")]
    pub run: Option<i32>,
    /// Order item
    #[arg(long, value_name = "ID", requires = "order")]
    pub line: Option<String>,
    /// Step of the model
    #[arg(long, value_name = "ID", requires = "order")]
    pub step: Option<String>,
    /// The system that it is about
    #[arg(long, value_name = "NAME")]
    pub downstream: Option<String>,
    /// Classification of the taxonomy
    #[arg(long)]
    pub code: String,
    /// What was seen
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Makes the command safe to repeat
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

pub async fn run(args: Args, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let event = args.idempotency_key.unwrap_or_else(|| Uuid::now_v7().to_string());
    let signal = NewSignal {
        source: "manual".into(),
        event,
        finding: Finding::Classification(args.code),
        place: Place {
            order: args.order,
            run: args.run,
            line: args.line,
            step_code: args.step,
            downstream: args.downstream,
            ..Place::default()
        },
        cause: Default::default(),
        occurred_at: None,
        reason: args.reason,
        payload: json!({ "by": me }),
    };
    let answer = desk.open_by_hand(&context.settings.tenant.id, me, &signal).await.map_err(told)?;
    if let Some(refusal) = answer.refusal {
        return Err(Failure::new("FO-046", format!("{refusal}: {}", refusal.why())).into());
    }
    context.out.data(&answer, || text(&answer))?;
    Ok(())
}

fn text(answer: &Answer) -> String {
    let case = answer.case.map(|case| case.to_string()).unwrap_or_default();
    let said = match answer.state {
        SignalState::Opened => format!("opened {case}"),
        SignalState::History | SignalState::VerifiedAgain => format!("joined {case}, which is resolved and stays so"),
        SignalState::Reopened => format!("reopened {case}"),
        _ => format!("joined {case}: it is about the same"),
    };
    let again = if answer.repeated { "already done: " } else { "" };
    format!("{again}{said}; see it: fallout case show {case}")
}

#[cfg(test)]
mod tests {
    use fallout_core::ids::{CaseNumber, SignalId};

    use super::*;

    #[test]
    fn a_person_learns_which_case_it_became() {
        let answer = |state, repeated| Answer {
            signal: SignalId(Uuid::nil()),
            state,
            case: Some(CaseNumber(7)),
            refusal: None,
            repeated,
        };
        let see = "; see it: fallout case show fc-7";
        for (state, repeated, expected) in [
            (SignalState::Opened, false, "opened fc-7"),
            (SignalState::Opened, true, "already done: opened fc-7"),
            (SignalState::Joined, false, "joined fc-7: it is about the same"),
            (SignalState::VerifiedAgain, false, "joined fc-7, which is resolved and stays so"),
            (SignalState::Reopened, false, "reopened fc-7"),
        ] {
            assert_eq!(text(&answer(state, repeated)), format!("{expected}{see}"));
        }
    }
}
