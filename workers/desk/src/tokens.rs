//! Tokens for the HTTP doors: made once, shown once, known by their hash.

use chrono::Duration;
use fallout_core::{
    action::{approval::LOCAL, catalogue::Authority},
    people,
    token::{Standing, TokenScope, name_problem},
};
use fallout_store::{
    Tx,
    tokens::{self, NewToken, Token},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Desk, DeskError, authority::At};

/// So that a token is recognised where it must not be: in a log, a repository, a mail.
const PREFIX: &str = "fallout_";

/// Begins the principal of a person who acts with a token.
pub(crate) const PERSON: &str = "token:";

/// A new token; `secret` is nowhere else.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Made {
    #[serde(flatten)]
    pub token: Token,
    pub secret: String,
}

/// Who asks at a door.
#[derive(Clone, Debug)]
pub struct Caller {
    pub tenant: String,
    /// Of the token.
    pub name: String,
    scopes: Vec<TokenScope>,
}

impl Caller {
    /// The name under which a person acts with it.
    pub fn principal(&self) -> String {
        format!("{PERSON}{}", self.name)
    }

    pub fn may(&self, scope: TokenScope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// As whom somebody is known, first; then everybody who could act in their place, having made their token.
pub(crate) async fn persons(tx: &mut Tx, tenant: &str, principal: &str) -> Result<Vec<String>, DeskError> {
    let Some(name) = principal.strip_prefix(PERSON) else {
        return Ok(vec![principal.strip_prefix(LOCAL).unwrap_or(principal).to_owned()]);
    };
    let mut persons = Vec::new();
    for (person, made_by) in tokens::makers(tx, tenant, name).await? {
        persons.push(person);
        persons.extend(made_by.strip_prefix(LOCAL).map(str::to_owned));
    }
    if persons.is_empty() {
        persons.push(name.to_owned());
    }
    Ok(persons)
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

impl Desk {
    /// `valid`: how long; none: until it is revoked.
    pub async fn add_token(
        &self,
        tenant: &str,
        principal: &str,
        name: &str,
        scopes: &[TokenScope],
        valid: Option<Duration>,
    ) -> Result<Made, DeskError> {
        self.add_token_for(tenant, principal, (name, None), scopes, valid).await
    }

    /// The same for somebody who is not called as the token is: two tokens of one person are no two people.
    pub async fn add_token_for(
        &self,
        tenant: &str,
        principal: &str,
        (name, person): (&str, Option<&str>),
        scopes: &[TokenScope],
        valid: Option<Duration>,
    ) -> Result<Made, DeskError> {
        let person = person.map(|person| people::name("the person", person)).transpose()?;
        if let Some(expected) = name_problem(name) {
            return Err(DeskError::TokenName { name: name.to_owned(), expected });
        }
        // Two of 122 random bits each, from the system: nobody guesses one, so a plain hash is enough.
        let secret = format!("{PREFIX}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let new = NewToken {
            id: Uuid::now_v7(),
            tenant,
            name,
            person,
            hash: &hash(&secret),
            scopes,
            added_by: principal,
            valid_s: valid.map(|v| v.num_milliseconds() as f64 / 1_000.0),
        };
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::Administer, At::Tenant).await?;
        let token = tokens::insert(&mut tx, &new).await?.ok_or_else(|| DeskError::TokenExists(name.to_owned()))?;
        tx.commit().await?;
        Ok(Made { token, secret })
    }

    pub async fn tokens(&self, tenant: &str) -> Result<Vec<Token>, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        Ok(tokens::list(&mut tx, tenant).await?)
    }

    /// False: there is no such token, or it was revoked before.
    pub async fn revoke_token(&self, tenant: &str, principal: &str, name: &str) -> Result<bool, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::Administer, At::Tenant).await?;
        let revoked = tokens::revoke(&mut tx, tenant, name, principal).await?;
        tx.commit().await?;
        Ok(revoked)
    }

    /// Who holds this secret; `None`: nobody who may come in.
    pub async fn caller(&self, secret: &str) -> Result<Option<Caller>, DeskError> {
        let mut tx = self.system("server").await?;
        let Some(token) = tokens::by_hash(&mut tx, &hash(secret)).await? else { return Ok(None) };
        let (expires_at, revoked_at) = (token.expires_at, token.revoked_at);
        let standing = Standing { scopes: &token.scopes, expires_at, revoked_at };
        if !standing.is_valid(tx.now().await?) {
            return Ok(None);
        }
        tokens::used(&mut tx, token.id).await?;
        tx.commit().await?;
        Ok(Some(Caller { tenant: token.tenant, name: token.name, scopes: token.scopes }))
    }
}
