//! Who has a case: assigned, taken, handed over, escalated; and who belongs to which group.

use fallout_core::{
    action::catalogue::Authority,
    case::{CaseEvent, CaseState},
    people::{Group, Member, name, text},
};
use fallout_store::{
    Tx,
    cases::Case,
    people::{self, ChangeLine, MemberLine},
    roles,
};
use serde_json::json;

use crate::{
    Desk, DeskError,
    authority::At,
    case_command::{CaseCommand, Entry, Stands, done, goes},
};

/// To whom a case goes. Without a group it stays in the one it has; without a person nobody in the group has it yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assignment<'a> {
    pub group: Option<&'a str>,
    pub user: Option<&'a str>,
    pub reason: Option<&'a str>,
}

/// Who has the case now, and who is in its group.
struct Owners {
    group: Option<String>,
    user: Option<String>,
    members: Vec<Member>,
}

impl Owners {
    async fn of(tx: &mut Tx, case: &Case) -> Result<Owners, DeskError> {
        let (group, user) = people::owner(tx, case).await?;
        let members = match &group {
            Some(group) => people::members(tx, &case.tenant, group).await?,
            None => Vec::new(),
        };
        Ok(Owners { group, user, members })
    }

    fn group(&self) -> Group<'_> {
        Group { name: self.group.as_deref().unwrap_or("nobody's group"), members: &self.members }
    }
}

impl Desk {
    /// Gives a case to a group, or to somebody in it.
    pub async fn assign(&self, ask: &CaseCommand<'_>, to: &Assignment<'_>) -> Result<Stands, DeskError> {
        let group = to.group.map(|group| name("the group", group)).transpose()?;
        let user = to.user.map(|user| name("the person", user)).transpose()?;
        let reason = to.reason.map(|reason| text("the reason", reason)).transpose()?;
        let (mut tx, case) = self.held_for(ask, Authority::AssignCase).await?;
        let state = goes(&case, CaseEvent::Assigned)?;
        let had = Owners::of(&mut tx, &case).await?;
        let group = group.or(had.group.as_deref());
        if (group, user) == (had.group.as_deref(), had.user.as_deref()) {
            return Ok(Stands::already(&case));
        }
        if let Some(group) = group {
            let members = people::members(&mut tx, ask.tenant, group).await?;
            Group { name: group, members: &members }.may_assign(ask.principal, user)?;
        }
        people::set_owner(&mut tx, &case, state, group, user).await?;
        let payload = json!({ "group": group, "user": user, "from": { "group": had.group, "user": had.user } });
        let entry = Entry { by: ask.into(), event: CaseEvent::Assigned, reason, payload };
        done(tx, case, &entry, state).await
    }

    /// From here on the one who asks works on it.
    pub async fn take(&self, ask: &CaseCommand<'_>) -> Result<Stands, DeskError> {
        let (mut tx, case) = self.held(ask).await?;
        let state = goes(&case, CaseEvent::Taken)?;
        let had = Owners::of(&mut tx, &case).await?;
        if had.user.as_deref() == Some(ask.principal) && state == case.state {
            return Ok(Stands::already(&case));
        }
        had.group().may_take(ask.principal, had.user.as_deref())?;
        people::set_owner(&mut tx, &case, state, had.group.as_deref(), Some(ask.principal)).await?;
        let payload = json!({ "group": had.group, "user": ask.principal, "from": had.user });
        let entry = Entry { by: ask.into(), event: CaseEvent::Taken, reason: None, payload };
        done(tx, case, &entry, state).await
    }

    /// To another person of the same group.
    pub async fn hand_over(&self, ask: &CaseCommand<'_>, to: &str, reason: &str) -> Result<Stands, DeskError> {
        let to = name("the person", to)?;
        let reason = text("the reason", reason)?;
        let (mut tx, case) = self.held(ask).await?;
        let state = goes(&case, CaseEvent::HandedOver)?;
        let had = Owners::of(&mut tx, &case).await?;
        if had.user.as_deref() == Some(to) {
            return Ok(Stands::already(&case));
        }
        had.group().may_hand_over(ask.principal, had.user.as_deref(), to)?;
        people::set_owner(&mut tx, &case, state, had.group.as_deref(), Some(to)).await?;
        let payload = json!({ "group": had.group, "user": to, "from": had.user });
        let entry = Entry { by: ask.into(), event: CaseEvent::HandedOver, reason: Some(reason), payload };
        done(tx, case, &entry, state).await
    }

