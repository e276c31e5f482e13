//! Which lines of an order a trouble touches: the line it is about and, in the end, all that rely on it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::items;

/// In document order. Without a line (the trouble is about the whole order) every line.
pub fn affected(document: &Value, line: Option<&str>) -> Vec<String> {
    let items: Vec<(&str, &Value)> = items(document).into_iter().filter_map(|i| Some((i["id"].as_str()?, i))).collect();
    let Some(line) = line else { return items.iter().map(|(id, _)| (*id).to_owned()).collect() };
    let mut touched = BTreeSet::from([line]);
    loop {
        let more = items.iter().filter(|(id, item)| !touched.contains(id) && relies_on(item, &touched));
        let more: Vec<&str> = more.map(|(id, _)| *id).collect();
        if more.is_empty() {
            break;
        }
        touched.extend(more);
    }
    let others = items.iter().filter(|(id, _)| *id != line && touched.contains(id));
    std::iter::once(line).chain(others.map(|(id, _)| *id)).map(str::to_owned).collect()
}

fn relies_on(item: &Value, touched: &BTreeSet<&str>) -> bool {
    let relationships = item["productOrderItemRelationship"].as_array().into_iter().flatten();
    let mut needs = relationships.filter(|r| r["relationshipType"] == "reliesOn").filter_map(|r| r["id"].as_str());
    needs.any(|id| touched.contains(id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trouble_touches_its_line_and_all_that_rely_on_it_in_the_end() {
        let on = |id: &str, kind: &str| json!([{ "relationshipType": kind, "id": id }]);
        let document = json!({ "productOrderItem": [
            { "id": "router", "productOrderItemRelationship": on("line", "reliesOn") },
            { "id": "line", "productOrderItem": [{ "id": "number" }] },
            { "id": "tv", "productOrderItemRelationship": on("router", "reliesOn") },
            { "id": "phone", "productOrderItemRelationship": on("line", "bundles") },
        ] });
        for (line, expected) in [
            (Some("line"), "line router tv"),
            (Some("router"), "router tv"),
            (Some("tv"), "tv"),
            (Some("not in it"), "not in it"),
            (None, "router line number tv phone"),
        ] {
            assert_eq!(affected(&document, line).join(" "), expected, "{line:?}");
        }
        assert!(affected(&Value::Null, None).is_empty());
    }
}
