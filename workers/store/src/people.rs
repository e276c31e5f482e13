//! Who belongs to which group, and who has which case.

use chrono::{DateTime, Utc};
use fallout_core::{
    case::CaseState,
    people::{Member, Role},
};

use crate::{StoreError, Tx, cases::Case};

/// A row for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MemberLine {
    pub group: String,
    pub principal: String,
    pub role: String,
    pub added_by: String,
    pub added_at: DateTime<Utc>,
}

/// False when they are in it in this role already.
pub async fn add_member(
    tx: &mut Tx,
    tenant: &str,
    group: &str,
    member: &Member,
    added_by: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "with added as (
             insert into group_member (tenant_id, group_name, principal, role, added_by) values ($1, $2, $3, $4, $5)
             on conflict (tenant_id, group_name, principal) do update
                 set role = excluded.role, added_by = excluded.added_by, added_at = now()
                 where group_member.role <> excluded.role
             returning tenant_id, group_name, principal, role, added_by)
         insert into group_change (tenant_id, group_name, principal, role, changed_by) select * from added",
        tenant,
        group,
        member.principal,
        member.role.word(),
        added_by,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// False when they are not in it.
pub async fn remove_member(
    tx: &mut Tx,
    tenant: &str,
    group: &str,
    principal: &str,
    removed_by: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "with removed as (
             delete from group_member where tenant_id = $1 and group_name = $2 and principal = $3
             returning tenant_id, group_name, principal)
         insert into group_change (tenant_id, group_name, principal, changed_by)
             select tenant_id, group_name, principal, $4 from removed",
        tenant,
        group,
        principal,
        removed_by,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

pub async fn members(tx: &mut Tx, tenant: &str, group: &str) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query!(
        "select principal, role from group_member where tenant_id = $1 and group_name = $2 order by principal",
        tenant,
        group,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|r| Ok(Member { principal: r.principal, role: r.role.parse::<Role>()? })).collect()
}

/// Of one group, or of all.
pub async fn member_lines(tx: &mut Tx, tenant: &str, group: Option<&str>) -> Result<Vec<MemberLine>, StoreError> {
    let rows = sqlx::query_as!(
        MemberLine,
        r#"select group_name as "group", principal, role, added_by, added_at from group_member
           where tenant_id = $1 and ($2::text is null or group_name = $2) order by group_name, role, principal"#,
        tenant,
        group,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Who was let in or out, when and by whom; without a role they were taken out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChangeLine {
    pub at: DateTime<Utc>,
    pub group: String,
    pub principal: String,
    pub role: Option<String>,
    pub by: String,
}

/// Of one group, or of all; the latest first.
pub async fn changes(
    tx: &mut Tx,
    tenant: &str,
    group: Option<&str>,
    limit: i64,
) -> Result<Vec<ChangeLine>, StoreError> {
    let rows = sqlx::query_as!(
        ChangeLine,
        r#"select changed_at as at, group_name as "group", principal, role, changed_by as by from group_change
           where tenant_id = $1 and ($2::text is null or group_name = $2) order by id desc limit $3"#,
        tenant,
        group,
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Group and person that have the case.
pub async fn owner(tx: &mut Tx, case: &Case) -> Result<(Option<String>, Option<String>), StoreError> {
    let row = sqlx::query!("select assigned_group, assigned_user from fallout_case where id = $1", case.id.0);
    let r = row.fetch_one(tx.conn()).await?;
    Ok((r.assigned_group, r.assigned_user))
}

/// With the state that goes with it.
pub async fn set_owner(
    tx: &mut Tx,
    case: &Case,
    state: CaseState,
    group: Option<&str>,
    user: Option<&str>,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update fallout_case set assigned_group = $3, assigned_user = $4, status = $5, version = version + 1, updated_at = now()
         where id = $1 and version = $2",
        case.id.0,
        case.version,
        group,
        user,
        state.word(),
    );
    match done.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale("the case")),
    }
}
