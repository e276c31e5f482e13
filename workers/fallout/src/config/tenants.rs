//! Reference data of tenants that differ: what holds for everybody, with what a tenant's own file says laid over it by code.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::{Problem, problem::toml_error};

/// `<folder>/<tenant>/<name>`; a tenant without one is like everybody.
pub(super) fn read<T: Serialize + DeserializeOwned>(
    folder: &Path,
    name: &str,
    base: &T,
    check: impl Fn(&str, &T) -> Vec<Problem>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, T> {
    if folder.as_os_str().is_empty() {
        return BTreeMap::new();
    }
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => {
            let what = format!("the folder cannot be read: {error}");
            problems.push(Problem::new(folder.display().to_string(), what));
            return BTreeMap::new();
        }
    };
    let mut tenants = BTreeMap::new();
    for entry in entries {
        let file = entry.path().join(name);
        let tenant = entry.file_name().to_string_lossy().into_owned();
        if !file.exists() {
            continue;
        }
        match one(&file, base) {
            Ok(own) => {
                problems.extend(check(&file.display().to_string(), &own));
                tenants.insert(tenant, own);
            }
            Err(problem) => problems.push(problem),
        }
    }
    tenants
}

fn one<T: Serialize + DeserializeOwned>(file: &Path, base: &T) -> Result<T, Problem> {
    let name = file.display().to_string();
    let problem = |what: String| Problem::new(&name, what);
    let text = fs::read_to_string(file).map_err(|error| problem(format!("the file cannot be read: {error}")))?;
    let mut own: Table = toml::from_str(&text).map_err(|error| toml_error(&name, &text, &error))?;
    let version = own.remove("version").and_then(|v| v.as_integer()).filter(|v| *v > 0);
    let version = version.ok_or_else(|| problem("version: expected a number from 1, of this file's own".into()))?;
    own.insert("tenant_version".into(), Value::Integer(version));
    let base = Table::try_from(base).map_err(|error| problem(error.to_string()))?;
    let merged = laid_over(base, own).map_err(|what| problem(what.to_owned()))?;
    merged.try_into().map_err(|error: toml::de::Error| problem(error.message().to_owned()))
}

/// Lists of tables by their `code`, field by field; everything else as a whole.
fn laid_over(mut base: Table, own: Table) -> Result<Table, &'static str> {
    for (key, value) in own {
        match (base.get_mut(&key), value) {
            (Some(Value::Array(rows)), Value::Array(own)) => {
                own.into_iter().try_for_each(|row| lay_row(rows, row))?;
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
    Ok(base)
}

fn lay_row(rows: &mut Vec<Value>, own: Value) -> Result<(), &'static str> {
    let code = own.get("code").cloned().ok_or("every row needs its code")?;
    match (rows.iter_mut().find(|row| row.get("code") == Some(&code)), own) {
        (Some(Value::Table(row)), Value::Table(own)) => row.extend(own),
        (_, own) => rows.push(own),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use fallout_core::{policy::Policies, taxonomy::Taxonomy};

    use super::*;
    use crate::config::{catalogue::taxonomy_problems, shipped};

    /// What a tenant `t` with this file has, and what is wrong with it.
    fn read_own(text: &str) -> (Option<Taxonomy>, String) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("t")).unwrap();
        fs::create_dir(folder.path().join("like-everybody")).unwrap();
        fs::write(folder.path().join("t/taxonomy.toml"), text).unwrap();
        let base = toml::from_str(shipped::TAXONOMY).unwrap();
        let mut problems = Vec::new();
        let mut tenants = read(folder.path(), "taxonomy.toml", &base, taxonomy_problems, &mut problems);
        assert!(!tenants.contains_key("like-everybody"));
        (tenants.remove("t"), problems.iter().map(|p| p.what.clone()).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_tenants_file_changes_what_it_names_and_nothing_else() {
        let own = r#"
            version = 3
            [[category]]
            code = "PROVISIONING"
            owner_group = "Field Ops"
            [[classification]]
            code = "ADDRESS_NOT_SERVICEABLE"
            category = "VALIDATION"
            [[classification]]
            code = "DUCT_FULL"
            category = "PROVISIONING"
            summary = "No room for another cable."
        "#;
        let (taxonomy, problems) = read_own(own);
        let taxonomy = taxonomy.unwrap();
        let base: Taxonomy = toml::from_str(shipped::TAXONOMY).unwrap();
        assert_eq!((problems.as_str(), taxonomy.label()), ("", format!("{}.3", base.version)));
        let category = |code| taxonomy.category_of(code).unwrap();
        assert_eq!(category("DUCT_FULL").owner_group, "Field Ops");
        assert_eq!(category("ADDRESS_NOT_SERVICEABLE").code, "VALIDATION");
        assert_eq!(category("DUCT_FULL").runbook, base.category_of("ADDRESS_NOT_SERVICEABLE").unwrap().runbook);
        assert_eq!(taxonomy.classifications.len(), base.classifications.len() + 1);
    }

    #[test]
    fn what_a_tenants_file_breaks_is_told() {
        let check = |own: &str, expected: &str| {
            let (_, problems) = read_own(own);
            assert!(problems.contains(expected), "{problems}");
        };
        check("", "version: expected a number");
        check("version = 1\n[[category]]\nname = 'x'", "needs its code");
        check("version = 1\n[[category]]\ncode = 'BILLING'\nowner = 'x'", "unknown field `owner`");
        check(
            "version = 1\n[[category]]\ncode = 'BILLING'\nowner_group = ''",
            "category BILLING: owner_group is empty",
        );
        check("version = 1\n[[category]]\ncode = 'BILLING'\nrunbook = 'none'", "there is no runbook page none");
        check(
            "version = 1\n[[classification]]\ncode = 'X'\ncategory = 'NO'\nsummary = 's'",
            "category NO does not exist",
        );
    }

    #[test]
    fn a_tenants_policies_are_laid_over_those_of_everybody_in_the_same_way() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("t")).unwrap();
        let own = "version = 4\n[[penalty]]\ncode = 'FULFILMENT_BEGUN'\npercent = 25.0\n[[penalty]]\ncode = 'FLAT'\n\
            summary = 's'\nrank = 90\nfixed = 5.0\nunit = 'EUR'\nwaivable = false";
        fs::write(folder.path().join("t/policies.toml"), own).unwrap();
        let base: Policies = toml::from_str(shipped::POLICIES).unwrap();
        let mut problems = Vec::new();
        let found = read(folder.path(), "policies.toml", &base, |_, _| Vec::new(), &mut problems).remove("t").unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(found.label(), format!("{}.4", base.version));
        let changed = found.penalties.iter().find(|p| p.code == "FULFILMENT_BEGUN").unwrap();
        assert_eq!((changed.percent, changed.rank), (25.0, 10));
        assert_eq!(found.penalties.len(), base.penalties.len() + 1);
        assert_eq!(found.cancellations, base.cancellations);
    }
}
