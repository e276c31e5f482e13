//! Performs the effects that recovery actions make themselves (a correction at the order's owner, a new price): claimed, sent, looked up and
//! recorded in the same ledger as the steps of orders, without a task. Killed anywhere, the next tick finds what the ledger
//! has: an open attempt whose time is over is unproven, and is looked up before anything is sent again.

use std::time::{Duration, Instant};

use fallout_core::{
    claim::{Claim, Permission},
    ids::ActionId,
    operation::Operation,
    request,
};
use tokio::task::JoinSet;

use crate::{Watch, WatchError, all};

/// At once per process: people ask for these one by one.
const BATCH: i64 = 8;
/// A downstream that people have declared offline is asked for again after this; what is sent is sent.
const OFFLINE_MS: u64 = 5_000;

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let due = watch.desk.due_effects(BATCH).await?;
    let count = due.len();
    let mut performing = JoinSet::new();
    for action in due {
        let watch = watch.clone();
        performing.spawn(async move { perform(&watch, action).await });
    }
    all("effects", performing).await?;
    Ok(count)
}

async fn perform(watch: &Watch, action: ActionId) -> Result<(), WatchError> {
    let begun = Instant::now();
    if let Some(downstream) = watch.desk.effect_downstream(action).await?
        && watch.downstreams.declared(&downstream).offline
    {
        return Ok(watch.desk.effect_again(action, OFFLINE_MS).await?);
    }
    // Nobody else claims with it: the lease is ours.
    let worker = format!("effects/{action}");
    let Some((operation, claim)) = watch.desk.claim_effect(action, &worker).await? else { return Ok(()) };
    let Some(op) = watch.desk.catalogue().operation(&operation) else {
        tracing::error!(operation, %action, "no such operation in the catalogue; the action waits for it");
        return Ok(());
    };
    match claim {
        Claim::Fresh(permission) => send(watch, op, &permission, begun).await,
        Claim::LookUp { attempt, request, key } => {
            let asked = Instant::now();
            let said = watch.downstreams.look_up(op, &key, &request).await;
            watch.desk.record_read(attempt, said, asked).await?;
            Ok(())
        }
        Claim::InFlight { wait_ms } | Claim::Withheld { wait_ms, .. } => {
            Ok(watch.desk.effect_again(action, wait_ms).await?)
        }
        // What is known was written by the claim, and nobody has to be told.
        Claim::Report { .. } | Claim::Parked { .. } => Ok(()),
    }
}

async fn send(watch: &Watch, op: &Operation, permission: &Permission, begun: Instant) -> Result<(), WatchError> {
    let send_until = begun + Duration::from_millis(permission.send_within_ms);
    let evidence = watch.downstreams.send(op, &permission.request, send_until.into()).await;
    let read = request::read(op, &evidence);
    tracing::debug!(attempt = %permission.attempt, operation = op.name, "an action's effect was sent");
    watch.desk.record(permission.attempt, &evidence, &read).await?;
    Ok(())
}
