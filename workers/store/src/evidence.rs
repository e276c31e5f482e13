//! Files that prove what was done outside, per case, by their hash.

use chrono::{DateTime, Utc};
use fallout_core::ids::{CaseId, OrderKey};
use serde::Serialize;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// A file to be kept.
#[derive(Clone, Debug)]
pub struct NewEvidence<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub media_type: &'a str,
    pub sha256: &'a str,
    pub content: &'a [u8],
    pub by: &'a str,
}

/// One as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceLine {
    pub sha256: String,
    pub name: String,
    pub media_type: String,
    pub size_bytes: i32,
    pub added_by: String,
    pub added_at: DateTime<Utc>,
    pub erased_at: Option<DateTime<Utc>>,
}

/// False: the case has it.
pub async fn add(tx: &mut Tx, tenant: &str, case: CaseId, new: &NewEvidence<'_>) -> Result<bool, StoreError> {
    let size = i32::try_from(new.content.len()).unwrap_or(i32::MAX);
    let added = sqlx::query!(
        "insert into case_evidence (id, tenant_id, fallout_case_id, name, media_type, size_bytes, sha256, content, added_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (fallout_case_id, sha256) do nothing",
        new.id,
        tenant,
        case.0,
        new.name,
        new.media_type,
        size,
        new.sha256,
        new.content,
        new.by,
    );
    Ok(added.execute(tx.conn()).await?.rows_affected() > 0)
}

pub async fn of_case(tx: &mut Tx, case: CaseId) -> Result<Vec<EvidenceLine>, StoreError> {
    let rows = sqlx::query_as!(
        EvidenceLine,
        "select sha256, name, media_type, size_bytes, added_by, added_at, erased_at from case_evidence
         where fallout_case_id = $1 order by added_at, id",
        case.0,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Its bytes; none once they were erased.
pub async fn content(tx: &mut Tx, case: CaseId, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let content = sqlx::query_scalar!(
        "select content from case_evidence where fallout_case_id = $1 and sha256 = $2",
        case.0,
        sha256
    );
    Ok(content.fetch_optional(tx.conn()).await?.flatten())
}

/// What is attached to the cases of an order goes with its personal data; how many it were.
pub async fn erase(tx: &mut Tx, order: OrderKey) -> Result<u64, StoreError> {
    let erased = sqlx::query!(
        "update case_evidence e set content = null, erased_at = clock_timestamp() from fallout_case c
         where c.id = e.fallout_case_id and c.related_order_id = $1 and e.erased_at is null",
        order.0,
    );
    Ok(erased.execute(tx.conn()).await?.rows_affected())
}
