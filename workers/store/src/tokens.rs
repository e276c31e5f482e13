//! Tokens for the HTTP doors. Only hashes are here; a token is found by its hash, so nothing is compared byte by byte.

use chrono::{DateTime, Utc};
use fallout_core::token::TokenScope;
use serde::Serialize;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// A token as it is kept.
#[derive(Clone, Debug, Serialize)]
pub struct Token {
    #[serde(skip)]
    pub id: Uuid,
    #[serde(skip)]
    pub tenant: String,
    pub name: String,
    /// Who acts with it.
    pub person: String,
    pub scopes: Vec<TokenScope>,
    pub added_by: String,
    pub added_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token to be kept.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    pub id: Uuid,
    pub tenant: &'a str,
    pub name: &'a str,
    /// `None`: who is called as the token is.
    pub person: Option<&'a str>,
    pub hash: &'a [u8],
    pub scopes: &'a [TokenScope],
    pub added_by: &'a str,
    pub valid_s: Option<f64>,
}

struct Row {
    id: Uuid,
    tenant_id: String,
    name: String,
    person: String,
    scopes: Vec<String>,
    added_by: String,
    added_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Token {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        Ok(Token {
            scopes: r.scopes.iter().map(|s| s.parse()).collect::<Result<_, _>>()?,
            id: r.id,
            tenant: r.tenant_id,
            name: r.name,
            person: r.person,
            added_by: r.added_by,
            added_at: r.added_at,
            expires_at: r.expires_at,
            revoked_at: r.revoked_at,
            last_used_at: r.last_used_at,
        })
    }
}

/// `None`: a token of that name is there, and not revoked.
pub async fn insert(tx: &mut Tx, new: &NewToken<'_>) -> Result<Option<Token>, StoreError> {
    let scopes: Vec<String> = new.scopes.iter().map(|s| s.word().to_owned()).collect();
    let row = sqlx::query_as!(
        Row,
        r#"insert into access_token (id, tenant_id, name, hash, scopes, added_by, expires_at, person)
         values ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => $7::float8), $8)
         on conflict (tenant_id, name) where revoked_at is null do nothing
         returning id, tenant_id, name, coalesce(person, name) as "person!", scopes, added_by, added_at, expires_at, revoked_at, last_used_at"#,
        new.id,
        new.tenant,
        new.name,
        new.hash,
        &scopes,
        new.added_by,
        new.valid_s,
        new.person,
    );
    row.fetch_optional(tx.conn()).await?.map(Token::try_from).transpose()
}

/// Every token of a tenant, the revoked ones last.
pub async fn list(tx: &mut Tx, tenant: &str) -> Result<Vec<Token>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, name, coalesce(person, name) as "person!", scopes, added_by, added_at, expires_at, revoked_at, last_used_at
         from access_token where tenant_id = $1 order by revoked_at is not null, name, added_at"#,
        tenant,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Token::try_from).collect()
}

/// False: no token of that name is in use.
pub async fn revoke(tx: &mut Tx, tenant: &str, name: &str, by: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update access_token set revoked_at = clock_timestamp(), revoked_by = $3
         where tenant_id = $1 and name = $2 and revoked_at is null",
        tenant,
        name,
        by,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Whose a token is, then those who made it, and the tokens that they made it with.
pub async fn makers(tx: &mut Tx, tenant: &str, name: &str) -> Result<Vec<(String, String)>, StoreError> {
    // A name may have been used again: everybody who ever held it counts.
    let rows = sqlx::query!(
        r#"with recursive made (person, added_by, depth) as (
               select coalesce(person, name), added_by, 1 from access_token where tenant_id = $1 and name = $2
               union
               select coalesce(t.person, t.name), t.added_by, m.depth + 1
               from made m join access_token t on t.tenant_id = $1 and 'token:' || t.name = m.added_by where m.depth < 16)
           select person as "person!", added_by as "added_by!" from made order by depth"#,
        tenant,
        name,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(|r| (r.person, r.added_by)).collect())
}

/// By its hash, whatever its state.
pub async fn by_hash(tx: &mut Tx, hash: &[u8]) -> Result<Option<Token>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, tenant_id, name, coalesce(person, name) as "person!", scopes, added_by, added_at, expires_at, revoked_at, last_used_at
         from access_token where hash = $1"#,
        hash,
    );
    row.fetch_optional(tx.conn()).await?.map(Token::try_from).transpose()
}

/// Notes that it was used; once a minute is enough, and keeps requests from waiting for each other's row.
pub async fn used(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "update access_token set last_used_at = clock_timestamp() where id = (
             select id from access_token where id = $1
               and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
             for no key update skip locked)",
        id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
