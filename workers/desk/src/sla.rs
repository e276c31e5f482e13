//! When a case has to be over: computed from the segments of its clock, and told in time to those who can still do something.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use fallout_core::{
    calendar::Calendar,
    case::{CaseEvent, Severity, next},
    ids::{CaseId, CaseNumber},
    sla::{Hours, Owed, Policy, Segment, SlaRules, Standing, Told},
};
use fallout_store::{
    StoreError, Tx,
    cases::{self, Case},
    openings::NewClock,
    severity::{self, Judgement},
    sla, steps,
};
use serde_json::{Value, json};

use crate::{
    Desk, DeskError,
    authority::At,
    cases::{Opening, event},
    severity::Weighed,
};

/// Why a case is as grave as it is, and how its clock stands.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CaseClock {
    pub severity: Severity,
    /// `None`: the case was opened before reasons were kept.
    pub judgement: Option<Judgement>,
    pub policy: Option<String>,
    /// Working time of the policy's calendar.
    pub used_minutes: i64,
    pub response_due: Option<DateTime<Utc>>,
    pub jeopardy_at: Option<DateTime<Utc>>,
    /// `None` while the clock stands still.
    pub due: Option<DateTime<Utc>>,
}

/// Every calendar whose time zone does not exist, for the check of configuration.
pub fn unknown_zones(rules: &SlaRules) -> Vec<String> {
    let unknown = rules.calendars.iter().filter(|c| c.zone.parse::<Tz>().is_err());
    unknown.map(|c| format!("calendar {}: there is no time zone {}", c.code, c.zone)).collect()
}

fn corrupt(what: String) -> DeskError {
    DeskError::Store(StoreError::Corrupt(what))
}

impl Desk {
    /// The clock that a new case begins with.
    pub(crate) fn clock_of<'a>(&self, of: &'a Weighed<'a>) -> NewClock<'a> {
        NewClock {
            severity: of.derived.severity,
            derived: &of.derived,
            policy: of.policy,
            standing: &of.standing,
            at: of.at,
            next: self.next_look(&of.standing, &Told::default(), of.at),
        }
    }

    /// Openings that race may step over the number that matters to all: then the others learn of it at their next review.
    pub(crate) async fn tell_of_growth(
        &self,
        tx: &mut Tx,
        at: &Opening<'_>,
        classification: &str,
        of: &Weighed<'_>,
    ) -> Result<(), DeskError> {
        if of.matters_to_all {
            sla::look_at_all(tx, at.tenant, at.external_system, classification).await?;
        }
        Ok(())
    }

    /// The one the clock was started with, while it exists; else that of the category.
    pub(crate) fn policy(&self, code: &str, category: &str) -> Result<&Policy, DeskError> {
        let rules = &self.catalogue.sla;
        let found = rules.policy(code).or_else(|| rules.of_category(category));
        found.ok_or_else(|| corrupt(format!("no SLA policy serves the category {category}")))
    }

    pub(crate) fn standing(
        &self,
        policy: &Policy,
        severity: Severity,
        segments: &[Segment],
        answered: bool,
    ) -> Result<Standing, DeskError> {
        Ok(policy.standing(&self.hours(policy)?.as_hours(), severity, segments, answered))
    }

