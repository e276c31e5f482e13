//! `fallout group add | remove | list | history`: who belongs to which group of operations.

use clap::Subcommand;
use fallout_core::people::{Member, Role};
use fallout_desk::{ChangeLine, MemberLine};
use serde_json::json;

use super::{
    Context,
    case::told,
    who::{self, Need},
};
use crate::{exit::Exit, output::table};

/// Say who belongs to which group
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout group add 'Billing Ops' local:jane --lead
  fallout group list

A group without members is open to everybody of the tenant. Once it has members, only they take and hand over its cases;
once it has a lead, only leads give its cases to others and change who belongs to it.")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add somebody, or change what they are in it
    Add {
        group: String,
        /// Who is authenticated, e.g. local:jane; `me` is you
        principal: String,
        /// Gives the group's cases to others
        #[arg(long)]
        lead: bool,
    },
    /// Take somebody out of it; their cases stay theirs until somebody takes them
    Remove { group: String, principal: String },
    /// Who was let in and out, when and by whom
    History {
        /// Only of this group
        group: Option<String>,
    },
    /// Everybody and their groups
    List {
        /// Only of this group
        group: Option<String>,
    },
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let need = match args.command {
        Command::Add { .. } | Command::Remove { .. } => Need::Act,
        Command::History { .. } | Command::List { .. } => Need::Read,
    };
    let (desk, me) = who::desk(context, need).await?;
    let tenant = context.settings.tenant.id.as_str();
    let named = |typed: &str| if typed == "me" { me.clone() } else { typed.to_owned() };
    match args.command {
        Command::Add { group, principal, lead } => {
            let role = if lead { Role::Lead } else { Role::Member };
            let member = Member { principal: named(&principal), role };
            let added = desk.add_member(tenant, &me, &group, &member).await.map_err(told)?;
            let who = &member.principal;
            context.out.data(
                &json!({ "group": group, "principal": who, "role": role, "added": added }),
                || match added {
                    true => format!("{who} is {role} of {group}"),
                    false => format!("already done: {who} is {role} of {group}"),
                },
            )?;
        }
        Command::Remove { group, principal } => {
            let who = named(&principal);
            let removed = desk.remove_member(tenant, &me, &group, &who).await.map_err(told)?;
            context.out.data(&json!({ "group": group, "principal": who, "removed": removed }), || match removed {
                true => format!("{who} is not in {group} any more"),
                false => format!("already done: {who} is not in {group}"),
            })?;
        }
        Command::History { group } => {
            let changes = desk.group_changes(tenant, group.as_deref()).await.map_err(told)?;
            context.out.data(&changes, || history(&changes))?;
        }
        Command::List { group } => {
            let members = desk.members(tenant, group.as_deref()).await.map_err(told)?;
            context.out.data(&members, || list(&members))?;
        }
    }
    Ok(Exit::Done)
}

fn list(members: &[MemberLine]) -> String {
    if members.is_empty() {
        return "no members: every group is open to everybody of the tenant".into();
    }
    let row = |m: &MemberLine| {
        let since = m.added_at.format("%Y-%m-%d %H:%M UTC").to_string();
        [m.group.clone(), m.principal.clone(), m.role.clone(), m.added_by.clone(), since]
    };
    table(["group", "principal", "role", "added by", "since"], members.iter().map(row))
}

fn history(changes: &[ChangeLine]) -> String {
    if changes.is_empty() {
        return "nobody was let into a group yet".into();
    }
    let row = |c: &ChangeLine| {
        let at = c.at.format("%Y-%m-%d %H:%M UTC").to_string();
        let became = c.role.clone().unwrap_or_else(|| "taken out".into());
        [at, c.group.clone(), c.principal.clone(), became, c.by.clone()]
    };
    table(["when", "group", "principal", "became", "by"], changes.iter().map(row))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn who_was_let_in_and_out_is_told_with_who_did_it() {
        let change = |role: Option<&str>| ChangeLine {
            at: DateTime::UNIX_EPOCH,
            group: "Billing Ops".into(),
            principal: "local:bob".into(),
            role: role.map(str::to_owned),
            by: "local:ann".into(),
        };
        let text = history(&[change(None), change(Some("lead"))]);
        let lines: Vec<_> = anstream::adapter::strip_str(&text)
            .to_string()
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "when group principal became by",
                "1970-01-01 00:00 UTC Billing Ops local:bob taken out local:ann",
                "1970-01-01 00:00 UTC Billing Ops local:bob lead local:ann",
            ]
        );
    }
}
