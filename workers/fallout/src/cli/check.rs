//! `fallout check`: everything that keeps this from working here, at once.

mod database;
mod engine;
pub mod preflight;

use serde::Serialize;

use super::Context;
use crate::{
    config::{Problem, ServerSettings, models},
    exit::Exit,
    output::{BAD, GOOD, styled, table},
};

/// Check configuration, operations, models, engine and database, and tell every problem at once
#[derive(Debug, clap::Args)]
pub struct Args {}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub area: &'static str,
    pub subject: String,
    pub ok: bool,
    pub detail: String,
    /// For `fallout explain`; with `ok` it is a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    findings: &'a [Finding],
}

impl Finding {
    fn good(area: &'static str, subject: &str, detail: impl Into<String>) -> Self {
        Self { area, subject: subject.to_owned(), ok: true, detail: detail.into(), code: None }
    }

    fn warning(area: &'static str, subject: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::good(area, subject, detail) }
    }

    fn bad(area: &'static str, subject: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self { area, subject: subject.to_owned(), ok: false, detail: detail.into(), code: Some(code) }
    }
}

/// `problems` are those of the configuration; the checks run with what was left of it.
pub async fn run(_: Args, context: &Context, problems: Vec<Problem>) -> anyhow::Result<Exit> {
    let mut findings = settings(problems);
    findings.extend(door(&context.settings.server));
    findings.extend(catalogue_and_models(context));
    let (engine, database) = tokio::join!(engine::findings(&context.settings), database::findings(&context.settings));
    findings.extend(engine);
    findings.extend(database);
    let ok = findings.iter().all(|finding| finding.ok);
    context.out.data(&Report { ok, findings: &findings }, || text(&findings))?;
    Ok(if ok { Exit::Done } else { Exit::Refused })
}

/// Nothing where only this machine is listened to.
fn door(server: &ServerSettings) -> Option<Finding> {
    let what = "reached from other machines, and tokens travel in clear: put a proxy in front that ends TLS";
    server.is_beyond_loopback().then(|| Finding::warning("configuration", &server.listen, "FO-055", what))
}

fn settings(problems: Vec<Problem>) -> Vec<Finding> {
    several("configuration", "settings", "FO-001", problems, || "read".to_owned())
}

/// One line when all is well, else one per problem.
fn several(
    area: &'static str,
    subject: &str,
    code: &'static str,
    problems: Vec<Problem>,
    good: impl FnOnce() -> String,
) -> Vec<Finding> {
    if problems.is_empty() {
        return vec![Finding::good(area, subject, good())];
    }
    problems.into_iter().map(|problem| Finding::bad(area, &problem.place, code, problem.what)).collect()
}

fn catalogue_and_models(context: &Context) -> Vec<Finding> {
    let settings = &context.settings;
    let catalogue = match settings.catalogue.load() {
        Ok(catalogue) => catalogue,
        Err(problems) => return several("catalogue", "files", "FO-002", problems, String::new),
    };
    let count =
        || format!("{} operations, {} categories", catalogue.operations.len(), catalogue.taxonomy.categories.len());
    let mut findings = vec![Finding::good("catalogue", "files", count())];
    let mut unfit = settings.fleet.against(&catalogue);
    unfit.extend(settings.downstreams_without_address(&catalogue));
    findings
        .extend(several("configuration", "operations", "FO-001", unfit, || "every operation can be sent".to_owned()));
    let offline = settings.declared_offline();
    if !offline.is_empty() {
        let what = "declared offline: their steps wait, their topics are not fetched";
        findings.push(Finding::good("configuration", &offline.join(", "), what));
    }
    findings.extend(match models::load(&settings.catalogue) {
        Err(problems) => several("models", "files", "FO-014", problems, String::new),
        Ok(files) => {
            let found = models::findings(&files, &catalogue);
            several("models", "lint", "FO-014", found, || format!("{} files, nothing to say", files.len()))
        }
    });
    findings
}

fn text(findings: &[Finding]) -> String {
    let word = |finding: &Finding| match finding.code {
        None => "ok".to_owned(),
        Some(code) => code.to_owned(),
    };
    let row = |f: &Finding| [word(f), f.area.to_owned(), f.subject.clone(), f.detail.clone()];
    let rows = table(["", "area", "what", "found"], findings.iter().map(row));
    let problems = findings.iter().filter(|finding| !finding.ok).count();
    let verdict = match problems {
        0 => styled(GOOD, "all is well"),
        1 => styled(BAD, "1 problem; fallout explain CODE says what to do"),
        n => styled(BAD, &format!("{n} problems; fallout explain CODE says what to do")),
    };
    format!("{rows}\n\n{verdict}")
}
