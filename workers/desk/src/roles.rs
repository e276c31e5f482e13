//! Who is what: roles given and taken away, by those who administer; and what was refused to whom.

use fallout_core::{
    action::catalogue::Authority,
    authority::{EXTENTS_MAX, Extent, Grant, Standing},
    people::{name, text},
};
use fallout_store::{
    Tx,
    roles::{self, RefusalLine, RoleLine},
};

use uuid::Uuid;

use crate::{Desk, DeskError, authority::At};

/// Why a role is not given or taken away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    #[error("there is no role {role}; there are {known}")]
    NoSuchRole { role: String, known: String },
    #[error(
        "the first role of a tenant switches enforcement on, and then only who administers gives roles: give one of \
         {roles} for the whole tenant first, for example to yourself"
    )]
    AdministratorFirst { roles: String },
    #[error("{0} is the last who gives roles here; give the role to somebody else first")]
    LastAdministrator(String),
    #[error("{principal} has {role} for {extent} things already; give a role for the tenant, or add them to a group", extent = EXTENTS_MAX)]
    TooMany { principal: String, role: String },
}

/// More than a person reads.
const SHOWN: i64 = 1_000;

impl Desk {
    /// False when they have it already.
    pub async fn grant_role(&self, tenant: &str, by: &str, new: &Grant, reason: &str) -> Result<bool, DeskError> {
        name("the person", &new.principal)?;
        if let (kind @ ("group" | "customer" | "order"), which) = new.extent.parts() {
            name(kind_of(kind), which)?;
        }
        let reason = text("the reason", reason)?;
        self.knows_role(&new.role)?;
        let mut tx = self.tenant(tenant).await?;
        roles::hold(&mut tx, tenant).await?;
        let before = roles::standing(&mut tx, tenant, by).await?;
        let mut tx = self.authorised(tx, tenant, by, Authority::Administer, At::Tenant).await?;
        if !before.enforced && !self.administers(new) {
            let roles = self.catalogue.authority.holders(Authority::Administer).join(", ");
            return Err(NotGranted::AdministratorFirst { roles }.into());
        }
        self.few(&mut tx, tenant, new).await?;
        let granted = roles::grant(&mut tx, Uuid::now_v7(), tenant, new, by, reason).await?;
        tx.commit().await?;
        Ok(granted)
    }

    /// False when they do not have it.
    pub async fn revoke_role(&self, tenant: &str, by: &str, had: &Grant, reason: &str) -> Result<bool, DeskError> {
        let reason = text("the reason", reason)?;
        self.knows_role(&had.role)?;
        let mut tx = self.tenant(tenant).await?;
        roles::hold(&mut tx, tenant).await?;
        let mut tx = self.authorised(tx, tenant, by, Authority::Administer, At::Tenant).await?;
        let administrators =
            roles::having(&mut tx, tenant, self.catalogue.authority.holders(Authority::Administer)).await?;
        let others = administrators.iter().filter(|other| self.administers(other) && *other != had).count();
        if self.administers(had) && administrators.contains(had) && others == 0 {
            return Err(NotGranted::LastAdministrator(had.principal.clone()).into());
        }
        let revoked = roles::revoke(&mut tx, tenant, had, by, reason).await?;
        tx.commit().await?;
        Ok(revoked)
    }

    /// Whether rights are asked for in this tenant, and who has which role, the latest first.
    pub async fn roles(
        &self,
        tenant: &str,
        principal: Option<&str>,
        revoked_too: bool,
    ) -> Result<(bool, Vec<RoleLine>), DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let Standing { enforced, .. } = roles::standing(&mut tx, tenant, principal.unwrap_or_default()).await?;
        Ok((enforced, roles::list(&mut tx, tenant, principal, revoked_too, SHOWN).await?))
    }

    /// What was refused for want of a right, the latest first; to who administers.
    pub async fn access_refusals(&self, tenant: &str, by: &str) -> Result<Vec<RefusalLine>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, by, Authority::Administer, At::Tenant).await?;
        Ok(roles::refusals(&mut tx, tenant, SHOWN).await?)
    }

    fn knows_role(&self, role: &str) -> Result<(), DeskError> {
        let known: Vec<&str> = self.catalogue.authority.grantable().map(|role| role.code.as_str()).collect();
        if known.contains(&role) {
            return Ok(());
        }
        Err(NotGranted::NoSuchRole { role: role.to_owned(), known: known.join(", ") }.into())
    }

    fn administers(&self, grant: &Grant) -> bool {
        let holders = self.catalogue.authority.holders(Authority::Administer);
        grant.extent == Extent::Tenant && holders.contains(&grant.role)
    }

    async fn few(&self, tx: &mut Tx, tenant: &str, new: &Grant) -> Result<(), DeskError> {
        let has = roles::standing(tx, tenant, &new.principal).await?.grants;
        let alike = has.iter().filter(|had| had.role == new.role && had.extent != new.extent).count();
        if alike >= EXTENTS_MAX {
            return Err(NotGranted::TooMany { principal: new.principal.clone(), role: new.role.clone() }.into());
        }
        Ok(())
    }
}

fn kind_of(kind: &str) -> &'static str {
    match kind {
        "group" => "the group",
        "customer" => "the customer",
        _ => "the order",
    }
}
