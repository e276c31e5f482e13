//! Deduplication as a table, and over random histories of a step against a model that keeps everything.

use proptest::prelude::*;

use super::*;
use crate::taxonomy::Taxonomy;

fn at(epoch: i32, attempt: impl Into<Option<i32>>) -> Option<Position> {
    Some(Position { epoch, attempt: attempt.into() })
}

#[test]
fn what_comes_before_a_resolution_is_told_by_epochs_and_attempts_alone() {
    let resolved = at(2, 5);
    let table = [
        (at(1, None), false, Order::Before),
        (at(1, 9), false, Order::Before),
        (at(2, 4), false, Order::Before),
        (at(2, 5), false, Order::Unknown),
        (at(2, None), false, Order::Unknown),
        (at(2, None), true, Order::Before),
        (at(2, 6), false, Order::After),
        (at(3, None), false, Order::After),
        (at(3, None), true, Order::After),
        (None, false, Order::Unknown),
        (None, true, Order::Before),
    ];
    for (cause, told_before, expected) in table {
        assert_eq!(order(cause, resolved, told_before), expected, "{cause:?} {told_before}");
    }
    assert_eq!(order(at(1, 1), None, false), Order::Unknown, "a case without a step has no place in a history");
}

#[test]
fn a_signal_joins_the_active_case_whatever_both_are_called() {
    use CaseState as S;
    use Precedence::{Keep, Replace};
    let only = |names, fails_action| Decision::Join { names, fails_action };
    let table = [
        (Voice::Outside, S::Classified, Keep, false, only(false, false)),
        (Voice::Outside, S::Classified, Replace, false, only(true, false)),
        (Voice::Outside, S::Waiting, Replace, true, only(false, false)),
        (Voice::Outside, S::Recovering, Replace, false, only(false, false)),
        (Voice::Outside, S::Verifying, Replace, false, only(false, false)),
        (Voice::Ledger, S::Classified, Keep, false, only(false, false)),
        (Voice::Ledger, S::Classified, Replace, true, only(true, false)),
        (Voice::Ledger, S::Recovering, Replace, false, only(true, false)),
        (Voice::Ledger, S::Verifying, Keep, false, only(true, true)),
        (Voice::Remark, S::Verifying, Replace, false, only(false, false)),
    ];
    for (voice, state, precedence, same, expected) in table {
        assert_eq!(decide(voice, Standing::Active { state, precedence, same }), expected, "{voice:?} {state}");
    }
    for state in CaseState::ALL.iter().filter(|s| s.is_active()) {
        for voice in [Voice::Ledger, Voice::Outside, Voice::Remark] {
            let standing = Standing::Active { state: *state, precedence: Replace, same: false };
            assert!(matches!(decide(voice, standing), Decision::Join { .. }), "{voice:?} {state}");
        }
    }
}

#[test]
fn after_a_resolution_cause_decides_and_without_one_it_is_checked_again() {
    use CaseState as S;
    let table = [
        (Voice::Outside, S::Resolved, Order::Before, Decision::History),
        (Voice::Outside, S::Resolved, Order::After, Decision::Open),
        (Voice::Outside, S::Resolved, Order::Unknown, Decision::VerifyAgain),
        (Voice::Outside, S::Closed, Order::Before, Decision::History),
        (Voice::Outside, S::Closed, Order::Unknown, Decision::Open),
        (Voice::Outside, S::ForceClosed, Order::Unknown, Decision::Open),
        (Voice::Ledger, S::Resolved, Order::Before, Decision::Open),
        (Voice::Remark, S::Resolved, Order::Unknown, Decision::History),
    ];
    for (voice, state, order, expected) in table {
        let standing = |comes_back| Standing::Over { state, order, comes_back };
        assert_eq!(decide(voice, standing(false)), expected, "{voice:?} {state} {order:?}");
        // What comes back soon reopens the case instead of another being opened; nothing else about it is different.
        let again = if expected == Decision::Open && state == S::Resolved { Decision::Reopen } else { expected };
        assert_eq!(decide(voice, standing(true)), again, "{voice:?} {state} {order:?}, soon");
    }
    assert_eq!(decide(Voice::Outside, Standing::Nothing), Decision::Open);
}

/// What happens to one step.
#[derive(Clone, Debug)]
enum Happening {
    /// A signal; its cause is this many epochs ago, or has none.
    Signal { class: usize, ago: Option<i32> },
    /// An action takes effect and the step ends well: its case is resolved.
    Recovered,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let signal = (0usize..CLASSES.len(), prop::option::of(0i32..3));
    let one = prop_oneof![
        4 => signal.prop_map(|(class, ago)| Happening::Signal { class, ago }),
        1 => Just(Happening::Recovered),
    ];
    prop::collection::vec(one, 0..40)
}

