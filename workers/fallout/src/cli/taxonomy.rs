//! `fallout taxonomy list | show | check | load | versions`: the shared language of trouble, as it holds for a tenant.

use std::sync::Arc;

use chrono::SecondsFormat;
use clap::Subcommand;
use fallout_core::taxonomy::{Category, Classification, Taxonomy};
use fallout_desk::{Desk, Loaded, VersionLine};
use serde_json::json;

use super::{
    Context,
    case::{principal, told},
};
use crate::{
    codes::Failure,
    config::suggest,
    exit::Exit,
    output::{action_name, table},
};

/// Look up what kinds of trouble there are, who owns them and how they are recovered
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout taxonomy list --classifications
  fallout taxonomy show ADDRESS_NOT_SERVICEABLE
  fallout taxonomy show engine:failedJob     what someone else's code stands for
  fallout taxonomy check                     taxonomy, tenants and customer states, all problems at once
  fallout taxonomy load                      keep this version in the database, as migrate does; policies too")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
    /// For this tenant instead of the one of the settings
    #[arg(long, global = true, value_name = "TENANT")]
    pub tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every category with its owner, clock and recovery
    List {
        /// The exact findings below the categories instead
        #[arg(long)]
        classifications: bool,
    },
    /// One category, one classification, or what a SOURCE:CODE of someone else stands for
    Show {
        #[arg(value_name = "CODE")]
        code: String,
    },
    /// Everything that is wrong with the files, at once
    Check,
    /// Keep the present versions in the database
    Load,
    /// The versions that the database has
    Versions,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(context.settings.catalogue()?);
    let tenant = args.tenant.as_deref().unwrap_or(&context.settings.tenant.id);
    let taxonomy = catalogue.taxonomy_of(tenant);
    let out = context.out;
    let desk = || anyhow::Ok(Desk::new(context.settings.database.store()?, Arc::clone(&catalogue)));
    match args.command {
        Command::List { classifications: false } => out.data(taxonomy, || categories(taxonomy))?,
        Command::List { classifications: true } => out.data(taxonomy, || classifications(taxonomy))?,
        Command::Show { code } => {
            let (category, classification) = found(taxonomy, &code)?;
            let json = json!({ "version": taxonomy.label(), "category": category, "classification": classification });
            out.data(&json, || shown(taxonomy, category, classification))?;
        }
        Command::Check => {
            let of_tenants = catalogue.tenants.iter().map(|(tenant, own)| (tenant.as_str(), own));
            let all: Vec<_> = [("", &catalogue.taxonomy)].into_iter().chain(of_tenants).collect();
            let json: Vec<_> =
                all.iter().map(|(tenant, t)| json!({ "tenant": tenant, "version": t.label() })).collect();
            let states = catalogue.customer.states.len();
            out.data(&json!({ "ok": true, "taxonomies": json, "customer_states": states }), || checked(&all, states))?;
        }
        Command::Load => {
            let loaded = desk()?.load_reference(&principal()).await.map_err(told)?;
            out.data(&loaded, || loaded.iter().map(loaded_text).collect::<Vec<_>>().join("\n"))?;
        }
        Command::Versions => {
            let versions = desk()?.taxonomy_versions().await.map_err(told)?;
            out.data(&versions, || versions_text(&versions))?;
        }
    }
    Ok(Exit::Done)
}

fn categories(taxonomy: &Taxonomy) -> String {
    let row = |c: &Category| {
        [
            c.code.clone(),
            c.owner_group.clone(),
            c.recovery_style.clone(),
            action_name(c.recommended_action).to_owned(),
            c.severity.to_string(),
            format!("{} ({} h)", c.sla_policy, c.sla_hours),
            c.customer_state.clone(),
        ]
    };
    let headers = ["category", "owner", "recovery", "recommended", "severity", "clock", "customer sees"];
    table(headers, taxonomy.categories.iter().map(row))
}

fn classifications(taxonomy: &Taxonomy) -> String {
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let row = |c: &Classification| {
        [
            c.code.clone(),
            c.category.clone(),
            taxonomy.weight(&c.code).to_string(),
            if c.own_case { "own" } else { "the step's" }.to_owned(),
            dash(c.maps.join(" ")),
            c.summary.clone(),
        ]
    };
    let headers = ["classification", "category", "precedence", "case", "stands for", "what"];
    table(headers, taxonomy.classifications.iter().map(row))
}

type Found<'a> = (&'a Category, Option<&'a Classification>);

fn found<'a>(taxonomy: &'a Taxonomy, wanted: &str) -> Result<Found<'a>, Failure> {
    let mapped = wanted.split_once(':').and_then(|(source, code)| taxonomy.mapped(source, code));
    let by_code = || taxonomy.classifications.iter().find(|c| c.code.eq_ignore_ascii_case(wanted));
    if let Some(classification) = mapped.or_else(by_code)
        && let Some(category) = taxonomy.category_of(&classification.code)
    {
        return Ok((category, Some(classification)));
    }
    if let Some(category) = taxonomy.categories.iter().find(|c| c.code.eq_ignore_ascii_case(wanted)) {
        return Ok((category, None));
    }
    let classifications = taxonomy.classifications.iter();
    let codes =
        classifications.flat_map(|c| c.maps.iter().chain([&c.code])).chain(taxonomy.categories.iter().map(|c| &c.code));
    let hint = suggest::did_you_mean(suggest::closest(wanted, codes.map(String::as_str)));
    let what = format!("the taxonomy has no {wanted}{hint}");
    Err(Failure::new("FO-049", what))
}

