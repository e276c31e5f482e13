//! The catalogue of actions is whole, and docs/ACTIONS.md says the same.

use std::{collections::BTreeSet, fmt::Write};

use super::*;
use crate::{command::EngineCommand, step::StepState};

/// The page as the declarations make it, below its introduction.
fn page() -> String {
    let mut out =
        String::from("| action | command | authority | contacts downstream | reversible | approval | done when |\n");
    out += "|---|---|---|---|---|---|---|\n";
    for d in all() {
        let row = [
            d.action.word(),
            d.name,
            d.authority.word(),
            d.contact.word(),
            d.reversible.word(),
            d.approval.word(),
            d.expected.word(),
        ];
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    all().for_each(|d| section(&mut out, d));
    out
}

fn section(out: &mut String, d: &Declaration) {
    let _ = writeln!(out, "\n## {}\n\n{}\n", d.action, d.meaning);
    let Transitions { step, item, order } = d.transitions;
    let relay = match d.relay {
        Relay::Nothing => "nothing".to_owned(),
        Relay::Recover => format!("{} with {}", d.relay, d.action),
    };
    let effect = d.wants.word();
    let rows = [
        ("guard", d.guard),
        ("effect has to be", effect),
        ("does", d.does),
        ("does not", d.does_not),
        ("customer", d.customer),
        ("performs itself", d.performs.unwrap_or("nothing")),
        ("engine is told", relay.as_str()),
        ("step", step),
        ("order item", item),
        ("order", order),
    ];
    for (name, text) in rows {
        let _ = writeln!(out, "- {name}: {text}");
    }
}

#[test]
fn the_page_of_actions_is_the_declarations() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ACTIONS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let from = text.find("| action | command |").expect("docs/ACTIONS.md has the table of actions");
    assert!(text[from..] == page(), "docs/ACTIONS.md differs from the declarations; they say:\n{}", page());
}

#[test]
fn every_action_has_a_declaration_of_its_own_and_is_found_by_both_of_its_names() {
    let names: BTreeSet<&str> = all().map(|d| d.name).collect();
    assert_eq!(names.len(), Action::ALL.len());
    for action in Action::ALL.iter().copied() {
        let declared = action.declaration();
        assert_eq!(declared.action, action);
        assert_eq!(named(declared.name), Some(declared));
        assert_eq!(named(action.word()), Some(declared));
        for text in [declared.meaning, declared.guard, declared.does, declared.does_not, declared.customer] {
            assert!(text.ends_with('.') && !text.contains("  "), "{action}: {text}");
        }
    }
    assert_eq!(named("delete"), None);
}

#[test]
fn what_the_relay_sends_is_a_command_that_it_knows() {
    let sent = EngineCommand::Recover {
        action: crate::fixtures::action_id(1),
        step: crate::ids::StepKey(uuid::Uuid::nil()),
        process_instance_id: String::new(),
        seen: String::new(),
        take: Action::RetryStep,
        undo: None,
        at: None,
        route: None,
    };
    assert_eq!(Relay::Recover.word(), sent.kind());
    for d in all() {
        assert!(
            (d.contact == Contact::Sends) == (d.needs_branch() && d.contact == Contact::Sends || d.performs.is_some()),
            "{}: what sends is dispatched by the engine, or makes its own effect",
            d.action
        );
    }
}

#[test]
fn transitions_are_in_the_words_of_the_ledger_and_of_tmf622() {
    let item = [
        "acknowledged",
        "rejected",
        "pending",
        "held",
        "inProgress",
        "cancelled",
        "completed",
        "failed",
        "assessingCancellation",
        "pendingCancellation",
    ];
    let order: Vec<&str> = item.iter().copied().chain(["partial"]).collect();
    let steps: Vec<&str> = StepState::ALL.iter().map(|s| s.word()).chain(["undone"]).collect();
    for d in all() {
        let Transitions { step, item: of_item, order: of_order } = d.transitions;
        for (text, known) in [(step, steps.as_slice()), (of_item, item.as_slice()), (of_order, order.as_slice())] {
            let unknown: Vec<&str> = text.split(" -> ").filter(|w| *w != "as it is" && !known.contains(w)).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?} in {text}", d.action);
        }
    }
}

#[test]
fn only_what_ends_a_case_without_proof_needs_a_second_person_and_nothing_else_is_unverified() {
    for d in all() {
        assert_eq!(d.expected == Expected::Nothing, d.approval == Approval::SecondPerson, "{}", d.action);
    }
}
