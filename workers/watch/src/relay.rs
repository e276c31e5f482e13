//! The relay: the only one that tells the engine what to do with a process. A command is read back before it is sent
//! again, and it is done when its effect is seen, never on a 200.

mod annotate;
mod answer;
mod incident;
mod migrate;
mod modify;
mod recoveries;
mod tasks;
mod unblock;
mod undo;
mod variables;

use fallout_camunda::{Correlation, EngineError, HistoricInstanceQuery, MessageCorrelation, Variables};
use fallout_core::{
    action::Action,
    command::{ACTION_VARIABLE, CALLBACK_MESSAGE, EngineCommand, Place, RECOVERY_MESSAGE, StartValue, UNDONE_MESSAGE},
    ids::{ActionId, RunId},
};
use fallout_desk::Pending;
use tokio::task::JoinSet;

use self::{tasks::Task, undo::Undo};
use crate::{Point, Watch, WatchError, all, ended, place};

/// Taken together; recoveries of them are read back together.
const BATCH: i64 = 48;
/// At once per process: the engine answers each in some ten milliseconds.
const AT_ONCE: usize = 8;
/// Answers that nobody waits, before that is believed: the token may still be on its way. Together about a minute, longer
/// than a lock lasts whose report is missing.
const MISSES_MAX: i32 = 7;
/// Until it is read again whether what was sent has its effect.
const UNSEEN_S: f64 = 0.3;
/// Until a suspended instance is asked again: activating it is a person's doing.
const SUSPENDED_S: f64 = 10.0;

/// How one send of a command ended.
enum Sent {
    Done(Option<String>),
    /// Not yet: send or read again after this many seconds.
    Again(f64, String),
    /// The engine says that nobody waits for it: not there yet, or gone on.
    Missed(String),
    /// It never will.
    Failed(String),
}

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    let commands = watch.desk.take_commands(BATCH).await?;
    let count = commands.len();
    let (recoveries, others) = recoveries::pick(commands);
    let (page, each) = tokio::join!(recoveries::page(watch, recoveries), one_by_one(watch, others));
    page.and(each)?;
    Ok(count)
}

async fn one_by_one(watch: &Watch, commands: Vec<Pending>) -> Result<(), WatchError> {
    let (mut sends, mut first) = (JoinSet::new(), Ok(()));
    for command in commands {
        if sends.len() == AT_ONCE
            && let Some(done) = sends.join_next().await
        {
            first = first.and(ended("relay", done));
        }
        let watch = watch.clone();
        sends.spawn(async move { send(&watch, command).await });
    }
    first.and(all("relay", sends).await)
}

async fn send(watch: &Watch, pending: Pending) -> Result<(), WatchError> {
    watch.point(Point::Taken, &pending);
    let sent = dispatch(watch, &pending).await;
    watch.point(Point::Settled, &pending);
    settle(watch, &pending, sent).await?;
    watch.point(Point::Told, &pending);
    Ok(())
}

