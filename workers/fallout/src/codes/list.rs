//! The codes: which page explains each, and how the program ends on it.

use crate::exit::Exit;

#[derive(Debug)]
pub struct Code {
    /// For example `FO-012`.
    pub id: &'static str,
    pub exit: Exit,
    /// docs/runbooks/<id>.md: a title, a line that begins with "Next: ", then the details.
    pub page: &'static str,
}

impl Code {
    /// What the page's title says after the code.
    pub fn title(&self) -> &'static str {
        let line = self.page.lines().next().unwrap_or_default();
        line.trim_start_matches("# ").trim_start_matches(self.id).trim()
    }

    /// The one thing to do first.
    pub fn next_step(&self) -> &'static str {
        self.page.lines().find_map(|line| line.strip_prefix("Next: ")).unwrap_or_default()
    }
}

pub fn code(id: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.id.eq_ignore_ascii_case(id))
}

macro_rules! codes {
    ($($id:literal $exit:ident),+ $(,)?) => {
        &[$(Code { id: $id, exit: Exit::$exit, page: include_str!(concat!("../../../../docs/runbooks/", $id, ".md")) }),+]
    };
}

/// In the order of their numbers: 00x input, 01x engine, 02x database, 03x this machine, 04x recovery, 05x the demo,
/// 06x recovery commands, 07x processes, 08x the history and policies, 095 to 099 who may do what, 1xx embedded servers
/// (workers/embedded/src/error.rs gives these).
pub const CODES: &[Code] = codes![
    "FO-001" Usage,
    "FO-002" Usage,
    "FO-003" Usage,
    "FO-010" Unreachable,
    "FO-011" Refused,
    "FO-012" Refused,
    "FO-013" Refused,
    "FO-014" Refused,
    "FO-015" Refused,
    "FO-020" Unreachable,
    "FO-021" Refused,
    "FO-022" Refused,
    "FO-023" Refused,
    "FO-024" Refused,
    "FO-025" Refused,
    "FO-026" Refused,
    "FO-030" Usage,
    "FO-031" Refused,
    "FO-032" Usage,
    "FO-040" Refused,
    "FO-041" Usage,
    "FO-042" Usage,
    "FO-043" Refused,
    "FO-044" Refused,
    "FO-045" Usage,
    "FO-046" Refused,
    "FO-047" Usage,
    "FO-048" Usage,
    "FO-049" Usage,
    "FO-050" Failed,
    "FO-051" Refused,
    "FO-052" Usage,
    "FO-053" Refused,
    "FO-054" Usage,
    "FO-055" Refused,
    "FO-056" Usage,
    "FO-057" Usage,
    "FO-060" Usage,
    "FO-061" Refused,
    "FO-062" Refused,
    "FO-063" Usage,
    "FO-070" Refused,
    "FO-071" Refused,
    "FO-072" Refused,
    "FO-073" Usage,
    "FO-075" Usage,
    "FO-076" Refused,
    "FO-077" Refused,
    "FO-078" Usage,
    "FO-080" Refused,
    "FO-081" Usage,
    "FO-085" Usage,
    "FO-090" Usage,
    "FO-091" Missing,
    "FO-095" Refused,
    "FO-096" Refused,
    "FO-097" Usage,
    "FO-101" Missing,
    "FO-102" Refused,
    "FO-103" Refused,
    "FO-104" Refused,
    "FO-105" Failed,
    "FO-106" Refused,
    "FO-107" Missing,
    "FO-108" Missing,
    "FO-109" Failed,
    "FO-110" Refused,
    "FO-111" Failed,
    "FO-120" Missing,
    "FO-121" Failed,
];
