//! What was asked, what the file declares, what was seen, and whether the two agree.

use serde::Serialize;

use super::measure::Spread;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    Differs,
    /// Could not be proven either way here.
    NotShown,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Differs => "differs",
            Verdict::NotShown => "not shown",
        }
    }

    pub fn of(agrees: bool) -> Self {
        if agrees { Verdict::Ok } else { Verdict::Differs }
    }
}

/// What came of one question.
pub(super) type Seen = (Verdict, String);

#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub asked: &'static str,
    pub declared: String,
    pub seen: String,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub lines: Vec<Line>,
    /// Milliseconds from the answer until the lookup showed the effect.
    pub visible_ms: Option<Spread>,
}

impl Report {
    pub(super) fn add(&mut self, asked: &'static str, declared: impl Into<String>, (verdict, seen): Seen) {
        self.lines.push(Line { asked, declared: declared.into(), seen, verdict });
    }

    /// Nothing contradicts the file.
    pub fn agrees(&self) -> bool {
        self.lines.iter().all(|line| line.verdict != Verdict::Differs)
    }
}
