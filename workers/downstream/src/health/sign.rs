//! What the end of one exchange says about the downstream itself; about the effect it says nothing.

use fallout_core::evidence::{Body, Evidence, Phase};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It did what it is for; how long that took counts.
    Served,
    /// It answers, and this request was refused, or met a fault of its own. Quicker or slower than its work, so its time
    /// does not count.
    Refused,
    /// It answers that it is asked too much.
    Overloaded,
    /// No answer, or that of something in front of it.
    Away,
    /// The exchange never came so far.
    Nothing,
}

pub(super) fn of(evidence: &Evidence) -> Sign {
    match &evidence.phase {
        Phase::NotBuilt | Phase::TooLate | Phase::NotSerialised | Phase::Unproven => Sign::Nothing,
        Phase::NotConnected | Phase::BodyNotPolled | Phase::BodyPartlySent | Phase::Sent => Sign::Away,
        Phase::Answered { body: Body::Cut, .. } => Sign::Away,
        Phase::Answered { status, .. } => match status {
            200..300 => Sign::Served,
            // 408: somebody waited for us in vain, as one does who has too much to do.
            408 | 429 => Sign::Overloaded,
            502..=504 => Sign::Away,
            _ => Sign::Refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: Body) -> Phase {
        Phase::Answered { status, body, request_sent: true }
    }

    #[test]
    fn only_what_a_downstream_that_is_well_never_says_counts_against_it() {
        for (phase, expected) in [
            (answered(200, Body::Empty), Sign::Served),
            (answered(202, Body::Text("a proxy's page".into())), Sign::Served),
            (answered(200, Body::Cut), Sign::Away),
            (answered(409, Body::Empty), Sign::Refused),
            (answered(422, Body::Empty), Sign::Refused),
            (answered(500, Body::Empty), Sign::Refused),
            (answered(408, Body::Empty), Sign::Overloaded),
            (answered(429, Body::Empty), Sign::Overloaded),
            (answered(502, Body::Empty), Sign::Away),
            (answered(503, Body::Empty), Sign::Away),
            (answered(504, Body::Empty), Sign::Away),
            (Phase::NotConnected, Sign::Away),
            (Phase::BodyPartlySent, Sign::Away),
            (Phase::Sent, Sign::Away),
            (Phase::TooLate, Sign::Nothing),
            (Phase::NotBuilt, Sign::Nothing),
            (Phase::Unproven, Sign::Nothing),
        ] {
            assert_eq!(of(&Evidence::of(phase.clone())), expected, "{phase:?}");
        }
    }
}
