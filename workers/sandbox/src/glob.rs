//! The globs of a fault script: `*` is any text (also none), `?` is one character, everything else is itself.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<char>);

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        Self(pattern.chars().collect())
    }

    pub(crate) fn any() -> Self {
        Self(vec!['*'])
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut next) = (0, 0);
        // Where the last `*` stands and how much of the text it has taken: only the last one ever needs to grow.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(next) {
                Some('*') => {
                    star = Some((next, at));
                    next += 1;
                }
                Some(&wanted) if wanted == '?' || wanted == text[at] => {
                    (at, next) = (at + 1, next + 1);
                }
                _ => match star {
                    Some((position, taken)) => {
                        star = Some((position, taken + 1));
                        (at, next) = (taken + 1, position + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[next..].iter().all(|rest| *rest == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_a_reader_expects() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "заказ-17", true),
            ("", "", true),
            ("", "1", false),
            ("ord-*", "ord-88210", true),
            ("ord-*", "order", false),
            ("ord-?", "ord-7", true),
            ("ord-?", "ord-17", false),
            ("заказ-?", "заказ-7", true),
            ("*10", "ord-10-10", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("PO/2026/*", "PO/2026/0007", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }
}
