//! What a command shows: data on stdout (a text for people or one JSON object), everything else on stderr.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use fallout_core::action::Action;
use fallout_desk::CaseLine;
use serde::Serialize;

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const STRONG: Style = Style::new().bold();

#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether stdout is read by a program.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// The result of a command, once: `value` with `--json`, else `text`.
    pub fn data(self, value: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        let text = if self.json { serde_json::to_string(value)? } else { text() };
        quietly(writeln!(anstream::stdout().lock(), "{}", text.trim_end()))
    }

    /// Text in a format of its own, as it is.
    pub fn raw(self, text: &str) -> io::Result<()> {
        quietly(io::stdout().lock().write_all(text.as_bytes()))
    }

    /// Something a person wants to know meanwhile. Nobody there to read it is no reason to stop.
    pub fn note(self, text: &str) {
        let _ = writeln!(anstream::stderr().lock(), "{text}");
    }
}

/// A reader that has seen enough (`fallout case list | head`) is no error.
fn quietly(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A table for people; cells hold plain text, since a colour would count as width.
pub fn table<const N: usize>(headers: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(headers);
    for row in rows {
        table.add_row(row);
    }
    // Cells are padded on both sides; a line needs neither.
    let line = |line: &str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned();
    table.lines().map(|l| line(&l)).collect::<Vec<_>>().join("\n")
}

/// What others wrote, for a terminal: nothing in it moves the cursor, changes colours or begins a line.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c }).collect()
}

/// Marks that turn the direction of what follows.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Cases as people scan them: the number to name, what it is, where, whose, until when, what to do.
pub fn case_table(cases: &[CaseLine]) -> String {
    let or = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map_or_else(|| "-".into(), plain);
    let row = |c: &CaseLine| {
        [
            c.case_number.clone(),
            c.severity.clone(),
            c.status.clone(),
            c.category.clone(),
            or(&c.classification),
            or(&c.order),
            or(&c.line),
            or(&c.step),
            or(if c.assignee.is_some() { &c.assignee } else { &c.group }),
            c.sla_due_at.map_or_else(|| "-".into(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string()),
            recommended(c),
        ]
    };
    let headers = [
        "case",
        "severity",
        "status",
        "category",
        "classification",
        "order",
        "line",
        "step",
        "owner",
        "due",
        "recommended",
    ];
    table(headers, cases.iter().map(row))
}

/// What is recommended for a case, as a person would type it where the command line can do it.
pub fn recommended(case: &CaseLine) -> String {
    let Some(word) = &case.recommended_action else { return "-".into() };
    match word.parse() {
        Ok(Action::ReconcileStep) => "find out, then --attest".into(),
        Ok(action) => action_name(action).into(),
        Err(_) => word.clone(),
    }
}

/// An action as `case recover --action` names it.
pub fn action_name(action: Action) -> &'static str {
    action.declaration().name
}

/// This program as it was called, for a line that a person copies.
pub fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "fallout".into())
}

/// An error with everything that caused it, on one line: for logs, where a person reads but nothing is laid out.
pub fn chain(error: &dyn std::error::Error) -> String {
    causes(error).join(": ")
}

/// The texts of an error and of what caused it, outermost first. Some libraries repeat their source in their own text.
pub fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string) {
        if texts.last().is_none_or(|said| !said.contains(&text)) {
            texts.push(text);
        }
    }
    texts
}

/// `text` in this style; the stream drops the colours where nobody would see them.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_aligned_columns_and_no_padding_at_its_ends() {
        let rows = [["a".into(), "1".into()], ["bcd".into(), "22".into()]];
        assert_eq!(table(["name", "n"], rows), "name  n\na     1\nbcd   22");
    }

    #[test]
    fn a_cause_that_the_text_before_it_repeats_is_not_said_twice() {
        let refused = std::io::Error::other("connection refused");
        let repeats = anyhow::Error::new(refused).context("cannot connect: connection refused").context("away");
        assert_eq!(chain(repeats.as_ref()), "away: cannot connect: connection refused");
    }

    #[test]
    fn characters_of_any_script_keep_the_columns_aligned() {
        let rows = [["東京".into(), "1".into()], ["Zürich".into(), "2".into()]];
        assert_eq!(table(["site", "n"], rows), "site    n\n東京    1\nZürich  2");
    }
}
