//! The one entry for signals of any source: one transaction, a savepoint for each, an answer for each.

use std::collections::{BTreeMap, BTreeSet};

use fallout_core::{
    action::catalogue::Authority,
    command::EngineCommand,
    ids::{CaseNumber, CommandId, SignalId},
    signal::{NewSignal, SignalRefusal, SignalState},
};
use fallout_store::{
    StoreError, Tx, cases, commands,
    signals::{self, Incoming, Signal, SignalLine},
    steps,
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    authority::At,
    placing::{Arrival, Placed, said},
};

/// What became of a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub signal: SignalId,
    pub state: SignalState,
    pub case: Option<CaseNumber>,
    pub refusal: Option<SignalRefusal>,
    /// The source had told this event before; this is what became of it then.
    pub repeated: bool,
}

/// An incident of the engine that a signal names gets the number of its case, where people see it in Cockpit.
async fn name_cases(tx: &mut Tx, tenant: &str, new: &[NewSignal], answers: &[Answer]) -> Result<(), DeskError> {
    for (signal, answer) in new.iter().zip(answers).filter(|(_, answer)| !answer.repeated) {
        let incident = signal.cause.incident_id.as_ref().filter(|_| answer.refusal.is_none());
        if let (Some(incident_id), Some(case)) = (incident, answer.case) {
            let command = EngineCommand::Annotate { case, tenant: tenant.to_owned(), incident_id: incident_id.clone() };
            commands::insert(tx, CommandId(Uuid::now_v7()), tenant, &command, None).await?;
        }
    }
    Ok(())
}

impl Desk {
    /// A person tells a trouble, about an order or beside any.
    pub async fn open_by_hand(&self, tenant: &str, principal: &str, new: &NewSignal) -> Result<Answer, DeskError> {
        let tx = self.tenant(tenant).await?;
        let at = new.place.order.as_deref().map_or(At::Tenant, At::Order);
        drop(self.authorised(tx, tenant, principal, Authority::WorkCase, at).await?);
        self.signal(tenant, new).await
    }

    /// One signal; see [`Self::signals`].
    pub async fn signal(&self, tenant: &str, new: &NewSignal) -> Result<Answer, DeskError> {
        let answers = self.signals(tenant, std::slice::from_ref(new)).await?;
        answers.into_iter().next().ok_or(DeskError::Store(StoreError::Stale("the signal")))
    }

    /// Takes signals of one tenant: each is kept, joins the case of its trouble or opens it, and has its answer at its own
    /// place. All are one transaction, with a savepoint for each: one that the database refuses takes no other with it.
    pub async fn signals(&self, tenant: &str, new: &[NewSignal]) -> Result<Vec<Answer>, DeskError> {
        // One alone goes without savepoints; where anything is not as it mostly is, it goes again with them. So does a batch
        // that the ledger crossed: it locks the steps of one order in an order of its own.
        let careful = new.len() > 1;
        match self.take_in(tenant, new, careful).await {
            Err(e) if e.is_crossed() || !(careful || matches!(e, DeskError::Away(_))) => {
                self.take_in(tenant, new, true).await
            }
            answers => answers,
        }
    }

