//! Two people for one action: which actions take them for a case, and doing without for a while, which takes two itself.

use std::collections::BTreeMap;

use fallout_core::{
    action::{
        Action,
        approval::{ApprovalState, Deciding, NotApprovable, Request, may_grant},
        catalogue::{Approval, Authority},
    },
    authority::{FourEyes, Weight},
    people::text,
};
use fallout_store::{
    Tx,
    cases::Case,
    four_eyes::{self, Decider, NewSwitch, Switch},
};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{NotRecovered, audit};
use crate::{Desk, DeskError, audit::hex, authority::At, tokens::persons};

/// Longer than a weekend is no exception any more.
const HOURS_MAX: i32 = 72;
/// More than a person reads.
const SHOWN: i64 = 100;

/// What takes two people in a tenant.
#[derive(Clone, Debug, Serialize)]
pub struct FourEyesRules {
    /// Of the reference data.
    pub version: u32,
    pub always: Vec<Action>,
    pub rules: Vec<FourEyes>,
    /// What was asked to be switched off, the latest first.
    pub switches: Vec<Switch>,
}

impl Desk {
    /// Why the action takes a second person on this case; `None`: one is enough.
    pub(crate) async fn second_person(
        &self,
        tx: &mut Tx,
        case: &Case,
        action: Action,
    ) -> Result<Option<String>, DeskError> {
        let rules = &self.catalogue.authority;
        if !rules.may_take_two(&case.tenant, action) {
            return Ok(None);
        }
        let (severity, document) = four_eyes::weight(tx, case.id).await?;
        let now = tx.now().await?;
        let value = document.and_then(|document| self.catalogue.severity.order_value(&document, now));
        let off = four_eyes::is_off(tx, &case.tenant, action).await?;
        Ok(rules.second_person(&case.tenant, action, &Weight { value, severity }, off))
    }

    /// The same for every action that may take two.
    pub(crate) async fn second_persons(&self, tx: &mut Tx, case: &Case) -> Result<BTreeMap<Action, String>, DeskError> {
        let mut why = BTreeMap::new();
        for action in Action::ALL {
            if let Some(reason) = self.second_person(tx, case, *action).await? {
                why.insert(*action, reason);
            }
        }
        Ok(why)
    }

