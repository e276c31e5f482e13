//! Modifications of a process: what stands there is read before anybody is asked to agree, again before every send, and once
//! more afterwards. The same tokens as agreed to, or nothing.

use std::collections::BTreeSet;

use fallout_bpmn::Model;
use fallout_camunda::{ActivityInstance, EngineError, Instruction, Variables};
use fallout_core::{
    ids::ModificationId,
    modification::{Move, NotModified, Token},
};
use fallout_desk::Pending;

use super::{Point, Sent, pause_s};
use crate::{Watch, WatchError};

/// Set in the same transaction as the moves: whoever reads it knows that they were made.
const MARKER: &str = "processModificationId";

pub(super) async fn inspect(watch: &Watch, id: ModificationId, instance: &str) -> Result<Sent, WatchError> {
    let Some(running) = watch.engine.process_instance(instance).await? else {
        watch.desk.modification_inspected(id, None, &BTreeSet::new()).await?;
        return Ok(Sent::Done(Some("the instance has ended".into())));
    };
    let xml = watch.engine.process_definition_xml(&running.definition_id).await?.unwrap_or_default();
    let key = running.definition_id.split(':').next().unwrap_or_default();
    let model = Model::parse(&xml).ok();
    let process = model.as_ref().and_then(|model| model.process(key));
    let activities = process.map(|p| p.nodes.iter().map(|node| node.id.clone()).collect()).unwrap_or_default();
    let tokens = tokens(watch, instance).await?;
    watch.desk.modification_inspected(id, tokens.as_deref(), &activities).await?;
    Ok(Sent::Done(None))
}

pub(super) async fn send(
    watch: &Watch,
    id: ModificationId,
    instance: &str,
    (moves, before): (&[Move], &[Token]),
    pending: &Pending,
) -> Result<Sent, WatchError> {
    if made(watch, id, instance, moves).await? {
        return read_back(watch, id, instance).await;
    }
    let stands = tokens(watch, instance).await?;
    if stands.as_deref() != Some(before) {
        let why = if stands.is_none() { NotModified::Ended } else { NotModified::Moved };
        return give_up(watch, id, &why.to_string()).await;
    }
    watch.point(Point::BeforeSend, pending);
    let modified = watch.engine.modify(instance, &instructions(id, moves, before), &format!("fallout {id}")).await;
    watch.point(Point::Sent, pending);
    match modified {
        Ok(()) => read_back(watch, id, instance).await,
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        // Its transaction may still be running, or another was first: the next read tells.
        Err(e @ (EngineError::Unknown { .. } | EngineError::Conflict { .. })) => {
            Ok(Sent::Again(pause_s(pending.tries).max(1.0), e.to_string()))
        }
        Err(e) => give_up(watch, id, &format!("the engine refuses it: {e}")).await,
    }
}

/// By the marker where a token was started, else by the end of every stay that was to end.
async fn made(watch: &Watch, id: ModificationId, instance: &str, moves: &[Move]) -> Result<bool, WatchError> {
    let id = id.to_string();
    let marks = watch.engine.historic_variables(instance, MARKER).await?;
    if marks.iter().any(|mark| mark.value.as_text() == Some(&id)) {
        return Ok(true);
    }
    if moves.iter().any(|one| !matches!(one, Move::Cancel { .. })) {
        return Ok(false);
    }
    let stands = tokens(watch, instance).await?.unwrap_or_default();
    let left = |one: &Move| match one {
        Move::Cancel { instance: Some(stay), .. } => stands.iter().any(|token| token.instance == *stay),
        _ => false,
    };
    Ok(!moves.iter().any(left))
}

async fn read_back(watch: &Watch, id: ModificationId, instance: &str) -> Result<Sent, WatchError> {
    let after = tokens(watch, instance).await?.unwrap_or_default();
    watch.desk.modification_done(id, &after).await?;
    Ok(Sent::Done(Some("read back".into())))
}

async fn give_up(watch: &Watch, id: ModificationId, why: &str) -> Result<Sent, WatchError> {
    watch.desk.modification_failed(id, why).await?;
    Ok(Sent::Failed(why.to_owned()))
}

fn instructions(id: ModificationId, moves: &[Move], before: &[Token]) -> Vec<Instruction> {
    let mark = || Variables::new().with(MARKER, id.to_string());
    let in_transition = |stay: &str| before.iter().any(|token| token.instance == stay && token.in_transition);
    let instruction = |one: &Move| match one {
        Move::Cancel { instance, .. } => {
            let stay = instance.clone().unwrap_or_default();
            match in_transition(&stay) {
                true => Instruction::CancelTransition { transition_instance_id: stay },
                false => Instruction::Cancel { activity_instance_id: stay },
            }
        }
        Move::StartBefore { activity } => {
            Instruction::StartBeforeActivity { activity_id: activity.clone(), variables: mark() }
        }
        Move::StartAfter { activity } => {
            Instruction::StartAfterActivity { activity_id: activity.clone(), variables: mark() }
        }
    };
    // A token is started before another is cancelled: an instance without any would end.
    let (starts, cancels): (Vec<&Move>, Vec<&Move>) = moves.iter().partition(|m| !matches!(m, Move::Cancel { .. }));
    starts.into_iter().chain(cancels).map(instruction).collect()
}

/// Everything that stands in the instance, in one order; `None` when it has ended.
async fn tokens(watch: &Watch, instance: &str) -> Result<Option<Vec<Token>>, WatchError> {
    let Some(tree) = watch.engine.activity_instances(instance).await? else { return Ok(None) };
    let mut found: Vec<Token> = tree.all().into_iter().flat_map(|stay| stays(stay, instance)).collect();
    found.sort();
    Ok(Some(found))
}

fn stays(of: &ActivityInstance, whole: &str) -> Vec<Token> {
    let transitions = of.child_transition_instances.iter().map(|transition| Token {
        activity: transition.activity_id.clone(),
        instance: transition.id.clone(),
        in_transition: true,
        is_whole: false,
    });
    let own = Token {
        activity: of.activity_id.clone(),
        instance: of.id.clone(),
        in_transition: false,
        is_whole: of.id == whole,
    };
    std::iter::once(own).chain(transitions).collect()
}
