//! Tokens: shown once, known by their hash, of one tenant, and worth nothing once they are over.

use chrono::Duration;
use fallout_core::token::TokenScope;
use fallout_desk::DeskError;

use crate::rig::{House, OTHER, TENANT};

const SCOPES: [TokenScope; 1] = [TokenScope::OrdersWrite];

#[tokio::test]
async fn a_token_opens_what_its_scopes_say_for_its_tenant_until_it_is_over() {
    let mut house = House::new().await;
    let desk = house.desk.clone();
    let made = desk.add_token(TENANT, "local:a", "owner", &SCOPES, Some(Duration::days(90))).await.unwrap();
    assert!(made.secret.starts_with("fallout_") && made.secret.len() == 72, "{}", made.secret.len());
    let caller = desk.caller(&made.secret).await.unwrap().unwrap();
    assert_eq!((caller.tenant.as_str(), caller.name.as_str()), (TENANT, "owner"));
    assert!(caller.may(TokenScope::OrdersWrite) && !caller.may(TokenScope::Read));
    assert!(desk.tokens(TENANT).await.unwrap()[0].last_used_at.is_some());
    for nobody in ["", "x", &made.secret[1..], &made.secret.to_uppercase()] {
        assert!(desk.caller(nobody).await.unwrap().is_none(), "{nobody}");
    }
    assert_eq!(house.places_of(&made.secret[8..]).await, [""; 0], "the secret is nowhere");

    let taken = desk.add_token(TENANT, "local:a", "owner", &SCOPES, None).await;
    assert!(matches!(taken, Err(DeskError::TokenExists(_))), "{taken:?}");
    assert!(!desk.revoke_token(OTHER, "local:b", "owner").await.unwrap(), "another tenant's");
    assert!(desk.revoke_token(TENANT, "local:b", "owner").await.unwrap());
    assert!(!desk.revoke_token(TENANT, "local:b", "owner").await.unwrap(), "already done");
    assert!(desk.caller(&made.secret).await.unwrap().is_none());
    let again = desk.add_token(TENANT, "local:a", "owner", &SCOPES, Some(Duration::milliseconds(1))).await.unwrap();
    assert_ne!(again.secret, made.secret);
    while desk.now().await.unwrap() < again.token.expires_at.unwrap() {}
    assert!(desk.caller(&again.secret).await.unwrap().is_none(), "expired");
    assert_eq!(desk.tokens(TENANT).await.unwrap().len(), 2);
    assert!(desk.tokens(OTHER).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_is_changed_by_nobody_and_badly_named_by_nobody() {
    let mut house = House::new().await;
    house.desk.add_token(TENANT, "local:a", "owner", &SCOPES, None).await.unwrap();
    for sql in [
        "update access_token set scopes = '{read}'",
        "update access_token set tenant_id = 'other'",
        "update access_token set expires_at = now() + interval '1 year'",
        "update access_token set revoked_at = now(), revoked_by = 'x'; update access_token set revoked_at = null, revoked_by = null",
    ] {
        assert_eq!(house.run(sql).await, Err("access_token_is_itself".to_owned()), "{sql}");
    }
    for name in ["", "a b", "a\u{1b}[2J", &"x".repeat(10_000)] {
        let refused = house.desk.add_token(TENANT, "local:a", name, &SCOPES, None).await;
        assert!(matches!(refused, Err(DeskError::TokenName { .. })), "{name:?}");
    }
}
