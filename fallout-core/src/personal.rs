//! Which fields of a product order are personal: cut out of the document when it is stored, put back when it is read for
//! rendering, so that they can be erased alone. The list is data (config/personal-data.toml).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::severity::{SeverityRules, Source};

/// Longer lists are a mistake: each path is a walk over every order.
const PATHS_MAX: usize = 100;
/// What the program itself works with; a path over one of these would take it away.
const NEEDED: [&str; 11] = [
    "id",
    "state",
    "priority",
    "category",
    "requestedStartDate",
    "requestedCompletionDate",
    "expectedCompletionDate",
    "relatedParty.id",
    "relatedParty.role",
    "productOrderItem.id",
    "productOrderItem.action",
];
/// The same, below an item.
const NEEDED_ITEM: [&str; 2] = ["productOrderItem.productOrderItemRelationship", "productOrderItem.productOrderItem"];

/// JSON pointers and what stood there.
pub type Cut = BTreeMap<String, Value>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalData {
    /// What is cut out.
    pub personal: Vec<FieldPath>,
    /// Where the numbers stand by which people name a service; they are personal too.
    #[serde(default)]
    pub service_numbers: Vec<FieldPath>,
}

/// `field.field[name=value].field`: arrays on the way are walked, `productOrderItem` means nested items too, and of an array
/// only the elements whose field has the value are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldPath(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    field: String,
    only: Option<(String, String)>,
}

impl TryFrom<String> for FieldPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("expected field.field or field[name=value].field, found \"{text}\"");
        let parts = text.split('.').map(|part| Part::read(part).ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?;
        Ok(FieldPath(parts))
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> String {
        let part = |p: Part| match p.only {
            Some((name, value)) => format!("{}[{name}={value}]", p.field),
            None => p.field,
        };
        path.0.into_iter().map(part).collect::<Vec<_>>().join(".")
    }
}

impl Part {
    fn read(text: &str) -> Option<Part> {
        let plain = |t: &str| !t.is_empty() && !t.contains(['[', ']', '=']);
        let (field, only) = match text.split_once('[') {
            None => (text, None),
            Some((field, rest)) => {
                let (name, value) = rest.strip_suffix(']')?.split_once('=')?;
                if !plain(name) || !plain(value) {
                    return None;
                }
                (field, Some((name.to_owned(), value.to_owned())))
            }
        };
        plain(field).then(|| Part { field: field.to_owned(), only })
    }

    fn means(&self, value: &Value) -> bool {
        self.only.as_ref().is_none_or(|(name, expected)| value.get(name).and_then(Value::as_str) == Some(expected))
    }
}

impl FieldPath {
    /// The JSON pointers of everything that the path means in this document.
    fn pointers(&self, document: &Value) -> Vec<String> {
        let mut found = Vec::new();
        walk(document, "", &self.0, &mut found);
        found
    }

    /// What stands there, without what is not there.
    pub fn values<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        let found = self.pointers(document);
        found.iter().filter_map(|p| document.pointer(p)).filter(|v| !v.is_null()).collect()
    }

    fn fields(&self) -> Vec<&str> {
        self.0.iter().map(|p| p.field.as_str()).collect()
    }
}

fn walk(value: &Value, here: &str, path: &[Part], found: &mut Vec<String>) {
    let Some((part, rest)) = path.split_first() else {
        return found.push(here.to_owned());
    };
    let Some(inner) = value.get(&part.field) else { return };
    let there = format!("{here}/{}", escaped(&part.field));
    let whole = rest.is_empty() && part.only.is_none();
    match inner {
        Value::Array(elements) if !whole => {
            for (index, element) in elements.iter().enumerate() {
                let there = format!("{there}/{index}");
                if part.means(element) {
                    walk(element, &there, rest, found);
                }
                // Items hold items.
                if part.field == "productOrderItem" {
                    walk(element, &there, path, found);
                }
            }
        }
        inner if part.means(inner) => walk(inner, &there, rest, found),
        _ => {}
    }
}

/// RFC 6901.
fn escaped(field: &str) -> String {
    field.replace('~', "~0").replace('/', "~1")
}

impl PersonalData {
    /// Takes the personal fields out. A null stays where each was, so that everything else keeps its place.
    pub fn cut(&self, document: &mut Value) -> Cut {
        let mut cut = Cut::new();
        for path in self.personal.iter().chain(&self.service_numbers) {
            for pointer in path.pointers(document) {
                if let Some(value) = document.pointer_mut(&pointer).filter(|v| !v.is_null()) {
                    cut.insert(pointer, value.take());
                }
            }
        }
        cut
    }

    /// Everything wrong with the list, at once.
    pub fn check(&self, severity: &SeverityRules) -> Vec<String> {
        let all: Vec<&FieldPath> = self.personal.iter().chain(&self.service_numbers).collect();
        let mut wrong = Vec::new();
        if self.personal.is_empty() {
            wrong.push("personal: names no field; then nothing of an order could be erased".to_owned());
        }
        if all.len() > PATHS_MAX {
            wrong.push(format!("{} paths; expected at most {PATHS_MAX}, each is a walk over every order", all.len()));
        }
        for (index, path) in all.iter().enumerate() {
            let name = String::from((*path).clone());
            if let Some(needed) = needed(severity).iter().find(|needed| covers(path, needed)) {
                wrong.push(format!("{name}: would take {} away, which is worked with", needed.join(".")));
            }
            if let Some(other) = all[..index].iter().find(|other| lies_in(path, other) || lies_in(other, path)) {
                wrong.push(format!("{name}: {} says the same, or part of it", String::from((*other).clone())));
            }
        }
        wrong
    }
}

