//! Who asks: the token of the request, and whether it may do this.

use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use fallout_core::token::TokenScope;
use fallout_desk::{Caller, Desk};

use crate::answer::Refused;

/// Ours have 72 characters; what is longer is not even hashed.
const SECRET_MAX: usize = 200;

/// The caller, when the token is valid and has the scope.
pub(crate) async fn allowed(desk: &Desk, headers: &HeaderMap, scope: TokenScope) -> Result<Caller, Refused> {
    let caller = desk.caller(secret(headers).ok_or_else(Refused::unauthorized)?).await?;
    let caller = caller.ok_or_else(Refused::unauthorized)?;
    if caller.may(scope) {
        return Ok(caller);
    }
    let reason = format!("the token {} has not the scope {scope}", caller.name);
    let message = "use a token that was made with this scope";
    Err(Refused::new(StatusCode::FORBIDDEN, "scopeMissing", reason, message))
}

/// RFC 6750: one header, the scheme in any case.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (scheme, secret) = all.next()?.to_str().ok()?.split_once(' ')?;
    let good = scheme.eq_ignore_ascii_case("bearer") && secret.len() <= SECRET_MAX && all.next().is_none();
    good.then(|| secret.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_one_bearer_header_only() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            secret(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer x"]).as_deref(), Some("x"));
        assert_eq!(read(&["bearer  x"]).as_deref(), Some("x"));
        let long = format!("Bearer {}", "x".repeat(SECRET_MAX + 1));
        for wrong in [&[][..], &["x"], &["Basic x"], &["Bearer x", "Bearer y"], &[long.as_str()]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
