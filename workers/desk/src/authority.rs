//! Whether somebody may: asked in the transaction of what they ask for, refused by name, and the refusal kept.

use std::collections::BTreeMap;

use fallout_core::{
    action::catalogue::Authority,
    authority::{NotAuthorised, Place, Sight},
    ids::CaseId,
};
use fallout_store::{Tx, cases::Case, roles};
use uuid::Uuid;

use crate::{Desk, DeskError};

/// What a right is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    Tenant,
    Group(&'a str),
    /// Its id, and how people know it.
    Case(CaseId, &'a str),
    /// By the id of the outside.
    Order(&'a str),
}

impl At<'_> {
    async fn place(self, tx: &mut Tx, tenant: &str) -> Result<Place, DeskError> {
        Ok(match self {
            At::Tenant => Place::default(),
            At::Group(group) => Place::of_group(group),
            At::Case(id, _) => roles::place_of_case(tx, id).await?,
            At::Order(order) => roles::place_of_order(tx, tenant, order).await?,
        })
    }

    fn subject(self) -> String {
        match self {
            At::Tenant => "the tenant".to_owned(),
            At::Group(group) => format!("group {group}"),
            At::Case(_, number) => format!("case {number}"),
            At::Order(order) => format!("order {order}"),
        }
    }
}

impl Desk {
    /// As this person sees it: reads show what they may see, and are refused where that is nothing. Without a viewer it is
    /// the program itself that reads.
    pub fn seen_by(&self, principal: &str) -> Desk {
        Desk { viewer: Some(principal.into()), ..self.clone() }
    }

    /// Refused by name unless they have the right there. For what leaves a row of its own when it is refused.
    pub(crate) async fn may(
        &self,
        tx: &mut Tx,
        tenant: &str,
        principal: &str,
        right: Authority,
        at: At<'_>,
    ) -> Result<(), DeskError> {
        let rules = &self.catalogue.authority;
        self.holds(tx, tenant, principal, right, at, rules.holders(right)).await
    }

    /// The same for whoever agrees as the second person.
    pub(crate) async fn may_agree(
        &self,
        tx: &mut Tx,
        tenant: &str,
        principal: &str,
        right: Authority,
        at: At<'_>,
    ) -> Result<(), DeskError> {
        self.holds(tx, tenant, principal, right, at, self.catalogue.authority.approvers(right)).await
    }

    async fn holds(
        &self,
        tx: &mut Tx,
        tenant: &str,
        principal: &str,
        right: Authority,
        at: At<'_>,
        holders: &[String],
    ) -> Result<(), DeskError> {
        let standing = roles::standing(tx, tenant, principal).await?;
        if !standing.enforced {
            return Ok(());
        }
        let place = at.place(tx, tenant).await?;
        if standing.has(holders, &place) {
            return Ok(());
        }
        let having = roles::having(tx, tenant, holders).await?;
        Err(self.catalogue.authority.refusal(principal, right, holders, &place, &having).into())
    }

    /// As [`Desk::may`]; the transaction goes on, or is over and the refusal kept.
    pub(crate) async fn authorised(
        &self,
        mut tx: Tx,
        tenant: &str,
        principal: &str,
        right: Authority,
        at: At<'_>,
    ) -> Result<Tx, DeskError> {
        match self.may(&mut tx, tenant, principal, right, at).await {
            Ok(()) => Ok(tx),
            Err(refused) => {
                drop(tx);
                Err(self.kept(tenant, &at.subject(), refused).await)
            }
        }
    }

    /// A refusal for want of a right is written down; the transaction it came from must be over.
    pub(crate) async fn kept(&self, tenant: &str, subject: &str, refused: DeskError) -> DeskError {
        let DeskError::NotAuthorised(why) = &refused else { return refused };
        match self.keep(tenant, subject, why).await {
            Ok(()) => refused,
            // What is not written down is not answered either.
            Err(e) => e,
        }
    }

    async fn keep(&self, tenant: &str, subject: &str, why: &NotAuthorised) -> Result<(), DeskError> {
        let mut tx = self.tenant(tenant).await?;
        roles::keep_refusal(&mut tx, Uuid::now_v7(), tenant, &why.who, why.code, subject, &why.to_string()).await?;
        Ok(tx.commit().await?)
    }

    /// Whether who reads may see this.
    pub(crate) async fn visible(&self, tx: Tx, tenant: &str, at: At<'_>) -> Result<Tx, DeskError> {
        match &self.viewer {
            Some(viewer) => self.authorised(tx, tenant, viewer, Authority::ViewCase, at).await,
            None => Ok(tx),
        }
    }

    /// The rights that who reads does not have over a case, each with what it takes.
    pub(crate) async fn lacking(&self, tx: &mut Tx, case: &Case) -> Result<BTreeMap<Authority, String>, DeskError> {
        let Some(viewer) = &self.viewer else { return Ok(BTreeMap::new()) };
        let standing = roles::standing(tx, &case.tenant, viewer).await?;
        let (rules, place) = (&self.catalogue.authority, roles::place_of_case(tx, case.id).await?);
        let takes = |right: &Authority| {
            let roles = rules.holders(*right).join(" or ");
            (*right, format!("you do not have the right {right}; it takes the role {roles}"))
        };
        Ok(Authority::ALL.iter().filter(|right| !standing.may(rules, **right, &place)).map(takes).collect())
    }

    /// Which cases who reads may see.
    pub(crate) async fn sight(&self, mut tx: Tx, tenant: &str) -> Result<(Tx, Sight), DeskError> {
        let Some(viewer) = &self.viewer else { return Ok((tx, Sight::All)) };
        let standing = roles::standing(&mut tx, tenant, viewer).await?;
        match standing.sight(&self.catalogue.authority) {
            Some(sight) => Ok((tx, sight)),
            None => Ok((self.authorised(tx, tenant, viewer, Authority::ViewCase, At::Tenant).await?, Sight::All)),
        }
    }
}
