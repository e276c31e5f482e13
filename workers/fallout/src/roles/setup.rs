//! Everything a role works with, made once from the settings.

use std::sync::Arc;

use anyhow::Result;
use fallout_camunda::Engine;
use fallout_core::catalogue::Catalogue;
use fallout_desk::Desk;
use fallout_downstream::Downstreams;
use fallout_store::Store;
use fallout_watch::{Events, Probes, Watch};

use crate::config::Settings;

#[derive(Clone, Debug)]
pub struct Setup {
    pub settings: Settings,
    pub catalogue: Arc<Catalogue>,
    pub store: Store,
    pub desk: Desk,
    pub engine: Engine,
    pub downstreams: Arc<Downstreams>,
    /// Where a test stops the relay; nowhere by default.
    pub probes: Probes,
    pub events: Option<Arc<Events>>,
}

impl Setup {
    /// Connects to nothing yet: whoever is away is waited for by the role itself.
    pub fn new(settings: Settings) -> Result<Self> {
        let catalogue = Arc::new(settings.catalogue()?);
        let store = settings.database.store()?;
        Ok(Setup {
            desk: Desk::new(store.clone(), Arc::clone(&catalogue)),
            engine: settings.engine.client()?,
            downstreams: Arc::new(settings.downstream_clients(&catalogue)?),
            events: settings.kafka.events()?,
            settings,
            catalogue,
            store,
            probes: Probes::default(),
        })
    }

    pub fn watch(&self) -> Watch {
        Watch {
            desk: self.desk.clone(),
            engine: self.engine.clone(),
            downstreams: Arc::clone(&self.downstreams),
            personal_months: self.settings.retention.personal_months,
            event_days: self.settings.retention.event_days,
            probes: self.probes.clone(),
            events: self.events.clone(),
        }
    }
}
