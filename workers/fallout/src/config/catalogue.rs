//! The catalogue from files: operations and taxonomy, every problem at once with the file it is in.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fallout_bpmn::TopicCodes;
use fallout_core::{
    authority::Authorities, bulk::BulkRules, catalogue::Catalogue, check::Finding, customer::CustomerPolicy,
    operation::Operation, personal::PersonalData, policy::Policies, problem::ProblemRules, severity::SeverityRules,
    sla::SlaRules, taxonomy::Taxonomy, verification::VerificationRules,
};
use serde::de::DeserializeOwned;

use super::{
    CatalogueSettings, Problem,
    operation_file::{self, Remark},
    problem::toml_error,
    shipped, tenants,
};
use crate::codes::category_page;

/// What is built in, by name and content.
const SEVERITY: (&str, &str) = ("config/severity.toml", shipped::SEVERITY);
const SLA: (&str, &str) = ("config/sla.toml", shipped::SLA);
const PROBLEMS: (&str, &str) = ("config/problems.toml", shipped::PROBLEMS);
const PERSONAL_DATA: (&str, &str) = ("config/personal-data.toml", shipped::PERSONAL_DATA);
const POLICIES: (&str, &str) = ("config/policies.toml", shipped::POLICIES);
const AUTHORITY: (&str, &str) = ("config/authority.toml", shipped::AUTHORITY);
const VERIFICATION: (&str, &str) = ("config/verification.toml", shipped::VERIFICATION);
const BULK: (&str, &str) = ("config/bulk.toml", shipped::BULK);

/// A file as (name for messages, content).
pub(super) type NamedText = (String, String);

/// Everything that was read, and every remark about it: of the taxonomy as problems, of the operations one by one.
#[derive(Debug, Default)]
pub struct Read {
    pub catalogue: Catalogue,
    pub files: usize,
    pub problems: Vec<Problem>,
    pub remarks: Vec<Remark>,
    /// The file of each operation.
    places: BTreeMap<String, String>,
}

pub(super) fn load(settings: &CatalogueSettings) -> Result<Catalogue, Vec<Problem>> {
    let Read { catalogue, mut problems, remarks, .. } = read(settings, &[]);
    problems.extend(remarks.into_iter().filter(|remark| remark.refused).map(problem));
    if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
}

/// The taxonomy of the settings, and these operations: files and folders; none: those of the settings.
pub(super) fn read(settings: &CatalogueSettings, paths: &[PathBuf]) -> Read {
    let mut problems = Vec::new();
    let taxonomy = taxonomy(&settings.taxonomy, &mut problems);
    // Without a taxonomy, which is told of itself, there is nothing to lay anything over.
    let tenants = match taxonomy.categories.is_empty() {
        true => BTreeMap::new(),
        false => tenants::read(&settings.tenants, "taxonomy.toml", &taxonomy, taxonomy_problems, &mut problems),
    };
    let severity = reference(&settings.severity, SEVERITY, SeverityRules::check, &mut problems);
    let all = || std::iter::once(&taxonomy).chain(tenants.values());
    let checked = |sla: &SlaRules| {
        let clocks = all().flat_map(|taxonomy| sla.unknown_clocks(taxonomy));
        [sla.check(), fallout_desk::unknown_zones(sla), clocks.collect()].concat()
    };
    let sla = reference(&settings.sla, SLA, checked, &mut problems);
    // Without a taxonomy, which is told of itself, no code is known.
    let knows = |code: &str| taxonomy.classifications.is_empty() || taxonomy.classification(code).is_some();
    let checked = |rules: &ProblemRules| rules.check(knows);
    let rules = reference(&settings.problems, PROBLEMS, checked, &mut problems);
    let checked = |personal: &PersonalData| personal.check(&severity);
    let personal = reference(&settings.personal_data, PERSONAL_DATA, checked, &mut problems);
    let authority = reference(&settings.authority, AUTHORITY, Authorities::check, &mut problems);
    let verification = reference(&settings.verification, VERIFICATION, VerificationRules::check, &mut problems);
    let bulk = reference(&settings.bulk, BULK, BulkRules::check, &mut problems);
    let policies = reference(&settings.policies, POLICIES, Policies::check, &mut problems);
    let checked = |file: &str, own: &Policies| own.check().into_iter().map(|what| Problem::new(file, what)).collect();
    let own_policies = tenants::read(&settings.tenants, "policies.toml", &policies, checked, &mut problems);
    let texts = if paths.is_empty() {
        folder(&settings.operations, "toml", "config/operations", shipped::OPERATIONS, &mut problems)
    } else {
        paths.iter().flat_map(|path| texts(path, &mut problems)).collect()
    };
    let files = texts.len();
    let mut read = Read {
        catalogue: Catalogue {
            taxonomy,
            tenants,
            severity,
            sla,
            problems: rules,
            authority,
            verification,
            bulk,
            policies,
            own_policies,
            personal,
            ..Default::default()
        },
        files,
        problems,
        ..Default::default()
    };
    texts.iter().for_each(|(file, text)| read.take(file, text));
    read.pair(paths.is_empty());
    if paths.is_empty() {
        let unknown = read.catalogue.verification.unknown(|op| read.catalogue.operation(op).is_some());
        read.problems.extend(unknown.into_iter().map(|what| Problem::new(VERIFICATION.0, what)));
    }
    let beside = read.catalogue.beside_their_step();
    let tenants = settings.tenants.display().to_string();
    read.problems.extend(beside.into_iter().map(|what| Problem::new(&tenants, what)));
    // Those that are built in are about the operations that are: with others, a route that leads nowhere is none.
    let theirs = !settings.operations.as_os_str().is_empty() && settings.policies.as_os_str().is_empty();
    if theirs {
        let Catalogue { operations, policies, .. } = &mut read.catalogue;
        policies.routes.retain(|route| [&route.operation, &route.by].iter().all(|name| operations.contains_key(*name)));
    }
    // Where something cannot be read, what it would have defined is missing for that reason alone.
    let whole = read.problems.is_empty() && !read.remarks.iter().any(|remark| remark.refused);
    if paths.is_empty() && whole && !theirs {
        read.policies(&settings.policies, &settings.tenants);
    }
    read.customer(&settings.customer_status);
    read
}

