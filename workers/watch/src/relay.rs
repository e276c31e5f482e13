//! The relay: the only one that tells the engine what to do with a process. A command is read back before it is sent
//! again, and it is done when its effect is seen, never on a 200.

mod answer;
mod unblock;
mod undo;

use fallout_camunda::{Correlation, EngineError, HistoricInstanceQuery, IncidentQuery, MessageCorrelation, Variables};
use fallout_core::{
    action::Action,
    command::{
        ACTION_VARIABLE, CALLBACK_MESSAGE, EngineCommand, INCIDENT_TYPE, RECOVERY_MESSAGE, StartValue, UNDONE_MESSAGE,
    },
    ids::{ActionId, CaseNumber, RunId, StepKey},
};
use fallout_desk::Pending;
use tokio::task::JoinSet;

use self::undo::Undo;
use crate::{Watch, WatchError, all};

/// At once per process: the engine answers each in some ten milliseconds.
const BATCH: i64 = 8;
/// Answers that nobody waits, before that is believed: the token may still be on its way. Together about a minute, longer
/// than a lock lasts whose report is missing.
const MISSES_MAX: i32 = 7;
/// Until a suspended instance is asked again: activating it is a person's doing.
const SUSPENDED_S: f64 = 10.0;

/// Until it is asked again whether a task is gone whose report the engine refuses: a person has to act first.
const UNREPORTED_S: f64 = 5.0;

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
    let mut sends = JoinSet::new();
    for command in commands {
        let watch = watch.clone();
        sends.spawn(async move { send(&watch, command).await });
    }
    all("relay", sends).await?;
    Ok(count)
}

async fn send(watch: &Watch, pending: Pending) -> Result<(), WatchError> {
    let sent = match &pending.command {
        EngineCommand::Start { run, process_key, business_key, variables } => {
            let variables = start_variables(variables);
            start(watch, *run, process_key, business_key, &variables, pending.tries).await
        }
        EngineCommand::Recover { action, process_instance_id, seen, take, undo, .. } => {
            let taken = (*take, undo.as_deref());
            recover(watch, *action, process_instance_id, seen, taken, &pending).await
        }
        EngineCommand::Callback { process_instance_id, .. } => {
            message(watch, CALLBACK_MESSAGE, process_instance_id, &pending).await
        }
        EngineCommand::Undo { undoes, process_instance_id, line, step, operation } => {
            let undo = Undo { undoes: *undoes, line, step, operation };
            undo::send(watch, process_instance_id, &undo, &pending).await
        }
        EngineCommand::Undone { process_instance_id, .. } => {
            message(watch, UNDONE_MESSAGE, process_instance_id, &pending).await
        }
        EngineCommand::CancelAnswered { process_instance_id, execution_id, refused } => {
            answer::send(watch, process_instance_id, execution_id, refused.as_deref(), &pending).await
        }
        EngineCommand::Activate { business_key, .. } => unblock::activate(watch, business_key, pending.tries).await,
        EngineCommand::JobRetries { business_key, .. } => unblock::job_retries(watch, business_key).await,
        EngineCommand::Incident { case, process_instance_id, external_task_id, message, summary } => {
            let waits = (process_instance_id.as_str(), message.as_str());
            incident(watch, *case, waits, external_task_id, summary, pending.tries).await
        }
        EngineCommand::Unreported { case, step, external_task_id, summary } => {
            unreported(watch, *case, *step, external_task_id, summary).await
        }
    };
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
    tries: i32,
) -> Result<Sent, WatchError> {
    if tries > 0 {
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
    match watch.engine.start_by_key(key, business_key, variables).await {
        Ok(instance) => {
            watch.desk.run_started(run, &instance.id).await?;
            Ok(Sent::Done(None))
        }
        // Its transaction may still be running: look for it later, before starting again.
        Err(e @ EngineError::Unknown { .. }) => Ok(Sent::Again(5.0, e.to_string())),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e) => {
            tracing::warn!(business_key, error = %e, "the engine does not start the order (is {key} deployed? fallout explain FO-013)");
            Ok(Sent::Again(pause_s(tries), e.to_string()))
        }
    }
}

