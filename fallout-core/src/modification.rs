//! Moving tokens of an order past what its model says: the last resort. Seven questions are answered first, a second person
//! agrees to exactly these moves of exactly these tokens, and what stood before and after is kept.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    ids::StepKey,
    people::{BadText, text},
    words::words,
};

/// More moves than this are not one repair of one order.
pub const MOVES_MAX: usize = 20;

words! {
    /// How far a modification has come.
    ModificationState {
        /// Where the tokens stand is read first.
        Checking = "checking",
        AwaitingApproval = "awaiting_approval",
        /// Agreed to; the engine is told.
        Requested = "requested",
        /// Read back from the engine.
        Done = "done",
        /// It was not done and will not be.
        Failed = "failed",
        /// It was never possible.
        Refused = "refused",
        /// The second person did not agree, or not in time.
        NotApproved = "not_approved",
    }
}

impl ModificationState {
    pub fn is_over(self) -> bool {
        use ModificationState as S;
        matches!(self, S::Done | S::Failed | S::Refused | S::NotApproved)
    }
}

/// What has to be asked before (specification §17), each with the answer that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answers {
    pub not_modelled: String,
    pub known_state: String,
    pub domain_state: String,
    pub reason: String,
    pub reversible: String,
    pub completed_steps: String,
    pub tested: String,
}

impl Answers {
    /// Question and answer, in the order of the specification.
    pub fn all(&self) -> [(&'static str, &str); 7] {
        [
            ("Is this a normal business recovery path that should be modeled?", &self.not_modelled),
            ("Is the process instance in a known valid state?", &self.known_state),
            ("Has domain state been updated consistently?", &self.domain_state),
            ("Is there an audit reason?", &self.reason),
            ("Is this action reversible?", &self.reversible),
            ("Does it affect already completed steps?", &self.completed_steps),
            ("Is there a test for this recovery path?", &self.tested),
        ]
    }

    /// Every question is answered in words.
    pub fn check(&self) -> Result<(), BadText> {
        let named = [
            ("why no modelled recovery fits", &self.not_modelled),
            ("what state the process is in", &self.known_state),
            ("what was done about domain state", &self.domain_state),
            ("the reason", &self.reason),
            ("whether it can be taken back", &self.reversible),
            ("what it means for completed steps", &self.completed_steps),
            ("what tested it", &self.tested),
        ];
        named.into_iter().try_for_each(|(what, answer)| text(what, answer).map(drop))
    }
}

/// One move, as a person asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "move", rename_all = "snake_case")]
pub enum Move {
    /// Ends what stands at this activity. Where it stands there more than once, its instance has to be named.
    Cancel {
        activity: String,
        instance: Option<String>,
    },
    StartBefore {
        activity: String,
    },
    StartAfter {
        activity: String,
    },
}

impl Move {
    fn starts(&self) -> Option<&str> {
        match self {
            Move::StartBefore { activity } | Move::StartAfter { activity } => Some(activity),
            Move::Cancel { .. } => None,
        }
    }
}

/// Where one token stands, or what is around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Token {
    pub activity: String,
    /// The engine's id of this one stay.
    pub instance: String,
    /// It waits for its job, right before or behind the activity.
    pub in_transition: bool,
    /// The whole instance, inside which everything else is.
    pub is_whole: bool,
}

/// What stands in the way of a modification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotModified {
    #[error("nothing is to be moved; name what is to be cancelled and where a token is to start")]
    NoMoves,
    #[error("{0} moves are more than one repair; at most {MOVES_MAX} are made at once")]
    TooMany(usize),
    #[error("the order has no open case; open one first, so that somebody owns what becomes of it (fallout case open)")]
    NoCase,
    #[error("{0} is no process instance of this order's run")]
    OtherInstance(String),
    #[error("another modification of this instance is under way: {0}")]
    UnderWay(String),
    #[error("the instance has ended; nothing of it can be moved")]
    Ended,
    #[error("an attempt of step {0} is open; wait until it has ended and ask again")]
    AttemptOpen(StepKey),
    #[error("an action has reserved step {0}; wait until it has taken effect, or withdraw it")]
    ActionUnderWay(StepKey),
    #[error("nothing stands at {0}")]
    NothingThere(String),
    #[error("{activity} stands in several places; name one: {instances}", instances = .instances.join(", "))]
    Ambiguous { activity: String, instances: Vec<String> },
    #[error("the definition that this instance runs has no activity {0}")]
    NoActivity(String),
    #[error(
        "every token would be cancelled and none started: that would end the order without an ending; cancel the order"
    )]
    EndsAll,
    #[error("the instance has moved on since it was asked for; look at it and ask again")]
    Moved,
}

