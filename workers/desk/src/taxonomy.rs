//! The taxonomy that holds for a tenant, and its versions in the database.

use fallout_core::{decide::classification::UNCLASSIFIED, taxonomy::Taxonomy};
use fallout_store::taxonomy::{self, VersionLine};

use crate::{Desk, DeskError};

impl Desk {
    pub fn taxonomy(&self, tenant: &str) -> &Taxonomy {
        self.catalogue.taxonomy_of(tenant)
    }

    /// The classification that a code of someone else stands for; what nobody mapped is triaged.
    pub fn classified(&self, tenant: &str, source: &str, code: &str) -> &str {
        self.taxonomy(tenant).mapped(source, code).map_or(UNCLASSIFIED, |found| &found.code)
    }

    /// Every version that was ever kept, the latest first.
    pub async fn taxonomy_versions(&self) -> Result<Vec<VersionLine>, DeskError> {
        let mut tx = self.system("taxonomy").await?;
        Ok(taxonomy::versions(&mut tx).await?)
    }
}
