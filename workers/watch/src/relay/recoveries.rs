//! Recoveries, a page at a time: sent beside each other, and read back together by one query of the engine's history, never one
//! per case.

use std::collections::{BTreeMap, BTreeSet};

use fallout_camunda::{MessageCorrelation, Variables};
use fallout_core::{
    action::Action,
    command::{ACTION_VARIABLE, EngineCommand, RECOVERY_MESSAGE},
    ids::ActionId,
};
use fallout_desk::Pending;
use tokio::task::JoinSet;

use super::{
    AT_ONCE, MISSES_MAX, Reached, Sent, UNSEEN_S, asked_of, correlate, ends_step, give_up, missed, pause_s, settle,
    until_its_end_s,
};
use crate::{Point, Watch, WatchError, ended};

/// A few go each for itself: what becomes of one is then nothing to the others.
const WORTH_A_PAGE: usize = 16;

/// One command of a page.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    pending: Pending,
    action: ActionId,
    instance: String,
    seen: String,
    take: Action,
    undo: Option<String>,
}

impl Recovery {
    /// A step that is embedded in its order's process has to be found first, and another route is set with it: each is told alone.
    fn of(pending: &Pending) -> Option<Recovery> {
        let EngineCommand::Recover { action, process_instance_id, seen, take, undo, at: None, route: None, .. } =
            &pending.command
        else {
            return None;
        };
        let (action, take) = (*action, *take);
        let (instance, seen, undo) = (process_instance_id.clone(), seen.clone(), undo.clone());
        Some(Recovery { action, instance, seen, take, undo, pending: pending.clone() })
    }
}

/// What the engine's history says about the actions of a page.
#[derive(Debug, Default)]
struct History {
    taken: BTreeSet<ActionId>,
    /// Only those that it matters of.
    ended: BTreeMap<String, bool>,
}

/// Those that go together, and the others.
pub(super) fn pick(commands: Vec<Pending>) -> (Vec<Recovery>, Vec<Pending>) {
    let (mut page, mut others) = (Vec::new(), Vec::new());
    for command in commands {
        match Recovery::of(&command) {
            Some(one) => page.push(one),
            None => others.push(command),
        }
    }
    match page.len() < WORTH_A_PAGE {
        true => (Vec::new(), others.into_iter().chain(page.into_iter().map(|one| one.pending)).collect()),
        false => (page, others),
    }
}

/// Every command that was sent before is read back before it is sent again, and every one that was sent is read back.
pub(super) async fn page(watch: &Watch, page: Vec<Recovery>) -> Result<(), WatchError> {
    page.iter().for_each(|one| watch.point(Point::Taken, &one.pending));
    let (again, mut fresh): (Vec<_>, Vec<_>) = page.into_iter().partition(|one| one.pending.tries > 0);
    let mut results = Vec::new();
    let history = match read(watch, &again).await {
        Ok(history) => history,
        Err(e) => return put_off(watch, again.iter().chain(&fresh), e).await,
    };
    for one in again {
        match seen(watch, &one, &history, one.pending.tries).await {
            Ok(None) if one.pending.misses > MISSES_MAX => {
                let given_up = give_up(watch, one.action, "no token of the process waits for a recovery").await;
                results.push((one, given_up));
            }
            Ok(None) => fresh.push(one),
            Ok(Some(sent)) => results.push((one, Ok(sent))),
            Err(e) => results.push((one, Err(e))),
        }
    }
    let (taken, told) = send_all(watch, fresh).await;
    results.extend(told);
    let read_back = match read(watch, &taken).await {
        Err(e) => put_off(watch, taken.iter(), e).await,
        Ok(history) => {
            for one in taken {
                let unseen = || Sent::Again(UNSEEN_S, "sent; its effect is not seen yet".into());
                let sent = seen(watch, &one, &history, 0).await.map(|sent| sent.unwrap_or_else(unseen));
                results.push((one, sent));
            }
            Ok(())
        }
    };
    conclude_all(watch, results).await.and(read_back)
}

/// What cannot be read back now is read back later, before it is sent again.
async fn put_off(watch: &Watch, page: impl Iterator<Item = &Recovery>, why: WatchError) -> Result<(), WatchError> {
    for one in page {
        watch.desk.command_again(one.pending.id, pause_s(one.pending.tries), &why.to_string(), false).await?;
    }
    Err(why)
}

type Told = Vec<(Recovery, Result<Sent, WatchError>)>;

