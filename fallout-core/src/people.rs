//! People and their groups: who may have a case, who may give it to whom, and what they may write into it.

use serde::Serialize;

use crate::words::words;

words! {
    /// What somebody is in a group.
    Role {
        /// Gives cases to others.
        Lead = "lead",
        Member = "member",
    }
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Who is authenticated, as the program knows them: `local:jane`.
    pub principal: String,
    pub role: Role,
}

/// A group as the rules see it. One without members is open to everybody of the tenant.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    pub name: &'a str,
    pub members: &'a [Member],
}

/// Why somebody may not; the message says who could.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    #[error(
        "{who} is not in {group}, which has the case; ask one of them: {members}, or have it assigned to your group"
    )]
    NotAMember { who: String, group: String, members: String },
    #[error("{whom} is not in {group}; hand it to one of them: {members}, or assign it to another group")]
    NotTheirs { whom: String, group: String, members: String },
    #[error("{group} has a lead; only they give its cases to others: {leads}")]
    LeadNeeded { group: String, leads: String },
    #[error("{by} works on it; ask them to hand it over, or a lead of {group} to assign it")]
    TakenBy { by: String, group: String },
    #[error("{by} has it, not {who}; only they, or a lead of {group}, hand it over")]
    NotYours { by: String, who: String, group: String },
    #[error("{group} has a lead; only they say who belongs to it: {leads}")]
    LeadChanges { group: String, leads: String },
    #[error("nobody has it; take it, or assign it")]
    NobodyHasIt,
}

impl Group<'_> {
    fn role(&self, principal: &str) -> Option<Role> {
        self.members.iter().find(|m| m.principal == principal).map(|m| m.role)
    }

    fn is_open_to(&self, principal: &str) -> bool {
        self.members.is_empty() || self.role(principal).is_some()
    }

    pub fn is_led_by(&self, principal: &str) -> bool {
        self.role(principal) == Some(Role::Lead)
    }

    fn has_lead(&self) -> bool {
        self.members.iter().any(|m| m.role == Role::Lead)
    }

    fn names(&self, of: impl Fn(&Member) -> bool) -> String {
        let names: Vec<&str> = self.members.iter().filter(|m| of(m)).map(|m| m.principal.as_str()).collect();
        names.join(", ")
    }

    fn everybody(&self) -> String {
        self.names(|_| true)
    }

    /// Whether somebody of the group may take the case that `has` has now.
    pub fn may_take(&self, who: &str, has: Option<&str>) -> Result<(), NotAllowed> {
        if !self.is_open_to(who) {
            return Err(NotAllowed::NotAMember { who: who.into(), group: self.name.into(), members: self.everybody() });
        }
        match has {
            Some(by) if by != who && !self.is_led_by(who) => {
                Err(NotAllowed::TakenBy { by: by.into(), group: self.name.into() })
            }
            _ => Ok(()),
        }
    }

    /// Whether `who` may hand the case that `has` has to `whom`, of the same group.
    pub fn may_hand_over(&self, who: &str, has: Option<&str>, whom: &str) -> Result<(), NotAllowed> {
        let by = has.ok_or(NotAllowed::NobodyHasIt)?;
        if by != who && !self.is_led_by(who) {
            let (by, who) = (by.to_owned(), who.to_owned());
            return Err(NotAllowed::NotYours { by, who, group: self.name.into() });
        }
        self.may_have(whom)
    }

    /// Whether `who` may give a case to this group, and in it to `whom`.
    pub fn may_assign(&self, who: &str, whom: Option<&str>) -> Result<(), NotAllowed> {
        let Some(whom) = whom else { return Ok(()) };
        if whom != who && self.has_lead() && !self.is_led_by(who) {
            let leads = self.names(|m| m.role == Role::Lead);
            return Err(NotAllowed::LeadNeeded { group: self.name.into(), leads });
        }
        self.may_have(whom)
    }

    /// Whether `who` may add and remove members. Where nobody leads, everybody may: somebody has to begin.
    pub fn may_be_changed_by(&self, who: &str) -> Result<(), NotAllowed> {
        if self.has_lead() && !self.is_led_by(who) {
            let leads = self.names(|m| m.role == Role::Lead);
            return Err(NotAllowed::LeadChanges { group: self.name.into(), leads });
        }
        Ok(())
    }

    fn may_have(&self, whom: &str) -> Result<(), NotAllowed> {
        if self.is_open_to(whom) {
            return Ok(());
        }
        Err(NotAllowed::NotTheirs { whom: whom.into(), group: self.name.into(), members: self.everybody() })
    }
}

/// What people type into a case is read again and again, by people and in events of its history: a page, not a file.
pub const NOTE_CHARS_MAX: usize = 4_000;
/// Of a group or principal: Postgres indexes it, people read it in a table.
pub const NAME_CHARS_MAX: usize = 100;

