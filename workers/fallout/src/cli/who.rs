//! Who runs a command: the holder of a personal token, else whom the operating system names; never a name that is typed.
//! And the desk as they see it.

use std::sync::Arc;

use fallout_core::token::TokenScope;
use fallout_desk::Desk;

use super::{Context, case::told};
use crate::codes::Failure;

/// What a command does; a token has to be made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Read,
    Act,
}

impl Need {
    fn is_met_by(self, may: impl Fn(TokenScope) -> bool) -> bool {
        may(TokenScope::CasesAct) || self == Need::Read && may(TokenScope::Read)
    }
}

/// The desk, and in whose name it is asked.
pub async fn desk(context: &Context, need: Need) -> anyhow::Result<(Desk, String)> {
    let desk = Desk::new(context.settings.database.store()?, Arc::new(context.settings.catalogue()?));
    let me = match std::env::var("FALLOUT_TOKEN") {
        Ok(secret) => holder(&desk, &context.settings.tenant.id, secret.trim(), need).await?,
        Err(_) => principal(),
    };
    Ok((desk.seen_by(&me), me))
}

async fn holder(desk: &Desk, tenant: &str, secret: &str, need: Need) -> anyhow::Result<String> {
    let caller = desk.caller(secret).await.map_err(told)?;
    let caller = caller.filter(|caller| caller.tenant == tenant && need.is_met_by(|scope| caller.may(scope)));
    let what = match need {
        Need::Read => "read cases of this tenant",
        Need::Act => "act on cases of this tenant",
    };
    let refused = || Failure::new("FO-063", format!("FALLOUT_TOKEN is no token that may {what}"));
    Ok(caller.ok_or_else(refused)?.principal())
}

/// Whom the operating system names.
pub fn principal() -> String {
    // SAFETY: geteuid cannot fail and touches no memory of ours.
    let uid = unsafe { libc::geteuid() };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    format!("local:{}", name.unwrap_or_else(|| uid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_acting_reads_too_and_none_for_reading_acts() {
        let met = |need: Need, scope| need.is_met_by(|asked| asked == scope);
        assert!(met(Need::Act, TokenScope::CasesAct) && met(Need::Read, TokenScope::CasesAct));
        assert!(met(Need::Read, TokenScope::Read) && !met(Need::Act, TokenScope::Read));
        assert!(!met(Need::Read, TokenScope::OrdersWrite));
    }
}