    async fn take_in(&self, tenant: &str, new: &[NewSignal], careful: bool) -> Result<Vec<Answer>, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let mut answers: Vec<Option<Answer>> = vec![None; new.len()];
        let mut waiting = Vec::new();
        for (n, checked) in self.arrivals(&mut tx, tenant, new).await?.into_iter().enumerate() {
            match checked {
                Ok(arrival) => waiting.push((n, arrival)),
                Err(unfit) => answers[n] = Some(refuse(&mut tx, tenant, &unfit.0, unfit.1).await?),
            }
        }
        let mut way = Way { tx, careful };
        if careful {
            way.tx.savepoint().await?;
        }
        while !waiting.is_empty() {
            let alone = self.join(&mut way, tenant, &mut waiting, &mut answers).await?;
            self.first_of_each_place(&mut way, &alone, &mut waiting, &mut answers).await?;
        }
        let mut tx = way.tx;
        let answers: Result<Vec<Answer>, _> =
            answers.into_iter().map(|answer| answer.ok_or(DeskError::Store(StoreError::Stale("the signal")))).collect();
        let answers = answers?;
        name_cases(&mut tx, tenant, new, &answers).await?;
        tx.commit().await?;
        Ok(answers)
    }

    /// Those that change nothing about their cases, all at once, when there are no others. Else which ones are others.
    async fn join(
        &self,
        way: &mut Way,
        tenant: &str,
        waiting: &mut Vec<(usize, Arrival)>,
        answers: &mut [Option<Answer>],
    ) -> Result<BTreeSet<SignalId>, DeskError> {
        let taxonomy = self.taxonomy(tenant);
        let (beside, plain): (Vec<_>, Vec<_>) =
            waiting.iter().partition(|(_, a)| a.signal.step.is_some() && taxonomy.own_case(&a.signal.kind));
        if !beside.is_empty() {
            return Ok(beside.into_iter().map(|(_, arrival)| arrival.signal.id).collect());
        }
        let kinds: BTreeSet<&str> = plain.iter().map(|(_, arrival)| arrival.signal.kind.as_str()).collect();
        let heavier: BTreeMap<&str, Vec<String>> = kinds.iter().map(|kind| (*kind, taxonomy.heavier(kind))).collect();
        let incoming: Vec<Incoming<'_>> = plain
            .into_iter()
            .map(|(_, arrival)| Incoming {
                signal: &arrival.signal,
                entry: Uuid::now_v7(),
                said: said(&arrival.signal, arrival.voice),
                heavier: heavier.get(arrival.signal.kind.as_str()).map_or(&[], Vec::as_slice),
            })
            .collect();
        way.mark().await?;
        let found = match signals::join_plain(&mut way.tx, tenant, &incoming).await {
            Ok(found) => found,
            Err(e) if e.is_away() || e.is_crossed() || !way.careful => return Err(e.into()),
            // One of them: each finds out alone.
            Err(_) => {
                way.tx.back_to_savepoint().await?;
                return Ok(waiting.iter().map(|(_, arrival)| arrival.signal.id).collect());
            }
        };
        if found.holds {
            way.back().await?;
        }
        let joined: BTreeMap<SignalId, CaseNumber> = found.joined.into_iter().collect();
        for (n, arrival) in waiting.iter() {
            let (signal, state) = (arrival.signal.id, SignalState::Joined);
            if let Some(case) = joined.get(&signal).copied() {
                answers[*n] = Some(Answer { signal, state, case: Some(case), refusal: None, repeated: false });
            }
        }
        waiting.retain(|(_, arrival)| !joined.contains_key(&arrival.signal.id));
        Ok(match found.not_plain.is_empty() {
            // What is left was told before.
            true => waiting.iter().map(|(_, arrival)| arrival.signal.id).collect(),
            false => found.not_plain.into_iter().collect(),
        })
    }

    /// The first of each place, each alone; steps before keys, each in their order, so that whoever does the same meets
    /// nobody crosswise. What it leaves behind is mostly plain for the others of its place.
    async fn first_of_each_place(
        &self,
        way: &mut Way,
        alone: &BTreeSet<SignalId>,
        waiting: &mut Vec<(usize, Arrival)>,
        answers: &mut [Option<Answer>],
    ) -> Result<(), DeskError> {
        let mut first = BTreeMap::new();
        for (at, (_, arrival)) in waiting.iter().enumerate().filter(|(_, (_, a))| alone.contains(&a.signal.id)) {
            let place = (arrival.signal.step.is_none(), arrival.signal.step, arrival.signal.key.clone());
            first.entry(place).or_insert(at);
        }
        let mut done = BTreeSet::new();
        for at in first.into_values() {
            let (n, arrival) = &waiting[at];
            answers[*n] = Some(self.alone(way, arrival).await?);
            done.insert(*n);
        }
        waiting.retain(|(n, _)| !done.contains(n));
        Ok(())
    }

    async fn alone(&self, way: &mut Way, arrival: &Arrival) -> Result<Answer, DeskError> {
        let (tenant, signal) = (&arrival.tenant, &arrival.signal);
        way.mark().await?;
        if way.careful
            && let Some(answer) = answered(&mut way.tx, tenant, signal).await?
        {
            return Ok(answer);
        }
        if let Some(step) = signal.step {
            steps::hold(&mut way.tx, step).await?;
        }
        match self.place(&mut way.tx, arrival).await {
            Ok(Some(Placed { state, number, .. })) => {
                Ok(Answer { signal: signal.id, state, case: Some(number), refusal: None, repeated: false })
            }
            Ok(None) => {
                let stepless = Signal { step: None, ..signal.clone() };
                refuse(&mut way.tx, tenant, &stepless, SignalRefusal::UnknownStep).await
            }
            Err(e) if e.is_crossed() || matches!(e, DeskError::Away(_)) || !way.careful => Err(e),
            Err(e) => {
                tracing::warn!(signal = %signal.id, error = &e as &dyn std::error::Error, "a signal was refused by the database");
                way.back().await?;
                // The same event, told twice at once.
                if let Some(answer) = answered(&mut way.tx, tenant, signal).await? {
                    return Ok(answer);
                }
                let bare = Signal { payload: Value::Null, ..signal.clone() };
                refuse(&mut way.tx, tenant, &bare, SignalRefusal::NotWritten).await
            }
        }
    }

    /// What was told, the latest first; of one case, or of all.
    pub async fn signals_told(
        &self,
        tenant: &str,
        case: Option<CaseNumber>,
        only_refused: bool,
        limit: i64,
    ) -> Result<Vec<SignalLine>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Tenant).await?;
        let case = match case {
            Some(number) => {
                let found = cases::by_number(&mut tx, tenant, number).await?;
                Some(found.ok_or(DeskError::NoSuchCase(number))?.id)
            }
            None => None,
        };
        Ok(signals::list(&mut tx, tenant, case, only_refused, limit).await?)
    }
}

