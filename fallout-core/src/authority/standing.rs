//! What somebody may do, and where: their roles, each for a tenant or for one group, customer or order of it.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use super::Authorities;
use crate::{action::catalogue::Authority, worklist::Filter};

/// Each is one more query of a worklist; who needs more gets a role for the tenant, or joins a group.
pub const EXTENTS_MAX: usize = 20;

/// More would not be read in a message.
const NAMED: usize = 5;

/// What a role is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    Tenant,
    /// Cases that the group has.
    Group(String),
    Customer(String),
    /// By the id that the outside knows.
    Order(String),
}

impl Extent {
    /// As it is stored: what it is, and which.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Extent::Tenant => ("tenant", ""),
            Extent::Group(group) => ("group", group),
            Extent::Customer(customer) => ("customer", customer),
            Extent::Order(order) => ("order", order),
        }
    }

    fn covers(&self, place: &Place) -> bool {
        match self {
            Extent::Tenant => true,
            Extent::Group(group) => place.groups.contains(group),
            Extent::Customer(customer) => place.customer.as_ref() == Some(customer),
            Extent::Order(order) => place.order.as_ref() == Some(order),
        }
    }

    /// The filter with nothing beyond this extent; `None`: it asks for something beyond.
    fn narrowed(&self, filter: &Filter) -> Option<Filter> {
        let mut narrow = filter.clone();
        let (field, value) = match self {
            Extent::Tenant => return Some(narrow),
            Extent::Group(group) => (&mut narrow.group, group),
            Extent::Customer(customer) => (&mut narrow.customer, customer),
            Extent::Order(order) => (&mut narrow.order, order),
        };
        if field.as_ref().is_some_and(|asked| asked != value) {
            return None;
        }
        *field = Some(value.clone());
        Some(narrow)
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (kind, "") => f.write_str(kind),
            (kind, which) => write!(f, "{kind} {which}"),
        }
    }
}

impl FromStr for Extent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(' ') {
            None if text == "tenant" => Ok(Extent::Tenant),
            Some(("group", which)) => Ok(Extent::Group(which.to_owned())),
            Some(("customer", which)) => Ok(Extent::Customer(which.to_owned())),
            Some(("order", which)) => Ok(Extent::Order(which.to_owned())),
            _ => Err(format!("\"{text}\" is none of tenant, group, customer and order")),
        }
    }
}

impl Serialize for Extent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a case or an order stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// That have it; of an order those of its cases.
    pub groups: Vec<String>,
    pub customer: Option<String>,
    pub order: Option<String>,
}

impl Place {
    pub fn of_group(group: &str) -> Place {
        Place { groups: vec![group.to_owned()], ..Place::default() }
    }
}

/// A role that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    pub principal: String,
    pub role: String,
    pub extent: Extent,
}

/// Somebody with every role they have.
#[derive(Clone, Debug)]
pub struct Standing {
    pub principal: String,
    /// A role was granted in this tenant once. Before, everybody has every right of one person: somebody has to begin.
    pub enforced: bool,
    pub grants: Vec<Grant>,
}

/// Which cases somebody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    All,
    /// Of these only; not empty.
    Within(Vec<Extent>),
}

/// A right that somebody does not have, with who has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{who} may not: \"{right}\" takes {required} (role {roles}); {}", has_it(.holders))]
pub struct NotAuthorised {
    pub who: String,
    pub code: Authority,
    pub right: String,
    pub required: String,
    pub roles: String,
    /// Who could, by name.
    pub holders: Vec<String>,
}

fn has_it(holders: &[String]) -> String {
    match holders {
        [] => "nobody has it here; an administrator grants it: fallout access role grant".to_owned(),
        some => format!("ask one of them: {}", some.join(", ")),
    }
}

impl Standing {
    /// Whether somebody has the right there.
    pub fn may(&self, rules: &Authorities, right: Authority, place: &Place) -> bool {
        self.has(rules.holders(right), place)
    }

    /// Whether somebody may agree there to what another one asked for.
    pub fn may_agree(&self, rules: &Authorities, right: Authority, place: &Place) -> bool {
        self.has(rules.approvers(right), place)
    }

    /// Whether somebody has one of these roles there.
    pub fn has(&self, roles: &[String], place: &Place) -> bool {
        !self.enforced || self.grants.iter().any(|grant| roles.contains(&grant.role) && grant.extent.covers(place))
    }

    /// Which cases somebody sees; `None`: none at all.
    pub fn sight(&self, rules: &Authorities) -> Option<Sight> {
        if !self.enforced {
            return Some(Sight::All);
        }
        let sees = self.grants.iter().filter(|grant| rules.is_held_by(Authority::ViewCase, &grant.role));
        let mut extents: Vec<Extent> = sees.map(|grant| grant.extent.clone()).collect();
        extents.sort();
        extents.dedup();
        match extents.first() {
            None => None,
            Some(Extent::Tenant) => Some(Sight::All),
            Some(_) => Some(Sight::Within(extents)),
        }
    }
}

impl Sight {
    /// What has to be asked for so that nothing is shown beyond it.
    pub fn narrowed(&self, filter: &Filter) -> Vec<Filter> {
        match self {
            Sight::All => vec![filter.clone()],
            Sight::Within(extents) => extents.iter().filter_map(|extent| extent.narrowed(filter)).collect(),
        }
    }

    pub fn covers(&self, place: &Place) -> bool {
        match self {
            Sight::All => true,
            Sight::Within(extents) => extents.iter().any(|extent| extent.covers(place)),
        }
    }
}

impl Authorities {
    /// The refusal, with those of `grants` who have the right there.
    pub fn refusal(
        &self,
        who: &str,
        code: Authority,
        roles: &[String],
        place: &Place,
        grants: &[Grant],
    ) -> NotAuthorised {
        let has = |grant: &&Grant| roles.contains(&grant.role) && grant.extent.covers(place);
        let mut holders: Vec<String> = grants.iter().filter(has).map(|grant| grant.principal.clone()).collect();
        holders.sort();
        holders.dedup();
        holders.truncate(NAMED);
        let right = self.right(code);
        NotAuthorised {
            who: who.to_owned(),
            code,
            right: right.map_or_else(|| code.word().to_owned(), |right| right.right.clone()),
            required: right.map_or_else(|| "a role".to_owned(), |right| right.required.clone()),
            roles: roles.join(" or "),
            holders,
        }
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
