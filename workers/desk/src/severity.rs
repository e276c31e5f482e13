//! How grave a case is: derived when it opens and again when something about it changes; lowered by people.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::catalogue::Authority,
    case::{CaseEvent, Severity},
    ids::CaseNumber,
    order::affected,
    severity::{Circumstances, Derived, settled},
    sla::{ClockState, Policy, Segment, Standing},
};
use fallout_store::{
    Tx,
    cases::{self, Actor, Case},
    severity,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    authority::At,
    cases::{Opening, event},
    sla::hold,
};

/// What a new case weighs, before it is written.
pub(crate) struct Weighed<'a> {
    pub derived: Derived,
    pub standing: Standing,
    pub policy: &'a Policy,
    pub at: DateTime<Utc>,
    /// The line it is about and those that rely on it.
    pub affected_lines: Vec<String>,
    /// With this one the number of affected orders weighs more, for the others too.
    pub matters_to_all: bool,
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
        let derived = rules.derive(self.base(at.tenant, classification), &circumstances);
        let named = self.taxonomy(at.tenant).category_of(classification).map_or("", |c| c.sla_policy.as_str());
        let policy = self.policy(named, category)?;
        let running = [Segment { kind: ClockState::Running, from: impact.now, to: None }];
        let standing = self.standing(policy, derived.severity, &running, false)?;
        let matters_to_all = rules.matters_to_all(impact.affected_orders);
        let affected_lines = impact.document.as_ref().map(|document| affected(document, at.line)).unwrap_or_default();
        Ok(Weighed { derived, standing, policy, at: impact.now, affected_lines, matters_to_all })
    }

    /// By classification alone.
    fn base(&self, tenant: &str, classification: &str) -> Severity {
        // An empty taxonomy opens no case at all.
        self.taxonomy(tenant).severity(classification).unwrap_or(Severity::Sev3)
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
        let derived = rules.derive(self.base(&case.tenant, &weight.classification), &circumstances);
        severity::put(tx, case, &derived, impact.now).await?;
        let severity = settled(weight.severity, derived.severity, weight.lowered_from);
        if severity != weight.severity {
            severity::raise(tx, case.id, severity).await?;
            let payload = json!({ "from": weight.severity, "to": severity });
            event(tx, case, CaseEvent::SeverityChanged, "sla", Some(&because(&derived)), &payload).await?;
        }
        self.keep_clock(tx, case, severity, &weight.category, impact.now).await
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
        let at = number.to_string();
        tx = self.authorised(tx, tenant, principal, Authority::WorkCase, At::Case(found.id, &at)).await?;
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
