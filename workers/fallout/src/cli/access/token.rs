//! `fallout access token add | list | revoke`: who may tell us something over HTTP.

use std::time::Duration;

use clap::Subcommand;
use fallout_core::token::TokenScope;
use fallout_desk::Token;
use serde_json::json;

use crate::{
    cli::{
        Context,
        case::told,
        duration::parse_duration,
        who::{self, Need},
    },
    codes::Failure,
    output::table,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token and print it, this once; only its hash is kept
    Add {
        /// Who uses it, e.g. order-owner
        #[arg(value_name = "NAME")]
        name: String,
        /// Who acts with it, where they are not called as the token is: two tokens of one person are no two people
        #[arg(long = "for", value_name = "PERSON")]
        person: Option<String>,
        /// What it may do: orders.write, signals.write, callbacks.write, read, events.read, cases.act; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope)]
        scopes: Vec<TokenScope>,
        /// How long, e.g. 90d; without it, until it is revoked
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        expires: Option<Duration>,
    },
    /// Every token of this tenant, and when it was last used
    List,
    /// End a token now
    Revoke {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

fn scope(text: &str) -> Result<TokenScope, String> {
    let all = TokenScope::ALL.iter().map(|s| s.word()).collect::<Vec<_>>().join(", ");
    text.parse().map_err(|_| format!("there is no scope {text}; there are {all}"))
}

pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let need = if matches!(command, Command::List) { Need::Read } else { Need::Act };
    let (desk, me) = who::desk(context, need).await?;
    let tenant = &context.settings.tenant.id;
    match command {
        Command::Add { name, person, scopes, expires } => {
            let valid = expires.map(|d| chrono::Duration::from_std(d).unwrap_or(chrono::Duration::days(36_500)));
            let made =
                desk.add_token_for(tenant, &me, (&name, person.as_deref()), &scopes, valid).await.map_err(told)?;
            context.out.note(&format!("token {name} of tenant {tenant}; it is shown this once:"));
            context.out.data(&made, || made.secret.clone())?;
        }
        Command::List => {
            let tokens = desk.tokens(tenant).await.map_err(told)?;
            context.out.data(&tokens, || list(&tokens))?;
        }
        Command::Revoke { name } => {
            let known = desk.tokens(tenant).await.map_err(told)?.iter().any(|t| t.name == name);
            if !known {
                return Err(Failure::new("FO-054", format!("there is no token {name} for this tenant")).into());
            }
            let revoked = desk.revoke_token(tenant, &me, &name).await.map_err(told)?;
            context.out.data(&json!({ "token": name, "revoked": revoked }), || match revoked {
                true => format!("{name} opens nothing any more"),
                false => format!("already done: {name} was revoked before"),
            })?;
        }
    }
    Ok(())
}

fn list(tokens: &[Token]) -> String {
    if tokens.is_empty() {
        return "no tokens".into();
    }
    let at = |time: Option<chrono::DateTime<chrono::Utc>>| time.map_or("-".to_owned(), |t| t.to_rfc3339());
    let row = |t: &Token| {
        let scopes = t.scopes.iter().map(|s| s.word()).collect::<Vec<_>>().join(", ");
        let ends = match t.revoked_at {
            Some(revoked) => format!("revoked {}", revoked.to_rfc3339()),
            None => at(t.expires_at),
        };
        [
            t.name.clone(),
            t.person.clone(),
            scopes,
            t.added_by.clone(),
            t.added_at.to_rfc3339(),
            ends,
            at(t.last_used_at),
        ]
    };
    table(["token", "of", "may", "added by", "added", "ends", "last used"], tokens.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_listed_with_how_long_they_are_good_and_when_they_were_used() {
        let at = |s| chrono::DateTime::from_timestamp(s, 0);
        let token = |name: &str, expires_at, revoked_at| Token {
            id: uuid::Uuid::nil(),
            tenant: "t".into(),
            name: name.into(),
            person: "jane".into(),
            scopes: vec![TokenScope::OrdersWrite, TokenScope::Read],
            added_by: "local:a".into(),
            added_at: at(0).unwrap(),
            expires_at,
            revoked_at,
            last_used_at: at(60),
        };
        let shown = list(&[token("owner", at(120), None), token("old", None, at(90))]);
        let lines: Vec<String> = shown.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "token of may added by added ends last used",
                "owner jane orders.write, read local:a 1970-01-01T00:00:00+00:00 1970-01-01T00:02:00+00:00 1970-01-01T00:01:00+00:00",
                "old jane orders.write, read local:a 1970-01-01T00:00:00+00:00 revoked 1970-01-01T00:01:30+00:00 1970-01-01T00:01:00+00:00",
            ]
        );
        assert_eq!(list(&[]), "no tokens");
        assert!(scope("orders").unwrap_err().contains("orders.write"));
    }
}
