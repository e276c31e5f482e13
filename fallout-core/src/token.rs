//! Tokens for the HTTP doors, and for people: what one may do, and when it may not any more. The secret itself is never here.

use chrono::{DateTime, Utc};

use crate::words::words;

words! {
    /// What a token may do.
    TokenScope {
        /// Events of product orders.
        OrdersWrite = "orders.write",
        SignalsWrite = "signals.write",
        /// Results that downstreams send later.
        CallbacksWrite = "callbacks.write",
        Read = "read",
        /// To act on cases, as the person who holds it.
        CasesAct = "cases.act",
        /// What happens to cases, as codes.
        EventsRead = "events.read",
    }
}

/// Longer is no name for people.
const NAME_CHARS_MAX: usize = 60;

/// What is wrong with a name; it stands in lists and in the history.
pub fn name_problem(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && name.chars().all(plain);
    (!good).then_some("expected 1 to 60 letters, digits, dots, - and _")
}

/// What is kept of a token.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    pub scopes: &'a [TokenScope],
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Standing<'_> {
    /// Whether it is a key at all; to what, the scopes say. Who holds one that is not learns no reason.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    pub fn may(&self, scope: TokenScope) -> bool {
        self.scopes.contains(&scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_with_its_time_or_when_it_is_revoked() {
        let at = |s| DateTime::from_timestamp(s, 0).unwrap();
        let valid = |expires: Option<i64>, revoked: Option<i64>| {
            let (expires_at, revoked_at) = (expires.map(at), revoked.map(at));
            Standing { scopes: &[TokenScope::Read], expires_at, revoked_at }.is_valid(at(100))
        };
        assert!(valid(None, None) && valid(Some(101), None));
        assert!(!valid(Some(100), None) && !valid(None, Some(99)) && !valid(None, Some(101)));
        let read = Standing { scopes: &[TokenScope::Read], expires_at: None, revoked_at: None };
        assert!(read.may(TokenScope::Read) && !read.may(TokenScope::OrdersWrite));
    }

    #[test]
    fn a_name_is_short_and_plain() {
        assert_eq!(name_problem("order-owner.v2_a"), None);
        for name in ["", "a b", "a\u{7}", "é", &"x".repeat(61)] {
            assert!(name_problem(name).is_some(), "{name:?}");
        }
    }
}
