//! "Did you mean ...?" for keys, topics and codes.

/// Below this, words have little more in common than their first letters.
const ALIKE: f64 = 0.85;

/// The closest of the known words, when it is close enough to be a slip.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .filter_map(|word| Some((likeness(word, given)?, word)))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

/// How alike two words are, up to 1; `None` when no slip makes one of the other.
pub fn likeness(known: &str, given: &str) -> Option<f64> {
    let likeness = strsim::jaro_winkler(&given.to_lowercase(), &known.to_lowercase());
    (likeness >= ALIKE).then_some(likeness)
}

/// The end of a message, or nothing.
pub fn did_you_mean(suggestion: Option<impl AsRef<str>>) -> String {
    suggestion.map_or_else(String::new, |word| format!("; did you mean {}?", word.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let topics = ["inventory.check", "payment.capture", "payment.authorize"];
        assert_eq!(closest("payment.authorise", topics), Some("payment.authorize"));
        assert_eq!(closest("Inventory.chek", topics), Some("inventory.check"));
        assert_eq!(closest("quote.reprice", topics), None);
    }
}
