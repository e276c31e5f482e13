//! `[engine]`: where the Camunda engine is and who we are there.

use std::time::Duration;

use fallout_camunda::{Auth, Engine, EngineConfig, Secret as EngineSecret, SetupError};
use serde::{Deserialize, Serialize};

use super::{Problem, Secret};
use crate::{codes::Failure, output::chain};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineSettings {
    pub url: String,
    pub user: String,
    pub password: Secret,
    pub connect_timeout_ms: u32,
    pub timeout_ms: u32,
}

impl EngineSettings {
    /// Connects to nothing yet. Refused when no engine is named.
    pub fn client(&self) -> Result<Engine, Failure> {
        if self.url.is_empty() {
            let next = "set CAMUNDA_URL, for example http://127.0.0.1:8080/engine-rest; `fallout demo` brings its own";
            return Err(Failure::new("FO-001", "no engine is named").next(next));
        }
        self.built().map_err(|error| Failure::new("FO-001", error.to_string()).because(error))
    }

    fn built(&self) -> Result<Engine, SetupError> {
        let auth = if self.user.is_empty() {
            Auth::None
        } else {
            let password = EngineSecret::new(self.password.reveal());
            Auth::Basic { user: self.user.clone(), password }
        };
        Engine::new(EngineConfig {
            base_url: self.url.clone(),
            auth,
            connect_timeout: Duration::from_millis(self.connect_timeout_ms.into()),
            timeout: Duration::from_millis(self.timeout_ms.into()),
        })
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.user.is_empty() != self.password.is_empty() {
            problems.push(Problem::new("engine.user", "user and password belong together; set both or none"));
        }
        if self.connect_timeout_ms >= self.timeout_ms {
            problems.push(Problem::new("engine.connect_timeout_ms", "must be below engine.timeout_ms"));
        } else if !self.url.is_empty() {
            problems.extend(self.built().err().map(|error| Problem::new("engine.url", chain(&error))));
        }
        problems
    }
}
