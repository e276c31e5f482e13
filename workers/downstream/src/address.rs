//! Where a downstream is and how we show who we are: checked once, at start.

use std::{collections::BTreeMap, fmt};

use reqwest::{Url, header::HeaderValue};

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One downstream as the configuration gives it.
#[derive(Clone, Debug)]
pub struct Address {
    /// `http` or `https`, a host, where needed a port and a path; operations' paths are appended.
    pub url: String,
    /// Sent as `Authorization: Bearer …`, never stored with a request.
    pub bearer: Option<Secret>,
}

/// Everything wrong with the addresses, at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct ConfigError {
    pub problems: Vec<String>,
}

/// A checked address.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Without a slash at its end.
    pub(crate) base: String,
    pub(crate) https: bool,
    /// Marked sensitive: its `Debug` prints nothing of it.
    pub(crate) authorization: Option<HeaderValue>,
}

pub(crate) fn check_all(addresses: BTreeMap<String, Address>) -> Result<BTreeMap<String, Target>, ConfigError> {
    let mut targets = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, address) in addresses {
        match check(&address) {
            Ok(target) => drop(targets.insert(name, target)),
            Err(why) => problems.push(format!("downstream {name}: {why}")),
        }
    }
    if problems.is_empty() { Ok(targets) } else { Err(ConfigError { problems }) }
}

/// Messages never repeat the address: it may hold a password.
fn check(address: &Address) -> Result<Target, String> {
    let url = Url::parse(&address.url).map_err(|error| format!("the address is not a URL: {error}"))?;
    let https = match url.scheme() {
        "http" => false,
        "https" => true,
        other => {
            return Err(format!("the address begins with {other}:, expected http: or https:"));
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds a user or password; give a bearer token instead".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the address holds a query or fragment, expected at most a path".into());
    }
    let authorization = address.bearer.as_ref().map(bearer).transpose()?;
    Ok(Target { base: url.as_str().trim_end_matches('/').to_owned(), https, authorization })
}

fn bearer(secret: &Secret) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(&format!("Bearer {}", secret.0));
    let mut value = value.map_err(|_| "the bearer token holds characters that no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str, bearer: &str) -> Address {
        Address { url: url.into(), bearer: Some(Secret::new(bearer)) }
    }

    #[test]
    fn every_bad_address_is_named_at_once_and_no_secret_is_repeated() {
        let bad = [
            ("a", address("ftp://host", "t")),
            ("b", address("http://user:geheim@host", "t")),
            ("c", address("http://host?x=1", "t")),
            ("d", address("http://host", "gehe\nim")),
            ("e", address("host", "t")),
            ("f", address("http://host/api/", "t")),
        ];
        let error = check_all(bad.map(|(name, address)| (name.to_owned(), address)).into()).unwrap_err();
        assert_eq!(error.problems.len(), 5, "{error}");
        assert!(!error.to_string().contains("geheim") && !error.to_string().contains("gehe"), "{error}");
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let address = address("http://host/api/", "geheim");
        let target = check(&address).unwrap();
        assert_eq!(target.base, "http://host/api");
        assert!(!format!("{address:?} {target:?}").contains("geheim"));
    }
}