impl Read {
    /// Last, since no text of it may name anything of the others.
    fn customer(&mut self, path: &Path) {
        let given = one(path, "config/customer-status.toml", shipped::CUSTOMER_STATUS, &mut self.problems);
        let Some((file, text)) = given else { return };
        let Some(policy) = parsed::<CustomerPolicy>(&file, &text, &mut self.problems) else { return };
        self.problems.extend(policy.check(&self.catalogue).into_iter().map(|what| Problem::new(&file, what)));
        self.catalogue.customer = policy;
    }

    /// What they name stands elsewhere; of operations that were picked out, it may not be among them.
    fn policies(&mut self, file: &Path, tenants: &Path) {
        let name =
            if file.as_os_str().is_empty() { format!("{} (built in)", POLICIES.0) } else { file.display().to_string() };
        let catalogue = &self.catalogue;
        let mut wrong: Vec<Problem> =
            catalogue.policies.beside(catalogue).into_iter().map(|what| Problem::new(&name, what)).collect();
        for (tenant, own) in &catalogue.own_policies {
            let file = tenants.join(tenant).join("policies.toml").display().to_string();
            let of_it = own.beside(catalogue).into_iter().map(|what| Problem::new(&file, what));
            wrong.extend(
                of_it.filter(|problem| !wrong.iter().any(|known| known.what == problem.what)).collect::<Vec<_>>(),
            );
        }
        self.problems.extend(wrong);
    }

    /// Once all are read. Of files that were picked out, one that is named may lie elsewhere.
    fn pair(&mut self, all: bool) {
        let remark = |(op, found): (&str, Finding)| {
            let file = self.places.get(op).cloned().unwrap_or_default();
            Remark { refused: all, ..Remark::refused(&file, found.field, found.what, found.next) }
        };
        let remarks: Vec<Remark> = self.catalogue.unpaired().into_iter().map(remark).collect();
        self.remarks.extend(remarks);
    }

    fn take(&mut self, file: &str, text: &str) {
        let (operation, remarks) = operation_file::read(file, text, &self.catalogue.taxonomy);
        self.remarks.extend(remarks);
        let Some(operation) = operation else { return };
        let name = operation.name.clone();
        self.places.insert(name.clone(), file.to_owned());
        // One file per operation, found by its name; so no two files of a folder can define the same one.
        if Path::new(file).file_stem().is_none_or(|stem| stem != name.as_str()) {
            let what = format!("defines {name}, so it must be called {name}.toml");
            self.remarks.push(Remark::refused(file, "name", what, "rename the file or the operation"));
        } else if self.catalogue.operations.insert(name.clone(), operation).is_some() {
            let what = format!("another of these files defines {name} too");
            self.remarks.push(Remark::refused(file, "name", what, "take one of them out"));
        }
    }
}

