//! What a file of orders may look like, and every way it may not.

use super::*;

fn problems(text: &str) -> Vec<String> {
    read_orders("orders.json", text.as_bytes()).err().unwrap_or_default().iter().map(Problem::to_string).collect()
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let found = problems(text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found}\ndoes not say\n{expected}");
    }
}

const ITEM: &str = r#"{"id":"1","action":"add"}"#;

#[test]
fn an_array_and_one_object_a_line_give_the_same_orders() {
    let one = format!(r#"{{"id":"a","@type":"ProductOrder","x":{{"y":1}},"productOrderItem":[{ITEM}]}}"#);
    let two = one.replace(r#""id":"a""#, r#""id":"заказ-17""#);
    let array = read_orders("f", format!("[{one},\n{two}]").as_bytes()).unwrap();
    let lines = read_orders("f", format!("{one}\n\n{two}\n").as_bytes()).unwrap();
    assert_eq!(array, lines);
    assert_eq!(array[1].id, "заказ-17");
    assert_eq!(array[0].document["x"]["y"], 1);
}

#[test]
fn nested_items_are_lines_and_rely_on_others_by_id() {
    let text = r#"[{"id":"a","relatedParty":[{"id":"c-1","role":"Customer"}],"productOrderItem":[
        {"id":"1","action":"add","productOrderItem":[{"id":"1.1","action":"noChange"}]},
        {"id":"2","action":"delete","productOrderItemRelationship":[{"id":"1.1","relationshipType":"reliesOn"},{"id":"9","relationshipType":"bundles"}]}]}]"#;
    let orders = read_orders("f", text.as_bytes()).unwrap();
    let lines: Vec<(&str, &[usize])> =
        orders[0].lines.iter().map(|l| (l.id.as_str(), l.relies_on.as_slice())).collect();
    assert_eq!(lines, [("1", &[][..]), ("1.1", &[][..]), ("2", &[1][..])]);
    assert_eq!(orders[0].customer.as_deref(), Some("c-1"));
}

#[test]
fn every_problem_is_found_in_one_go_with_its_place() {
    refused(
        r#"[{"productOrderItem":[{"id":"1","action":"add"}]},
            {"id":7,"productOrderItem":[]},
            {"id":"b","productOrderItem":[{"id":"1","action":"grow"},{"id":"1"}]},
            {"id":"b","productOrderItem":[{"id":"1","action":"add","productOrderItemRelationship":[{"id":"2","relationshipType":"reliesOn"}]}]}]"#,
        &[
            "orders.json:1: order number 1, id: expected an id",
            "orders.json:2: order number 2, id: expected text in quotes, found 7",
            "orders.json:2: order number 2, productOrderItem: expected at least one item",
            "orders.json:3: order b, productOrderItem[0].action: expected add, modify, delete or noChange, found \"grow\"",
            "orders.json:3: order b, productOrderItem[1].id: expected an id of its own within the order",
            "orders.json:3: order b, productOrderItem[1].action: expected add, modify, delete or noChange, found none",
            "orders.json:4: order b, id: expected an id of its own; the order at line 3",
            "orders.json:4: order b, productOrderItem[0].productOrderItemRelationship[0].id: expected the id of an item",
        ],
    );
}

#[test]
fn an_id_repeated_in_a_nested_item_is_found() {
    refused(
        r#"[{"id":"a","productOrderItem":[{"id":"1","action":"add","productOrderItem":[{"id":"1","action":"add"}]}]}]"#,
        &["productOrderItem[0].productOrderItem[0].id: expected an id of its own"],
    );
}

#[test]
fn a_cycle_of_lines_is_refused() {
    let relies = |on: &str| {
        format!(r#""action":"add","productOrderItemRelationship":[{{"id":"{on}","relationshipType":"reliesOn"}}]"#)
    };
    let text =
        format!(r#"[{{"id":"a","productOrderItem":[{{"id":"1",{}}},{{"id":"2",{}}}]}}]"#, relies("2"), relies("1"));
    refused(&text, &["expected no cycle"]);
}

#[test]
fn what_is_not_json_not_utf8_or_not_storable_says_so() {
    refused("[{]", &["orders.json:1:3: the file: expected a JSON array"]);
    refused("", &["expected at least one order"]);
    refused("[]", &["expected at least one order"]);
    refused("[7]", &["order number 1: expected a product order object"]);
    refused(&format!(r#"[{{"id":"a","note":"\u0000","productOrderItem":[{ITEM}]}}]"#), &["U+0000"]);
    refused(&format!(r#"[{{"id":"a","requestedStartDate":"tomorrow","productOrderItem":[{ITEM}]}}]"#), &["date-time"]);
    let found = read_orders("f", b"[{\"id\":\"\xff\"}]").unwrap_err();
    assert!(found[0].expected.contains("UTF-8"), "{found:?}");
}

#[test]
fn a_line_that_cannot_be_parsed_hides_no_problem_of_another() {
    let good = format!(r#"{{"id":"a","productOrderItem":[{ITEM}]}}"#);
    refused(
        &format!("{good}\n\n{{\"id\":\"Зa\" 7}}\n{}\n{good}\n{{\n", r#"{"id":"c"}"#),
        &[
            "orders.json:3:12: order number 2: expected a JSON array of product orders, or one product order a line: expected `,` or `}`",
            "orders.json:4: order c, productOrderItem: expected at least one item",
            "orders.json:5: order a, id: expected an id of its own; the order at line 1",
            "orders.json:6:",
        ],
    );
    let of_serde = |problem: &String| problem.contains(" at line 1 column ");
    assert!(!problems("{\"id\" 7}\n[{]").iter().any(of_serde));
}

#[test]
fn a_place_in_an_array_is_that_of_the_file() {
    refused("[\n  {\"id\": \"é\", 7}\n]", &["orders.json:2:15: the file: expected a JSON array"]);
}

#[test]
fn an_order_over_several_lines_is_one_problem() {
    let text = format!("{{\n \"id\": \"a\",\n \"productOrderItem\": [\n {ITEM}\n ]\n}}\n");
    refused(&text, &["orders.json:1:1: the file: expected each order on a line of its own"]);
}

#[test]
fn control_characters_of_an_id_are_shown_and_not_obeyed() {
    refused(
        r#"[{"id":"a\u001b[2Jb","productOrderItem":[{"id":"1","action":"add"},{"id":"1\u009b","action":"add"},{"id":"1\u009b","action":"add"}]}]"#,
        &[
            "order a\\u{1b}[2Jb, id: expected an id without control characters",
            "productOrderItem[1].id: expected an id without",
            "productOrderItem[2].id: expected an id without",
        ],
    );
    let found = problems("[{\"id\":\"a\",\"productOrderItem\":[{\"id\":\"1\",\"action\":\"\u{9b}x\"}]}]");
    assert!(found[0].ends_with("found \"\\u{9b}x\""), "{found:?}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = read_orders("f", &bytes);
    }
}
