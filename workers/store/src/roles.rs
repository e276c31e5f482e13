//! Who has which role, for what, and what was refused to whom.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::catalogue::Authority,
    authority::{Extent, Grant, Place, Standing},
    ids::CaseId,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{StoreError, Tx};

fn extent(kind: &str, which: &str) -> Result<Extent, StoreError> {
    let text = if which.is_empty() { kind.to_owned() } else { format!("{kind} {which}") };
    text.parse().map_err(StoreError::Corrupt)
}

/// Somebody with their roles; being in a group is one for its cases.
pub async fn standing(tx: &mut Tx, tenant: &str, principal: &str) -> Result<Standing, StoreError> {
    let rows = sqlx::query!(
        r#"select e.enforced as "enforced!", g.role as "role?", g.extent as "extent?", g.which as "which?"
           from (select exists (select from role_grant where tenant_id = $1) as enforced) e
           left join (
               select role, extent, which from role_grant where tenant_id = $1 and principal = $2 and revoked_at is null
               union all
               select 'group_' || role, 'group', group_name from group_member where tenant_id = $1 and principal = $2) g
             on e.enforced"#,
        tenant,
        principal,
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let enforced = rows.first().is_some_and(|row| row.enforced);
    let mut grants = Vec::new();
    for row in rows {
        if let (Some(role), Some(kind), Some(which)) = (row.role, row.extent, row.which) {
            grants.push(Grant { principal: principal.to_owned(), role, extent: extent(&kind, &which)? });
        }
    }
    Ok(Standing { principal: principal.to_owned(), enforced, grants })
}

/// Everybody who has one of these roles; as many as bear on a message.
pub async fn having(tx: &mut Tx, tenant: &str, roles: &[String]) -> Result<Vec<Grant>, StoreError> {
    let rows = sqlx::query!(
        r#"select principal as "principal!", role as "role!", extent as "extent!", which as "which!" from (
               select principal, role, extent, which from role_grant where tenant_id = $1 and revoked_at is null and role = any ($2)
               union all
               select principal, 'group_' || role, 'group', group_name from group_member
               where tenant_id = $1 and 'group_' || role = any ($2)) holders
           order by extent <> 'tenant', principal limit 1000"#,
        tenant,
        roles,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|r| Ok(Grant { principal: r.principal, role: r.role, extent: extent(&r.extent, &r.which)? })).collect()
}

/// Where a case stands.
pub async fn place_of_case(tx: &mut Tx, case: CaseId) -> Result<Place, StoreError> {
    let row = sqlx::query!(
        r#"select c.assigned_group, c.customer_id, o.external_id as "external_id?"
           from fallout_case c left join product_order o on o.id = c.related_order_id where c.id = $1"#,
        case.0,
    );
    let r = row.fetch_one(tx.conn()).await?;
    Ok(Place { groups: r.assigned_group.into_iter().collect(), customer: r.customer_id, order: r.external_id })
}

/// Where an order stands, by the id of the outside: with its customer, and the groups that have its cases.
pub async fn place_of_order(tx: &mut Tx, tenant: &str, order: &str) -> Result<Place, StoreError> {
    let row = sqlx::query!(
        r#"select o.customer_id, array(select distinct c.assigned_group from fallout_case c
                      where c.related_order_id = o.id and c.assigned_group is not null) as "groups!"
           from product_order o where o.tenant_id = $1 and o.external_id = $2"#,
        tenant,
        order,
    );
    let row = row.fetch_optional(tx.conn()).await?;
    let (customer, groups) = row.map(|r| (r.customer_id, r.groups)).unwrap_or_default();
    Ok(Place { groups, customer, order: Some(order.to_owned()) })
}

/// A grant as it is kept.
#[derive(Clone, Debug, Serialize)]
pub struct RoleLine {
    pub principal: String,
    pub role: String,
    pub extent: Extent,
    pub reason: String,
    pub granted_by: String,
    pub granted_at: DateTime<Utc>,
    pub revoked_by: Option<String>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoke_reason: Option<String>,
}

/// Nobody else grants or revokes in this tenant until the transaction ends: who administers is counted.
pub async fn hold(tx: &mut Tx, tenant: &str) -> Result<(), StoreError> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('fallout.roles'), hashtext($1)) as held", tenant)
        .fetch_one(tx.conn())
        .await?;
    Ok(())
}

/// False when they have it already.
pub async fn grant(
    tx: &mut Tx,
    id: Uuid,
    tenant: &str,
    new: &Grant,
    by: &str,
    reason: &str,
) -> Result<bool, StoreError> {
    let (kind, which) = new.extent.parts();
    let done = sqlx::query!(
        "insert into role_grant (id, tenant_id, principal, role, extent, which, reason, granted_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (tenant_id, principal, role, extent, which) where revoked_at is null do nothing",
        id,
        tenant,
        new.principal,
        new.role,
        kind,
        which,
        reason,
        by,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// False when they do not have it.
pub async fn revoke(tx: &mut Tx, tenant: &str, had: &Grant, by: &str, reason: &str) -> Result<bool, StoreError> {
    let (kind, which) = had.extent.parts();
    let done = sqlx::query!(
        "update role_grant set revoked_by = $6, revoked_at = clock_timestamp(), revoke_reason = $7
         where tenant_id = $1 and principal = $2 and role = $3 and extent = $4 and which = $5 and revoked_at is null",
        tenant,
        had.principal,
        had.role,
        kind,
        which,
        by,
        reason,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Every grant of a tenant, of one person or of all; with those that were revoked, the latest first.
pub async fn list(
    tx: &mut Tx,
    tenant: &str,
    principal: Option<&str>,
    revoked_too: bool,
    limit: i64,
) -> Result<Vec<RoleLine>, StoreError> {
    let rows = sqlx::query!(
        "select principal, role, extent, which, reason, granted_by, granted_at, revoked_by, revoked_at, revoke_reason
         from role_grant where tenant_id = $1 and ($2::text is null or principal = $2) and ($3 or revoked_at is null)
         order by granted_at desc, id desc limit $4",
        tenant,
        principal,
        revoked_too,
        limit,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| {
        Ok(RoleLine {
            principal: r.principal,
            role: r.role,
            extent: extent(&r.extent, &r.which)?,
            reason: r.reason,
            granted_by: r.granted_by,
            granted_at: r.granted_at,
            revoked_by: r.revoked_by,
            revoked_at: r.revoked_at,
            revoke_reason: r.revoke_reason,
        })
    });
    rows.collect()
}

/// Something that somebody asked for without the right to it.
#[derive(Clone, Debug, Serialize)]
pub struct RefusalLine {
    pub at: DateTime<Utc>,
    pub principal: String,
    pub authority: String,
    pub subject: String,
    pub message: String,
}

pub async fn keep_refusal(
    tx: &mut Tx,
    id: Uuid,
    tenant: &str,
    principal: &str,
    authority: Authority,
    subject: &str,
    message: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into access_refusal (id, tenant_id, principal, authority, subject, message) values ($1, $2, $3, $4, $5, $6)",
        id,
        tenant,
        principal,
        authority.word(),
        subject,
        message,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The latest first.
pub async fn refusals(tx: &mut Tx, tenant: &str, limit: i64) -> Result<Vec<RefusalLine>, StoreError> {
    let rows = sqlx::query_as!(
        RefusalLine,
        "select refused_at as at, principal, authority, subject, message from access_refusal
         where tenant_id = $1 order by refused_at desc, id desc limit $2",
        tenant,
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
