//! Which fields may be corrected: a declaration for each, and what a given value has to be. docs/CORRECTIONS.md says the same;
//! a test compares.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{catalogue::Authority, revision::Revised};
use crate::{customer::CustomerPolicy, operation::Operation, taxonomy::Taxonomy, words::words};

words! {
    /// What may be corrected, as it is typed: `--set service-address@1=…`.
    Field {
        BillingAccount = "billing-account",
        ServiceAddress = "service-address",
        ContractArtifact = "contract-artifact",
        ProvisioningRoute = "provisioning-route",
        DeviceId = "device-id",
        FalloutOwner = "fallout-owner",
        DelayReason = "delay-reason",
        Acknowledgement = "acknowledgement",
    }
}

/// A correction as it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Correction {
    pub field: String,
    /// Of which line, for a field of a line; the case's own where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    pub value: Value,
    /// Where the new value comes from: a ticket, a mail, a check of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Where a field stands. Names are those of TMF622, from the order or from the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Order(&'static [&'static str]),
    Line(&'static [&'static str]),
    /// Not in the order: it is kept with the case or told to the customer, and no owner is asked.
    Ours,
}

/// What its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Letters, digits and these, at most so many.
    Id(&'static str, usize),
    /// An object with some of these; those that are needed come first.
    Address,
    /// A group of the taxonomy.
    Group,
    /// A reason of the customer policy.
    DelayReason,
}

impl At {
    /// Whether the operation's request names it, or something in it, or something that it is in.
    pub fn is_used_by(self, op: &Operation) -> bool {
        let (root, path) = match self {
            At::Order(path) => ("order", path),
            At::Line(path) => ("line", path),
            At::Ours => return false,
        };
        let mut texts = vec![op.request.path.as_str()];
        op.request.body.iter().for_each(|body| super::guard::texts_of(body, &mut texts));
        texts.into_iter().flat_map(crate::template::names).any(|name| {
            let mut parts = name.split('.');
            parts.next() == Some(root) && parts.zip(path).all(|(one, other)| one == *other)
        })
    }

    /// Of what is kept among the corrections under this name.
    pub fn of_kept(field: &str) -> Option<At> {
        let corrected = field.parse::<Field>().map(|field| field.declaration().at);
        corrected.ok().or_else(|| Some(field.parse::<Revised>().ok()?.at()))
    }
}

words! {
    /// What has to be known of the case's step.
    Fits {
        /// Its effect does not exist: it will be sent with the new value.
        NotApplied = "not applied",
        /// Its effect exists, as was found out.
        Applied = "applied",
        Anything = "anything",
    }
}

/// One field that may be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correctable {
    pub field: Field,
    pub meaning: &'static str,
    pub at: At,
    pub shape: Shape,
    pub authority: Authority,
    pub fits: Fits,
    /// The value must come from somewhere that can be named.
    pub needs_source: bool,
    /// What a gateway of the model may read: the variable of the order's instance. `_<index>` of the line is added.
    pub variable: Option<&'static str>,
}

/// Postal parts of a TMF673 address; the first three are needed.
const ADDRESS: [&str; 5] = ["postcode", "city", "country", "streetAddress", "stateOrProvince"];
const ADDRESS_NEEDED: usize = 3;
const ADDRESS_CHARS_MAX: usize = 200;

