//! Medians, and how sure they are.

use std::fmt;

pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The median of pairwise ratios with the interval that holds the true one in at least 95 of 100 such benches.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// An interval wider than this decides nothing.
const WIDEST: f64 = 0.05;

impl Ratio {
    pub fn of(ours: &[f64], theirs: &[f64]) -> Ratio {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        let sorted = sorted(&ratios);
        let outside = left_out(sorted.len());
        Ratio { median: median(&ratios), low: sorted[outside], high: sorted[sorted.len() - 1 - outside] }
    }
}

/// How many values may be left out at each end (the interval of the sign test).
fn left_out(n: usize) -> usize {
    let mut term = 0.5f64.powi(n as i32);
    let mut tail = 0.0;
    for k in 0..n / 2 {
        tail += term;
        if tail > 0.025 {
            return k.saturating_sub(1);
        }
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    (n / 2).saturating_sub(1)
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ratio { median, low, high } = self;
        let width = high - low;
        write!(f, "{median:.3}, between {low:.3} and {high:.3}")?;
        if width > WIDEST { write!(f, ": undecided (the interval is {width:.3} wide)") } else { Ok(()) }
    }
}
