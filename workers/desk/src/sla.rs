//! How grave a case is and when it has to be over: derived when it opens, again when something about it changes, and told
//! in time to those who can still do something.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use fallout_core::{
    calendar::Calendar,
    case::{CaseEvent, Severity},
    ids::{CaseId, CaseNumber},
    severity::{Circumstances, Derived, settled},
    sla::{ClockState, Hours, Owed, Policy, Segment, SlaRules, Standing, Told},
};
use fallout_store::{
    StoreError, Tx,
    cases::{self, Actor, Case},
    severity::{self, Judgement},
    sla, steps,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    cases::{Opening, event},
};

/// What a new case weighs, before it is written.
pub(crate) struct Weighed<'a> {
    pub derived: Derived,
    pub standing: Standing,
    policy: &'a Policy,
    at: DateTime<Utc>,
    /// With this one the number of affected orders weighs more, for the others too.
    matters_to_all: bool,
}

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
    /// What a case of this classification would weigh, opened now.
    pub(crate) async fn weigh(
        &self,
        tx: &mut Tx,
        at: &Opening<'_>,
        category: &str,
        classification: &str,
    ) -> Result<Weighed<'_>, DeskError> {
        let rules = &self.catalogue.severity;
        let enough = rules.orders_that_matter();
        let impact = severity::impact(tx, at.tenant, at.order, at.external_system, classification, enough).await?;
        let circumstances = Circumstances {
            document: impact.document.as_ref(),
            external_system: at.external_system,
            category,
            affected_orders: impact.affected_orders,
            opened_at: impact.now,
            now: impact.now,
        };
        let derived = rules.derive(self.base(classification), &circumstances);
        let policy = self.policy("", category)?;
        let running = [Segment { kind: ClockState::Running, from: impact.now, to: None }];
        let standing = self.standing(policy, derived.severity, &running, false)?;
        let matters_to_all = rules.matters_to_all(impact.affected_orders);
        Ok(Weighed { derived, standing, policy, at: impact.now, matters_to_all })
    }

    /// Of a case that was just written. Openings that race may step over the number that matters to all: then the others
    /// learn of it at their next review.
    pub(crate) async fn start_clock(
        &self,
        tx: &mut Tx,
        case: &Case,
        at: &Opening<'_>,
        of: &Weighed<'_>,
    ) -> Result<(), DeskError> {
        if of.matters_to_all {
            sla::look_at_all(tx, at.tenant, at.external_system, &case.classification).await?;
        }
        let next = self.next_look(&of.standing, &Told::default(), of.at);
        Ok(sla::start(tx, case, of.policy, &of.derived, of.at, &of.standing, next).await?)
    }

    /// By classification alone.
    fn base(&self, classification: &str) -> Severity {
        // An empty taxonomy opens no case at all.
        self.catalogue.taxonomy.severity(classification).unwrap_or(Severity::Sev3)
    }

    /// The one the clock was started with, while it exists; else that of the category.
    fn policy(&self, code: &str, category: &str) -> Result<&Policy, DeskError> {
        let rules = &self.catalogue.sla;
        let found = rules.policy(code).or_else(|| rules.of_category(category));
        found.ok_or_else(|| corrupt(format!("no SLA policy serves the category {category}")))
    }

    fn standing(
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

    /// Derives the severity of an active case again: it rises by itself, and its clock with it. The case must be held.
    pub(crate) async fn rederive(&self, tx: &mut Tx, case: &mut Case) -> Result<(), DeskError> {
        let rules = &self.catalogue.severity;
        let weight = severity::weight(tx, case.id).await?;
        let system = &weight.external_system;
        let enough = rules.orders_that_matter();
        let impact = severity::impact(tx, &case.tenant, weight.order, system, &weight.classification, enough).await?;
        let circumstances = Circumstances {
            document: impact.document.as_ref(),
            external_system: system,
            category: &weight.category,
            affected_orders: impact.affected_orders,
            opened_at: weight.opened_at,
            now: impact.now,
        };
        let derived = rules.derive(self.base(&weight.classification), &circumstances);
        severity::put(tx, case, &derived, impact.now).await?;
        let severity = settled(weight.severity, derived.severity, weight.lowered_from);
        if severity != weight.severity {
            severity::raise(tx, case.id, severity).await?;
            let payload = json!({ "from": weight.severity, "to": severity });
            event(tx, case, CaseEvent::SeverityChanged, "sla", Some(&because(&derived)), &payload).await?;
        }
        self.keep_clock(tx, case, severity, &weight.category, impact.now).await
    }

    /// Computes the clock's standing from its segments, and says and does what is owed by now. The case must be held.
    async fn keep_clock(
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

    /// A person's judgement that a case is less grave than its factors say. It stays until they say more than now.
    pub async fn lower_severity(
        &self,
        tenant: &str,
        principal: &str,
        number: CaseNumber,
        to: Severity,
        reason: &str,
    ) -> Result<(), DeskError> {
        if reason.trim().is_empty() {
            return Err(DeskError::NoReason);
        }
        let mut tx = self.tenant(tenant).await?;
        let found = cases::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchCase(number))?;
        hold(&mut tx, &found).await?;
        let mut case = cases::by_id(&mut tx, found.id).await?;
        if !case.state.is_active() {
            return Err(DeskError::CaseIsOver(number, case.state));
        }
        let weight = severity::weight(&mut tx, case.id).await?;
        let current = weight.severity;
        if to <= current {
            return Err(DeskError::NotLower(number, current));
        }
        severity::lower(&mut tx, &case, to, principal, reason).await?;
        case.version += 1;
        let payload = json!({ "from": current, "to": to });
        let (id, by) = (Uuid::now_v7(), Actor::User(principal));
        cases::append_event(&mut tx, id, &case, CaseEvent::SeverityChanged, by, Some(reason), &payload).await?;
        let now = tx.now().await?;
        self.keep_clock(&mut tx, &mut case, to, &weight.category, now).await?;
        Ok(tx.commit().await?)
    }

    /// Why the case is as grave as it is and how its clock stands, computed from the segments.
    pub async fn case_clock(&self, tenant: &str, number: CaseNumber) -> Result<CaseClock, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let case = cases::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchCase(number))?;
        let judgement = severity::judgement(&mut tx, case.id).await?;
        let weight = severity::weight(&mut tx, case.id).await?;
        let clock = sla::clock(&mut tx, case.id).await?;
        let now = tx.now().await?;
        tx.commit().await?;
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
async fn hold(tx: &mut Tx, case: &Case) -> Result<(), DeskError> {
    if let Some(step) = case.step {
        steps::lock(tx, step).await?;
    }
    Ok(())
}

/// The factors that make it as grave as it is, in words.
fn because(derived: &Derived) -> String {
    let gravest = derived.reasons.iter().filter(|r| r.severity == derived.severity);
    let said = gravest.map(|r| match (&r.value, r.assumed) {
        (Some(value), false) => format!("{} {value}", r.factor),
        _ => format!("{} assumed", r.factor),
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { "the classification".to_owned() } else { said.join(", ") }
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
            let before = sla::escalate(tx, case, &escalation.group).await?;
            let reason = format!("{} % of its time is used; {} has it now", escalation.at_percent, escalation.group);
            let payload = json!({ "policy": policy, "step": step + 1, "from": before, "to": escalation.group });
            (CaseEvent::Escalated, reason, payload)
        }
    };
    event(tx, case, kind, "sla", Some(&reason), &payload).await
}
