//! `fallout signal list`: what was told by whom, and what became of it.

use clap::Subcommand;
use fallout_desk::SignalLine;

use super::{
    Context,
    case::told,
    who::{self, Need},
};
use crate::{codes::Failure, exit::Exit, output::table};

/// Show what was told, and what became of it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Signals, the latest first
    List {
        /// Only of this case, e.g. fc-100001
        #[arg(long)]
        case: Option<String>,
        /// Only those that were refused
        #[arg(long)]
        refused: bool,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let (desk, _) = who::desk(context, Need::Read).await?;
    let Command::List { case, refused, limit } = args.command;
    let case = case.map(|text| text.parse().map_err(|e| Failure::new("FO-041", format!("{e}")))).transpose()?;
    let told_so_far = desk.signals_told(&context.settings.tenant.id, case, refused, limit).await.map_err(told)?;
    context.out.data(&told_so_far, || list(&told_so_far))?;
    Ok(Exit::Done)
}

fn list(signals: &[SignalLine]) -> String {
    if signals.is_empty() {
        return "no signals".into();
    }
    let row = |s: &SignalLine| {
        let became = s.refusal.as_ref().map_or_else(|| s.state.clone(), |refusal| format!("refused: {refusal}"));
        let found = s.code.as_ref().map_or_else(|| s.classification.clone(), |c| format!("{} ({c})", s.classification));
        let at = s.received_at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        [at, s.source.clone(), found, became, s.case.clone().unwrap_or_else(|| "-".into()), s.event.clone()]
    };
    table(["AT", "SOURCE", "FOUND", "BECAME", "CASE", "EVENT"], signals.iter().map(row))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_signal_is_a_row_with_what_became_of_it() {
        let joined = SignalLine {
            id: Uuid::nil(),
            received_at: DateTime::UNIX_EPOCH,
            source: "sla".into(),
            event: "e-1".into(),
            classification: "ORDER_STUCK".into(),
            code: Some("STUCK".into()),
            state: "joined".into(),
            refusal: None,
            case: Some("fc-7".into()),
            reason: None,
            occurred_at: None,
        };
        let refused = SignalLine {
            code: None,
            state: "refused".into(),
            refusal: Some("no_place".into()),
            case: None,
            ..joined.clone()
        };
        let text = list(&[joined, refused]);
        for said in ["1970-01-01 00:00:00 UTC", "ORDER_STUCK (STUCK)", "joined", "fc-7", "refused: no_place"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert_eq!(list(&[]), "no signals");
    }
}