fn problem(remark: Remark) -> Problem {
    let what = match remark.field.as_str() {
        "" => remark.what,
        field => format!("{field}: {}; {}", remark.what, remark.next),
    };
    Problem::new(remark.file, what)
}

/// A file, or every .toml file of a folder.
fn texts(path: &Path, problems: &mut Vec<Problem>) -> Vec<NamedText> {
    let file = path.display().to_string();
    if path.is_dir() {
        return folder(path, "toml", "", &[], problems);
    }
    match fs::read_to_string(path) {
        Ok(text) => vec![(file, text)],
        Err(error) => {
            problems.push(Problem::new(file, format!("the file cannot be read: {error}")));
            Vec::new()
        }
    }
}

/// The error codes that each topic may raise, for the lint of models.
pub fn topic_codes(catalogue: &Catalogue) -> TopicCodes {
    let codes = |op: &Operation| op.answers.business.values().map(|rejection| rejection.bpmn_error.clone()).collect();
    catalogue.operations.iter().map(|(topic, op)| (topic.clone(), codes(op))).collect()
}

/// A file by its path; the one that is built in when none is named.
fn one(path: &Path, name: &str, built_in: &str, problems: &mut Vec<Problem>) -> Option<NamedText> {
    if path.as_os_str().is_empty() {
        return Some((format!("{name} (built in)"), built_in.to_owned()));
    }
    texts(path, problems).pop()
}

/// Checked; an empty one where it cannot be read.
fn taxonomy(path: &Path, problems: &mut Vec<Problem>) -> Taxonomy {
    let given = one(path, "config/taxonomy.toml", shipped::TAXONOMY, problems);
    let Some((file, text)) = given else { return Taxonomy::default() };
    let Some(taxonomy) = parsed::<Taxonomy>(&file, &text, problems) else { return Taxonomy::default() };
    problems.extend(taxonomy_problems(&file, &taxonomy));
    taxonomy
}

fn reference<T: DeserializeOwned + Default>(
    path: &Path,
    built_in: (&str, &str),
    check: impl Fn(&T) -> Vec<String>,
    problems: &mut Vec<Problem>,
) -> T {
    let Some((file, text)) = one(path, built_in.0, built_in.1, problems) else { return T::default() };
    let Some(read) = parsed::<T>(&file, &text, problems) else { return T::default() };
    problems.extend(check(&read).into_iter().map(|what| Problem::new(&file, what)));
    read
}

/// What is wrong in itself, and runbooks that are not there.
pub(super) fn taxonomy_problems(file: &str, taxonomy: &Taxonomy) -> Vec<Problem> {
    let has_page = |runbook: &str| runbook.starts_with("https://") || category_page(runbook).is_some();
    let missing = taxonomy.categories.iter().filter(|c| !c.runbook.is_empty() && !has_page(&c.runbook));
    let missing = missing.map(|c| {
        format!("category {}: there is no runbook page {}; name one, or an https:// address", c.code, c.runbook)
    });
    taxonomy.check().into_iter().chain(missing).map(|what| Problem::new(file, what)).collect()
}

fn parsed<T: DeserializeOwned>(file: &str, text: &str, problems: &mut Vec<Problem>) -> Option<T> {
    toml::from_str(text).map_err(|error| problems.push(toml_error(file, text, &error))).ok()
}

/// The files of a folder by name; those that are built in when none is named.
pub(super) fn folder(
    path: &Path,
    extension: &str,
    built_in_folder: &str,
    built_in: &[(&str, &str)],
    problems: &mut Vec<Problem>,
) -> Vec<NamedText> {
    if path.as_os_str().is_empty() {
        return built_in.iter().map(|(name, text)| (format!("{built_in_folder}/{name}"), (*text).to_owned())).collect();
    }
    match read_folder(path, extension, problems) {
        Ok(files) => {
            if files.is_empty() {
                problems
                    .push(Problem::new(path.display().to_string(), format!("the folder holds no .{extension} file")));
            }
            files
        }
        Err(error) => {
            problems.push(Problem::new(path.display().to_string(), format!("the folder cannot be read: {error}")));
            Vec::new()
        }
    }
}

fn read_folder(path: &Path, extension: &str, problems: &mut Vec<Problem>) -> std::io::Result<Vec<NamedText>> {
    let entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => files.push((name, text)),
            Err(error) => problems.push(Problem::new(name, format!("the file cannot be read: {error}"))),
        }
    }
    Ok(files)
}
