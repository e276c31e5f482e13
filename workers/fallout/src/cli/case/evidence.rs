//! `fallout case evidence add | list | get`: files that prove what was done outside.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use fallout_desk::{CaseCommand, Desk, EVIDENCE_BYTES_MAX, EvidenceLine, File, Kept};

use super::{number, told};
use crate::{
    cli::Context,
    codes::Failure,
    output::{plain, table},
};

/// Keep files with a case that prove what was done outside
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout case evidence add fc-12 confirmation.pdf
  fallout case evidence list fc-12
  fallout case evidence get fc-12 3f7a --output confirmation.pdf

A file has at most 1 MiB and is kept with its SHA-256, who added it and when; nobody changes or removes it. Its content goes
with the personal data of its order (fallout order erase).")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep a file
    Add {
        #[arg(value_name = "CASE")]
        id: String,
        file: PathBuf,
        /// When its name does not say it
        #[arg(long, value_name = "TYPE")]
        media_type: Option<String>,
    },
    /// What a case has
    List {
        #[arg(value_name = "CASE")]
        id: String,
    },
    /// A file as it was added
    Get {
        #[arg(value_name = "CASE")]
        id: String,
        /// Its hash, or how that begins
        #[arg(value_name = "SHA256")]
        hash: String,
        /// Where it is written, and never over another file; standard output without it
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub async fn run(args: Args, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    match args.command {
        Command::Add { id, file, media_type } => {
            let kept = add(desk, tenant, me, &id, &file, media_type.as_deref()).await?;
            context.out.data(&kept, || said(&kept))?;
        }
        Command::List { id } => {
            let lines = desk.evidence(tenant, number(&id)?).await.map_err(told)?;
            context.out.data(&lines, || listed(&lines))?;
        }
        Command::Get { id, hash, output } => {
            let (line, content) = desk.evidence_file(tenant, number(&id)?, &hash).await.map_err(told)?;
            write(output.as_deref(), &content)?;
            context.out.note(&format!("{} ({}, {} bytes)", plain(&line.name), line.media_type, line.size_bytes));
        }
    }
    Ok(())
}

/// Reads and keeps one file.
pub(super) async fn add(
    desk: &Desk,
    tenant: &str,
    principal: &str,
    id: &str,
    file: &Path,
    media_type: Option<&str>,
) -> anyhow::Result<Kept> {
    let content = read(file)?;
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let media_type = media_type.unwrap_or_else(|| guessed(name));
    let ask = CaseCommand { tenant, principal, case: number(id)?, if_version: None, key: None };
    desk.add_evidence(&ask, &File { name, media_type, content: &content }).await.map_err(told)
}

/// No more than is kept, however long the file is.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    let opened = std::fs::File::open(file);
    let read = opened.and_then(|file| file.take(EVIDENCE_BYTES_MAX as u64 + 1).read_to_end(&mut content));
    read.map_err(|e| Failure::new("FO-090", format!("{} cannot be read", file.display())).because(e))?;
    Ok(content)
}

fn write(output: Option<&Path>, content: &[u8]) -> anyhow::Result<()> {
    let written = match output {
        Some(file) => std::fs::File::create_new(file).and_then(|mut file| file.write_all(content)),
        None => std::io::stdout().lock().write_all(content),
    };
    let name = output.map_or_else(|| "standard output".to_owned(), |file| file.display().to_string());
    Ok(written.map_err(|e| Failure::new("FO-090", format!("{name} cannot be written")).because(e))?)
}

/// What people send each other; everything else is bytes.
fn guessed(name: &str) -> &'static str {
    let types = [
        ("pdf", "application/pdf"),
        ("json", "application/json"),
        ("xml", "application/xml"),
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("txt", "text/plain"),
        ("log", "text/plain"),
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("eml", "message/rfc822"),
    ];
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    types.iter().find(|(of, _)| *of == ending).map_or("application/octet-stream", |(_, is)| is)
}

fn said(kept: &Kept) -> String {
    let Kept { case, sha256, already } = kept;
    let already = if *already { "already done: " } else { "" };
    format!("{already}{case} keeps it as {sha256}")
}

fn listed(lines: &[EvidenceLine]) -> String {
    if lines.is_empty() {
        return "no evidence".into();
    }
    let row = |line: &EvidenceLine| {
        let at = line.added_at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        let name = if line.erased_at.is_some() { format!("{} (erased)", line.name) } else { line.name.clone() };
        let hash = line.sha256.chars().take(12).collect();
        [hash, plain(&name), line.media_type.clone(), line.size_bytes.to_string(), plain(&line.added_by), at]
    };
    table(["sha256", "file", "type", "bytes", "added by", "at"], lines.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_name_says_and_otherwise_bytes() {
        for (name, is) in [
            ("Scan.PDF", "application/pdf"),
            ("a.b.txt", "text/plain"),
            ("mail.eml", "message/rfc822"),
            ("archive.zip", "application/octet-stream"),
            ("none", "application/octet-stream"),
        ] {
            assert_eq!(guessed(name), is, "{name}");
        }
    }
}
