//! `fallout audit verify | anchor`: whether the history is still what was written.

mod anchors;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use clap::Subcommand;
use fallout_desk::{Anchor, Desk, Finding, Verified};
use serde_json::json;

use super::{Context, case::told};
use crate::{
    codes::Failure,
    exit::Exit,
    output::{Output, table},
};

/// Prove that the history of cases is what was written
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Verify(Verify),
    Anchor(To),
}

/// Compare every sealed entry with its seal, every seal with the one before, and the chains with exported heads
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout audit verify
  fallout audit verify --anchors /mnt/worm/fallout.anchors

Without --anchors a cut-off end and a chain that was written anew as a whole are not found. The controller `seal` makes the
seals. docs/AUDIT.md says what this proves and what not.")]
pub struct Verify {
    /// Heads that were exported with `audit anchor`
    #[arg(long, value_name = "FILE")]
    pub anchors: Option<PathBuf>,
    /// Only this tenant; without it, all
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
}

/// Add the present head of every tenant's chain to a file that the database's owner cannot write
#[derive(Debug, clap::Args)]
pub struct To {
    /// One JSON object a line is added; the file is made when it is not there
    #[arg(long = "to", value_name = "FILE")]
    pub file: PathBuf,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let desk = Desk::new(context.settings.database.store()?, Arc::new(context.settings.catalogue()?));
    match args.command {
        Command::Verify(verify) => self::verify(&desk, &verify, context.out).await,
        Command::Anchor(to) => anchor(&desk, &to, context.out).await,
    }
}

async fn anchor(desk: &Desk, to: &To, out: Output) -> anyhow::Result<Exit> {
    let known = if to.file.exists() { anchors::read(&to.file)? } else { Vec::new() };
    let mut new = desk.heads().await.map_err(told)?;
    new.retain(|head| !known.contains(head));
    anchors::append(&to.file, &new)?;
    out.data(&json!({ "anchored": new, "file": to.file }), || match new.len() {
        0 => "already done: every head is in the file".into(),
        n => format!("{n} heads added to {}", to.file.display()),
    })?;
    Ok(Exit::Done)
}

async fn verify(desk: &Desk, args: &Verify, out: Output) -> anyhow::Result<Exit> {
    let anchors = args.anchors.as_deref().map_or(Ok(Vec::new()), anchors::read)?;
    let mut verified = Vec::new();
    for tenant in tenants(desk, args, &anchors).await? {
        verified.push(desk.verify_history(&tenant, &anchors).await.map_err(told)?);
    }
    out.data(&verified, || text(&verified))?;
    let found: usize = verified.iter().map(|v| v.findings.len()).sum();
    if found > 0 {
        let tenants: Vec<_> = verified.iter().filter(|v| !v.findings.is_empty()).map(|v| v.tenant.as_str()).collect();
        let message = format!("{found} findings: the history of {} is not what was written", tenants.join(", "));
        return Err(Failure::new("FO-080", message).into());
    }
    if args.anchors.is_none() {
        out.note("a cut-off end would not be seen without --anchors FILE (fallout audit anchor --to FILE)");
    }
    Ok(Exit::Done)
}

/// Also those of whom only an anchor is left.
async fn tenants(desk: &Desk, args: &Verify, anchors: &[Anchor]) -> anyhow::Result<BTreeSet<String>> {
    if let Some(one) = &args.tenant {
        return Ok([one.clone()].into());
    }
    let mut all: BTreeSet<String> = desk.audited_tenants().await.map_err(told)?.into_iter().collect();
    all.extend(anchors.iter().map(|a| a.tenant.clone()));
    Ok(all)
}

fn text(verified: &[Verified]) -> String {
    if verified.is_empty() {
        return "there is no history yet".into();
    }
    let said = |v: &Verified| if v.findings.is_empty() { "as written".to_owned() } else { "TAMPERED WITH".to_owned() };
    let row =
        |v: &Verified| [v.tenant.clone(), v.seals.to_string(), v.entries.to_string(), v.unsealed.to_string(), said(v)];
    let chains = table(["tenant", "seals", "entries", "not sealed yet", "history"], verified.iter().map(row));
    let findings = verified.iter().flat_map(|v| v.findings.iter().map(|f| finding(&v.tenant, f)));
    let findings: Vec<_> = findings.collect();
    match findings.is_empty() {
        true => chains,
        false => format!("{chains}\n\n{}", table(["tenant", "seal", "what", "entries"], findings)),
    }
}

fn finding(tenant: &str, found: &Finding) -> [String; 4] {
    let entries: Vec<_> = found.entries.iter().map(ToString::to_string).collect();
    [tenant.to_owned(), found.seal.to_string(), found.what.to_string(), entries.join(" ")]
}

#[cfg(test)]
mod tests {
    use fallout_desk::Tampering;

    use super::*;

    #[test]
    fn a_finding_names_the_tenant_the_seal_and_the_entries() {
        let findings = vec![Finding { seal: 2, what: Tampering::Deleted, entries: vec![uuid::Uuid::nil()] }];
        let verified = [
            Verified { tenant: "acme".into(), seals: 3, entries: 1400, unsealed: 2, findings },
            Verified { tenant: "other".into(), seals: 1, entries: 7, unsealed: 0, findings: Vec::new() },
        ];
        let expected = "\
tenant  seals  entries  not sealed yet  history
acme    3      1400     2               TAMPERED WITH
other   1      7        0               as written

tenant  seal  what     entries
acme    2     deleted  00000000-0000-0000-0000-000000000000";
        assert_eq!(text(&verified), expected);
    }
}