fn shown(taxonomy: &Taxonomy, category: &Category, classification: Option<&Classification>) -> String {
    let code = classification.map_or(category.code.as_str(), |c| c.code.as_str());
    let recommended = classification.and_then(|c| c.recommended_action).unwrap_or(category.recommended_action);
    let severity = classification.and_then(|c| c.severity).unwrap_or(category.severity);
    let allowed = category.allowed_actions.iter().map(|a| action_name(*a)).collect::<Vec<_>>().join(", ");
    let mut lines = match classification {
        Some(c) => {
            vec![format!("{}: {}", c.code, c.summary), format!("category     {} ({})", category.code, category.name)]
        }
        None => vec![format!("{}: {}, e.g. {}", category.code, category.name, category.example)],
    };
    lines.extend([
        format!("owner        {}", category.owner_group),
        format!("recovery     {}", category.recovery_style),
        format!("recommended  {}", action_name(recommended)),
        format!("allowed      {allowed}"),
        format!("severity     {severity}"),
        format!("clock        {}, {} h", category.sla_policy, category.sla_hours),
        format!("customer     {}", category.customer_state),
    ]);
    if let Some(c) = classification {
        let case = if c.own_case { "a case of its own, beside that of the step" } else { "the case of its step" };
        lines.push(format!("case         {case}"));
        lines.push(format!("precedence   {}", taxonomy.weight(&c.code)));
        if !c.maps.is_empty() {
            lines.push(format!("stands for   {}", c.maps.join(", ")));
        }
    } else {
        let below = taxonomy.classifications.iter().filter(|c| c.category == category.code).map(|c| c.code.as_str());
        lines.push(format!("below it     {}", below.collect::<Vec<_>>().join(", ")));
    }
    let runbook = match category.runbook.starts_with("https://") {
        true => category.runbook.clone(),
        false => format!("fallout explain {code}"),
    };
    lines.push(format!("runbook      {runbook}\nversion      {}", taxonomy.label()));
    lines.join("\n")
}

fn checked(all: &[(&str, &Taxonomy)], states: usize) -> String {
    let line = |(tenant, t): &(&str, &Taxonomy)| {
        let whose = if tenant.is_empty() { "everybody" } else { tenant };
        let (categories, codes) = (t.categories.len(), t.classifications.len());
        format!("{whose}: version {}, {categories} categories, {codes} classifications", t.label())
    };
    let lines: Vec<String> = all.iter().map(line).collect();
    format!("{}\n{states} customer states\nnothing to say", lines.join("\n"))
}

pub(super) fn loaded_text(loaded: &Loaded) -> String {
    let whose = if loaded.tenant.is_empty() { "everybody" } else { &loaded.tenant };
    let did = if loaded.now { "kept" } else { "already done: it was kept before" };
    format!("{} {} of {whose}: {did}", loaded.what, loaded.version)
}

pub(super) fn versions_text(versions: &[VersionLine]) -> String {
    if versions.is_empty() {
        return "no version is kept yet (fallout taxonomy load)".into();
    }
    let row = |v: &VersionLine| {
        let version =
            if v.tenant_version == 0 { v.version.to_string() } else { format!("{}.{}", v.version, v.tenant_version) };
        let whose = if v.tenant.is_empty() { "everybody".to_owned() } else { v.tenant.clone() };
        [whose, version, v.loaded_at.to_rfc3339_opts(SecondsFormat::Secs, true), v.loaded_by.clone()]
    };
    table(["of", "version", "kept at", "by"], versions.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn shipped() -> Taxonomy {
        Settings::default().catalogue().unwrap().taxonomy
    }

    #[test]
    fn a_classification_is_shown_with_everything_that_follows_from_it() {
        let taxonomy = shipped();
        let (category, classification) = found(&taxonomy, "engine:failedJob").unwrap();
        let expected = "\
ENGINE_INCIDENT: The engine shows an incident.
category     WORKFLOW_INCIDENT (Workflow Incident)
owner        Platform Ops
recovery     retry, fix, migrate, or compensate
recommended  retry
allowed      retry, resume, skip, cancel
severity     SEV3
clock        urgent, 8 h
customer     PROCESSING_DELAYED
case         the case of its step
precedence   20
stands for   engine:failedJob, engine:failedExternalTask
runbook      fallout explain ENGINE_INCIDENT
version      3";
        assert_eq!(shown(&taxonomy, category, classification), expected);
    }

    #[test]
    fn a_category_names_what_is_below_it_and_a_slip_is_met_with_a_suggestion() {
        let taxonomy = shipped();
        let (category, classification) = found(&taxonomy, "compensation").unwrap();
        assert!(classification.is_none());
        assert!(shown(&taxonomy, category, None).contains("\nbelow it     UNDO_REQUIRED\n"));
        let failure = found(&taxonomy, "ENGINE_INCIDEND").unwrap_err();
        assert_eq!(failure.code.id, "FO-049");
        assert!(failure.to_string().contains("did you mean ENGINE_INCIDENT?"), "{failure}");
    }

    #[test]
    fn the_lists_have_a_line_for_every_code() {
        let taxonomy = shipped();
        assert_eq!(categories(&taxonomy).lines().count(), taxonomy.categories.len() + 1);
        let lines = classifications(&taxonomy);
        assert_eq!(lines.lines().count(), taxonomy.classifications.len() + 1);
        let own = lines.lines().find(|l| l.starts_with("CALLBACK_UNMATCHED")).unwrap();
        assert!(own.contains("own") && own.contains("callback:NO_MATCH callback:AMBIGUOUS"), "{own}");
    }
}