async fn dispatch(watch: &Watch, pending: &Pending) -> Result<Sent, WatchError> {
    match &pending.command {
        EngineCommand::Start { run, process_key, business_key, variables } => {
            let variables = start_variables(variables);
            start(watch, *run, process_key, business_key, &variables, pending).await
        }
        EngineCommand::Recover { action, process_instance_id, seen, take, undo, at, route, .. } => {
            let taken = Recovery { take: *take, undo: undo.as_deref(), at: at.as_ref(), route: route.as_deref() };
            recover(watch, *action, process_instance_id, seen, taken, pending).await
        }
        EngineCommand::TaskRetries { action, external_task_id, seen, retries, .. } => {
            let task = Task { id: external_task_id, seen, retries: *retries };
            tasks::retries(watch, *action, &task, pending).await
        }
        EngineCommand::Callback { process_instance_id, at, .. } => {
            message(watch, CALLBACK_MESSAGE, process_instance_id, at.as_ref(), pending).await
        }
        EngineCommand::Undo { undoes, process_instance_id, line, step, operation } => {
            let undo = Undo { undoes: *undoes, line, step, operation };
            undo::send(watch, process_instance_id, &undo, pending).await
        }
        EngineCommand::Undone { process_instance_id, .. } => {
            message(watch, UNDONE_MESSAGE, process_instance_id, None, pending).await
        }
        EngineCommand::CancelAnswered { process_instance_id, execution_id, refused } => {
            answer::send(watch, process_instance_id, execution_id, (answer::CANCEL, refused.as_deref()), pending).await
        }
        EngineCommand::AmendAnswered { process_instance_id, execution_id, refused } => {
            answer::send(watch, process_instance_id, execution_id, (answer::AMEND, refused.as_deref()), pending).await
        }
        EngineCommand::Activate { business_key, .. } => unblock::activate(watch, business_key, pending).await,
        EngineCommand::JobRetries { business_key, .. } => unblock::job_retries(watch, business_key, pending).await,
        EngineCommand::Migrate { process_instance_id, source, .. } => {
            migrate::send(watch, process_instance_id, source, pending).await
        }
        EngineCommand::Inspect { modification, process_instance_id } => {
            modify::inspect(watch, *modification, process_instance_id).await
        }
        EngineCommand::Modify { modification, process_instance_id, moves, before } => {
            modify::send(watch, *modification, process_instance_id, (moves, before), pending).await
        }
        EngineCommand::Annotate { case, tenant, incident_id } => {
            annotate::send(watch, *case, tenant, incident_id, pending).await
        }
        EngineCommand::SetVariables { process_instance_id, variables } => {
            variables::set(watch, process_instance_id, variables, pending).await
        }
        EngineCommand::Incident { case, process_instance_id, external_task_id, message, summary, at } => {
            let waits = (process_instance_id.as_str(), message.as_str(), at.as_ref());
            incident::show(watch, *case, waits, external_task_id, summary, pending).await
        }
        EngineCommand::Unreported { case, step, external_task_id, summary } => {
            incident::unreported(watch, *case, *step, external_task_id, summary, pending).await
        }
    }
}

async fn settle(watch: &Watch, pending: &Pending, sent: Result<Sent, WatchError>) -> Result<(), WatchError> {
    let kind = pending.command.kind();
    match sent {
        Ok(Sent::Done(note)) => watch.desk.command_done(pending.id, note.as_deref()).await?,
        Ok(Sent::Again(seconds, why)) => watch.desk.command_again(pending.id, seconds, &why, false).await?,
        Ok(Sent::Missed(why)) => watch.desk.command_again(pending.id, pause_s(pending.misses), &why, true).await?,
        Ok(Sent::Failed(why)) => {
            tracing::warn!(command = kind, why, "a command has no effect");
            watch.desk.command_failed(pending.id, &why).await?;
        }
        Err(e) => {
            watch.desk.command_again(pending.id, pause_s(pending.tries), &e.to_string(), false).await?;
            return Err(e);
        }
    }
    Ok(())
}

/// Doubles from a quarter of a second to half a minute.
fn pause_s(tries: i32) -> f64 {
    (0.25 * 2f64.powi(tries.clamp(0, 10))).min(30.0)
}

fn start_variables(variables: &std::collections::BTreeMap<String, StartValue>) -> Variables {
    let mut all = Variables::new();
    for (name, value) in variables {
        match value {
            StartValue::Text(text) => all.insert(name.as_str(), text.as_str()),
            StartValue::Integer(number) => all.insert(name.as_str(), *number),
        }
    }
    all
}

async fn start(
    watch: &Watch,
    run: RunId,
    key: &str,
    business_key: &str,
    variables: &Variables,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    if pending.tries > 0 {
        let query = HistoricInstanceQuery {
            process_instance_business_key: Some(business_key),
            process_definition_key: Some(key),
            ..Default::default()
        };
        if let Some(instance) = watch.engine.historic_process_instances(&query).await?.first() {
            watch.desk.run_found(run, &instance.id).await?;
            return Ok(Sent::Done(Some("read back".into())));
        }
    }
    watch.point(Point::BeforeSend, pending);
    let started = watch.engine.start_by_key(key, business_key, variables).await;
    watch.point(Point::Sent, pending);
    match started {
        Ok(instance) => {
            watch.desk.run_started(run, &instance.id).await?;
            Ok(Sent::Done(None))
        }
        // Its transaction may still be running: look for it later, before starting again.
        Err(e @ EngineError::Unknown { .. }) => Ok(Sent::Again(5.0, e.to_string())),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e) => {
            tracing::warn!(business_key, error = %e, "the engine does not start the order (is {key} deployed? fallout explain FO-013)");
            Ok(Sent::Again(pause_s(pending.tries), e.to_string()))
        }
    }
}