/// A transaction that signals are taken in by, with or without savepoints.
struct Way {
    tx: Tx,
    careful: bool,
}

impl Way {
    /// What was done so far stays, whatever becomes of the next.
    async fn mark(&mut self) -> Result<(), DeskError> {
        match self.careful {
            true => Ok(self.tx.savepoint_again().await?),
            false => Ok(()),
        }
    }

    async fn back(&mut self) -> Result<(), DeskError> {
        match self.careful {
            true => Ok(self.tx.back_to_savepoint().await?),
            // All of it goes again, carefully.
            false => Err(DeskError::Store(StoreError::Stale("the case"))),
        }
    }
}

async fn answered(tx: &mut Tx, tenant: &str, signal: &Signal) -> Result<Option<Answer>, DeskError> {
    let told = signals::told_before(tx, tenant, &signal.source, &signal.event).await?;
    Ok(told.map(|told| Answer {
        signal: told.id,
        state: told.state,
        case: told.case,
        refusal: told.refusal,
        repeated: true,
    }))
}

/// Kept with the name of its refusal; nothing else is written.
async fn refuse(tx: &mut Tx, tenant: &str, signal: &Signal, refusal: SignalRefusal) -> Result<Answer, DeskError> {
    if let Some(answer) = answered(tx, tenant, signal).await? {
        return Ok(answer);
    }
    let state = SignalState::Refused;
    signals::keep(tx, tenant, signal, state, None, Some(refusal)).await?;
    Ok(Answer { signal: signal.id, state, case: None, refusal: Some(refusal), repeated: false })
}