impl Field {
    pub fn declaration(self) -> Correctable {
        use Authority as A;
        let of = |meaning, at, shape, authority| Correctable {
            field: self,
            meaning,
            at,
            shape,
            authority,
            fits: Fits::NotApplied,
            needs_source: false,
            variable: None,
        };
        let id = |most| Shape::Id("._-/:", most);
        match self {
            Field::BillingAccount => {
                let at = At::Order(&["billingAccount", "id"]);
                of("The account that is billed, as the billing system knows it.", at, id(64), A::CorrectAddress)
            }
            Field::ServiceAddress => {
                let at = At::Line(&["product", "place", "0"]);
                let address = of("Where the service is delivered.", at, Shape::Address, A::CorrectAddress);
                Correctable { needs_source: true, ..address }
            }
            Field::ContractArtifact => {
                let at = At::Order(&["agreement", "0", "id"]);
                let artifact = of("The signed contract that was missing.", at, id(100), A::RetrySafeStep);
                Correctable { needs_source: true, ..artifact }
            }
            Field::ProvisioningRoute => {
                let at = At::Line(&["product", "provisioningRoute"]);
                let route = of("By which route a line is provisioned.", at, Shape::Id("-", 40), A::SkipStep);
                Correctable { variable: Some("lineRoute"), ..route }
            }
            Field::DeviceId => {
                let at = At::Line(&["product", "productSerialNumber"]);
                of("The device of a line.", at, Shape::Id("-:", 64), A::RetrySafeStep)
            }
            Field::FalloutOwner => {
                let owner = of("The group that has the case.", At::Ours, Shape::Group, A::AssignCase);
                Correctable { fits: Fits::Anything, ..owner }
            }
            Field::DelayReason => {
                let at = At::Ours;
                let reason =
                    of("Why the customer is told that it takes longer.", at, Shape::DelayReason, A::AssignCase);
                Correctable { fits: Fits::Anything, ..reason }
            }
            Field::Acknowledgement => {
                let meaning =
                    "The reference under which the downstream has acknowledged the effect, found out afterwards.";
                let matched = of(meaning, At::Ours, id(100), A::RetrySafeStep);
                Correctable { fits: Fits::Applied, needs_source: true, ..matched }
            }
        }
    }
}

/// Why a field is not corrected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCorrectable {
    #[error("name the field: --set FIELD[@LINE]=VALUE; the fields are {all}", all = fields())]
    NothingSet,
    #[error("{0} corrects nothing; leave --set out")]
    NotThisAction(super::Action),
    #[error("\"{0}\" cannot be corrected; the fields are {all}", all = fields())]
    NoSuchField(String),
    #[error("{field}: {what}")]
    Value { field: Field, what: String },
    #[error("{0} must say where the new value comes from: --source TEXT")]
    NoSource(Field),
    #[error("{0} belongs to a line; name it: --set {0}@LINE=VALUE")]
    NoLine(Field),
    #[error("the order has no line \"{0}\"")]
    NoSuchLine(String),
    #[error("{0} belongs to the whole order and not to a line")]
    OfTheOrder(Field),
    #[error("{0} is that already; nothing would change")]
    Unchanged(Field),
    #[error("step {step} uses {field}, and what it has sent is {is}; wait or find out first, then correct")]
    InUse { field: Field, step: String, is: &'static str },
    #[error("the effect of the step is {is}, and {field} may be corrected only where it is {wanted}")]
    Fits { field: Field, wanted: Fits, is: Fits },
    #[error("the personal data of the order were erased; nothing personal is taken for it any more")]
    Erased,
}

impl NotCorrectable {
    /// What it is called in the audit.
    pub fn name(&self) -> &'static str {
        match self {
            NotCorrectable::NothingSet => "nothing_set",
            NotCorrectable::NotThisAction(_) => "not_this_action",
            NotCorrectable::NoSuchField(_) => "no_such_field",
            NotCorrectable::Value { .. } => "value_refused",
            NotCorrectable::NoSource(_) => "no_source",
            NotCorrectable::NoLine(_) => "no_line",
            NotCorrectable::NoSuchLine(_) => "no_such_line",
            NotCorrectable::OfTheOrder(_) => "of_the_order",
            NotCorrectable::Unchanged(_) => "unchanged",
            NotCorrectable::InUse { .. } => "field_in_use",
            NotCorrectable::Fits { .. } => "effect_does_not_fit",
            NotCorrectable::Erased => "erased",
        }
    }
}

fn fields() -> String {
    Field::ALL.iter().map(|f| f.word()).collect::<Vec<_>>().join(", ")
}

/// What a value is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    pub taxonomy: &'a Taxonomy,
    pub customer: &'a CustomerPolicy,
}

impl Correction {
    /// The declaration of the field, once the value is one that it can have.
    pub fn check(&self, reference: &Reference<'_>) -> Result<Correctable, NotCorrectable> {
        let field = self.field.parse::<Field>().map_err(|_| NotCorrectable::NoSuchField(self.field.clone()))?;
        let declared = field.declaration();
        let wrong = |what| NotCorrectable::Value { field, what };
        declared.shape.check(&self.value, reference).map_err(wrong)?;
        match (declared.at, &self.line) {
            (At::Order(_) | At::Ours, Some(_)) => return Err(NotCorrectable::OfTheOrder(field)),
            _ if declared.needs_source && self.source.is_none() => return Err(NotCorrectable::NoSource(field)),
            _ => {}
        }
        Ok(declared)
    }
}

