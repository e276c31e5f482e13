//! `fallout operation check`: everything wrong with operation files, and what is allowed but will cost someone.

use std::path::PathBuf;

use serde::Serialize;

use super::Context;
use crate::{
    config::{Read, operation_file::Remark},
    exit::Exit,
    output::{BAD, GOOD, styled, table},
};

/// Check operation files and tell every problem at once
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, or folders of .toml files; none: those of `catalogue.operations`, or the built-in ones
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    files: usize,
    remarks: &'a [Remark],
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let (files, remarks) = remarks(context.settings.catalogue.read(&args.paths));
    let ok = !remarks.iter().any(|remark| remark.refused);
    context.out.data(&Report { ok, files, remarks: &remarks }, || text(files, &remarks))?;
    Ok(if ok { Exit::Done } else { Exit::Refused })
}

/// What keeps a file from being read at all first, then file by file, problems before warnings.
fn remarks(read: Read) -> (usize, Vec<Remark>) {
    let files = read.files;
    let unread =
        read.problems.into_iter().map(|problem| Remark::refused(&problem.place, "", problem.what, "correct it"));
    (files, unread.chain(read.remarks).collect())
}

fn text(files: usize, remarks: &[Remark]) -> String {
    let word = |remark: &Remark| if remark.refused { "problem" } else { "warning" };
    let row = |r: &Remark| [word(r).to_owned(), r.file.clone(), r.field.clone(), format!("{}; {}", r.what, r.next)];
    let rows = table(["", "file", "field", "what, and what to do"], remarks.iter().map(row));
    let problems = remarks.iter().filter(|remark| remark.refused).count();
    let warnings = remarks.len() - problems;
    let counted = format!("{files} files, {problems} problems, {warnings} warnings");
    let verdict = styled(if problems == 0 { GOOD } else { BAD }, &counted);
    if remarks.is_empty() { verdict } else { format!("{rows}\n\n{verdict}") }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Settings, shipped};

    fn checked(files: &[(&str, String)]) -> (usize, Vec<Remark>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        remarks(Settings::default().catalogue.read(&[folder.path().to_owned()]))
    }

    fn shipped(name: &str) -> String {
        shipped::OPERATIONS.iter().find(|(file, _)| *file == name).unwrap().1.to_owned()
    }

    #[test]
    fn the_shipped_operations_have_no_problem_and_exactly_the_warnings_that_are_true() {
        let (files, remarks) = remarks(Settings::default().catalogue.read(&[]));
        assert_eq!(files, shipped::OPERATIONS.len());
        let warned: Vec<_> = remarks.iter().map(|r| (r.refused, r.file.as_str(), r.field.as_str())).collect();
        let notify = "config/operations/contract.notify.toml";
        let deposit = "config/operations/payment.deposit.toml";
        let refund = "config/operations/payment.refund.toml";
        let expected = [
            (false, notify, "lookup"),
            (false, notify, "answers.business"),
            (false, deposit, "answers.business"),
            (false, refund, "answers.business"),
        ];
        assert_eq!(warned, expected);
    }

    #[test]
    fn all_files_are_told_at_once_with_problems_and_warnings() {
        let notify = shipped("contract.notify.toml");
        let broken = shipped("contract.check.toml").replace("\"read\"", "\"effect\"").replace("total_ms", "totl_ms");
        let (files, remarks) = checked(&[
            ("contract.check.toml", broken),
            ("contract.notify.toml", notify.clone()),
            ("other.toml", notify),
        ]);
        assert_eq!(files, 3);
        let named = |name: &str, field: &str| remarks.iter().find(|r| r.file.ends_with(name) && r.field == field);
        assert!(
            named("contract.check.toml", "timeouts.totl_ms").unwrap().what.contains("did you mean timeouts.total_ms")
        );
        assert!(named("contract.check.toml", "request.method").unwrap().what.contains("a GET cannot be an effect"));
        assert!(!named("contract.notify.toml", "lookup").unwrap().refused);
        assert!(named("other.toml", "name").unwrap().what.contains("must be called contract.notify.toml"));
    }

    #[test]
    fn a_path_that_is_not_there_is_a_problem() {
        let (files, remarks) = remarks(Settings::default().catalogue.read(&["nowhere.toml".into()]));
        assert_eq!((files, remarks.len()), (0, 1));
        assert!(remarks[0].refused && remarks[0].file == "nowhere.toml");
    }
}
