//! What has to be shown for each right over cases, in words: reference data (config/authority.toml).

use serde::{Deserialize, Serialize};

use crate::action::{Action, catalogue::Authority};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorities {
    /// Rises with every change.
    pub version: u32,
    /// How long a second person has to agree to an action.
    pub approval_hours: Option<u32>,
    #[serde(rename = "authority")]
    pub rights: Vec<Right>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    pub code: Authority,
    /// What it lets a person do.
    pub right: String,
    /// Who has it.
    pub required: String,
}

/// The next shift and the one after it see the request.
const APPROVAL_HOURS: u32 = 24;

/// Longer, and the case is another by then.
const APPROVAL_HOURS_MAX: u32 = 720;

impl Authorities {
    pub fn approval_hours(&self) -> u32 {
        self.approval_hours.unwrap_or(APPROVAL_HOURS)
    }

    /// What has to be shown for an action.
    pub fn required(&self, action: Action) -> Option<&str> {
        let code = action.declaration().authority;
        self.rights.iter().find(|right| right.code == code).map(|right| right.required.as_str())
    }

    /// Everything wrong with it, at once.
    pub fn check(&self) -> Vec<String> {
        let problem = |code: &Authority| {
            let of_it: Vec<&Right> = self.rights.iter().filter(|right| right.code == *code).collect();
            match of_it.as_slice() {
                [] => Some(format!("authority {code} is missing; say who has it")),
                [one] if one.right.trim().is_empty() || one.required.trim().is_empty() => {
                    Some(format!("authority {code}: right and required must not be empty"))
                }
                [_] => None,
                _ => Some(format!("authority {code} is defined twice; take one of them out")),
            }
        };
        let hours = self.approval_hours();
        let hours = (!(1..=APPROVAL_HOURS_MAX).contains(&hours))
            .then(|| format!("approval_hours is {hours}; expected 1 to {APPROVAL_HOURS_MAX}"));
        Authority::ALL.iter().filter_map(problem).chain(hours).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_person_has_a_day_unless_something_sensible_is_said() {
        assert_eq!(Authorities { approval_hours: None, ..shipped() }.approval_hours(), 24);
        for hours in [0, 721] {
            let wrong = Authorities { approval_hours: Some(hours), ..shipped() }.check();
            assert_eq!(wrong, [format!("approval_hours is {hours}; expected 1 to 720")]);
        }
    }

    fn shipped() -> Authorities {
        toml::from_str(include_str!("../../config/authority.toml")).unwrap()
    }

    #[test]
    fn every_action_needs_a_right_that_somebody_has_and_the_first_nine_rights_are_those_of_the_specification() {
        let shipped = shipped();
        assert_eq!(shipped.check(), Vec::<String>::new());
        let rights: Vec<&str> = shipped.rights.iter().map(|right| right.right.as_str()).collect();
        let expected = [
            "View fallout case",
            "Assign case",
            "Retry safe step",
            "Correct address",
            "Waive penalty",
            "Skip fulfillment step",
            "Compensate completed step",
            "Force close",
            "Process modification",
            "Take over a running step",
        ];
        assert_eq!(rights, expected);
        assert!(Action::ALL.iter().all(|action| shipped.required(*action).is_some()));
    }

    #[test]
    fn what_is_missing_empty_or_double_is_told_at_once() {
        let mut wrong = shipped();
        wrong.rights.remove(0);
        wrong.rights[0].required = " ".into();
        wrong.rights.push(wrong.rights[1].clone());
        let expected = [
            "authority view_case is missing; say who has it",
            "authority assign_case: right and required must not be empty",
            "authority retry_safe_step is defined twice; take one of them out",
        ];
        assert_eq!(wrong.check(), expected);
    }
}
