//! The taxonomy that holds for a tenant, and its versions in the database.

use fallout_core::{decide::classification::UNCLASSIFIED, taxonomy::Taxonomy};
use fallout_store::taxonomy::{self, Kept, VersionLine};
use serde::Serialize;
use uuid::Uuid;

use crate::{Desk, DeskError};

/// One taxonomy that the database now has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loaded {
    /// Empty: everybody.
    pub tenant: String,
    pub version: String,
    /// It was not there before.
    pub now: bool,
}

impl Desk {
    pub fn taxonomy(&self, tenant: &str) -> &Taxonomy {
        self.catalogue.taxonomy_of(tenant)
    }

    /// The classification that a code of someone else stands for; what nobody mapped is triaged.
    pub fn classified(&self, tenant: &str, source: &str, code: &str) -> &str {
        self.taxonomy(tenant).mapped(source, code).map_or(UNCLASSIFIED, |found| &found.code)
    }

    /// Keeps every taxonomy of this program that the database does not have yet, all or none.
    pub async fn load_taxonomies(&self, by: &str) -> Result<Vec<Loaded>, DeskError> {
        let mut tx = self.system("taxonomy").await?;
        let everybody = [("", &self.catalogue.taxonomy)];
        let tenants = self.catalogue.tenants.iter().map(|(tenant, own)| (tenant.as_str(), own));
        let mut loaded = Vec::new();
        for (tenant, found) in everybody.into_iter().chain(tenants) {
            let kept = taxonomy::keep(&mut tx, Uuid::now_v7(), tenant, found, by).await?;
            if kept == Kept::Differs {
                let of = if tenant.is_empty() { String::new() } else { format!(" of tenant {tenant}") };
                return Err(DeskError::TaxonomyDiffers(found.label() + &of));
            }
            loaded.push(Loaded { tenant: tenant.to_owned(), version: found.label(), now: kept == Kept::Now });
        }
        tx.commit().await?;
        Ok(loaded)
    }

    /// Every version that was ever kept, the latest first.
    pub async fn taxonomy_versions(&self) -> Result<Vec<VersionLine>, DeskError> {
        let mut tx = self.system("taxonomy").await?;
        Ok(taxonomy::versions(&mut tx).await?)
    }
}
