//! `fallout access four-eyes list | off | agree | refuse | on`: which actions take two people, and doing without for a while.

use clap::Subcommand;
use fallout_core::action::Action;
use fallout_desk::{FourEyesRules, Switch};
use serde_json::json;
use uuid::Uuid;

use crate::{
    cli::{
        Context,
        action::find,
        case::told,
        who::{self, Need},
    },
    output::{plain, table},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What takes two people in this tenant, and what of it is switched off
    List,
    /// Ask a second person to let one person be enough for an action for some hours
    Off {
        /// E.g. skip
        #[arg(value_name = "ACTION")]
        action: String,
        /// From the agreement on, at most 72
        #[arg(long, value_name = "HOURS")]
        hours: i32,
        /// Why; kept
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Agree to it, as a second person with a token
    Agree {
        /// As `off` printed it
        #[arg(value_name = "ID")]
        id: Uuid,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Refuse it, or take back what you asked for
    Refuse {
        #[arg(value_name = "ID")]
        id: Uuid,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Ask for two people again, at once
    On {
        #[arg(value_name = "ACTION")]
        action: String,
    },
}

pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let need = if matches!(command, Command::List) { Need::Read } else { Need::Act };
    let (desk, me) = who::desk(context, need).await?;
    let tenant = context.settings.tenant.id.as_str();
    let out = context.out;
    match command {
        Command::List => {
            let rules = desk.four_eyes(tenant).await.map_err(told)?;
            out.data(&rules, || list(&rules))?;
        }
        Command::Off { action, hours, reason } => {
            let action = find(&action)?.action;
            let asked = desk.ask_four_eyes_off(tenant, &me, action, hours, &reason).await.map_err(told)?;
            out.data(&asked, || waits(&asked))?;
        }
        Command::Agree { id, reason } => {
            let decided = desk.decide_four_eyes(tenant, &me, id, true, &reason).await.map_err(told)?;
            out.data(&decided, || decision(&decided))?;
        }
        Command::Refuse { id, reason } => {
            let decided = desk.decide_four_eyes(tenant, &me, id, false, &reason).await.map_err(told)?;
            out.data(&decided, || decision(&decided))?;
        }
        Command::On { action } => {
            let action: Action = find(&action)?.action;
            let now = desk.four_eyes_on(tenant, &me, action).await.map_err(told)?;
            out.data(&json!({ "action": action, "now": now }), || match now {
                true => format!("{action} takes two people again where the rules say so"),
                false => format!("already done: nothing is switched off for {action}"),
            })?;
        }
    }
    Ok(())
}

fn waits(asked: &Switch) -> String {
    let Switch { id, action, hours, .. } = asked;
    format!(
        "a second person has to agree to {hours} hours of {action} by one person; with a token of their own they run:\n\
         fallout access four-eyes agree {id} --reason TEXT"
    )
}

fn decision(decided: &Switch) -> String {
    let Switch { action, state, .. } = decided;
    match decided.off_until {
        Some(until) => format!("{state}: one person is enough for {action} until {}", until.to_rfc3339()),
        None => format!("{state}: {action} takes two people as before"),
    }
}

fn list(rules: &FourEyesRules) -> String {
    let mut rows: Vec<[String; 2]> = rules.always.iter().map(|a| [a.to_string(), "always".to_owned()]).collect();
    for rule in &rules.rules {
        let mut when: Vec<String> = rule.above.iter().map(|above| format!("above {above:.2}")).collect();
        when.extend(rule.severity.map(|severity| format!("from {severity} on")));
        let when = if when.is_empty() { "always".to_owned() } else { when.join(" or ") };
        rows.push([rule.action.to_string(), when]);
    }
    let mut text = format!("version {}\n{}", rules.version, table(["action", "takes two people"], rows));
    if !rules.switches.is_empty() {
        let row = |s: &Switch| {
            let until = s.off_until.map_or("-".to_owned(), |until| until.to_rfc3339());
            let approver = s.approver.clone().unwrap_or_else(|| "-".into());
            [
                s.action.to_string(),
                s.state.to_string(),
                until,
                s.requester.clone(),
                approver,
                plain(&s.reason),
                s.id.to_string(),
            ]
        };
        let head = ["switched off", "state", "until", "asked by", "decided by", "reason", "id"];
        text += &format!("\n\n{}", table(head, rules.switches.iter().map(row)));
    }
    text
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use fallout_core::{action::approval::ApprovalState, authority::FourEyes, case::Severity};

    use super::*;

    #[test]
    fn what_takes_two_people_is_told_with_what_is_switched_off() {
        let rule = |action, above, severity| FourEyes { action, tenant: None, above, severity };
        let switch = Switch {
            id: Uuid::nil(),
            action: Action::SkipStep,
            command_hash: "h".into(),
            rules_version: 2,
            hours: 4,
            reason: "storm".into(),
            requester: "token:ann".into(),
            state: ApprovalState::Granted,
            requested_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
            approver: Some("token:bob".into()),
            off_until: Some(DateTime::UNIX_EPOCH),
        };
        let rules = FourEyesRules {
            version: 2,
            always: vec![Action::ForceClose],
            rules: vec![
                rule(Action::SkipStep, None, None),
                rule(Action::CompensateStep, Some(1_000.0), Some(Severity::Sev1)),
            ],
            switches: vec![switch.clone()],
        };
        let text = anstream::adapter::strip_str(&list(&rules)).to_string();
        let lines: Vec<String> = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for said in [
            "FORCE_CLOSE always",
            "SKIP_STEP always",
            "COMPENSATE_STEP above 1000.00 or from SEV1 on",
            "SKIP_STEP granted 1970-01-01T00:00:00+00:00 token:ann token:bob storm 00000000-0000-0000-0000-000000000000",
        ] {
            assert!(lines.iter().any(|line| line == said), "{said}: {lines:?}");
        }
        assert_eq!(decision(&switch), "granted: one person is enough for SKIP_STEP until 1970-01-01T00:00:00+00:00");
        assert!(waits(&switch).contains("four-eyes agree 00000000"));
    }
}
