//! `fallout explain CODE`: the runbook page of a code, or of the category that a finding belongs to.

use fallout_core::taxonomy::Taxonomy;
use serde::Serialize;
use serde_json::json;

use crate::{
    codes::{CODES, category_page, code},
    config::{shipped, suggest},
    exit::Exit,
    output::{Output, table},
};

/// Print what a code means and what to do about it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code (FO-012), a category (PROVISIONING) or a classification (ADDRESS_NOT_SERVICEABLE); none: the list
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

#[derive(Serialize)]
struct Page<'a> {
    code: &'a str,
    title: &'a str,
    page: String,
}

pub fn run(args: &Args, out: Output) -> anyhow::Result<Exit> {
    let Some(wanted) = &args.code else { return list(out) };
    let taxonomy: Taxonomy = toml::from_str(shipped::TAXONOMY)?;
    let Some(page) = coded(wanted).or_else(|| found(wanted, &taxonomy)) else {
        let categories = taxonomy.categories.iter().map(|c| c.code.as_str());
        let classifications = taxonomy.classifications.iter().map(|c| c.code.as_str());
        let known = categories.chain(classifications);
        // Every number is close to every other; only words can be meant.
        let hint = suggest::did_you_mean(suggest::closest(wanted, known));
        out.note(&format!("error: {wanted} is not a code of this program{hint}\n  next: fallout explain (lists all)"));
        return Ok(Exit::Usage);
    };
    out.data(&page, || page.page.clone())?;
    Ok(Exit::Done)
}

fn list(out: Output) -> anyhow::Result<Exit> {
    let json: Vec<_> = CODES.iter().map(|code| json!({ "code": code.id, "title": code.title() })).collect();
    let rows = CODES.iter().map(|code| [code.id.to_owned(), code.title().to_owned()]);
    out.data(&json, || table(["code", "what"], rows))?;
    Ok(Exit::Done)
}

fn coded(wanted: &str) -> Option<Page<'static>> {
    let code = code(wanted)?;
    Some(Page { code: code.id, title: code.title(), page: code.page.to_owned() })
}

/// A category or classification of the taxonomy.
fn found<'a>(wanted: &str, taxonomy: &'a Taxonomy) -> Option<Page<'a>> {
    let classification = taxonomy.classifications.iter().find(|c| c.code.eq_ignore_ascii_case(wanted));
    let category = match classification {
        Some(classification) => taxonomy.category_of(&classification.code),
        None => taxonomy.categories.iter().find(|c| c.code.eq_ignore_ascii_case(wanted)),
    }?;
    let page = category_page(&category.runbook)?;
    Some(match classification {
        Some(c) => Page { code: &c.code, title: &c.summary, page: format!("{}: {}\n\n{page}", c.code, c.summary) },
        None => Page { code: &category.code, title: &category.name, page: page.to_owned() },
    })
}
