//! Who may do what with a case: rights, the roles that hold them, and what takes a second person. Reference data
//! (config/authority.toml); who has which role is in the database.

mod four_eyes;
mod standing;

use serde::{Deserialize, Serialize};

pub use four_eyes::{FourEyes, Weight};
pub use standing::{EXTENTS_MAX, Extent, Grant, NotAuthorised, Place, Sight, Standing};

use crate::action::{Action, catalogue::Authority};

/// Held by being in a group, for the cases that it has.
pub const GROUP_MEMBER: &str = "group_member";
pub const GROUP_LEAD: &str = "group_lead";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorities {
    /// Rises with every change.
    pub version: u32,
    /// How long a second person has to agree to an action.
    pub approval_hours: Option<u32>,
    #[serde(default, rename = "role")]
    pub roles: Vec<Role>,
    #[serde(rename = "authority")]
    pub rights: Vec<Right>,
    /// Which actions take a second person beside those that always do.
    #[serde(default)]
    pub four_eyes: Vec<FourEyes>,
}

/// What somebody can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    pub code: String,
    pub meaning: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    pub code: Authority,
    /// What it lets a person do.
    pub right: String,
    /// Who has it, in words.
    pub required: String,
    /// The roles that hold it.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The roles that agree to it as the second person; none: those that hold it.
    #[serde(default)]
    pub approvers: Vec<String>,
}

/// The next shift and the one after it see it.
const APPROVAL_HOURS: u32 = 24;

/// Longer, and the case is another by then.
const APPROVAL_HOURS_MAX: u32 = 720;

impl Authorities {
    pub fn approval_hours(&self) -> u32 {
        self.approval_hours.unwrap_or(APPROVAL_HOURS)
    }

    pub fn right(&self, code: Authority) -> Option<&Right> {
        self.rights.iter().find(|right| right.code == code)
    }

    /// What has to be shown for an action.
    pub fn required(&self, action: Action) -> Option<&str> {
        self.right(action.declaration().authority).map(|right| right.required.as_str())
    }

    /// Who has the right.
    pub fn holders(&self, code: Authority) -> &[String] {
        self.right(code).map(|right| right.roles.as_slice()).unwrap_or_default()
    }

    /// Who agrees as the second person to what takes the right.
    pub fn approvers(&self, code: Authority) -> &[String] {
        match self.right(code) {
            Some(right) if !right.approvers.is_empty() => &right.approvers,
            _ => self.holders(code),
        }
    }

    fn is_held_by(&self, code: Authority, role: &str) -> bool {
        self.holders(code).iter().any(|holder| holder == role)
    }

    /// A role that can be granted; being in a group cannot.
    pub fn grantable(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(|role| role.code != GROUP_MEMBER && role.code != GROUP_LEAD)
    }

    /// Everything wrong with it, at once.
    pub fn check(&self) -> Vec<String> {
        let hours = self.approval_hours();
        let hours = (!(1..=APPROVAL_HOURS_MAX).contains(&hours))
            .then(|| format!("approval_hours is {hours}; expected 1 to {APPROVAL_HOURS_MAX}"));
        let rights = Authority::ALL.iter().filter_map(|code| self.wrong_right(*code));
        rights.chain(self.wrong_roles()).chain(self.wrong_four_eyes()).chain(hours).collect()
    }

    fn wrong_right(&self, code: Authority) -> Option<String> {
        let of_it: Vec<&Right> = self.rights.iter().filter(|right| right.code == code).collect();
        match of_it.as_slice() {
            [] => Some(format!("authority {code} is missing; say who has it")),
            [one] if one.right.trim().is_empty() || one.required.trim().is_empty() => {
                Some(format!("authority {code}: right and required must not be empty"))
            }
            [one] if one.roles.is_empty() => Some(format!("authority {code}: no role holds it; name one in roles")),
            [_] => None,
            _ => Some(format!("authority {code} is defined twice; take one of them out")),
        }
    }

    fn wrong_roles(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let known = |code: &str| self.roles.iter().filter(|role| role.code == code).count();
        for role in [GROUP_MEMBER, GROUP_LEAD].into_iter().chain(self.roles.iter().map(|role| role.code.as_str())) {
            match known(role) {
                0 => wrong.push(format!("role {role} is missing; say what it means")),
                1 => {}
                _ => wrong.push(format!("role {role} is defined twice; take one of them out")),
            }
        }
        for right in &self.rights {
            for role in right.roles.iter().chain(&right.approvers) {
                if known(role) == 0 {
                    wrong.push(format!("authority {}: there is no role {role}", right.code));
                } else if !self.is_held_by(Authority::ViewCase, role) {
                    wrong.push(format!(
                        "role {role} holds {} and not view_case: it could act on what it does not see",
                        right.code
                    ));
                }
            }
        }
        wrong.sort();
        wrong.dedup();
        wrong
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
        toml::from_str(include_str!("../../../config/authority.toml")).unwrap()
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
        ];
        assert_eq!(rights[..expected.len()], expected);
        assert!(Action::ALL.iter().all(|action| shipped.required(*action).is_some()));
    }

    #[test]
    fn what_is_missing_empty_or_double_is_told_at_once() {
        let mut wrong = shipped();
        wrong.rights.remove(0);
        wrong.rights[0].required = " ".into();
        wrong.rights.push(wrong.rights[1].clone());
        wrong.rights[2].roles = vec!["sales_op".into()];
        wrong.rights[3].roles.clear();
        wrong.roles.retain(|role| role.code != GROUP_LEAD);
        let roles: Vec<String> = wrong.check().into_iter().filter(|said| said.contains("role")).collect();
        for said in [
            "authority correct_address: there is no role sales_op",
            "role group_lead is missing; say what it means",
            "authority waive_penalty: no role holds it; name one in roles",
        ] {
            assert!(roles.iter().any(|role| role == said), "{said}: {roles:?}");
        }
        let expected = [
            "authority view_case is missing; say who has it",
            "authority assign_case: right and required must not be empty",
            "authority retry_safe_step is defined twice; take one of them out",
        ];
        let said = wrong.check();
        assert!(expected.iter().all(|expected| said.iter().any(|said| said == expected)), "{said:?}");
    }
}
