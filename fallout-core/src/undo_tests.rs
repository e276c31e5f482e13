//! Which effect goes next, what is left of one, and operations whose undo could not work.

use uuid::Uuid;

use super::*;
use crate::fixtures::{at, attempts, business, defect, keyed, operation, read_only, success, technical, unknown};

/// (step, what is left, when it began, what undoes it).
type Row = (u128, Left, i64, Option<&'static str>);

fn remains((step, left, since, by): Row) -> Remains {
    Remains { step: StepKey(Uuid::from_u128(step)), left, since: at(since), by: by.map(str::to_owned) }
}

fn check(rows: &[Row], expected: Next) {
    let all: Vec<Remains> = rows.iter().copied().map(remains).collect();
    assert_eq!(next(&all), expected, "{rows:?}");
    let turned: Vec<Remains> = all.into_iter().rev().collect();
    assert_eq!(next(&turned), expected, "the order they are listed in decides nothing");
}

fn undo(step: u128, operation: &str) -> Next {
    Next::Undo { step: StepKey(Uuid::from_u128(step)), operation: operation.into() }
}

#[test]
fn the_latest_effect_goes_first_and_nothing_passes_one_that_people_undo() {
    check(&[], Next::End);
    check(&[(1, Left::Effect, 0, Some("a.undo")), (2, Left::Effect, 5, Some("b.undo"))], undo(2, "b.undo"));
    check(&[(1, Left::Effect, 5, Some("a.undo")), (2, Left::Effect, 0, None)], undo(1, "a.undo"));
    check(&[(1, Left::Effect, 0, Some("a.undo")), (2, Left::Effect, 5, None)], Next::Wait);
    check(&[(1, Left::Effect, 0, Some("a.undo")), (2, Left::Unsure, 5, Some("b.undo"))], Next::Wait);
    check(&[(1, Left::Unsure, 0, None), (2, Left::Effect, 5, Some("b.undo"))], undo(2, "b.undo"));
    check(&[(1, Left::Effect, 3, Some("a.undo")), (2, Left::Effect, 3, Some("b.undo"))], undo(2, "b.undo"));
}

#[test]
fn what_is_left_follows_from_every_attempt_and_the_mark() {
    let rows = [
        (vec![], false, Left::Nothing),
        (vec![Some(success())], false, Left::Effect),
        (vec![Some(success())], true, Left::Nothing),
        (vec![Some(unknown()), Some(success())], false, Left::Effect),
        (vec![Some(business())], false, Left::Nothing),
        (vec![Some(technical())], false, Left::Nothing),
        (vec![Some(defect())], false, Left::Nothing),
        (vec![Some(unknown())], false, Left::Unsure),
        (vec![Some(unknown()), Some(technical())], false, Left::Unsure),
        (vec![Some(technical()), None], false, Left::Unsure),
    ];
    for (outcomes, undone, expected) in rows {
        assert_eq!(left(&keyed(), &attempts(outcomes.clone()), undone), expected, "{outcomes:?} {undone}");
        assert_eq!(left(&read_only(), &attempts(outcomes), undone), Left::Nothing, "a read leaves nothing");
    }
}

const RELEASE: &str = r#"
    name = "inventory.release"
    version = 1
    downstream = "inventory"
    owner_group = "Technical Ops"
    kind = "effect"
    direction = "undo"
    request = { method = "POST", path = "/releases", body = { of = "{effect.outputs.id}", was = "{effect.key}" } }
    idempotency = { kind = "key_header", header = "Idempotency-Key", retention_s = 1000 }
    answers = { on_503 = "unknown" }
    timeouts = { connect_ms = 1000, total_ms = 10000 }
    retry = { attempts = 3, first_delay_ms = 1000, max_delay_ms = 8000 }
"#;

fn problems(change: fn(&mut Operation, &mut Operation)) -> Vec<String> {
    let taxonomy = toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap();
    let (mut op, mut by) = (keyed(), operation(RELEASE));
    op.undo = Some(Undo::Operation("inventory.release".into()));
    change(&mut op, &mut by);
    let operations = [op, by].map(|op| (op.name.clone(), op)).into();
    Catalogue { operations, taxonomy, ..Catalogue::default() }.check()
}

#[test]
fn an_undo_that_could_not_take_the_effect_back_is_refused() {
    type Change = fn(&mut Operation, &mut Operation);
    assert_eq!(problems(|_, _| {}), Vec::<String>::new());
    let rows: [(Change, &str); 9] = [
        (|op, _| op.undo = None, "undo: nothing says how its effect is taken back"),
        (
            |op, _| op.undo = Some(Undo::Operation("inventory.free".into())),
            "undo: there is no operation inventory.free",
        ),
        (|op, _| op.undo = Some(Undo::ByHand("Nobody".into())), "undo: the taxonomy knows no group Nobody"),
        (|op, _| op.undo = Some(Undo::Operation("inventory.reserve".into())), "undo: inventory.reserve makes effects"),
        (|op, _| op.outputs.clear(), "undo: inventory.release needs the output id of the effect"),
        (|_, by| by.undo = Some(Undo::ByHand("Finance Ops".into())), "undo: only an effect that is no undo itself"),
        (|_, by| by.point_of_no_return = Some(PastReturn::Refuse), "point_of_no_return: only an effect"),
        (|op, _| op.request.path = "/r/{effect.key}".into(), "{effect.key} stands for nothing"),
        (
            |_, by| by.request.path = "/r/{effects.key}".into(),
            "names begin with order, line, step, outputs, key, effect",
        ),
    ];
    for (change, expected) in rows {
        let found = problems(change);
        assert!(found.len() == 1 && found[0].contains(expected), "expected only \"{expected}\", found {found:?}");
    }
}

#[test]
fn past_the_point_of_no_return_no_call_takes_the_effect_back() {
    let with = |undo, past| Operation { undo, point_of_no_return: past, ..keyed() };
    let call = || Some(Undo::Operation("inventory.release".into()));
    assert_eq!(with(call(), None).undone_by(), Some("inventory.release"));
    for past in PastReturn::ALL {
        assert_eq!(with(call(), Some(*past)).undone_by(), None);
    }
    let by_hand = with(Some(Undo::ByHand("Finance Ops".into())), None);
    assert_eq!((by_hand.undone_by(), by_hand.undone_by_hand()), (None, "Finance Ops"));
    assert_eq!(with(call(), Some(PastReturn::Compensate)).undone_by_hand(), "Technical Ops");
}
