//! `fallout access role grant | revoke | list | refused`: who has which role, for what.

use clap::Subcommand;
use fallout_core::authority::{Extent, Grant};
use fallout_desk::{RefusalLine, RoleLine};
use serde_json::json;

use crate::{
    cli::{
        Context,
        case::told,
        who::{self, Need},
    },
    output::{plain, table},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give somebody a role; the first one of a tenant switches enforcement on
    Grant {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        extent: Of,
        /// Why; kept
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take a role away, as it was given
    Revoke {
        #[command(flatten)]
        role: Role,
        #[command(flatten)]
        extent: Of,
        /// Why; kept
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Who has which role, and whether rights are asked for at all
    List {
        /// Only of this person, e.g. local:jane or token:bob; `me` is you
        #[arg(value_name = "PRINCIPAL")]
        principal: Option<String>,
        /// Those that were taken away too
        #[arg(long)]
        all: bool,
    },
    /// The roles there are, and which right each holds
    Known,
    /// What was refused to whom for want of a right
    Refused,
}

#[derive(Debug, clap::Args)]
pub struct Role {
    /// Who is authenticated, e.g. local:jane or token:bob; `me` is you
    #[arg(value_name = "PRINCIPAL")]
    pub principal: String,
    /// E.g. order_ops; see `fallout access role known`
    #[arg(value_name = "ROLE")]
    pub role: String,
}

/// For what; without any of them, for the whole tenant.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct Of {
    /// Only for cases that this group has
    #[arg(long)]
    pub group: Option<String>,
    /// Only for cases and orders of this customer
    #[arg(long)]
    pub customer: Option<String>,
    /// Only for this order and its cases
    #[arg(long)]
    pub order: Option<String>,
}

impl Of {
    fn extent(self) -> Extent {
        match (self.group, self.customer, self.order) {
            (Some(group), ..) => Extent::Group(group),
            (_, Some(customer), _) => Extent::Customer(customer),
            (.., Some(order)) => Extent::Order(order),
            _ => Extent::Tenant,
        }
    }
}

fn grant(role: Role, extent: Of, me: &str) -> Grant {
    let principal = if role.principal == "me" { me.to_owned() } else { role.principal };
    Grant { principal, role: role.role, extent: extent.extent() }
}

pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let reads = matches!(command, Command::List { .. } | Command::Known);
    let (desk, me) = who::desk(context, if reads { Need::Read } else { Need::Act }).await?;
    let tenant = context.settings.tenant.id.as_str();
    match command {
        Command::Grant { role, extent, reason } => {
            let new = grant(role, extent, &me);
            let granted = desk.grant_role(tenant, &me, &new, &reason).await.map_err(told)?;
            changed(context, &new, granted, "has", "has it")?;
        }
        Command::Revoke { role, extent, reason } => {
            let had = grant(role, extent, &me);
            let revoked = desk.revoke_role(tenant, &me, &had, &reason).await.map_err(told)?;
            changed(context, &had, revoked, "no longer has", "does not have it")?;
        }
        Command::List { principal, all } => {
            let of = principal.map(|of| if of == "me" { me.clone() } else { of });
            let (enforced, roles) = desk.roles(tenant, of.as_deref(), all).await.map_err(told)?;
            context.out.note(&state(tenant, enforced));
            context.out.data(&json!({ "tenant": tenant, "enforced": enforced, "roles": roles }), || list(&roles))?;
        }
        Command::Known => {
            let rules = &desk.catalogue().authority;
            context.out.data(rules, || known(rules))?;
        }
        Command::Refused => {
            let refused = desk.access_refusals(tenant, &me).await.map_err(told)?;
            context.out.data(&refused, || refusals(&refused))?;
        }
    }
    Ok(())
}

fn changed(context: &Context, grant: &Grant, now: bool, does: &str, already: &str) -> anyhow::Result<()> {
    let Grant { principal, role, extent } = grant;
    context.out.data(&json!({ "principal": principal, "role": role, "extent": extent, "now": now }), || match now {
        true => format!("{principal} {does} {role} for the {extent}"),
        false => format!("already done: {role} for the {extent}: {principal} {already}"),
    })?;
    Ok(())
}

/// What a missing role means here.
pub fn state(tenant: &str, enforced: bool) -> String {
    match enforced {
        true => format!("tenant {tenant}: rights are enforced; a right is had by a role or not at all"),
        false => format!(
            "tenant {tenant}: no role was ever granted, so everybody has every right of one person, and a second person \
             acts with a token; the first grant ends that"
        ),
    }
}

fn list(roles: &[RoleLine]) -> String {
    if roles.is_empty() {
        return "no roles".into();
    }
    let row = |r: &RoleLine| {
        let ended = r.revoked_by.as_ref().zip(r.revoked_at).map(|(by, at)| format!("{} by {by}", at.to_rfc3339()));
        [
            r.principal.clone(),
            r.role.clone(),
            plain(&r.extent.to_string()),
            r.granted_by.clone(),
            r.granted_at.to_rfc3339(),
            ended.unwrap_or_else(|| "-".into()),
            plain(&r.reason),
        ]
    };
    table(["principal", "role", "for", "granted by", "granted", "revoked", "reason"], roles.iter().map(row))
}

fn known(rules: &fallout_core::authority::Authorities) -> String {
    let row = |role: &fallout_core::authority::Role| {
        let holds = rules.rights.iter().filter(|right| right.roles.contains(&role.code));
        let holds: Vec<&str> = holds.map(|right| right.code.word()).collect();
        [role.code.clone(), role.meaning.clone(), holds.join(", ")]
    };
    table(["role", "who", "rights"], rules.roles.iter().map(row))
}

fn refusals(refused: &[RefusalLine]) -> String {
    if refused.is_empty() {
        return "nothing was refused".into();
    }
    let row = |r: &RefusalLine| {
        [r.at.to_rfc3339(), r.principal.clone(), r.authority.clone(), plain(&r.subject), plain(&r.message)]
    };
    table(["at", "principal", "right", "about", "answer"], refused.iter().map(row))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn parsed(words: &str) -> Result<Command, clap::Error> {
        Line::try_parse_from(std::iter::once("role").chain(words.split(' '))).map(|line| line.command)
    }

    #[test]
    fn a_role_is_for_the_tenant_or_for_one_thing_of_it() {
        let rows = [
            ("grant me order_ops --reason r", Extent::Tenant),
            ("grant me order_ops --group Ops --reason r", Extent::Group("Ops".into())),
            ("grant me order_ops --customer C-1 --reason r", Extent::Customer("C-1".into())),
            ("grant me order_ops --order o-1 --reason r", Extent::Order("o-1".into())),
        ];
        for (words, expected) in rows {
            let Command::Grant { role, extent, .. } = parsed(words).unwrap() else { panic!("{words}") };
            let new = grant(role, extent, "local:ann");
            assert_eq!((new.principal.as_str(), new.extent), ("local:ann", expected), "{words}");
        }
        assert!(parsed("grant me order_ops --group Ops --order o-1 --reason r").is_err());
        assert!(parsed("grant me order_ops").is_err(), "without a reason");
    }

    #[test]
    fn whether_rights_are_asked_for_is_said_in_words() {
        assert!(state("t", false).contains("every right of one person"));
        assert!(state("t", true).contains("enforced"));
    }
}