/// Compare and set: the keys are what the desk saw, the new id is set in the same call, so a replay after the step runs
/// again meets nobody.
async fn recover(
    watch: &Watch,
    action: ActionId,
    instance: &str,
    seen: &str,
    (take, undo): (Action, Option<&str>),
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
    let set = Variables::new().with(ACTION_VARIABLE, action.to_string()).with("recoveryAction", take.word());
    let set = undo.map_or(set.clone(), |topic| set.with("undoTopic", topic));
    let correlation = MessageCorrelation {
        message_name: RECOVERY_MESSAGE,
        process_instance_id: instance,
        correlation_keys: &keys,
        process_variables: &set,
    };
    let unseen = || Sent::Again(0.3, "sent; its effect is not seen yet".into());
    match watch.engine.correlate_message(&correlation).await {
        Ok(Correlation::Correlated(_)) => Ok(read_back(watch, action, instance, take, 0).await?.unwrap_or_else(unseen)),
        Ok(Correlation::NoMatch { message }) => missed(watch, instance, message).await,
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e @ (EngineError::Unknown { .. } | EngineError::Conflict { .. })) => {
            Ok(Sent::Again(pause_s(pending.tries), e.to_string()))
        }
        Err(e) => give_up(watch, action, &e.to_string()).await,
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
    let values = watch.engine.historic_variables(instance, ACTION_VARIABLE).await?;
    let taken = values.iter().any(|v| v.value.as_text() == Some(&action.to_string()));
    let found = watch.engine.historic_process_instance(instance).await?;
    let ended = found.is_none_or(|i| i.end_time.is_some());
    let ends_step = matches!(take, Action::SkipStep | Action::CancelOrder | Action::CompensateStep);
    // An undo is a step of its own, and may wait for people.
    let pause = if take == Action::CompensateStep { pause_s(tries) } else { 0.3 };
    match (taken, ends_step, ended) {
        // These end the called instance; until that is in history the branch is not taken.
        (true, true, false) => Ok(Some(Sent::Again(pause, "the branch is not at its end yet".into()))),
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
async fn message(watch: &Watch, name: &str, instance: &str, pending: &Pending) -> Result<Sent, WatchError> {
    let none = Variables::new();
    let correlation = MessageCorrelation {
        message_name: name,
        process_instance_id: instance,
        correlation_keys: &none,
        process_variables: &none,
    };
    match watch.engine.correlate_message(&correlation).await {
        Ok(Correlation::Correlated(_)) => Ok(Sent::Done(None)),
        Ok(Correlation::NoMatch { .. }) if pending.misses > MISSES_MAX => {
            Ok(Sent::Done(Some("nobody waits for it any more".into())))
        }
        Ok(Correlation::NoMatch { message }) => match watch.engine.process_instance(instance).await? {
            None => Ok(Sent::Done(Some("the instance has ended".into()))),
            Some(_) => missed(watch, instance, message).await,
        },
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e) => Ok(Sent::Again(pause_s(pending.tries), e.to_string())),
    }
}

/// Shows the case in Cockpit at the task whose report the engine refuses, until the task is gone.
async fn unreported(
    watch: &Watch,
    case: CaseNumber,
    step: StepKey,
    task: &str,
    summary: &str,
) -> Result<Sent, WatchError> {
    let Some(task) = watch.engine.external_task(task).await? else {
        watch.desk.went_on(step, "the engine does not have the task any more").await?;
        return Ok(Sent::Done(None));
    };
    let number = case.to_string();
    let query =
        IncidentQuery { incident_type: Some(INCIDENT_TYPE), configuration: Some(&number), ..Default::default() };
    if watch.engine.incidents(&query).await?.is_empty() {
        match watch.engine.create_incident(&task.execution_id, INCIDENT_TYPE, &number, summary).await {
            Err(e @ EngineError::Away { .. }) => return Err(e.into()),
            Err(e) => return Ok(Sent::Again(UNREPORTED_S, e.to_string())),
            Ok(_) => {}
        }
    }
    Ok(Sent::Again(UNREPORTED_S, "the engine does not take the report yet".into()))
}

/// Shows the case in Cockpit where its token waits.
async fn incident(
    watch: &Watch,
    case: CaseNumber,
    (instance, message): (&str, &str),
    task: &str,
    summary: &str,
    tries: i32,
) -> Result<Sent, WatchError> {
    let number = case.to_string();
    let query =
        IncidentQuery { incident_type: Some(INCIDENT_TYPE), configuration: Some(&number), ..Default::default() };
    if tries > 0 && !watch.engine.incidents(&query).await?.is_empty() {
        return Ok(Sent::Done(Some("it is there already".into())));
    }
    if let Some(task) = watch.engine.external_task(task).await? {
        if task.retries == Some(0) {
            return Ok(Sent::Done(Some("it is shown as the incident of its task".into())));
        }
        return Ok(Sent::Again(pause_s(tries), "the rejection is not reported yet".into()));
    }
    match watch.engine.executions(instance, message).await?.first() {
        None => Ok(Sent::Done(Some("nobody waits there any more".into()))),
        Some(execution) => match watch.engine.create_incident(&execution.id, INCIDENT_TYPE, &number, summary).await {
            Ok(_) => Ok(Sent::Done(None)),
            Err(e @ EngineError::Away { .. }) => Err(e.into()),
            Err(e) if tries <= MISSES_MAX => Ok(Sent::Again(pause_s(tries), e.to_string())),
            Err(e) => Ok(Sent::Failed(e.to_string())),
        },
    }
}
