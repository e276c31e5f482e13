//! What is sent: the stored request at an address, with our credential.

use bytes::Bytes;
use fallout_core::{
    attempt::StoredRequest,
    operation::{Idempotency, Method, Operation},
};
use reqwest::{
    Url,
    header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};

use crate::address::Target;

/// A request that can be sent; `None` as its body means that its method has none.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: reqwest::Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// The stored request as it goes out, or what is wrong with it.
pub(crate) fn outgoing(target: &Target, request: &StoredRequest) -> Result<Outgoing, String> {
    let body = match (&request.body, request.method) {
        (Some(body), _) => Some(Bytes::copy_from_slice(body.as_bytes())),
        (None, Method::Get) => None,
        (None, _) => Some(Bytes::new()),
    };
    let mut headers = headers(&request.headers)?;
    if request.body.is_some() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(Outgoing {
        method: method(request.method),
        url: url(target, &request.path)?,
        headers: ours(headers, target),
        body,
    })
}

/// The question whether the effect of a stored request exists: who asks is the same, nothing else goes along.
pub(crate) fn question(
    target: &Target,
    op: &Operation,
    path: &str,
    request: &StoredRequest,
) -> Result<Outgoing, String> {
    let key_header = match &op.idempotency {
        Idempotency::KeyHeader { header, .. } => header.as_str(),
        _ => "",
    };
    let is_identity = |name: &str| name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-"));
    let kept = |(name, _): &&(String, String)| is_identity(name) && !name.eq_ignore_ascii_case(key_header);
    let kept: Vec<_> = request.headers.iter().filter(kept).cloned().collect();
    let headers = ours(headers(&kept)?, target);
    Ok(Outgoing { method: reqwest::Method::GET, url: url(target, path)?, headers, body: None })
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// The path below the address, exactly as it was rendered. URL parsing resolves `.` and `..`, percent-encoded too, so an
/// order with such an id would call another resource: refused.
fn url(target: &Target, path: &str) -> Result<Url, String> {
    if !path.starts_with('/') {
        return Err(format!("the path {path} does not begin with /"));
    }
    let wanted = format!("{}{path}", target.base);
    match Url::parse(&wanted) {
        Ok(url) if url.as_str() == wanted && url.fragment().is_none() => Ok(url),
        Ok(_) => {
            Err(format!("the path {path} would call another resource; it holds dot segments or unencoded characters"))
        }
        Err(error) => Err(format!("the path {path} is not valid: {error}")),
    }
}

fn headers(stored: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in stored {
        let parsed = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
        let (parsed, value) = parsed.ok_or_else(|| format!("the header {name} cannot be sent"))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// What we add to every request. `close` leaves the waiting for late packets to the server, whose ports do not run out.
fn ours(mut headers: HeaderMap, target: &Target) -> HeaderMap {
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("fallout/", env!("CARGO_PKG_VERSION"))));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(authorization) = &target.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_exactly_what_was_rendered_or_is_refused() {
        let target = Target { base: "http://host:8080/api".into(), https: false, authorization: None };
        for (path, expected) in [
            ("/contracts/PO%2F1", true),
            ("/contracts/%D0%B7?x=1", true),
            ("/contracts/..", false),
            ("/contracts/%2e%2E/x", false),
            ("/contracts/.", false),
            ("@elsewhere/x", false),
            ("/a b", false),
            ("/a#b", false),
        ] {
            assert_eq!(url(&target, path).is_ok(), expected, "{path}");
        }
    }
}
