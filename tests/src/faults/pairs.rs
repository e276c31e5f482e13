//! Pairwise choice: few rows in which every two values of any two factors meet at least once.

use std::collections::BTreeSet;

/// A value of a factor together with one of another: (factor, value, factor, value).
type Pair = (usize, usize, usize, usize);

/// Rows of one value per factor, given how many values each has.
pub fn pairwise(factors: &[usize]) -> Vec<Vec<usize>> {
    let all = combinations(factors);
    let mut open: BTreeSet<Pair> = all.iter().flat_map(|row| pairs(row)).collect();
    let mut rows = Vec::new();
    while !open.is_empty() {
        let news = |row: &&Vec<usize>| pairs(row).filter(|pair| open.contains(pair)).count();
        let Some(best) = all.iter().max_by_key(news).cloned() else { break };
        for pair in pairs(&best) {
            open.remove(&pair);
        }
        rows.push(best);
    }
    rows
}

fn combinations(factors: &[usize]) -> Vec<Vec<usize>> {
    factors.iter().fold(vec![Vec::new()], |rows, values| {
        let longer = |row: &Vec<usize>, value| row.iter().copied().chain([value]).collect();
        rows.iter().flat_map(|row| (0..*values).map(move |value| longer(row, value))).collect()
    })
}

fn pairs(row: &[usize]) -> impl Iterator<Item = Pair> + '_ {
    (0..row.len()).flat_map(move |a| (a + 1..row.len()).map(move |b| (a, row[a], b, row[b])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_two_values_meet_and_far_fewer_rows_do_it() {
        let rows = pairwise(&[6, 4, 4, 4]);
        let met: BTreeSet<Pair> = rows.iter().flat_map(|row| pairs(row)).collect();
        let all: BTreeSet<Pair> = combinations(&[6, 4, 4, 4]).iter().flat_map(|row| pairs(row)).collect();
        assert_eq!(met, all);
        assert!(rows.len() <= 32, "{} rows", rows.len());
    }
}