/// Those that the engine took, which have to be read back, and what it said of the others.
async fn send_all(watch: &Watch, page: Vec<Recovery>) -> (Vec<Recovery>, Told) {
    let (mut sends, mut taken, mut told) = (JoinSet::new(), Vec::new(), Vec::new());
    let mut sort = |done: Result<(Recovery, Option<Result<Sent, WatchError>>), tokio::task::JoinError>| match done {
        Ok((one, None)) => taken.push(one),
        Ok((one, Some(sent))) => told.push((one, sent)),
        Err(e) => {
            tracing::error!(controller = "relay", error = %e, "ended without an answer; its lease brings it back")
        }
    };
    for one in page {
        if sends.len() == AT_ONCE
            && let Some(done) = sends.join_next().await
        {
            sort(done);
        }
        let watch = watch.clone();
        sends.spawn(async move {
            let sent = tell(&watch, &one).await;
            (one, sent)
        });
    }
    while let Some(done) = sends.join_next().await {
        sort(done);
    }
    (taken, told)
}

/// Compare and set: the keys are what the desk saw, the new id is set in the same call, so a replay after the step runs
/// again meets nobody. `None`: taken.
async fn tell(watch: &Watch, one: &Recovery) -> Option<Result<Sent, WatchError>> {
    let keys = Variables::new().with(ACTION_VARIABLE, one.seen.as_str());
    let set = asked_of(one.action, one.take, one.undo.as_deref(), None);
    let correlation = MessageCorrelation {
        message_name: RECOVERY_MESSAGE,
        process_instance_id: &one.instance,
        correlation_keys: &keys,
        process_variables: &set,
    };
    match correlate(watch, &correlation, &one.pending).await {
        Ok(Reached::Told) => None,
        Ok(Reached::Nobody(why)) => Some(missed(watch, &one.instance, why).await),
        Ok(Reached::Perhaps(why)) => Some(Ok(Sent::Again(pause_s(one.pending.tries), why))),
        Ok(Reached::Refused(why)) => Some(give_up(watch, one.action, &why).await),
        Err(e) => Some(Err(e)),
    }
}

/// One query for the page; another for those whose instance has to be at its end, or may be.
async fn read(watch: &Watch, page: &[Recovery]) -> Result<History, WatchError> {
    let mut history = History::default();
    if page.is_empty() {
        return Ok(history);
    }
    let instances: Vec<&str> = page.iter().map(|one| one.instance.as_str()).collect();
    let values = watch.engine.historic_variables_of(&instances, ACTION_VARIABLE).await?;
    let taken = |one: &&Recovery| values.iter().any(|v| v.value.as_text() == Some(&one.action.to_string()));
    history.taken = page.iter().filter(taken).map(|one| one.action).collect();
    let open = page.iter().filter(|one| ends_step(one.take) || !history.taken.contains(&one.action));
    let open: Vec<&str> = open.map(|one| one.instance.as_str()).collect();
    if !open.is_empty() {
        let found = watch.engine.historic_process_instances_of(&open).await?;
        let ended = |id: &str| found.iter().find(|i| i.id == id).is_none_or(|i| i.end_time.is_some());
        history.ended = open.iter().map(|id| ((*id).to_owned(), ended(id))).collect();
    }
    Ok(history)
}

/// What became of a command: `None` while it was not taken.
async fn seen(watch: &Watch, one: &Recovery, history: &History, tries: i32) -> Result<Option<Sent>, WatchError> {
    let (taken, ended) = (history.taken.contains(&one.action), history.ended.get(&one.instance).copied());
    match (taken, ends_step(one.take), ended.unwrap_or(false)) {
        // Until its end is in history the branch is not taken.
        (true, true, false) => {
            Ok(Some(Sent::Again(until_its_end_s(one.take, tries), "the branch is not at its end yet".into())))
        }
        // Without its instance there is no token left to move: what was decided about the step is all there is to do.
        (_, true, true) => {
            watch.desk.action_took_branch(one.action).await?;
            Ok(Some(Sent::Done(None)))
        }
        // A step that runs again says so itself when it is claimed.
        (true, false, _) => Ok(Some(Sent::Done(None))),
        // One that was claimed meanwhile is not changed by this; one that was not never will be.
        (false, false, true) => Ok(Some(give_up(watch, one.action, "the process instance has ended").await?)),
        (false, _, false) => Ok(None),
    }
}

/// Those that are done by one statement.
async fn conclude_all(watch: &Watch, results: Told) -> Result<(), WatchError> {
    results.iter().for_each(|(one, _)| watch.point(Point::Settled, &one.pending));
    let (done, others): (Vec<_>, Vec<_>) =
        results.into_iter().partition(|(_, sent)| matches!(sent, Ok(Sent::Done(None))));
    let ids: Vec<_> = done.iter().map(|(one, _)| one.pending.id).collect();
    if !ids.is_empty() {
        watch.desk.commands_done(&ids).await?;
        done.iter().for_each(|(one, _)| watch.point(Point::Told, &one.pending));
    }
    let (mut ends, mut first) = (JoinSet::new(), Ok(()));
    for (one, sent) in others {
        let watch = watch.clone();
        ends.spawn(async move {
            settle(&watch, &one.pending, sent).await?;
            watch.point(Point::Told, &one.pending);
            Ok(())
        });
    }
    while let Some(done) = ends.join_next().await {
        first = first.and(ended("relay", done));
    }
    first
}
