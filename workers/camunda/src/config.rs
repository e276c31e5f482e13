//! Where the engine is and how to speak to it; refuses settings that could not work.

use std::fmt;
use std::time::Duration;

use reqwest::Url;

/// What [`Engine::new`](crate::Engine::new) needs to know.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// For example `http://127.0.0.1:8080/engine-rest`; `/engine/<name>` at its end selects another engine of the server.
    pub base_url: String,
    pub auth: Auth,
    pub connect_timeout: Duration,
    /// For one whole call. A long poll adds its own waiting time.
    pub timeout: Duration,
}

impl EngineConfig {
    /// Without authentication; 2 s to connect (a local network answers in milliseconds), 30 s for a call (a `complete`
    /// runs the following synchronous steps of the model inside it).
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            auth: Auth::None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
        }
    }

    pub(crate) fn checked_url(&self) -> Result<Url, SetupError> {
        let url = Url::parse(&self.base_url).map_err(|source| SetupError::NotAUrl { source: source.into() })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SetupError::Scheme { scheme: url.scheme().to_owned() });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SetupError::CredentialsInUrl);
        }
        if self.connect_timeout >= self.timeout {
            return Err(SetupError::Timeouts);
        }
        Ok(url)
    }
}

#[derive(Debug, Clone, Default)]
pub enum Auth {
    #[default]
    None,
    Basic {
        user: String,
        password: Secret,
    },
    Bearer(Secret),
}

/// A text that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A setting that can never work: for a person, at start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the engine address is not a URL; expected something like http://host:8080/engine-rest")]
    NotAUrl { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the engine address begins with {scheme}:, expected http: or https:")]
    Scheme { scheme: String },
    #[error("the engine address carries a user name or password; put them into the authentication settings")]
    CredentialsInUrl,
    #[error("the engine's connect timeout must be shorter than its timeout")]
    Timeouts,
    #[error("the HTTP client could not be built; for https the machine needs ca-certificates")]
    Client(#[source] reqwest::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let refused = |url: &str| EngineConfig::new(url).checked_url().unwrap_err().to_string();
        assert!(refused("engine:8080/engine-rest").contains("engine:"));
        assert!(refused("not a url").contains("not a URL"));
        assert!(refused("http://demo:geheim@host/engine-rest").contains("authentication settings"));
        let swapped = EngineConfig { connect_timeout: Duration::from_secs(60), ..EngineConfig::new("http://host") };
        assert!(matches!(swapped.checked_url(), Err(SetupError::Timeouts)));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let auth = Auth::Basic { user: "demo".into(), password: Secret::new("geheim") };
        assert!(!format!("{auth:?}").contains("geheim"));
    }
}