impl Shape {
    fn check(self, value: &Value, reference: &Reference<'_>) -> Result<(), String> {
        if self == Shape::Address {
            return address(value);
        }
        let text = value.as_str().ok_or("expected a text")?;
        match self {
            Shape::Id(beside, most) => id(text, beside, most),
            Shape::Group => known(text, reference.taxonomy.categories.iter().map(|c| c.owner_group.as_str())),
            Shape::DelayReason => {
                let reasons = reference.customer.states.iter().filter_map(|s| s.reason.as_ref());
                known(text, reasons.map(|r| r.code.as_str()))
            }
            Shape::Address => Ok(()),
        }
    }
}

fn id(text: &str, beside: &str, most: usize) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || beside.contains(c);
    match (text.is_empty() || text.chars().count() > most, text.chars().all(plain)) {
        (false, true) => Ok(()),
        _ => Err(format!("expected letters, digits and {beside}, at most {most}")),
    }
}

fn known<'a>(text: &str, all: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let all: std::collections::BTreeSet<&str> = all.collect();
    match all.contains(text) {
        true => Ok(()),
        false => Err(format!("expected one of {}", all.into_iter().collect::<Vec<_>>().join(", "))),
    }
}

fn address(value: &Value) -> Result<(), String> {
    let map = value.as_object().ok_or_else(|| format!("expected an object with {}", ADDRESS.join(", ")))?;
    let filled = |name: &str| map.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    if let Some(missing) = ADDRESS[..ADDRESS_NEEDED].iter().find(|name| !filled(name)) {
        return Err(format!("{missing} is missing"));
    }
    for (name, value) in map {
        let text = value.as_str().filter(|text| !text.chars().any(char::is_control));
        let fits = text.is_some_and(|text| text.chars().count() <= ADDRESS_CHARS_MAX);
        if !ADDRESS.contains(&name.as_str()) || !fits {
            return Err(format!(
                "\"{name}\": expected {} as text, at most {ADDRESS_CHARS_MAX} characters",
                ADDRESS.join(", ")
            ));
        }
    }
    let country = map["country"].as_str().unwrap_or_default();
    match country.len() == 2 && country.chars().all(|c| c.is_ascii_uppercase()) {
        true => Ok(()),
        false => Err("country: expected two capital letters (ISO 3166)".into()),
    }
}

impl Correctable {
    /// Whether the effect of the case's step is as this correction needs it; `is`: as it is known, or was attested now.
    pub fn fits(&self, applied: bool) -> Result<(), NotCorrectable> {
        let is = if applied { Fits::Applied } else { Fits::NotApplied };
        match self.fits == Fits::Anything || self.fits == is {
            true => Ok(()),
            false => Err(NotCorrectable::Fits { field: self.field, wanted: self.fits, is }),
        }
    }

    /// What will stand there: an address is laid over what stands there, so that ids and roles stay.
    pub fn becomes(&self, was: &Value, given: &Value) -> Value {
        match (self.shape, was, given) {
            (Shape::Address, was, Value::Object(given)) => {
                let was = was.as_object().cloned().unwrap_or_default();
                // The site that it was is not the site that it is.
                let kept = was.into_iter().filter(|(name, _)| !["name", "id", "href"].contains(&name.as_str()));
                let kept = kept.filter(|(name, _)| !ADDRESS.contains(&name.as_str()));
                Value::Object(kept.chain(given.clone()).collect::<Map<_, _>>())
            }
            (_, _, given) => given.clone(),
        }
    }
}

/// Writes a value where a JSON pointer says, and makes what is missing on the way: an array begins with its first element.
pub fn put(document: &mut Value, pointer: &str, value: &Value) {
    let mut at = document;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let index = part.parse::<usize>().ok();
        if at.is_null() {
            *at = if index.is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        at = match at {
            Value::Array(items) => {
                let index = index.unwrap_or(items.len()).min(items.len());
                if index == items.len() {
                    items.push(Value::Null);
                }
                &mut items[index]
            }
            Value::Object(map) => map.entry(part).or_insert(Value::Null),
            // Something else stands where a branch should be: the value has no place there.
            _ => return,
        };
    }
    *at = value.clone();
}

#[cfg(test)]
#[path = "correction_tests.rs"]
mod tests;
