//! Who may do what in the database: the owner migrates, the program's role works under row-level security, a login that
//! only reads sees the views of its tenant.
//!
//! Everything here runs as the owner of the tables.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{Store, StoreError, Tx};

const ACCESS: &str = include_str!("access.sql");

/// A login that only reads, and whose cases it sees.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Reader {
    pub login: String,
    pub tenant: String,
    pub added_at: DateTime<Utc>,
}

/// Whether a login can be bound to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    Fit,
    NoSuchRole,
    /// It may read the tables themselves (the program's role, their owner, a superuser): views bind it to nothing.
    ReadsTables,
}

impl Store {
    /// As the owner: brings the tables to what this program needs, and lets the role of this store do what the program does.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        // Past the policies: a migration may have to change the rows of every tenant.
        let options = self.owner().pool().connect_options().as_ref().clone().options([("fallout.service", "migrate")]);
        let mut conn = PgConnection::connect_with(&options).await?;
        sqlx::migrate!("../../migrations").run(&mut conn).await?;
        let mut tx = conn.begin().await?;
        secure(&mut tx, &self.role()).await?;
        tx.commit().await?;
        Ok(conn.close().await?)
    }

    /// The role that this store connects as.
    pub fn role(&self) -> String {
        self.pool().connect_options().get_username().to_owned()
    }
}

/// Inside a transaction.
async fn secure(conn: &mut PgConnection, program: &str) -> Result<(), StoreError> {
    sqlx::query!("select set_config('fallout.program', $1, true) as program", program).fetch_one(&mut *conn).await?;
    sqlx::raw_sql(ACCESS).execute(conn).await?;
    Ok(())
}

/// Row-level security is no bound for a role that may read the tables or is not there.
pub async fn fitness(tx: &mut Tx, login: &str) -> Result<Fitness, StoreError> {
    let reads = sqlx::query_scalar!(
        r#"select exists (select from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
                     and has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')) as "reads!"
           from pg_roles r where r.rolname = $1::text::name"#,
        login,
    );
    Ok(match reads.fetch_optional(tx.conn()).await? {
        None => Fitness::NoSuchRole,
        Some(true) => Fitness::ReadsTables,
        Some(false) => Fitness::Fit,
    })
}

/// Binds a login to a tenant, another one than before too; false: it was bound to the same.
pub async fn add_reader(tx: &mut Tx, login: &str, tenant: &str) -> Result<bool, StoreError> {
    let added = sqlx::query!(
        "insert into reader_login (login, tenant) values ($1::text::name, $2)
         on conflict (login) do update set tenant = excluded.tenant, added_at = now() where reader_login.tenant <> excluded.tenant",
        login,
        tenant,
    );
    let added = added.execute(tx.conn()).await?.rows_affected() > 0;
    secure(tx.conn(), "").await?;
    Ok(added)
}

/// What the login may no longer do; false: it was no reader.
pub async fn remove_reader(tx: &mut Tx, login: &str) -> Result<bool, StoreError> {
    let removed = sqlx::query!("delete from reader_login where login = $1::text::name", login);
    let removed = removed.execute(tx.conn()).await?.rows_affected() > 0;
    // So that the role can be dropped. It may be gone already.
    let revoke = sqlx::query_scalar!(
        r#"select format('revoke all on all tables in schema fallout_v1 from %1$I; revoke all on schema fallout_v1 from %1$I', rolname)
                  as "revoke!" from pg_roles where rolname = $1::text::name"#,
        login,
    );
    if let Some(revoke) = revoke.fetch_optional(tx.conn()).await? {
        sqlx::raw_sql(AssertSqlSafe(revoke)).execute(tx.conn()).await?;
    }
    Ok(removed)
}

pub async fn readers(tx: &mut Tx) -> Result<Vec<Reader>, StoreError> {
    let rows =
        sqlx::query_as!(Reader, r#"select login::text as "login!", tenant, added_at from reader_login order by login"#);
    Ok(rows.fetch_all(tx.conn()).await?)
}
