//! One exchange with the engine: sent once, never redirected, never repeated, bounded in time and size.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Answer, EngineError, Exchange, Purpose, judge};
use crate::{Auth, EngineConfig, SetupError};

/// Shorter than the 60 s (Spring Boot) or 20 s (Tomcat) after which the engine's server closes an idle connection:
/// a request that meets such a close is lost without proof that it was not read.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// A page of history rows or a large model is a few MB; more is not an answer of the engine.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A handle on one engine; cloning it is cheap and shares the connections.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Client,
    base: Url,
    auth: Auth,
    timeout: Duration,
}

impl Engine {
    /// Connects to nothing yet; only settings that can never work are an error.
    pub fn new(config: EngineConfig) -> Result<Self, SetupError> {
        let base = config.checked_url()?;
        let mut http = Client::builder()
            .user_agent(concat!("fallout-camunda/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A proxy variable meant for the internet must not come between a worker and its engine.
            .no_proxy()
            .pool_idle_timeout(POOL_IDLE)
            .connect_timeout(config.connect_timeout);
        if base.scheme() == "http" {
            // Otherwise a machine without a certificate store cannot even build a client that needs none.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(SetupError::Client)?;
        Ok(Self(Arc::new(Inner { http, base, auth: config.auth, timeout: config.timeout })))
    }

    /// The address in use, without credentials: for messages to people.
    pub fn base_url(&self) -> &str {
        self.0.base.as_str()
    }

    /// A read: `query` is a struct or a slice of pairs; absent options are left out.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &(impl Serialize + ?Sized),
    ) -> Result<T, EngineError> {
        self.read_answer(path, self.request(Method::GET, path).query(query)).await
    }

    /// A list by pairs, bounded by [`MAX_ROWS`](crate::MAX_ROWS).
    pub(crate) async fn read_rows<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, EngineError> {
        let request = self.request(Method::GET, path).query(query).query(&[("maxResults", crate::MAX_ROWS)]);
        self.read_answer(path, request).await
    }

    /// A list by a query struct that brings its own paging, in ascending order.
    pub(crate) async fn read_sorted<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
        sort_by: &str,
    ) -> Result<Vec<T>, EngineError> {
        let order = [("sortBy", sort_by), ("sortOrder", "asc")];
        self.read_answer(path, self.request(Method::GET, path).query(query).query(&order)).await
    }

    /// A read whose request is already put together.
    pub(crate) async fn read_answer<T: DeserializeOwned>(
        &self,
        path: &[&str],
        request: RequestBuilder,
    ) -> Result<T, EngineError> {
        judge(Purpose::Read, self.exchange(path, request).await)?.json(Purpose::Read)
    }

    /// A read of one thing that may not exist.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, EngineError> {
        match self.read(path, &()).await {
            Ok(found) => Ok(Some(found)),
            Err(EngineError::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// A call that changes something and answers with a document; `waiting` is added to the timeout.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + ?Sized),
        waiting: Duration,
    ) -> Result<T, EngineError> {
        let request = self.request(Method::POST, path).json(body).timeout(self.0.timeout.saturating_add(waiting));
        judge(Purpose::Effect, self.exchange(path, request).await)?.json(Purpose::Effect)
    }

    /// A call that changes something and answers 204; any other success did not come from the engine.
    pub(crate) async fn command(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&(impl Serialize + ?Sized)>,
    ) -> Result<(), EngineError> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        judge(Purpose::Effect, self.exchange(path, request).await)?.empty()
    }

    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.0.base.clone();
        url.path_segments_mut().expect("an http URL can have a path").pop_if_empty().extend(path);
        let request = self.0.http.request(method, url).timeout(self.0.timeout);
        match &self.0.auth {
            Auth::None => request,
            Auth::Basic { user, password } => request.basic_auth(user, Some(password.reveal())),
            Auth::Bearer(token) => request.bearer_auth(token.reveal()),
        }
    }

    pub(crate) async fn exchange(&self, path: &[&str], request: RequestBuilder) -> Exchange {
        let exchange = exchange(request).await;
        // The path holds ids only; query, body and answer may hold order data and are never logged.
        tracing::debug!(path = path.join("/"), exchange = exchange.summary(), "engine call");
        exchange
    }
}

async fn exchange(request: RequestBuilder) -> Exchange {
    let mut response = match request.send().await {
        Ok(response) => response,
        // No connection, or no valid request: no byte left. Everything else may have been read by the engine.
        Err(error) if error.is_connect() || error.is_builder() => {
            return Exchange::NotSent(Some(error.without_url()));
        }
        Err(error) => return Exchange::Lost(Some(error.without_url())),
    };
    let status = response.status().as_u16();
    match whole_body(&mut response).await {
        Ok(Some(body)) => Exchange::Answered(Answer { status, body }),
        Ok(None) => Exchange::Lost(None),
        Err(error) => Exchange::Lost(Some(error.without_url())),
    }
}

/// `None`: larger than anything the engine says.
async fn whole_body(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
