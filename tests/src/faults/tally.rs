//! Counting, and the one table that `make faults` prints.

use std::{collections::BTreeMap, time::Instant};

use fallout::output::table;

use super::judge::{Found, Run, Traces};

/// Link (or accident) and what was done to it.
pub type Row = (&'static str, String);

#[derive(Clone, Debug, Default)]
struct Counts {
    runs: usize,
    duplicated: usize,
    lost: usize,
    misclassified: usize,
    unowned: usize,
    parked: usize,
}

impl Counts {
    fn add(&mut self, found: &Found) {
        self.runs += 1;
        self.duplicated += usize::from(found.duplicated);
        self.lost += usize::from(found.lost);
        self.misclassified += usize::from(found.misclassified);
        self.unowned += usize::from(found.unowned);
        self.parked += usize::from(found.parked);
    }

    fn numbers(&self) -> [usize; 6] {
        [self.runs, self.duplicated, self.lost, self.misclassified, self.unowned, self.parked]
    }
}

/// What came of all runs.
#[derive(Clone, Debug)]
pub struct Tally {
    rows: BTreeMap<Row, Counts>,
    total: Counts,
    /// One line for each run that is not clean, for people.
    pub findings: Vec<String>,
    began: Instant,
}

impl Default for Tally {
    fn default() -> Self {
        Tally { rows: BTreeMap::new(), total: Counts::default(), findings: Vec::new(), began: Instant::now() }
    }
}

impl Tally {
    pub fn add(&mut self, run: &Run, found: &Found, traces: &Traces) {
        self.rows.entry(run.row.clone()).or_default().add(found);
        self.total.add(found);
        let said = [
            (found.duplicated, "duplicated"),
            (found.lost, "lost"),
            (found.misclassified, "misclassified"),
            (found.unowned, "parked without a case"),
        ];
        let said: Vec<&str> = said.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
        if !said.is_empty() {
            let (link, kind) = &run.row;
            let line = format!("{link}, {kind}, {}: {}; order {}, {traces:?}", run.what, said.join(", "), run.order);
            self.findings.push(line);
        }
    }

    pub fn runs(&self) -> usize {
        self.total.runs
    }

    pub fn duplicated(&self) -> usize {
        self.total.duplicated
    }

    pub fn lost(&self) -> usize {
        self.total.lost
    }

    pub fn parked(&self) -> usize {
        self.total.parked
    }

    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many runs count in a row.
    pub fn runs_of(&self, link: &str) -> usize {
        self.rows.iter().filter(|((name, _), _)| *name == link).map(|(_, counts)| counts.runs).sum()
    }

    pub fn runs_where(&self, link: &str, kind: &str) -> usize {
        self.rows.iter().filter(|((l, k), _)| *l == link && k == kind).map(|(_, counts)| counts.runs).sum()
    }

    pub fn table(&self) -> String {
        let header =
            ["link", "fault", "runs", "duplicated", "lost", "misclassified", "parked without a case", "parked"];
        let line = |(link, kind): (&str, &str), counts: &Counts| {
            let [runs, duplicated, lost, misclassified, unowned, parked] = counts.numbers().map(|n| n.to_string());
            [link.to_owned(), kind.to_owned(), runs, duplicated, lost, misclassified, unowned, parked]
        };
        let rows = self.rows.iter().map(|((link, kind), counts)| line((link, kind), counts));
        table(header, rows.chain([line(("all", ""), &self.total)]))
    }

    /// The last line.
    pub fn summary(&self) -> String {
        let Counts { runs, duplicated, lost, misclassified, unowned, .. } = self.total;
        let seconds = self.began.elapsed().as_secs();
        // As people read it: the order of the keys is part of it.
        format!(
            "{{\"runs\":{runs},\"duplicated\":{duplicated},\"lost\":{lost},\"misclassified\":{misclassified},\
             \"unowned\":{unowned},\"seconds\":{seconds}}}"
        )
    }
}
