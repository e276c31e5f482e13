//! Reference data in the database: every version of taxonomy and policies that this program works by, as it was.

use fallout_store::{policies, taxonomy, taxonomy::Kept};
use serde::Serialize;
use uuid::Uuid;

use crate::{Desk, DeskError};

/// One version that the database now has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loaded {
    pub what: &'static str,
    /// Empty: everybody.
    pub tenant: String,
    pub version: String,
    /// It was not there before.
    pub now: bool,
}

impl Desk {
    /// Keeps what the database does not have yet, all or none.
    pub async fn load_reference(&self, by: &str) -> Result<Vec<Loaded>, DeskError> {
        let mut tx = self.system("reference").await?;
        let mut loaded = Vec::new();
        for (tenant, found) in everybody_and(&self.catalogue.taxonomy, &self.catalogue.tenants) {
            let kept = taxonomy::keep(&mut tx, Uuid::now_v7(), tenant, found, by).await?;
            loaded.push(told("taxonomy", tenant, found.label(), kept)?);
        }
        for (tenant, found) in everybody_and(&self.catalogue.policies, &self.catalogue.own_policies) {
            let kept = policies::keep(&mut tx, Uuid::now_v7(), tenant, found, by).await?;
            loaded.push(told("policies", tenant, found.label(), kept)?);
        }
        tx.commit().await?;
        Ok(loaded)
    }
}

fn everybody_and<'a, T>(
    everybody: &'a T,
    tenants: &'a std::collections::BTreeMap<String, T>,
) -> impl Iterator<Item = (&'a str, &'a T)> {
    std::iter::once(("", everybody)).chain(tenants.iter().map(|(tenant, own)| (tenant.as_str(), own)))
}

fn told(what: &'static str, tenant: &str, version: String, kept: Kept) -> Result<Loaded, DeskError> {
    if kept == Kept::Differs {
        let of = if tenant.is_empty() { String::new() } else { format!(" of tenant {tenant}") };
        return Err(DeskError::ReferenceDiffers { what, version: version + &of });
    }
    Ok(Loaded { what, tenant: tenant.to_owned(), version, now: kept == Kept::Now })
}
