//! "Did you mean ...?" for keys, topics and codes.

/// The closest of the known words, when it is close enough to be a slip.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&given, &word.to_lowercase()), word))
        // Below this, words have little more in common than their first letters.
        .filter(|(likeness, _)| *likeness >= 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
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