impl NotModified {
    /// What it is called in the record.
    pub fn name(&self) -> &'static str {
        match self {
            NotModified::NoMoves => "no_moves",
            NotModified::TooMany(_) => "too_many_moves",
            NotModified::NoCase => "no_case",
            NotModified::OtherInstance(_) => "other_instance",
            NotModified::UnderWay(_) => "modification_under_way",
            NotModified::Ended => "instance_ended",
            NotModified::AttemptOpen(_) => "attempt_open",
            NotModified::ActionUnderWay(_) => "action_under_way",
            NotModified::NothingThere(_) => "nothing_there",
            NotModified::Ambiguous { .. } => "ambiguous",
            NotModified::NoActivity(_) => "no_activity",
            NotModified::EndsAll => "ends_all",
            NotModified::Moved => "moved",
        }
    }
}

/// A step that waits or works in the instance, as the ledger has it.
#[derive(Clone, Copy, Debug)]
pub struct StepInWay {
    pub key: StepKey,
    pub attempt_open: bool,
    pub reserved: bool,
}

/// Whether there is anything to do at all; asked before anything is read.
pub fn check_moves(moves: &[Move]) -> Result<(), NotModified> {
    match moves.len() {
        0 => Err(NotModified::NoMoves),
        many if many > MOVES_MAX => Err(NotModified::TooMany(many)),
        _ => Ok(()),
    }
}

/// Nobody is at work in the instance.
pub fn check_steps(steps: &[StepInWay]) -> Result<(), NotModified> {
    for step in steps {
        if step.attempt_open {
            return Err(NotModified::AttemptOpen(step.key));
        }
        if step.reserved {
            return Err(NotModified::ActionUnderWay(step.key));
        }
    }
    Ok(())
}

/// The moves with every cancelled stay named, or why they cannot be made of these tokens in this model.
pub fn resolve(moves: &[Move], tokens: &[Token], activities: &BTreeSet<String>) -> Result<Vec<Move>, NotModified> {
    let resolved: Result<Vec<Move>, NotModified> =
        moves.iter().map(|one| resolve_one(one, tokens, activities)).collect();
    let resolved = resolved?;
    let cancelled = |token: &Token| {
        resolved.iter().any(|one| matches!(one, Move::Cancel { instance: Some(id), .. } if *id == token.instance))
    };
    let starts = resolved.iter().any(|one| one.starts().is_some());
    let stays = tokens.iter().filter(|token| !token.is_whole).any(|token| !cancelled(token));
    if starts || stays { Ok(resolved) } else { Err(NotModified::EndsAll) }
}