    /// What takes two people, and what of it is switched off.
    pub async fn four_eyes(&self, tenant: &str) -> Result<FourEyesRules, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let rules = &self.catalogue.authority;
        let always = Action::ALL.iter().filter(|action| action.declaration().approval == Approval::SecondPerson);
        let here = |rule: &&FourEyes| rule.tenant.as_deref().is_none_or(|of| of == tenant);
        Ok(FourEyesRules {
            version: rules.version,
            always: always.copied().collect(),
            rules: rules.four_eyes.iter().filter(here).cloned().collect(),
            switches: four_eyes::list(&mut tx, tenant, SHOWN).await?,
        })
    }

    /// Asks a second person to do without second persons for an action, for so many hours from their agreement on.
    pub async fn ask_four_eyes_off(
        &self,
        tenant: &str,
        principal: &str,
        action: Action,
        hours: i32,
        reason: &str,
    ) -> Result<Switch, DeskError> {
        let asked = self.ask_off(tenant, principal, action, hours, reason).await;
        let row = audit::Asked::about(tenant, "four_eyes", principal, String::new(), format!("off {action}"), reason);
        self.audited(&row, asked).await
    }

    async fn ask_off(
        &self,
        tenant: &str,
        principal: &str,
        action: Action,
        hours: i32,
        reason: &str,
    ) -> Result<Switch, DeskError> {
        let reason = text("the reason", reason)?;
        let rules = &self.catalogue.authority;
        if action.declaration().approval == Approval::SecondPerson || !rules.may_take_two(tenant, action) {
            return Err(NotRecovered::NoSwitch(action).into());
        }
        if !(1..=HOURS_MAX).contains(&hours) {
            return Err(NotRecovered::HoursOff { asked: hours, most: HOURS_MAX }.into());
        }
        let mut tx = self.tenant(tenant).await?;
        self.may(&mut tx, tenant, principal, Authority::Administer, At::Tenant).await?;
        let person = persons(&mut tx, tenant, principal).await?.into_iter().next().unwrap_or_default();
        let (id, version) = (Uuid::now_v7(), self.rules_version());
        let new = NewSwitch {
            id,
            tenant,
            action,
            command_hash: &hash(tenant, action, hours, reason, principal, version),
            rules_version: version,
            hours,
            reason,
            requester: principal,
            requester_person: &person,
            valid_s: self.catalogue.approval_valid_s(),
        };
        four_eyes::insert(&mut tx, &new).await?;
        let switch = four_eyes::held(&mut tx, tenant, id).await?.ok_or(NotRecovered::NoSuchApproval(id))?;
        tx.commit().await?;
        Ok(switch)
    }

    /// A second person agrees, or does not; who asked for it takes it back so.
    pub async fn decide_four_eyes(
        &self,
        tenant: &str,
        principal: &str,
        switch: Uuid,
        agrees: bool,
        reason: &str,
    ) -> Result<Switch, DeskError> {
        let decided = self.decide_off(tenant, principal, switch, agrees, reason).await;
        let what = format!("{} {switch}", if agrees { "agree" } else { "refuse" });
        let row = audit::Asked::about(tenant, "four_eyes", principal, String::new(), what, reason);
        self.audited(&row, decided).await
    }

    async fn decide_off(
        &self,
        tenant: &str,
        principal: &str,
        id: Uuid,
        agrees: bool,
        reason: &str,
    ) -> Result<Switch, DeskError> {
        let reason = text("the reason", reason)?;
        let mut tx = self.tenant(tenant).await?;
        let unknown = || NotRecovered::NoSuchApproval(id);
        let asked = four_eyes::held(&mut tx, tenant, id).await?.ok_or_else(unknown)?;
        let is = persons(&mut tx, tenant, principal).await?;
        if agrees || principal != asked.requester {
            self.may(&mut tx, tenant, principal, Authority::Administer, At::Tenant).await?;
        }
        let state = if agrees {
            self.may_agree_to(&mut tx, tenant, &asked, principal, &is).await?;
            ApprovalState::Granted
        } else if asked.state == ApprovalState::Requested {
            ApprovalState::Refused
        } else {
            return Err(NotRecovered::from(NotApprovable::Over(asked.state)).into());
        };
        let person = is.first().map(String::as_str).unwrap_or_default();
        four_eyes::decide(&mut tx, id, state, &Decider { principal, person, reason }).await?;
        let decided = four_eyes::held(&mut tx, tenant, id).await?.ok_or_else(unknown)?;
        tx.commit().await?;
        Ok(decided)
    }

    async fn may_agree_to(
        &self,
        tx: &mut Tx,
        tenant: &str,
        asked: &Switch,
        principal: &str,
        is: &[String],
    ) -> Result<(), DeskError> {
        let (version, now) = (asked.rules_version, self.rules_version());
        if version != now {
            return Err(NotRecovered::from(NotApprovable::RulesChanged { asked: version, now }).into());
        }
        let requester_is = persons(tx, tenant, &asked.requester).await?;
        let request = Request {
            state: asked.state,
            requester: &asked.requester,
            requester_is: &requester_is,
            command_hash: &asked.command_hash,
            case_version: version,
            expires_at: asked.expires_at,
        };
        let command_hash = hash(tenant, asked.action, asked.hours, &asked.reason, &asked.requester, version);
        let by = Deciding { principal, is, command_hash: &command_hash, case_version: version, now: tx.now().await? };
        Ok(may_grant(&request, &by).map_err(NotRecovered::from)?)
    }

    /// Two people are asked for again; false: they were all along. One person is enough for it.
    pub async fn four_eyes_on(&self, tenant: &str, principal: &str, action: Action) -> Result<bool, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::Administer, At::Tenant).await?;
        let ended = four_eyes::on_again(&mut tx, tenant, action).await?;
        tx.commit().await?;
        Ok(ended > 0)
    }

    fn rules_version(&self) -> i32 {
        i32::try_from(self.catalogue.authority.version).unwrap_or(i32::MAX)
    }
}

fn hash(tenant: &str, action: Action, hours: i32, reason: &str, requester: &str, version: i32) -> String {
    let content = json!(["four eyes 1", tenant, action, hours, reason, requester, version]);
    hex(&Sha256::digest(content.to_string()))
}