/// What an action asks of the token.
#[derive(Clone, Copy)]
struct Recovery<'a> {
    take: Action,
    undo: Option<&'a str>,
    at: Option<&'a Place>,
    /// The operation that performs the step from then on.
    route: Option<&'a str>,
}

/// Compare and set: the keys are what the desk saw, the new id is set in the same call, so a replay after the step runs
/// again meets nobody.
async fn recover(
    watch: &Watch,
    action: ActionId,
    instance: &str,
    seen: &str,
    Recovery { take, undo, at, route }: Recovery<'_>,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    if pending.tries > 0 {
        match read_back(watch, action, instance, take, pending.tries).await? {
            Some(sent) => return Ok(sent),
            None if pending.misses > MISSES_MAX => {
                return give_up(watch, action, "no token of the process waits for a recovery").await;
            }
            None => {}
        }
    }
    let keys = Variables::new().with(ACTION_VARIABLE, seen);
    let set = asked_of(action, take, undo, route);
    let correlation = MessageCorrelation {
        message_name: RECOVERY_MESSAGE,
        process_instance_id: instance,
        correlation_keys: &keys,
        process_variables: &set,
    };
    let told = match at {
        Some(at) => trigger(watch, instance, RECOVERY_MESSAGE, at, Some(seen), &set, pending).await?,
        None => correlate(watch, &correlation, pending).await?,
    };
    match told {
        Reached::Told => {
            let unseen = || Sent::Again(UNSEEN_S, "sent; its effect is not seen yet".into());
            Ok(read_back(watch, action, instance, take, 0).await?.unwrap_or_else(unseen))
        }
        Reached::Nobody(why) => missed(watch, instance, why).await,
        Reached::Perhaps(why) => Ok(Sent::Again(pause_s(pending.tries), why)),
        Reached::Refused(why) => give_up(watch, action, &why).await,
    }
}

/// What the token is told with the message of an action.
fn asked_of(action: ActionId, take: Action, undo: Option<&str>, route: Option<&str>) -> Variables {
    let all = Variables::new().with(ACTION_VARIABLE, action.to_string()).with("recoveryAction", take.word());
    let topics = [("undoTopic", undo), ("stepTopic", route)];
    let topics = topics.into_iter().filter_map(|(name, topic)| Some((name, topic?)));
    topics.fold(all, |set, (name, topic)| set.with(name, topic))
}

/// These end the called instance; until that is in history their branch is not taken.
fn ends_step(take: Action) -> bool {
    matches!(take, Action::SkipStep | Action::CancelOrder | Action::CompensateStep)
}

/// Until it is read again whether what was sent has its effect. An undo is a step of its own, and may wait for people.
fn until_its_end_s(take: Action, tries: i32) -> f64 {
    if take == Action::CompensateStep { pause_s(tries) } else { UNSEEN_S }
}

/// What became of a message.
enum Reached {
    Nobody(String),
    Told,
    /// Its answer is lost, or another transaction was first: the next read tells.
    Perhaps(String),
    Refused(String),
}

/// To the one token of an instance that waits for it.
async fn correlate(
    watch: &Watch,
    correlation: &MessageCorrelation<'_>,
    pending: &Pending,
) -> Result<Reached, WatchError> {
    watch.point(Point::BeforeSend, pending);
    let correlated = watch.engine.correlate_message(correlation).await;
    watch.point(Point::Sent, pending);
    match correlated {
        Ok(Correlation::Correlated(_)) => Ok(Reached::Told),
        Ok(Correlation::NoMatch { message }) => Ok(Reached::Nobody(message)),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e @ (EngineError::Unknown { .. } | EngineError::Conflict { .. })) => Ok(Reached::Perhaps(e.to_string())),
        Err(e) => Ok(Reached::Refused(e.to_string())),
    }
}

