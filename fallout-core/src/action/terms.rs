//! What the policies say about an action, beside its guard: whether it is allowed, by which route, and what it costs. Pure; the
//! action keeps the answer, with the policies that gave it.

use serde::{Deserialize, Serialize};

use super::{
    Action, Asked, Refusal,
    revision::{Agreement, PriceLimit, Revised},
};
use crate::policy::{Due, OrderFacts, Policies, Used};

/// What the policies are asked about.
#[derive(Clone, Copy, Debug)]
pub struct Commercial<'a> {
    pub policies: &'a Policies,
    pub order: &'a OrderFacts,
    /// What the step is performed by.
    pub operation: &'a str,
    /// What the case is called.
    pub classification: &'a str,
    /// An operation whose effect exists, and past which the order cannot be cancelled.
    pub past_return: Option<&'a str>,
    /// An operation whose effect exists, and which no call takes back.
    pub irreversible: Option<&'a str>,
    /// What the step's request is rendered from.
    pub uses: &'a [Revised],
}

/// What they say, as the action keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// By which policies it is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Used>,
    /// What the step is performed by from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What a cancellation costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// Up to which price a quote is revised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceLimit>,
}

impl Terms {
    pub fn is_nothing(&self) -> bool {
        *self == Terms::default()
    }

    /// For people, a sentence each.
    pub fn told(&self) -> Vec<String> {
        let route = self.route.as_ref().map(|by| format!("the step is performed by {by} from then on"));
        let due = self.due.as_ref().map(Due::told);
        let priced = |used: &&Used| self.due.as_ref().is_none_or(|due| due.policy != **used);
        let used = self.policies.iter().filter(priced);
        let used =
            used.map(|used| format!("allowed by {} policy {} of version {}", used.kind, used.code, used.version));
        let price = self.price.as_ref().map(PriceLimit::told);
        route.into_iter().chain(due).chain(price).chain(used).collect()
    }
}

/// Nothing for an action that no policy is about.
pub fn terms(action: Action, by: &Commercial<'_>, asked: &Asked<'_>) -> Result<Terms, Refusal> {
    match action {
        Action::RepriceQuote => reprice(by, asked.agreed),
        _ if asked.agreed.is_some() => Err(Refusal::NoPriceAsked(action)),
        Action::CancelOrder => cancellation(by, asked.waive_penalty),
        Action::RerouteStep => reroute(by, asked.route),
        Action::RebaseChange => rebase(by),
        _ => Ok(Terms::default()),
    }
}

fn cancellation(by: &Commercial<'_>, waive: bool) -> Result<Terms, Refusal> {
    may_be_cancelled(by)?;
    let mut terms = Terms::default();
    terms.policies.extend(by.policies.cancellation(by.order).map(|policy| by.policies.used(policy)));
    let Some(penalty) = by.policies.penalty(by.order) else { return Ok(terms) };
    let (amount, unit) = penalty.due(by.order);
    let due = Due { policy: by.policies.used(penalty), amount, unit, waived: waive };
    match waive {
        true if !penalty.waivable => return Err(Refusal::NotWaivable(penalty.code.clone())),
        true if !due.is_something() => return Err(Refusal::NothingToWaive),
        _ => {}
    }
    terms.policies.push(due.policy.clone());
    terms.due = Some(due);
    Ok(terms)
}

/// Also for a cancellation that nobody has a case for.
pub fn may_be_cancelled(by: &Commercial<'_>) -> Result<(), Refusal> {
    // A policy says what to do instead, so it is heard first.
    match (by.policies.cancellation(by.order), by.past_return) {
        (Some(policy), _) if !policy.allowed => {
            Err(Refusal::NotCancellable { policy: policy.code.clone(), because: policy.because.clone() })
        }
        (_, Some(operation)) => Err(Refusal::PastNoReturn(operation.to_owned())),
        _ => Ok(()),
    }
}

fn reroute(by: &Commercial<'_>, wanted: Option<&str>) -> Result<Terms, Refusal> {
    let routes = by.policies.routes(by.operation, by.classification, by.order);
    let found = match wanted {
        None => routes.first().copied(),
        Some(code) => match routes.iter().find(|route| route.code.eq_ignore_ascii_case(code)) {
            Some(route) => Some(*route),
            None if routes.is_empty() => None,
            None => {
                let known = routes.iter().map(|route| route.code.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Refusal::OtherRoute { said: code.to_owned(), known });
            }
        },
    };
    let route = found.ok_or_else(|| Refusal::NoRoute(by.operation.to_owned()))?;
    let policies = vec![by.policies.used(route)];
    Ok(Terms { policies, route: Some(route.by.clone()), ..Terms::default() })
}

fn reprice(by: &Commercial<'_>, agreed: Option<&Agreement>) -> Result<Terms, Refusal> {
    if by.order.quote.is_none() {
        return Err(Refusal::NoQuote);
    }
    used(by, Revised::Quote)?;
    let policy = by.policies.revision(by.order);
    if let Some(policy) = policy.filter(|policy| by.order.quote_accepted && !policy.accepted) {
        return Err(Refusal::QuoteAccepted(policy.code.clone()));
    }
    let price = PriceLimit::of(by.order, policy, agreed).ok_or(Refusal::PriceUnknown)?;
    let policies = policy.map(|policy| by.policies.used(policy)).into_iter().collect();
    Ok(Terms { policies, price: Some(price), ..Terms::default() })
}

/// No policy lets a baseline move under what cannot be taken back.
fn rebase(by: &Commercial<'_>) -> Result<Terms, Refusal> {
    match (by.order.is_change, by.irreversible) {
        (false, _) => Err(Refusal::NoChange),
        (true, Some(operation)) => Err(Refusal::Irreversible(operation.to_owned())),
        (true, None) => used(by, Revised::Baseline).map(|()| Terms::default()),
    }
}

/// What the step's request does not use would not help the step.
fn used(by: &Commercial<'_>, revised: Revised) -> Result<(), Refusal> {
    if by.uses.contains(&revised) { Ok(()) } else { Err(Refusal::NotUsed(revised)) }
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
