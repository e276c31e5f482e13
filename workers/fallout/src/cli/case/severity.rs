//! `fallout case severity`: why a case is as grave as it is and when it has to be over; and lowering it.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use fallout_core::case::Severity;
use fallout_desk::{CaseClock, Desk, Judgement};

use super::{number, told};
use crate::cli::Context;

/// Show why a case is as grave as it is and how its clock stands, or lower its severity
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Case number, e.g. fc-100001
    pub id: String,
    /// Make it less grave; it rises again only when its impact grows
    #[arg(long, value_name = "SEVERITY", requires = "reason")]
    pub lower_to: Option<Severity>,
    /// Why; it stays with the case
    #[arg(long, value_name = "TEXT", requires = "lower_to")]
    pub reason: Option<String>,
}

pub async fn run(args: Args, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let case = number(&args.id)?;
    if let Some((to, reason)) = args.lower_to.zip(args.reason) {
        desk.lower_severity(tenant, me, case, to, &reason).await.map_err(told)?;
    }
    let clock = desk.case_clock(tenant, case).await.map_err(told)?;
    context.out.data(&clock, || text(&clock))?;
    Ok(())
}

fn text(clock: &CaseClock) -> String {
    let mut out = format!("{}\n", clock.severity);
    if let Some(judgement) = &clock.judgement {
        reasons(&mut out, judgement);
    }
    let Some(policy) = &clock.policy else { return out };
    let at =
        |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".into(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string());
    let _ = writeln!(out, "\nClock (policy {policy}, {} min used)", clock.used_minutes);
    let moments = [("answered by", clock.response_due), ("warning at", clock.jeopardy_at), ("due", clock.due)];
    for (name, moment) in moments {
        let _ = writeln!(out, "  {name:<12} {}", at(moment));
    }
    out
}

fn reasons(out: &mut String, judgement: &Judgement) {
    let _ = writeln!(out, "\nDerived: {}", judgement.derived.severity);
    let _ = writeln!(out, "  {:<26} {}", "classification", judgement.derived.base);
    for reason in &judgement.derived.reasons {
        let value = reason.value.as_deref().filter(|value| !value.is_empty());
        let said = match (value, reason.assumed) {
            (Some(value), false) => value.to_owned(),
            (Some(value), true) => format!("assumed, no rule knows {value}"),
            (None, _) => "assumed".to_owned(),
        };
        let source = String::from(reason.source.clone());
        let _ = writeln!(out, "  {:<26} {}  {said} ({source})", reason.factor.word(), reason.severity);
    }
    if let (Some(to), Some(by), Some(why)) = (&judgement.lowered_to, &judgement.lowered_by, &judgement.lowered_reason) {
        let _ = writeln!(out, "  lowered to {to} by {by}: {why}");
    }
}

#[cfg(test)]
mod tests {
    use fallout_core::severity::{CaseFact, Derived, Factor, Reason, Source};

    use super::*;

    #[test]
    fn every_reason_is_told_with_its_source_and_what_was_assumed_says_so() {
        let reason = |factor, source, value: Option<&str>, assumed| Reason {
            factor,
            source,
            value: value.map(str::to_owned),
            severity: Severity::Sev3,
            assumed,
        };
        let order = |field: &str| Source::Order(vec![field.to_owned()]);
        let system = Source::Case(CaseFact::ExternalSystem);
        let reasons = vec![
            reason(Factor::CustomerSegment, order("category"), Some("business"), false),
            reason(Factor::PromisedDate, order("expectedCompletionDate"), None, true),
            reason(Factor::DownstreamImpact, system, Some("fax"), true),
        ];
        let derived = Derived { severity: Severity::Sev3, base: Severity::Sev4, reasons };
        let judgement = Judgement {
            derived,
            derived_at: DateTime::UNIX_EPOCH,
            lowered_to: Some("SEV4".into()),
            lowered_by: Some("local:a".into()),
            lowered_reason: Some("a test order".into()),
        };
        let clock = CaseClock {
            severity: Severity::Sev4,
            judgement: Some(judgement),
            policy: Some("office".into()),
            used_minutes: 30,
            response_due: None,
            jeopardy_at: None,
            due: Some(DateTime::UNIX_EPOCH),
        };
        let expected = "SEV4

Derived: SEV3
  classification             SEV4
  customer_segment           SEV3  business (order.category)
  promised_delivery_date     SEV3  assumed (order.expectedCompletionDate)
  downstream_system_impact   SEV3  assumed, no rule knows fax (case.external_system)
  lowered to SEV4 by local:a: a test order

Clock (policy office, 30 min used)
  answered by  -
  warning at   -
  due          1970-01-01 00:00 UTC
";
        assert_eq!(text(&clock), expected);
    }
}