/// Why a text is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    #[error("{0} is empty; say it in words")]
    Empty(&'static str),
    #[error("{what} has {has} characters, and at most {max} are kept; put the rest where it belongs and refer to it")]
    TooLong { what: &'static str, has: usize, max: usize },
    #[error("{what} has the control character {found} at character {at}; leave it out")]
    ControlCharacter { what: &'static str, found: String, at: usize },
}

/// A text of a person as it is kept: line breaks and tabs may stay, what moves a terminal's cursor may not.
pub fn text<'a>(what: &'static str, typed: &'a str) -> Result<&'a str, BadText> {
    bounded(what, typed.trim(), NOTE_CHARS_MAX, |c| c == '\n' || c == '\t')
}

/// The name of a group or principal: one line.
pub fn name<'a>(what: &'static str, typed: &'a str) -> Result<&'a str, BadText> {
    bounded(what, typed.trim(), NAME_CHARS_MAX, |_| false)
}

fn bounded<'a>(
    what: &'static str,
    text: &'a str,
    max: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<&'a str, BadText> {
    if text.is_empty() {
        return Err(BadText::Empty(what));
    }
    let has = text.chars().count();
    if has > max {
        return Err(BadText::TooLong { what, has, max });
    }
    match text.chars().enumerate().find(|(_, c)| c.is_control() && !allowed(*c)) {
        Some((at, c)) => Err(BadText::ControlCharacter { what, found: c.escape_unicode().to_string(), at: at + 1 }),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(principal: &str, role: Role) -> Member {
        Member { principal: principal.into(), role }
    }

    fn allowed(result: Result<(), NotAllowed>) -> &'static str {
        match result {
            Ok(()) => "yes",
            Err(NotAllowed::NotAMember { .. }) => "not a member",
            Err(NotAllowed::NotTheirs { .. }) => "not theirs",
            Err(NotAllowed::LeadNeeded { .. }) => "lead needed",
            Err(NotAllowed::TakenBy { .. }) => "taken",
            Err(NotAllowed::NotYours { .. }) => "not yours",
            Err(NotAllowed::LeadChanges { .. }) => "lead changes",
            Err(NotAllowed::NobodyHasIt) => "nobody",
        }
    }

    #[test]
    fn only_members_take_and_hand_over_and_only_leads_give_to_others_where_there_is_one() {
        let led = [member("ann", Role::Lead), member("bob", Role::Member), member("cid", Role::Member)];
        let flat = &led[1..];
        let none: &[Member] = &[];
        let group = |members| Group { name: "Billing Ops", members };
        for (members, who, has, taken) in [
            (&led[..], "bob", None, "yes"),
            (&led[..], "bob", Some("bob"), "yes"),
            (&led[..], "bob", Some("cid"), "taken"),
            (&led[..], "ann", Some("cid"), "yes"),
            (&led[..], "eve", None, "not a member"),
            (none, "eve", None, "yes"),
            (none, "eve", Some("bob"), "taken"),
        ] {
            assert_eq!(allowed(group(members).may_take(who, has)), taken, "{who} takes from {has:?}");
        }
        for (members, who, has, whom, handed) in [
            (&led[..], "bob", Some("bob"), "cid", "yes"),
            (&led[..], "cid", Some("bob"), "cid", "not yours"),
            (&led[..], "ann", Some("bob"), "cid", "yes"),
            (&led[..], "bob", Some("bob"), "eve", "not theirs"),
            (&led[..], "bob", None, "cid", "nobody"),
            (none, "eve", Some("eve"), "mallory", "yes"),
        ] {
            assert_eq!(
                allowed(group(members).may_hand_over(who, has, whom)),
                handed,
                "{who} hands {whom} what {has:?} has"
            );
        }
        for (members, who, whom, assigned) in [
            (&led[..], "eve", None, "yes"),
            (&led[..], "bob", Some("cid"), "lead needed"),
            (&led[..], "bob", Some("bob"), "yes"),
            (&led[..], "ann", Some("cid"), "yes"),
            (&led[..], "ann", Some("eve"), "not theirs"),
            (flat, "bob", Some("cid"), "yes"),
            (flat, "eve", Some("bob"), "yes"),
            (none, "eve", Some("mallory"), "yes"),
        ] {
            assert_eq!(allowed(group(members).may_assign(who, whom)), assigned, "{who} assigns to {whom:?}");
        }
    }

    #[test]
    fn a_group_with_a_lead_is_changed_by_leads_and_another_by_whoever_begins() {
        let led = [member("ann", Role::Lead), member("bob", Role::Member)];
        for (members, who, may) in [
            (&led[..], "ann", "yes"),
            (&led[..], "bob", "lead changes"),
            (&led[1..], "eve", "yes"),
            (&[], "eve", "yes"),
        ] {
            assert_eq!(allowed(Group { name: "Billing Ops", members }.may_be_changed_by(who)), may, "{who}");
        }
    }

    #[test]
    fn a_text_that_nobody_would_read_or_that_moves_a_cursor_is_not_kept() {
        assert_eq!(text("the note", " called back\n\tthey agree "), Ok("called back\n\tthey agree"));
        assert_eq!(text("the note", " \n"), Err(BadText::Empty("the note")));
        let megabyte = "x".repeat(1 << 20);
        let too_long = BadText::TooLong { what: "the note", has: 1 << 20, max: NOTE_CHARS_MAX };
        assert_eq!(text("the note", &megabyte), Err(too_long));
        assert_eq!(text("the note", &"é".repeat(NOTE_CHARS_MAX)).map(|kept| kept.chars().count()), Ok(NOTE_CHARS_MAX));
        for typed in ["\u{1b}[2J", "a\u{0}b", "a\rb", "a\u{9b}b"] {
            assert!(matches!(text("the note", typed), Err(BadText::ControlCharacter { .. })), "{typed:?}");
        }
        assert!(name("the group", "Billing\nOps").is_err());
        assert!(name("the group", &"g".repeat(NAME_CHARS_MAX + 1)).is_err());
    }
}
