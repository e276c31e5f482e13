//! Versions of the taxonomy: written once, whole, never changed.

use chrono::{DateTime, Utc};
use fallout_core::taxonomy::Taxonomy;
use serde::Serialize;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// What became of a version that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    Now,
    /// The same content was there.
    Before,
    /// Another content is there under this version.
    Differs,
}

/// One kept version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionLine {
    /// Empty: everybody.
    pub tenant: String,
    pub version: i32,
    pub tenant_version: i32,
    pub loaded_by: String,
    pub loaded_at: DateTime<Utc>,
}

/// Keeps the taxonomy of a tenant (`""`: of everybody) with its categories and classifications as rows.
pub async fn keep(
    tx: &mut Tx,
    id: Uuid,
    tenant: &str,
    taxonomy: &Taxonomy,
    loaded_by: &str,
) -> Result<Kept, StoreError> {
    let content = serde_json::to_value(taxonomy)?;
    let (version, own) = (int(taxonomy.version)?, int(taxonomy.tenant_version)?);
    let done = sqlx::query!(
        "insert into taxonomy_version (id, tenant_id, version, tenant_version, content, loaded_by)
         values ($1, $2, $3, $4, $5, $6) on conflict (tenant_id, version, tenant_version) do nothing",
        id,
        tenant,
        version,
        own,
        content,
        loaded_by,
    );
    if done.execute(tx.conn()).await?.rows_affected() == 1 {
        categories(tx, id).await?;
        classifications(tx, id).await?;
        return Ok(Kept::Now);
    }
    let same = sqlx::query_scalar!(
        r#"select content = $4 as "same!" from taxonomy_version where tenant_id = $1 and version = $2 and tenant_version = $3"#,
        tenant,
        version,
        own,
        content,
    );
    Ok(if same.fetch_one(tx.conn()).await? { Kept::Before } else { Kept::Differs })
}

/// A version as its column holds it.
pub(crate) fn int(version: u32) -> Result<i32, StoreError> {
    i32::try_from(version).map_err(|_| StoreError::Corrupt(format!("version {version} is too high")))
}

async fn categories(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into taxonomy_category (version_id, tenant_id, code, name, example, owner_group, recovery_style, allowed_actions,
             recommended_action, severity, sla_policy, sla_hours, customer_state, runbook, precedence)
         select v.id, v.tenant_id, c.code, c.name, c.example, c.owner_group, c.recovery_style, c.allowed_actions,
             c.recommended_action, c.severity, c.sla_policy, c.sla_hours, c.customer_state, c.runbook, c.precedence
         from taxonomy_version v, jsonb_to_recordset(v.content -> 'category') as c (code text, name text, example text,
             owner_group text, recovery_style text, allowed_actions text[], recommended_action text, severity text,
             sla_policy text, sla_hours int, customer_state text, runbook text, precedence int)
         where v.id = $1",
        id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn classifications(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into taxonomy_classification (version_id, tenant_id, code, category, summary, recommended_action, severity,
             precedence, own_case, maps)
         select v.id, v.tenant_id, c.code, c.category, c.summary, c.recommended_action, c.severity, c.precedence,
             coalesce(c.own_case, false), coalesce(c.maps, '{}')
         from taxonomy_version v, jsonb_to_recordset(v.content -> 'classification') as c (code text, category text,
             summary text, recommended_action text, severity text, precedence int, own_case boolean, maps text[])
         where v.id = $1",
        id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Every version that was ever kept, the latest first.
pub async fn versions(tx: &mut Tx) -> Result<Vec<VersionLine>, StoreError> {
    let rows = sqlx::query_as!(
        VersionLine,
        "select tenant_id as tenant, version, tenant_version, loaded_by, loaded_at from taxonomy_version
         order by loaded_at desc, tenant_id",
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
