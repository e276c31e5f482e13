//! `fallout explain CODE`: the runbook page of a code, or of the category that a finding belongs to.

use fallout_core::taxonomy::Taxonomy;
use serde::Serialize;
use serde_json::json;

use crate::{
    codes::{CODES, category_page, classification_page, code},
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
    let taxonomy: Taxonomy = toml::from_str(shipped::TAXONOMY)?;
    let Some(wanted) = &args.code else { return list(&taxonomy, out) };
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

fn list(taxonomy: &Taxonomy, out: Output) -> anyhow::Result<Exit> {
    let all = explained(taxonomy);
    let json: Vec<_> =
        all.iter().map(|(kind, code, title)| json!({ "kind": kind, "code": code, "title": title })).collect();
    let rows = all.iter().map(|(kind, code, title)| [(*code).to_owned(), (*kind).to_owned(), (*title).to_owned()]);
    out.data(&json, || table(["code", "kind", "what"], rows))?;
    Ok(Exit::Done)
}

/// Kind, code and title of everything that has a page.
fn explained(taxonomy: &Taxonomy) -> Vec<(&'static str, &str, &str)> {
    let codes = CODES.iter().map(|c| ("failure", c.id, c.title()));
    let categories = taxonomy.categories.iter().map(|c| ("category", c.code.as_str(), c.name.as_str()));
    let classifications =
        taxonomy.classifications.iter().map(|c| ("classification", c.code.as_str(), c.summary.as_str()));
    codes.chain(categories).chain(classifications).collect()
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
    let own = classification.and_then(|c| classification_page(&c.code));
    let page = own.or_else(|| category_page(&category.runbook))?;
    Some(match classification {
        Some(c) => Page { code: &c.code, title: &c.summary, page: format!("{}: {}\n\n{page}", c.code, c.summary) },
        None => Page { code: &category.code, title: &category.name, page: page.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_listed_has_a_page() {
        let taxonomy: Taxonomy = toml::from_str(shipped::TAXONOMY).unwrap();
        let all = explained(&taxonomy);
        for wanted in ["FO-012", "PROVISIONING", "ADDRESS_NOT_SERVICEABLE"] {
            assert!(all.iter().any(|(_, code, _)| *code == wanted), "{wanted}");
        }
        for (_, code, title) in all {
            let page = coded(code).or_else(|| found(code, &taxonomy));
            assert!(page.is_some() && !title.is_empty(), "{code}");
        }
    }
}
