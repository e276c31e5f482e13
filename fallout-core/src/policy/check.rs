//! Everything wrong with the policies, at once: in themselves, and against the operations and the taxonomy beside them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Policies, Policy, PolicyKind, When};
use crate::{catalogue::Catalogue, operation::Kind, step::Direction};

impl Policies {
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.version == 0 {
            wrong.push("version is 0; the first one is 1".into());
        }
        of_kind(&self.cancellations, true, |_| "", &mut wrong);
        of_kind(&self.penalties, true, |_| "", &mut wrong);
        of_kind(&self.revisions, true, |_| "", &mut wrong);
        of_kind(&self.routes, false, |route| &route.operation, &mut wrong);
        let untold = self.cancellations.iter().filter(|c| !c.allowed && c.because.trim().is_empty());
        wrong.extend(untold.map(|c| format!("cancellation {}: it is not allowed, so say why in `because`", c.code)));
        let rises = self.revisions.iter().filter(|r| r.free_rise_percent.is_some_and(|p| !(0.0..=100.0).contains(&p)));
        wrong.extend(rises.map(|r| format!("revision {}: free_rise_percent is not between 0 and 100", r.code)));
        self.amounts(&mut wrong);
        wrong
    }

    fn amounts(&self, wrong: &mut Vec<String>) {
        for penalty in &self.penalties {
            let mut told = |what: &str| wrong.push(format!("penalty {}: {what}", penalty.code));
            if !(0.0..=100.0).contains(&penalty.percent) {
                told("percent is not between 0 and 100");
            }
            if !(penalty.fixed >= 0.0 && penalty.most.is_none_or(|most| most >= 0.0)) {
                told("fixed and most are amounts from 0");
            }
            if penalty.unit.is_none() && (penalty.fixed != 0.0 || penalty.most.is_some()) {
                told("fixed and most need their currency in `unit`");
            }
        }
    }

    /// What they name that is not there, or could not stand in for another.
    pub fn beside(&self, catalogue: &Catalogue) -> Vec<String> {
        let mut wrong = Vec::new();
        let effects: BTreeSet<&str> =
            catalogue.operations.values().filter(|op| op.kind == Kind::Effect).map(|op| op.name.as_str()).collect();
        let whens = whens(&self.cancellations)
            .chain(whens(&self.penalties))
            .chain(whens(&self.revisions))
            .chain(whens(&self.routes));
        for (kind, code, when) in whens {
            for unknown in when.after.iter().filter(|name| !effects.contains(name.as_str())) {
                wrong.push(format!("{kind} {code}: after: there is no operation {unknown} with an effect"));
            }
        }
        for route in &self.routes {
            let problem = self.misrouted(route, catalogue);
            wrong.extend(problem.map(|what| format!("route {}: {what}", route.code)));
            for unknown in route.causes.iter().filter(|code| catalogue.taxonomy.classification(code).is_none()) {
                wrong.push(format!("route {}: causes: the taxonomy has no classification {unknown}", route.code));
            }
        }
        wrong
    }

    /// Later steps use what the first would have given, and its effect has to be taken back like any other.
    fn misrouted(&self, route: &super::Route, catalogue: &Catalogue) -> Option<String> {
        let find = |name: &str| catalogue.operation(name).ok_or_else(|| format!("there is no operation {name}"));
        let (op, by) = match (find(&route.operation), find(&route.by)) {
            (Ok(op), Ok(by)) => (op, by),
            (Err(what), _) | (_, Err(what)) => return Some(what),
        };
        let does = |op: &crate::operation::Operation| op.kind == Kind::Effect && op.direction == Direction::Do;
        if op.name == by.name {
            return Some("an operation is no way around itself".into());
        }
        if !does(op) || !does(by) {
            return Some("both operations must make an effect".into());
        }
        let missing = op.outputs.keys().find(|name| !by.outputs.contains_key(*name));
        missing.map(|name| format!("{} does not give {name}, which later steps may use", by.name))
    }
}

/// `beside` tells apart those of a kind that are never asked together.
fn of_kind<P: Policy>(all: &[P], needs_default: bool, beside: fn(&P) -> &str, wrong: &mut Vec<String>) {
    let kind = P::KIND;
    let (mut codes, mut ranks) = (BTreeMap::new(), BTreeMap::new());
    for policy in all {
        *codes.entry(policy.code()).or_insert(0) += 1;
        *ranks.entry((beside(policy), policy.rank())).or_insert(0) += 1;
        if policy.code().trim().is_empty() || policy.summary().trim().is_empty() {
            wrong.push(format!("{kind} {}: code and summary must not be empty", policy.code()));
        }
        if policy.when().value_from.is_some_and(|from| !from.is_finite() || from < 0.0) {
            wrong.push(format!("{kind} {}: value_from is an amount from 0", policy.code()));
        }
    }
    let repeated = codes.into_iter().filter(|(_, count)| *count > 1);
    wrong.extend(repeated.map(|(code, count)| format!("{kind} {code} stands there {count} times")));
    let equal = ranks.into_iter().filter(|(_, count)| *count > 1);
    wrong
        .extend(equal.map(|((_, rank), count)| format!("{count} policies of {kind} have rank {rank}; one has to win")));
    let lowest = all.iter().min_by_key(|policy| policy.rank());
    if needs_default && !lowest.is_some_and(|policy| policy.when().is_always()) {
        wrong.push(format!("the lowest {kind} must hold for every order: without `when`"));
    }
}

fn whens<P: Policy>(all: &[P]) -> impl Iterator<Item = (PolicyKind, &str, &When)> {
    all.iter().map(|policy| (P::KIND, policy.code(), policy.when()))
}
