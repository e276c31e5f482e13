//! Conditions on flows, as far as a reader can be sure of them: `${a == 'X' || b == 'Y' && c == 'Z'}`.
//! Anything else (calls, negations, parentheses) is not guessed at.

use crate::model::inside_braces;

/// Alternatives, of which one must hold; each is a list of comparisons that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub alternatives: Vec<Vec<Equals>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equals {
    pub variable: String,
    pub literal: String,
}

impl Condition {
    /// None when the expression says more than comparisons of variables with text.
    pub fn parse(expression: &str) -> Option<Condition> {
        let alternatives = split(inside_braces(expression)?, "||")
            .into_iter()
            .map(|alternative| split(alternative, "&&").into_iter().map(equals).collect())
            .collect::<Option<_>>()?;
        Some(Condition { alternatives })
    }

    /// The literals that this variable is compared with, each enough by itself for the flow to be taken.
    pub fn values_of(&self, variable: &str) -> impl Iterator<Item = &str> {
        self.alternatives.iter().filter_map(move |all| match all.as_slice() {
            [only] if only.variable == variable => Some(only.literal.as_str()),
            _ => None,
        })
    }

    /// Whether the flow is surely taken when these variables have these values.
    pub fn holds_for(&self, values: &[(&str, &str)]) -> bool {
        let known = |e: &Equals| values.iter().any(|(v, l)| *v == e.variable && *l == e.literal);
        self.alternatives.iter().any(|all| all.iter().all(known))
    }
}

/// Splits at an operator, but not inside quotes.
fn split<'a>(text: &'a str, operator: &str) -> Vec<&'a str> {
    let (mut parts, mut from, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == '\'' {
            quoted = !quoted;
        } else if !quoted && at >= from && text[at..].starts_with(operator) {
            parts.push(&text[from..at]);
            from = at + operator.len();
        }
    }
    parts.push(&text[from..]);
    parts
}

fn equals(text: &str) -> Option<Equals> {
    let [left, right] = split(text, "==")[..] else {
        return None;
    };
    let (left, right) = (left.trim(), right.trim());
    compare(left, right).or_else(|| compare(right, left))
}

fn compare(variable: &str, literal: &str) -> Option<Equals> {
    let is_name = !variable.is_empty() && variable.chars().all(|c| c.is_alphanumeric() || c == '_');
    let literal = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    (is_name && !literal.contains('\'')).then(|| Equals { variable: variable.to_owned(), literal: literal.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: Option<&[&[(&str, &str)]]>) {
        let found = Condition::parse(expression).map(|condition| condition.alternatives);
        let expected = expected.map(|alternatives| {
            let equals = |(v, l): &(&str, &str)| Equals { variable: (*v).into(), literal: (*l).into() };
            alternatives.iter().map(|all| all.iter().map(equals).collect::<Vec<_>>()).collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{expression}");
    }

    #[test]
    fn comparisons_joined_by_and_and_or_are_read() {
        check("${a == 'X'}", Some(&[&[("a", "X")]]));
        check("#{ 'X' == a }", Some(&[&[("a", "X")]]));
        check("${a=='X'||a=='Y'}", Some(&[&[("a", "X")], &[("a", "Y")]]));
        check("${a == 'X' && b == 'Y'}", Some(&[&[("a", "X"), ("b", "Y")]]));
        check("${a == 'X||Y'}", Some(&[&[("a", "X||Y")]]));
    }

    #[test]
    fn what_says_more_is_not_guessed_at() {
        for expression in [
            "a == 'X'",
            "${!a}",
            "${a != 'X'}",
            "${a == b}",
            "${(a == 'X')}",
            "${f(a) == 'X'}",
            "${}",
            "${a == 'X' || b}",
        ] {
            check(expression, None);
        }
    }

    #[test]
    fn an_alternative_with_a_further_demand_is_not_sure() {
        let condition = Condition::parse("${a == 'X' && b == 'Y'}").unwrap();
        assert!(!condition.holds_for(&[("a", "X")]));
        assert!(condition.holds_for(&[("a", "X"), ("b", "Y")]));
        assert_eq!(condition.values_of("a").count(), 0);
    }
}
