//! The agreement of a second person: to exactly one command, on the case exactly as it stands, for a time.

use chrono::{DateTime, Utc};

use crate::words::words;

words! {
    /// What became of a request for approval.
    ApprovalState {
        Requested = "requested",
        Granted = "granted",
        Refused = "refused",
        /// Nobody agreed in time.
        Expired = "expired",
        /// The case moved on, or the action was taken back.
        Void = "void",
    }
}

/// Whom the operating system calls so; good enough to act as oneself, not to be somebody else's second person.
pub const LOCAL: &str = "local:";

/// A request as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub state: ApprovalState,
    pub requester: &'a str,
    /// As whom the requester is known, then those who could act in their place, having made their token.
    pub requester_is: &'a [String],
    pub command_hash: &'a str,
    pub case_version: i32,
    pub expires_at: DateTime<Utc>,
}

/// Who wants to decide, and how things stand.
#[derive(Clone, Copy, Debug)]
pub struct Deciding<'a> {
    pub principal: &'a str,
    /// As for the requester.
    pub is: &'a [String],
    /// Of the command as it is stored.
    pub command_hash: &'a str,
    pub case_version: i32,
    pub now: DateTime<Utc>,
}

/// Why an approval is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApprovable {
    #[error("the approval is {0} already")]
    Over(ApprovalState),
    #[error("the approval expired at {}; the action has to be requested again", .0.format("%Y-%m-%d %H:%M:%S UTC"))]
    Expired(DateTime<Utc>),
    #[error("{0} requested it, or made one of the two tokens; another person has to agree")]
    SamePerson(String),
    #[error("{0} is a login of this machine, which proves no person; agree with a personal token (FALLOUT_TOKEN)")]
    LocalLogin(String),
    #[error(
        "the case has changed since the request (version {asked}, now {now}); look at it, then request the action again"
    )]
    CaseChanged { asked: i32, now: i32 },
    #[error("the stored command is not the one that was to be approved; nothing was done")]
    OtherCommand,
    #[error(
        "the rules have changed since the request (version {asked}, now {now}); request it again if it is still wanted"
    )]
    RulesChanged { asked: i32, now: i32 },
}

impl NotApprovable {
    /// What it is called in the audit.
    pub fn name(&self) -> &'static str {
        match self {
            NotApprovable::Over(_) => "approval_over",
            NotApprovable::Expired(_) => "approval_expired",
            NotApprovable::SamePerson(_) => "same_person",
            NotApprovable::LocalLogin(_) => "local_login",
            NotApprovable::CaseChanged { .. } => "case_changed",
            NotApprovable::OtherCommand => "other_command",
            NotApprovable::RulesChanged { .. } => "rules_changed",
        }
    }
}

/// Whether this person may agree now.
pub fn may_grant(asked: &Request<'_>, by: &Deciding<'_>) -> Result<(), NotApprovable> {
    if asked.state != ApprovalState::Requested {
        return Err(NotApprovable::Over(asked.state));
    }
    if by.now >= asked.expires_at {
        return Err(NotApprovable::Expired(asked.expires_at));
    }
    if by.principal == asked.requester || could_be(asked.requester_is, by.is) || could_be(by.is, asked.requester_is) {
        return Err(NotApprovable::SamePerson(asked.requester.to_owned()));
    }
    if by.principal.starts_with(LOCAL) {
        return Err(NotApprovable::LocalLogin(by.principal.to_owned()));
    }
    if by.command_hash != asked.command_hash {
        return Err(NotApprovable::OtherCommand);
    }
    if by.case_version != asked.case_version {
        return Err(NotApprovable::CaseChanged { asked: asked.case_version, now: by.case_version });
    }
    Ok(())
}

/// Whether the one is the other, or could act as the other.
fn could_be(one: &[String], other: &[String]) -> bool {
    one.first().is_some_and(|own| other.contains(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn only_another_person_agrees_in_time_to_the_same_command_on_the_same_case() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (ann, bob, made) = (names(&["ann"]), names(&["bob", "admin"]), names(&["cid", "bob", "ann"]));
        let asked = |state| Request {
            state,
            requester: "local:ann",
            requester_is: &ann,
            command_hash: "h",
            case_version: 3,
            expires_at: at(100),
        };
        let by = Deciding { principal: "token:bob", is: &bob, command_hash: "h", case_version: 3, now: at(99) };
        use ApprovalState as S;
        use NotApprovable as N;
        let rows = [
            (S::Requested, by, Ok(())),
            (S::Requested, Deciding { principal: "local:ann", ..by }, Err(N::SamePerson("local:ann".into()))),
            (
                S::Requested,
                Deciding { principal: "token:ann-2", is: &ann, ..by },
                Err(N::SamePerson("local:ann".into())),
            ),
            (
                S::Requested,
                Deciding { principal: "token:cid", is: &made, ..by },
                Err(N::SamePerson("local:ann".into())),
            ),
            (S::Requested, Deciding { principal: "local:bob", ..by }, Err(N::LocalLogin("local:bob".into()))),
            (S::Requested, Deciding { now: at(100), ..by }, Err(N::Expired(at(100)))),
            (S::Requested, Deciding { command_hash: "x", ..by }, Err(N::OtherCommand)),
            (S::Requested, Deciding { case_version: 4, ..by }, Err(N::CaseChanged { asked: 3, now: 4 })),
            (S::Granted, by, Err(N::Over(S::Granted))),
            (S::Void, by, Err(N::Over(S::Void))),
        ];
        for (state, by, expected) in rows {
            assert_eq!(may_grant(&asked(state), &by), expected, "{state} {by:?}");
        }
        // Bob made the token that Ann's request came with: it could be his own.
        let asked = Request { requester_is: &made, ..asked(S::Requested) };
        assert_eq!(may_grant(&asked, &by), Err(N::SamePerson("local:ann".into())));
    }
}
