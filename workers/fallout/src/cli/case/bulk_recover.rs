//! `fallout case bulk … recover`: the same recovery for many cases, looked at first, then given case by case at its pace.

use fallout_core::{action::Action, bulk::Pace, ids::CaseNumber};
use fallout_desk::{BulkBegun, BulkCommand, Desk, DeskError};
use serde_json::Value;

use super::told;
use crate::{
    cli::{Context, action::find, bulk::counted},
    codes::Failure,
};

/// What a person asks for.
#[derive(Debug, Clone, clap::Args)]
pub struct Recover {
    /// What to do, e.g. retry; see `fallout action list`
    #[arg(long, value_name = "ACTION")]
    pub action: String,
    /// Why; kept in the history of every case
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Cases begun in a second; 0: as fast as the engine takes them [default: config/bulk.toml]
    #[arg(long, value_name = "N")]
    pub per_second: Option<u32>,
    /// Cases under way at the same time [default: config/bulk.toml]
    #[arg(long, value_name = "N")]
    pub at_once: Option<u32>,
    /// Stop when so many in a hundred have failed [default: config/bulk.toml]
    #[arg(long, value_name = "PERCENT")]
    pub stop_at: Option<u32>,
}

impl Recover {
    pub fn action(&self) -> anyhow::Result<Action> {
        Ok(find(&self.action)?.action)
    }

    fn pace(&self, usual: Pace) -> Pace {
        Pace {
            per_second: self.per_second.unwrap_or(usual.per_second),
            at_once: self.at_once.unwrap_or(usual.at_once),
            stop_at_percent: self.stop_at.unwrap_or(usual.stop_at_percent),
        }
    }
}

/// Each case with what stands in its way.
pub async fn foreseen(
    recover: &Recover,
    cases: &[CaseNumber],
    desk: &Desk,
    (me, context): (&str, &Context),
) -> anyhow::Result<Vec<(CaseNumber, Option<String>)>> {
    let (tenant, action) = (&context.settings.tenant.id, recover.action()?);
    let (mut foreseen, begun) = (Vec::new(), std::time::Instant::now());
    for (n, case) in cases.iter().enumerate() {
        if n > 0 && n % 100 == 0 && begun.elapsed().as_secs() >= 1 {
            context.out.note(&format!("looked at {n} of {} cases", cases.len()));
        }
        let why = match desk.bulk_fits(tenant, me, action, &recover.reason, *case).await {
            Ok(()) => None,
            Err(DeskError::Away(e)) => return Err(told(DeskError::Away(e))),
            Err(refused) => Some(refused.to_string()),
        };
        foreseen.push((*case, why));
    }
    Ok(foreseen)
}

pub async fn begin(
    recover: &Recover,
    cases: &[(CaseNumber, Option<String>)],
    selection: &Value,
    key: &str,
    desk: &Desk,
    (me, context): (&str, &Context),
) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let ask = BulkCommand {
        tenant,
        principal: me,
        action: recover.action()?,
        reason: &recover.reason,
        selection,
        pace: Some(recover.pace(desk.catalogue().bulk.pace)),
        idempotency_key: key,
        cases,
    };
    let begun = desk.begin_bulk(&ask).await.map_err(told)?;
    context.out.data(&begun, || text(&begun))?;
    Ok(())
}

fn text(begun: &BulkBegun) -> String {
    let bulk = &begun.view.bulk;
    let number = bulk.number;
    let counts = counted(&begun.view.cases);
    match (begun.repeated, bulk.approval_until.is_some()) {
        (true, _) => format!("already done: {number} was asked for with this key; it is {}", bulk.state),
        (false, true) => format!(
            "{number} ({counts}) waits for a second person; with a token of their own they run:\n\
             fallout bulk approve {number} --reason TEXT"
        ),
        (false, false) => format!("{number} has begun ({counts}); see how it goes: fallout bulk show {number}"),
    }
}

/// Of a case that a bulk of people's commands takes a version of.
pub fn without_versions(has_version: bool) -> Result<(), Failure> {
    match has_version {
        true => Err(Failure::new(
            "FO-057",
            "a recovery looks at each case as it stands when its turn comes; leave the column `version` out",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_of_its_pace_is_as_usual() {
        let usual = Pace { per_second: 50, at_once: 200, stop_at_percent: 20 };
        let said = Recover {
            action: "retry".into(),
            reason: "R".into(),
            per_second: Some(0),
            at_once: None,
            stop_at: Some(5),
        };
        assert_eq!(said.pace(usual), Pace { per_second: 0, at_once: 200, stop_at_percent: 5 });
        assert_eq!(said.action().unwrap(), Action::RetryStep);
        let slip = Recover { action: "retri".into(), ..said };
        assert!(slip.action().unwrap_err().to_string().contains("did you mean retry?"));
    }
}