fn resolve_one(one: &Move, tokens: &[Token], activities: &BTreeSet<String>) -> Result<Move, NotModified> {
    if let Some(activity) = one.starts() {
        return match activities.contains(activity) {
            true => Ok(one.clone()),
            false => Err(NotModified::NoActivity(activity.to_owned())),
        };
    }
    let Move::Cancel { activity, instance } = one else { return Ok(one.clone()) };
    let of_it = tokens.iter().filter(|token| !token.is_whole && token.activity == *activity);
    let found: Vec<&Token> = of_it.filter(|token| instance.as_ref().is_none_or(|id| *id == token.instance)).collect();
    match found.as_slice() {
        [] => Err(NotModified::NothingThere(instance.clone().unwrap_or_else(|| activity.clone()))),
        [token] => Ok(Move::Cancel { activity: activity.clone(), instance: Some(token.instance.clone()) }),
        several => {
            let instances = several.iter().map(|token| token.instance.clone()).collect();
            Err(NotModified::Ambiguous { activity: activity.clone(), instances })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(activity: &str, instance: &str) -> Token {
        Token { activity: activity.into(), instance: instance.into(), in_transition: false, is_whole: activity == "p" }
    }

    fn cancel(activity: &str, instance: Option<&str>) -> Move {
        Move::Cancel { activity: activity.into(), instance: instance.map(str::to_owned) }
    }

    fn start(activity: &str) -> Move {
        Move::StartBefore { activity: activity.into() }
    }

    /// What is asked for, and what it comes to.
    type Row<'a> = (&'a [Move], Result<Vec<Move>, NotModified>);

    #[test]
    fn moves_are_made_of_tokens_that_stand_there_and_of_activities_that_the_model_has() {
        let tokens = [token("p", "0"), token("bill", "1"), token("line", "2"), token("line", "3")];
        let activities = ["bill", "line", "notify"].map(str::to_owned).into();
        use NotModified as N;
        let several = N::Ambiguous { activity: "line".into(), instances: vec!["2".into(), "3".into()] };
        let rows: [Row<'_>; 8] = [
            (&[cancel("bill", None), start("notify")], Ok(vec![cancel("bill", Some("1")), start("notify")])),
            (&[cancel("line", Some("3"))], Ok(vec![cancel("line", Some("3"))])),
            (&[cancel("line", None)], Err(several)),
            (&[cancel("line", Some("9"))], Err(N::NothingThere("9".into()))),
            (&[cancel("gone", None)], Err(N::NothingThere("gone".into()))),
            (&[cancel("p", None)], Err(N::NothingThere("p".into()))),
            (&[start("elsewhere")], Err(N::NoActivity("elsewhere".into()))),
            (&[cancel("bill", None), cancel("line", Some("2")), cancel("line", Some("3"))], Err(N::EndsAll)),
        ];
        for (moves, expected) in rows {
            assert_eq!(resolve(moves, &tokens, &activities), expected, "{moves:?}");
        }
        assert_eq!(check_moves(&[]), Err(N::NoMoves));
        assert_eq!(check_moves(&vec![start("bill"); MOVES_MAX + 1]), Err(N::TooMany(MOVES_MAX + 1)));
    }

    #[test]
    fn nobody_is_at_work_while_tokens_are_moved() {
        let key = StepKey(uuid::Uuid::nil());
        let step = |attempt_open, reserved| [StepInWay { key, attempt_open, reserved }];
        assert_eq!(check_steps(&step(false, false)), Ok(()));
        assert_eq!(check_steps(&step(true, true)), Err(NotModified::AttemptOpen(key)));
        assert_eq!(check_steps(&step(false, true)), Err(NotModified::ActionUnderWay(key)));
    }

    #[test]
    fn each_of_the_seven_questions_is_answered_in_words() {
        let whole = Answers {
            not_modelled: "a".into(),
            known_state: "b".into(),
            domain_state: "c".into(),
            reason: "d".into(),
            reversible: "e".into(),
            completed_steps: "f".into(),
            tested: "g".into(),
        };
        assert_eq!(whole.check(), Ok(()));
        let answers: BTreeSet<&str> = whole.all().iter().map(|(_, answer)| *answer).collect();
        assert_eq!(answers.len(), 7, "each question has its own answer");
        for empty in 0..7 {
            let mut some = whole.clone();
            let fields = [
                &mut some.not_modelled,
                &mut some.known_state,
                &mut some.domain_state,
                &mut some.reason,
                &mut some.reversible,
                &mut some.completed_steps,
                &mut some.tested,
            ];
            for (n, field) in fields.into_iter().enumerate() {
                if n == empty {
                    *field = " ".into();
                }
            }
            assert!(matches!(some.check(), Err(BadText::Empty(_))), "question {empty}");
        }
    }
}