/// Puts back what was cut out.
pub fn put_back(document: &mut Value, cut: &Cut) {
    for (pointer, value) in cut {
        if let Some(place) = document.pointer_mut(pointer) {
            *place = value.clone();
        }
    }
}

fn needed(severity: &SeverityRules) -> Vec<Vec<&str>> {
    let sources = severity.factors.iter().flat_map(|factor| &factor.sources);
    let read = sources.filter_map(|source| match source {
        Source::Order(path) => Some(path.iter().map(String::as_str).collect()),
        Source::Case(_) => None,
    });
    let ours = NEEDED.iter().chain(&NEEDED_ITEM).map(|path| path.split('.').collect());
    ours.chain(read).collect()
}

fn covers(path: &FieldPath, needed: &[&str]) -> bool {
    needed.starts_with(&path.fields())
}

fn lies_in(inner: &FieldPath, outer: &FieldPath) -> bool {
    inner.0.starts_with(&outer.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shipped() -> PersonalData {
        toml::from_str(include_str!("../../config/personal-data.toml")).unwrap()
    }

    fn paths(personal: &[&str]) -> PersonalData {
        let personal = personal.iter().map(|p| FieldPath::try_from((*p).to_owned()).unwrap()).collect();
        PersonalData { personal, service_numbers: Vec::new() }
    }

    fn order() -> Value {
        let item = |id: &str, street: &str| {
            json!({ "id": id, "action": "add", "product": { "place": [{ "streetAddress": street }],
                "productCharacteristic": [{ "name": "speed", "value": "1000" }, { "name": "msisdn", "value": "+49 171 1" }] } })
        };
        let mut outer = item("1", "Elm Street 1");
        outer["productOrderItem"] = json!([item("1.1", "Elm Street 2")]);
        json!({ "id": "o-1", "a/b~c": "Jane", "category": "business", "note": [{ "text": "ring twice" }],
            "relatedParty": [{ "id": "c-1", "role": "customer", "name": "Jane Roe" }, { "id": "p-2", "name": "Partner" }],
            "productOrderItem": [outer] })
    }

    #[test]
    fn what_is_cut_out_is_nowhere_in_the_document_and_comes_back_exactly() {
        let (mut document, personal) = (order(), shipped());
        let cut = personal.cut(&mut document);
        let left = document.to_string();
        for gone in ["Jane Roe", "Elm Street 1", "Elm Street 2", "ring twice", "+49 171 1"] {
            assert!(!left.contains(gone), "{gone} in {left}");
        }
        for stays in ["c-1", "business", "1000", "1.1"] {
            assert!(left.contains(stays), "{stays} not in {left}");
        }
        put_back(&mut document, &cut);
        assert_eq!(document.to_string(), order().to_string(), "byte for byte");
    }

    #[test]
    fn a_path_means_nested_items_filtered_elements_and_fields_with_any_name() {
        let all = |path: &str| {
            let path = FieldPath::try_from(path.to_owned()).unwrap();
            let document = order();
            path.values(&document).into_iter().cloned().collect::<Vec<_>>()
        };
        assert_eq!(all("productOrderItem.product.place.streetAddress"), ["Elm Street 1", "Elm Street 2"]);
        assert_eq!(all("relatedParty[role=customer].name"), ["Jane Roe"]);
        assert_eq!(all("productOrderItem.product.productCharacteristic[name=msisdn].value").len(), 2);
        assert_eq!(all("a/b~c"), ["Jane"]);
        assert!(all("billingAccount.name").is_empty());
        let mut document = order();
        assert_eq!(paths(&["a/b~c"]).cut(&mut document).keys().next().unwrap(), "/a~1b~0c");
        assert!(document["a/b~c"].is_null());
    }

    #[test]
    fn a_path_that_cannot_be_meant_is_refused() {
        for text in ["", ".", "a..b", "a[", "a[b]", "a[=c]", "a[b=c", "a]b", "[a=b]"] {
            assert!(FieldPath::try_from(text.to_owned()).is_err(), "{text}");
        }
        let text = "relatedParty[role=customer].name";
        assert_eq!(String::from(FieldPath::try_from(text.to_owned()).unwrap()), text);
    }

    #[test]
    fn a_list_that_takes_away_what_is_worked_with_is_refused() {
        let severity: SeverityRules = toml::from_str(include_str!("../../config/severity.toml")).unwrap();
        assert_eq!(shipped().check(&severity), [""; 0]);
        let check = |personal: &[&str], says: &str| {
            let wrong = paths(personal).check(&severity).join("\n");
            assert!(wrong.contains(says), "{wrong}");
        };
        check(&[], "names no field");
        check(&["relatedParty"], "relatedParty: would take relatedParty.id away");
        check(&["productOrderItem"], "would take productOrderItem.id away");
        check(&["id"], "would take id away");
        check(&["orderTotalPrice"], "would take orderTotalPrice.price.dutyFreeAmount away");
        check(&["note.text", "note"], "note: note.text says the same");
    }

    proptest::proptest! {
        #[test]
        fn no_document_makes_it_panic_or_come_back_different(text in "[a-z\"\\[\\]{}:, 0-9]{0,60}") {
            let Ok(mut document) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
            let before = document.clone();
            let cut = shipped().cut(&mut document);
            put_back(&mut document, &cut);
            proptest::prop_assert_eq!(document, before);
        }
    }
}