    /// To a group that can do more; whoever had it is not asked.
    pub async fn escalate(&self, ask: &CaseCommand<'_>, group: &str, reason: &str) -> Result<Stands, DeskError> {
        let group = name("the group", group)?;
        let reason = text("the reason", reason)?;
        let (mut tx, case) = self.held(ask).await?;
        let state = goes(&case, CaseEvent::Escalated)?;
        let had = Owners::of(&mut tx, &case).await?;
        if had.group.as_deref() == Some(group) {
            return Ok(Stands::already(&case));
        }
        had.group().may_take(ask.principal, Some(ask.principal))?;
        people::set_owner(&mut tx, &case, state, Some(group), None).await?;
        let payload = json!({ "from": had.group, "to": group, "user": had.user });
        let entry = Entry { by: ask.into(), event: CaseEvent::Escalated, reason: Some(reason), payload };
        done(tx, case, &entry, state).await
    }

    /// Another classification belongs to another group: whoever had the case does not have it any more. The case must be
    /// held.
    pub(crate) async fn follow_group(&self, tx: &mut Tx, case: &mut Case, group: &str) -> Result<(), DeskError> {
        let (had, user) = people::owner(tx, case).await?;
        if had.as_deref() == Some(group) {
            return Ok(());
        }
        let works = case.state == CaseState::InProgress;
        let state = if works { goes(case, CaseEvent::Assigned)? } else { case.state };
        people::set_owner(tx, case, state, Some(group), None).await?;
        case.version += 1;
        case.state = state;
        let payload = json!({ "group": group, "user": null, "from": { "group": had, "user": user } });
        crate::cases::event(tx, case, CaseEvent::Assigned, "taxonomy", None, &payload).await
    }

    /// False when they were in it in this role already. Where a group has a lead, leads say who belongs to it.
    pub async fn add_member(
        &self,
        tenant: &str,
        principal: &str,
        group: &str,
        member: &Member,
    ) -> Result<bool, DeskError> {
        let group = name("the group", group)?;
        name("the person", &member.principal)?;
        let tx = self.tenant(tenant).await?;
        let mut tx = self.may_change(tx, tenant, principal, group).await?;
        let added = people::add_member(&mut tx, tenant, group, member, principal).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// False when they were not in it.
    pub async fn remove_member(
        &self,
        tenant: &str,
        principal: &str,
        group: &str,
        whom: &str,
    ) -> Result<bool, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        if whom != principal {
            tx = self.may_change(tx, tenant, principal, group).await?;
        }
        let removed = people::remove_member(&mut tx, tenant, group, whom, principal).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// Who was let into groups and out of them, the latest first.
    pub async fn group_changes(&self, tenant: &str, group: Option<&str>) -> Result<Vec<ChangeLine>, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        Ok(people::changes(&mut tx, tenant, group, CHANGES_SHOWN).await?)
    }

    pub async fn members(&self, tenant: &str, group: Option<&str>) -> Result<Vec<MemberLine>, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        Ok(people::member_lines(&mut tx, tenant, group).await?)
    }
}

/// More than a person reads.
const CHANGES_SHOWN: i64 = 1_000;

impl Desk {
    /// A group gives roles, so where these are asked for its leads change it, or who gives roles. Before, whoever may by the
    /// group's own rule.
    async fn may_change(&self, mut tx: Tx, tenant: &str, principal: &str, group: &str) -> Result<Tx, DeskError> {
        let members = people::members(&mut tx, tenant, group).await?;
        let group = Group { name: group, members: &members };
        if group.is_led_by(principal) {
            return Ok(tx);
        }
        if !roles::standing(&mut tx, tenant, principal).await?.enforced {
            group.may_be_changed_by(principal)?;
            return Ok(tx);
        }
        self.authorised(tx, tenant, principal, Authority::Administer, At::Group(group.name)).await
    }
}