/// Five detectors of one trouble, as they are shipped: what they call it, and that they weigh differently.
const CLASSES: [&str; 5] = ["ADDRESS_NOT_SERVICEABLE", "ENGINE_INCIDENT", "STATE_DRIFT", "UNCLASSIFIED", "ORDER_STUCK"];

fn taxonomy() -> Taxonomy {
    toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap()
}

/// Cases of the step in the order of their opening: name, whether it is active, epoch of resolution, signals.
#[derive(Clone, Debug, Default, PartialEq)]
struct Step {
    epoch: i32,
    cases: Vec<(String, bool, i32, usize)>,
}

impl Step {
    /// By the rules under test.
    fn signal(&mut self, taxonomy: &Taxonomy, class: &str, cause: Option<i32>) {
        let standing = match self.cases.last() {
            Some((name, true, ..)) => Standing::Active {
                state: CaseState::Classified,
                precedence: taxonomy.precedence(name, class),
                same: name == class,
            },
            Some((_, false, resolved, _)) => {
                let cause = cause.map(|epoch| Position { epoch, attempt: None });
                let resolved = Position { epoch: *resolved, attempt: None };
                Standing::Over {
                    state: CaseState::Resolved,
                    order: order(cause, Some(resolved), false),
                    comes_back: false,
                }
            }
            None => Standing::Nothing,
        };
        let decision = decide(Voice::Outside, standing);
        if decision == Decision::Open {
            self.cases.push((class.to_owned(), true, 0, 1));
            return;
        }
        if let Some(case) = self.cases.last_mut() {
            case.3 += 1;
            if decision == (Decision::Join { names: true, fails_action: false }) {
                case.0 = class.to_owned();
            }
        }
    }

    /// By the words of the specification, for each of all signals anew: the heaviest of its time names a case.
    fn model(taxonomy: &Taxonomy, happenings: &[Happening]) -> Step {
        let mut step = Step::default();
        for happening in happenings {
            let active = step.cases.last().is_some_and(|case| case.1);
            match happening {
                Happening::Recovered => step.recovered(),
                Happening::Signal { class, ago } => {
                    let resolved = step.cases.last().map_or(0, |case| case.2);
                    let is_news = ago.is_some_and(|ago| step.epoch - ago > resolved);
                    if step.cases.is_empty() || (!active && is_news) {
                        step.cases.push((CLASSES[*class].to_owned(), true, 0, 1));
                    } else if let Some(case) = step.cases.last_mut() {
                        case.3 += 1;
                        if active && taxonomy.weight(CLASSES[*class]) >= taxonomy.weight(&case.0) {
                            case.0 = CLASSES[*class].to_owned();
                        }
                    }
                }
            }
        }
        step
    }

    /// Resolved in this epoch; the next action begins the next one.
    fn recovered(&mut self) {
        let epoch = self.epoch;
        if let Some(case) = self.cases.last_mut().filter(|case| case.1) {
            (case.1, case.2) = (false, epoch);
        }
        self.epoch += 1;
    }
}

proptest! {
    #[test]
    fn one_trouble_is_one_case_whatever_the_order_of_signals_and_recoveries(happenings in happenings()) {
        let taxonomy = taxonomy();
        let mut step = Step::default();
        let mut signals = 0;
        for happening in &happenings {
            match happening {
                Happening::Recovered => step.recovered(),
                Happening::Signal { class, ago } => {
                    signals += 1;
                    step.signal(&taxonomy, CLASSES[*class], ago.map(|ago| step.epoch - ago));
                }
            }
            prop_assert!(step.cases.iter().filter(|case| case.1).count() <= 1);
        }
        prop_assert_eq!(step.cases.iter().map(|case| case.3).sum::<usize>(), signals, "no signal is lost");
        prop_assert_eq!(step, Step::model(&taxonomy, &happenings));
    }

    #[test]
    fn five_detectors_in_any_order_give_one_case_with_the_name_of_the_one_who_knows(order in Just(CLASSES).prop_shuffle()) {
        let taxonomy = taxonomy();
        let mut step = Step::default();
        order.iter().for_each(|class| step.signal(&taxonomy, class, None));
        prop_assert_eq!(step.cases, [("ADDRESS_NOT_SERVICEABLE".to_owned(), true, 0, 5)]);
    }
}
