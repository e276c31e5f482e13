//! What the database server must be for a ledger to mean anything.

use crate::{StoreError, Tx};

/// One setting that decides whether a commit survives a crash.
#[derive(Clone, Debug)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

/// The durability settings in force for our own connections.
pub async fn durability(tx: &mut Tx) -> Result<Vec<Setting>, StoreError> {
    let rows = sqlx::query_as!(
        Setting,
        r#"select name as "name!", setting as "value!" from pg_settings
           where name in ('fsync', 'full_page_writes', 'synchronous_commit') order by name"#,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// The standbys of the server, as far as our role may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standbys {
    /// Setting `synchronous_standby_names`; empty when no commit waits for a standby.
    pub synchronous_names: String,
    pub connected: i64,
    pub asynchronous: i64,
    /// Standbys whose state only members of `pg_monitor` see.
    pub hidden: i64,
}

pub async fn standbys(tx: &mut Tx) -> Result<Standbys, StoreError> {
    let found = sqlx::query_as!(
        Standbys,
        r#"select current_setting('synchronous_standby_names') as "synchronous_names!", count(*) as "connected!",
                  count(*) filter (where sync_state = 'async') as "asynchronous!",
                  count(*) filter (where sync_state is null) as "hidden!" from pg_stat_replication"#,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// The server's version number, e.g. 150004.
pub async fn version(tx: &mut Tx) -> Result<i32, StoreError> {
    let version = sqlx::query_scalar!(r#"select current_setting('server_version_num')::int as "version!""#);
    Ok(version.fetch_one(tx.conn()).await?)
}

/// What the role we connect as could do past row-level security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    /// A superuser, or one that may bypass row-level security: no policy holds for it.
    pub unbound: bool,
    /// Whether it owns a table of ours, or is a member of the role that does: it could take the policies away.
    pub owns: bool,
    /// Tables with rows of tenants and without a policy that also binds their owner.
    pub unguarded: Vec<String>,
}

pub async fn role(tx: &mut Tx) -> Result<Role, StoreError> {
    let role = sqlx::query_as!(
        Role,
        r#"select r.rolname::text as "name!", r.rolsuper or r.rolbypassrls as "unbound!",
                  exists (select from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
                          and pg_has_role(r.oid, c.relowner, 'member')) as "owns!",
                  array(select c.relname::text from pg_class c
                        join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
                        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
                        and not (c.relrowsecurity and c.relforcerowsecurity) order by 1) as "unguarded!"
           from pg_roles r where r.rolname = current_user"#,
    );
    Ok(role.fetch_one(tx.conn()).await?)
}

/// Whether our tables are there: how many of the migrations of this build were applied.
pub async fn applied_migrations(tx: &mut Tx) -> Result<i64, StoreError> {
    let there = sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "there!""#)
        .fetch_one(tx.conn())
        .await?;
    if !there {
        return Ok(0);
    }
    // Not a checked query: the table is sqlx's own and is missing where `make sqlx` checks ours.
    let count: i64 =
        sqlx::query_scalar("select count(*) from _sqlx_migrations where success").fetch_one(tx.conn()).await?;
    Ok(count)
}

/// How many migrations this build carries.
pub fn known_migrations() -> usize {
    sqlx::migrate!("../../migrations").iter().count()
}