    fn hours(&self, policy: &Policy) -> Result<Zoned<'_>, DeskError> {
        let calendar = self.catalogue.sla.calendar(&policy.calendar);
        let calendar = calendar.ok_or_else(|| corrupt(format!("there is no calendar {}", policy.calendar)))?;
        let zone = calendar.zone.parse().map_err(|_| corrupt(format!("there is no time zone {}", calendar.zone)))?;
        Ok(Zoned { calendar, zone })
    }

    fn next_look(&self, standing: &Standing, told: &Told, now: DateTime<Utc>) -> DateTime<Utc> {
        let review = now + Duration::minutes(self.catalogue.severity.review_minutes.into());
        standing.next(told).map_or(review, |next| next.min(review))
    }

    /// Computes the clock's standing from its segments, and says and does what is owed by now. The case must be held.
    pub(crate) async fn keep_clock(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        severity: Severity,
        category: &str,
        now: DateTime<Utc>,
    ) -> Result<(), DeskError> {
        let Some(clock) = sla::clock(tx, case.id).await? else { return Ok(()) };
        let policy = self.policy(&clock.policy, category)?;
        let standing = self.standing(policy, severity, &clock.segments, clock.answered)?;
        let owed = policy.owed(&standing, &clock.told, now);
        for one in &owed {
            tell(tx, case, policy, one).await?;
        }
        let told = clock.told.and(&owed);
        let next = self.next_look(&standing, &told, now);
        Ok(sla::keep(tx, case.id, &standing, &told, next).await?)
    }

    /// Cases whose clock has to be looked at, after this one, in the order of their ids.
    pub async fn clocks_due(&self, after: Option<CaseId>, limit: i64) -> Result<Vec<CaseId>, DeskError> {
        let mut tx = self.system("sla").await?;
        let due = sla::due(&mut tx, after, limit).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// Looks at one clock: the severity may have risen, a warning, a breach or an escalation be due. False when somebody
    /// else has looked meanwhile.
    pub async fn look_at_clock(&self, id: CaseId) -> Result<bool, DeskError> {
        let mut tx = self.system("sla").await?;
        let case = cases::by_id(&mut tx, id).await?;
        hold(&mut tx, &case).await?;
        if !sla::take(&mut tx, id).await? {
            return Ok(false);
        }
        let mut case = cases::by_id(&mut tx, id).await?;
        if case.state.is_active() {
            self.rederive(&mut tx, &mut case).await?;
        } else {
            sla::rest(&mut tx, id).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Why the case is as grave as it is and how its clock stands, computed from the segments.
    pub async fn case_clock(&self, tenant: &str, number: CaseNumber) -> Result<CaseClock, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let case = cases::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchCase(number))?;
        tx = self.visible(tx, tenant, At::Case(case.id, &number.to_string())).await?;
        let clock = self.clock_as_it_stands(&mut tx, case.id).await?;
        tx.commit().await?;
        Ok(clock)
    }

    pub(crate) async fn clock_as_it_stands(&self, tx: &mut Tx, case: CaseId) -> Result<CaseClock, DeskError> {
        let judgement = severity::judgement(tx, case).await?;
        let weight = severity::weight(tx, case).await?;
        let clock = sla::clock(tx, case).await?;
        let now = tx.now().await?;
        let none = CaseClock {
            severity: weight.severity,
            judgement,
            policy: None,
            used_minutes: 0,
            response_due: None,
            jeopardy_at: None,
            due: None,
        };
        let Some(clock) = clock else { return Ok(none) };
        let policy = self.policy(&clock.policy, &weight.category)?;
        let standing = self.standing(policy, weight.severity, &clock.segments, clock.answered)?;
        Ok(CaseClock {
            used_minutes: self.hours(policy)?.as_hours().used(&clock.segments, now).num_minutes(),
            policy: Some(clock.policy),
            response_due: standing.response_due,
            jeopardy_at: standing.jeopardy_at,
            due: standing.due,
            ..none
        })
    }
}

/// A calendar with its zone, owned long enough to be asked.
struct Zoned<'a> {
    calendar: &'a Calendar,
    zone: Tz,
}

impl Zoned<'_> {
    fn as_hours(&self) -> Hours<'_, Tz> {
        Hours { calendar: self.calendar, zone: &self.zone }
    }
}

/// A case of a step changes only under the step's row lock.
pub(crate) async fn hold(tx: &mut Tx, case: &Case) -> Result<(), DeskError> {
    if let Some(step) = case.step {
        steps::lock(tx, step).await?;
    }
    Ok(())
}

async fn tell(tx: &mut Tx, case: &mut Case, policy: &Policy, owed: &Owed) -> Result<(), DeskError> {
    let policy = &policy.code;
    let (kind, reason, payload): (_, String, Value) = match owed {
        Owed::ResponseBreach { due } => {
            let reason = format!("nobody works on it, and somebody should have since {}", due.to_rfc3339());
            (CaseEvent::SlaBreached, reason, json!({ "policy": policy, "target": "response", "due": due }))
        }
        Owed::Jeopardy { due } => {
            let reason = "most of its time is used; it will be late unless somebody acts".to_owned();
            (CaseEvent::SlaAtRisk, reason, json!({ "policy": policy, "target": "resolution", "due": due }))
        }
        Owed::Breach { due } => {
            let reason = format!("it should have been over at {}", due.to_rfc3339());
            (CaseEvent::SlaBreached, reason, json!({ "policy": policy, "target": "resolution", "due": due }))
        }
        Owed::Escalate { step, escalation } => {
            let state = next(case.state, CaseEvent::Escalated)?;
            let before = sla::escalate(tx, case, state, &escalation.group).await?;
            let reason = format!("{} % of its time is used; {} has it now", escalation.at_percent, escalation.group);
            let payload = json!({ "policy": policy, "step": step + 1, "from": before, "to": escalation.group });
            (CaseEvent::Escalated, reason, payload)
        }
    };
    event(tx, case, kind, "sla", Some(&reason), &payload).await
}