/// To the very execution of the step. Compare and set here too: who waits has an id of its own each time, and what its
/// token holds was read after it; so a replay finds another, or nobody.
async fn trigger(
    watch: &Watch,
    instance: &str,
    name: &str,
    at: &Place,
    seen: Option<&str>,
    set: &Variables,
    pending: &Pending,
) -> Result<Reached, WatchError> {
    let Some((execution, holds)) = place::waiting(watch, instance, name, at).await? else {
        return Ok(Reached::Nobody("no token of the step waits for it".into()));
    };
    if seen.is_some_and(|seen| seen != holds) {
        return Ok(Reached::Nobody("another action has taken the token".into()));
    }
    watch.point(Point::BeforeSend, pending);
    let told = watch.engine.trigger_message(&execution.id, name, set).await;
    watch.point(Point::Sent, pending);
    match told {
        Ok(()) => Ok(Reached::Told),
        Err(EngineError::NotFound { message }) => Ok(Reached::Nobody(message)),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e @ (EngineError::Unknown { .. } | EngineError::Conflict { .. })) => Ok(Reached::Perhaps(e.to_string())),
        Err(e) => match place::waiting(watch, instance, name, at).await? {
            // It stands where it stood: its model refuses the message.
            Some((still, _)) if still.id == execution.id => Ok(Reached::Refused(e.to_string())),
            _ => Ok(Reached::Nobody(e.to_string())),
        },
    }
}

/// A suspended instance answers like one that does not wait; it is left alone until it is activated.
async fn missed(watch: &Watch, instance: &str, message: String) -> Result<Sent, WatchError> {
    match watch.engine.process_instance(instance).await? {
        Some(found) if found.suspended => Ok(Sent::Again(SUSPENDED_S, "the instance is suspended".into())),
        _ => Ok(Sent::Missed(message)),
    }
}

/// What the engine's history says about the action: `None` while it was not taken.
async fn read_back(
    watch: &Watch,
    action: ActionId,
    instance: &str,
    take: Action,
    tries: i32,
) -> Result<Option<Sent>, WatchError> {
    let place::Taken { branch, ended } = place::taken(watch, instance, action).await?;
    match (branch, ends_step(take), ended) {
        (true, true, false) => {
            Ok(Some(Sent::Again(until_its_end_s(take, tries), "the branch is not at its end yet".into())))
        }
        // Without its instance there is no token left to move: what was decided about the step is all there is to do.
        (_, true, true) | (true, false, false) => {
            watch.desk.action_took_branch(action).await?;
            Ok(Some(Sent::Done(None)))
        }
        // A step that runs again was claimed by then, and this changes nothing; one that was not never will be.
        (_, false, true) => Ok(Some(give_up(watch, action, "the process instance has ended").await?)),
        (false, _, false) => Ok(None),
    }
}

async fn give_up(watch: &Watch, action: ActionId, why: &str) -> Result<Sent, WatchError> {
    watch.desk.action_failed(action, why).await?;
    Ok(Sent::Failed(why.to_owned()))
}

/// A message that needs no answer: who waits for it may not be there yet, or may have gone on by its own timer.
async fn message(
    watch: &Watch,
    name: &str,
    instance: &str,
    at: Option<&Place>,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    let none = Variables::new();
    let correlation = MessageCorrelation {
        message_name: name,
        process_instance_id: instance,
        correlation_keys: &none,
        process_variables: &none,
    };
    let told = match at {
        Some(at) => trigger(watch, instance, name, at, None, &none, pending).await?,
        None => correlate(watch, &correlation, pending).await?,
    };
    match told {
        Reached::Told => Ok(Sent::Done(None)),
        Reached::Nobody(_) if pending.misses > MISSES_MAX => {
            Ok(Sent::Done(Some("nobody waits for it any more".into())))
        }
        Reached::Nobody(message) => match watch.engine.process_instance(instance).await? {
            None => Ok(Sent::Done(Some("the instance has ended".into()))),
            Some(_) => missed(watch, instance, message).await,
        },
        Reached::Perhaps(why) | Reached::Refused(why) => Ok(Sent::Again(pause_s(pending.tries), why)),
    }
}
