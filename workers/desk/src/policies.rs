//! The policies that hold for a tenant, and their versions in the database.

use fallout_core::policy::Policies;
use fallout_store::{policies, taxonomy::VersionLine};

use crate::{Desk, DeskError};

impl Desk {
    pub fn policies(&self, tenant: &str) -> &Policies {
        self.catalogue.policies_of(tenant)
    }

    /// Every version that was ever kept, the latest first.
    pub async fn policy_versions(&self) -> Result<Vec<VersionLine>, DeskError> {
        let mut tx = self.system("policies").await?;
        Ok(policies::versions(&mut tx).await?)
    }
}
