//! The relay killed at every point of every kind of command, each command sent again afterwards: at once, and after what it
//! began has run on. Whatever was lost, the engine is told once, and the ledger knows.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use fallout::demo::Standing;
use fallout_camunda::{HistoricActivityQuery, HistoricInstanceQuery, IncidentQuery, Variable};
use fallout_core::{
    action::{Action, ActionState},
    command::{EngineCommand, INCIDENT_TYPE},
    ids::CommandId,
    modification::ModificationState,
    signal::{Cause, Finding, NewSignal, Place},
    step::{Outputs, StepState, business_key},
};
use fallout_desk::PROCESS;
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};
use fallout_watch::{Point, Probes};
use serde_json::Value;

use crate::{
    cancel_from_outside::{reached, send},
    correcting::corrected,
    engine::root,
    interventions::rest,
    modification::{agree, ask_to_modify, past_the_task, skip_by_hand, tokens_at},
    reports::bare,
};

/// Where the relay of one command dies, and when another goes on with it.
#[derive(Clone, Copy, Debug)]
struct Fate {
    point: Point,
    /// A command may come to a point more than once.
    nth: usize,
    /// Only after what was sent has run on.
    later: bool,
}

const fn fate(point: Point, nth: usize, later: bool) -> Fate {
    Fate { point, nth, later }
}

const FATES: [Fate; 6] = [
    fate(Point::Taken, 1, false),
    fate(Point::BeforeSend, 1, false),
    fate(Point::Sent, 1, false),
    fate(Point::Sent, 1, true),
    fate(Point::Settled, 1, false),
    fate(Point::Settled, 1, true),
];

/// A command that is sent in two calls.
const IN_TWO: [Fate; 8] = [
    fate(Point::Taken, 1, false),
    fate(Point::BeforeSend, 1, false),
    fate(Point::Sent, 1, false),
    fate(Point::BeforeSend, 2, false),
    fate(Point::Sent, 2, false),
    fate(Point::Sent, 2, true),
    fate(Point::Settled, 1, false),
    fate(Point::Settled, 1, true),
];

/// The fates of all commands of one kind: each new one gets the next.
#[derive(Default)]
struct State {
    to_come: VecDeque<Fate>,
    met: BTreeMap<CommandId, (Fate, usize)>,
    dead: Vec<(CommandId, Fate)>,
    struck: usize,
}

#[derive(Clone)]
struct Fates {
    kind: &'static str,
    state: Arc<Mutex<State>>,
}

impl Fates {
    fn new(kind: &'static str, fates: &[Fate]) -> Fates {
        let state = State { to_come: fates.iter().copied().collect(), ..State::default() };
        Fates { kind, state: Arc::new(Mutex::new(state)) }
    }

    fn probes(&self) -> Probes {
        let fates = self.clone();
        Probes::new(move |point, command| {
            if command.command.kind() == fates.kind && fates.strikes(point, command.id) {
                panic!("the relay is killed here");
            }
        })
    }

    fn strikes(&self, point: Point, id: CommandId) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.met.contains_key(&id) {
            let Some(fate) = state.to_come.pop_front() else { return false };
            state.met.insert(id, (fate, 0));
        }
        let Some((fate, times)) = state.met.get_mut(&id) else { return false };
        let fate = *fate;
        if fate.point == point {
            *times += 1;
        }
        let strikes = fate.point == point && *times == fate.nth;
        if strikes {
            state.dead.push((id, fate));
            state.struck += 1;
        }
        strikes
    }

    fn struck(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).struck
    }

    /// The lease of the dead is over: another relay takes their commands.
    async fn revive(&self, s: &Scenario<'_>, later: bool) -> anyhow::Result<()> {
        let dead = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (now, keep): (Vec<_>, Vec<_>) = state.dead.drain(..).partition(|(_, fate)| later || !fate.later);
            state.dead = keep;
            now
        };
        for (id, _) in dead {
            s.setup.desk.command_again(id, 0.0, "its relay was killed", false).await?;
        }
        Ok(())
    }
}

/// One order per fate. `begin` brings all of them to where a command of the kind is due, `moved` says that what the command
/// of an order began has run on, `end` what has to be true of each at last.
fn killed(
    kind: &'static str,
    fates: &[Fate],
    faults: &str,
    begin: impl AsyncFn(&mut Scenario<'_>, &[String]) -> anyhow::Result<()>,
    moved: impl AsyncFn(&Scenario<'_>, &str) -> anyhow::Result<bool>,
    end: impl AsyncFn(&Scenario<'_>, &str) -> anyhow::Result<()>,
) {
    let orders: Vec<String> = (0..fates.len()).map(|n| format!("{kind}-{n}")).collect();
    let met = Fates::new(kind, fates);
    scenario(&format!("killed-{kind}"), faults, async |s| {
        s.setup.probes = met.probes();
        s.start();
        begin(s, &orders).await?;
        s.wait("every relay has met its fate", async || {
            met.revive(s, false).await?;
            Ok(met.struck() == fates.len())
        })
        .await?;
        met.revive(s, false).await?;
        for order in &orders {
            s.wait(&format!("what was sent for {order} has run on"), async || moved(s, order).await).await?;
        }
        met.revive(s, true).await?;
        for order in &orders {
            end(s, order).await.with_context(|| order.clone())?;
        }
        s.wait("nothing is left to tell the engine", async || Ok(s.setup.desk.pending_commands().await? == 0)).await
    });
}

async fn accept(s: &mut Scenario<'_>, orders: &[String]) -> anyhow::Result<()> {
    s.accept(orders.iter().map(|order| simple(order)).collect()).await
}

async fn parked(s: &mut Scenario<'_>, orders: &[String]) -> anyhow::Result<()> {
    accept(s, orders).await?;
    for order in orders {
        s.until(order, Standing::Parked).await?;
    }
    Ok(())
}

async fn stands(s: &Scenario<'_>, order: &str, wanted: Standing) -> anyhow::Result<bool> {
    Ok(s.standing(order).await? == wanted)
}

/// The one case of the order is resolved, by one action.
async fn resolved_once(s: &Scenario<'_>, order: &str) -> anyhow::Result<()> {
    let cases = s.cases_of(order).await?;
    assert_eq!(cases.len(), 1, "{order}: one trouble, one case");
    s.resolved(&cases[0].case_number).await?;
    let actions = s.setup.desk.actions(&s.tenant, cases[0].case_number.parse()?).await?;
    assert_eq!(actions.iter().map(|a| a.state).collect::<Vec<_>>(), [ActionState::Completed], "{order}");
    Ok(())
}

const DEFECT: &str = "attempt = '1'; behaviour = 'bad_request'";

#[test]
fn every_kind_of_command_has_its_relay_killed() {
    let here = include_str!("relay_killed.rs");
    let missing: Vec<_> =
        EngineCommand::KINDS.iter().filter(|kind| !here.contains(&format!("\n        \"{kind}\","))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn an_order_is_started_once() {
    killed(
        "start",
        &FATES,
        "",
        accept,
        async |s, order| Ok(s.step(order, "", "notify").await?.is_some_and(|v| v.step.state == StepState::Done)),
        async |s, order| {
            s.until(order, Standing::Completed).await?;
            let key = business_key(&s.tenant, order, 1);
            let query = HistoricInstanceQuery {
                process_instance_business_key: Some(&key),
                process_definition_key: Some(PROCESS),
                ..Default::default()
            };
            assert_eq!(s.setup.engine.historic_process_instances(&query).await?.len(), 1);
            Ok(())
        },
    );
}

#[test]
fn a_recovery_is_taken_once() {
    killed(
        "recover",
        &FATES,
        &fault("*", "bill", DEFECT),
        async |s, orders| {
            parked(s, orders).await?;
            for order in orders {
                s.retry(order).await?;
            }
            Ok(())
        },
        async |s, order| stands(s, order, Standing::Completed).await,
        async |s, order| {
            assert_eq!((s.attempts_at(order, "bill"), s.book_of(order, "bill")?.len()), (2, 1));
            resolved_once(s, order).await
        },
    );
}

#[test]
fn a_task_without_branches_is_handed_out_once() {
    killed(
        "task_retries",
        &IN_TWO,
        &fault("*", "bare", DEFECT),
        async |s, orders| {
            parked_bare(s, orders).await?;
            for order in orders {
                s.retry(order).await?;
            }
            Ok(())
        },
        async |s, order| Ok(s.step(order, "", "bare").await?.is_some_and(|v| v.step.state == StepState::Done)),
        async |s, order| {
            assert_eq!((s.attempts_at(order, "bare"), s.book_of(order, "bare")?.len()), (2, 1));
            resolved_once(s, order).await
        },
    );
}

/// Each order has ended, and one more step of it is parked in a model without recovery branches.
async fn parked_bare(s: &mut Scenario<'_>, orders: &[String]) -> anyhow::Result<()> {
    accept(s, orders).await?;
    for order in orders {
        s.until(order, Standing::Completed).await?;
        bare(s, order, "inventory.reserve", true).await?;
    }
    for order in orders {
        s.wait("its task is given up", async || Ok(incident_of(s, order).await?.is_some())).await?;
    }
    Ok(())
}

/// The incident that the engine made of the parked bare task of an order.
async fn incident_of(s: &Scenario<'_>, order: &str) -> anyhow::Result<Option<fallout_camunda::Incident>> {
    let Some(view) = s.step(order, "", "bare").await? else { return Ok(None) };
    let query = IncidentQuery { configuration: Some(&view.step.external_task_id), ..Default::default() };
    Ok(s.setup.engine.incidents(&query).await?.into_iter().next())
}

#[test]
fn what_gateways_read_is_set_as_it_was_corrected() {
    let is_set = async |s: &Scenario<'_>, order: &str| {
        let variables = s.setup.engine.process_instance_variables(&root(s, order).await?).await?;
        Ok(variables.is_some_and(|all| all.text("lineRoute_0") == Some("partner-north")))
    };
    killed(
        "set_variables",
        &FATES,
        &fault("*", "provision", DEFECT),
        async |s, orders| {
            parked(s, orders).await?;
            for order in orders {
                let case = s.case_of(order).await?.case_number;
                corrected(s, &case, "provisioning-route", serde_json::json!("partner-north")).await?;
            }
            Ok(())
        },
        is_set,
        async |s, order| {
            assert!(is_set(s, order).await?);
            Ok(())
        },
    );
}

#[test]
fn a_result_that_was_waited_for_lets_its_token_go_on_once() {
    killed(
        "callback",
        &FATES,
        &fault("*", "provision", "behaviour = 'accepted'; after_ms = 100"),
        accept,
        async |s, order| stands(s, order, Standing::Completed).await,
        async |s, order| {
            assert_eq!((s.attempts_at(order, "provision"), s.cases_of(order).await?.len()), (1, 0));
            Ok(())
        },
    );
}

async fn cancelled(s: &mut Scenario<'_>, orders: &[String]) -> anyhow::Result<()> {
    parked(s, orders).await?;
    for order in orders {
        let case = s.case_of(order).await?.case_number;
        s.recover(&case, Action::CancelOrder, None, Outputs::new()).await?;
    }
    Ok(())
}

/// Every effect of the order was taken back once, latest first, and it has ended as cancelled.
async fn taken_back(s: &Scenario<'_>, order: &str) -> anyhow::Result<()> {
    s.until(order, Standing::Cancelled).await?;
    let undone = s.book()?.into_iter().filter(|e| e.order == order && e.direction == "undo").map(|e| e.step);
    assert_eq!(undone.collect::<Vec<_>>(), ["provision", "reserve"], "{order}");
    Ok(())
}

#[test]
fn an_effect_of_a_cancelled_order_is_undone_once() {
    killed(
        "undo",
        &FATES,
        &fault("*", "bill", "behaviour = 'bad_request'"),
        cancelled,
        async |s, order| Ok(s.book()?.iter().any(|e| e.order == order && e.direction == "undo")),
        taken_back,
    );
}

#[test]
fn a_cancelled_order_ends_once() {
    killed(
        "undone",
        &FATES,
        &fault("*", "bill", "behaviour = 'bad_request'"),
        cancelled,
        async |s, order| {
            let found = s.setup.engine.historic_process_instance(&root(s, order).await?).await?;
            Ok(found.is_some_and(|i| i.end_time.is_some()))
        },
        taken_back,
    );
}

#[test]
fn who_asked_for_a_cancellation_is_answered_once() {
    killed(
        "cancel_answered",
        &FATES,
        &fault("*", "bill", "behaviour = 'bad_request'"),
        async |s, orders| {
            parked(s, orders).await?;
            for order in orders {
                send(s, order).await?;
            }
            Ok(())
        },
        async |s, order| Ok(reached(s, order, "cancelAccepted").await? == 1),
        async |s, order| {
            taken_back(s, order).await?;
            assert_eq!(reached(s, order, "cancelRefused").await?, 0);
            Ok(())
        },
    );
}

/// Parked and suspended, with a retry that does not reach its token.
async fn suspended(s: &mut Scenario<'_>, orders: &[String]) -> anyhow::Result<()> {
    parked(s, orders).await?;
    for order in orders {
        let step = s.step(order, "", "bill").await?.context("it is parked there")?.step;
        for instance in [root(s, order).await?, step.process_instance_id] {
            s.setup.engine.suspend_process_instance(&instance).await?;
        }
        s.retry(order).await?;
        s.setup.desk.unblock_order(&s.tenant, "local:test", order, "the scenario asks for it").await?;
    }
    Ok(())
}

async fn billed_once(s: &Scenario<'_>, order: &str) -> anyhow::Result<()> {
    s.until(order, Standing::Completed).await?;
    assert_eq!((s.attempts_at(order, "bill"), s.book_of(order, "bill")?.len()), (2, 1));
    Ok(())
}

#[test]
fn a_suspended_order_is_activated_whoever_dies() {
    killed(
        "activate",
        &FATES,
        &fault("*", "bill", DEFECT),
        suspended,
        async |s, order| {
            let root = s.setup.engine.process_instance(&root(s, order).await?).await?;
            Ok(root.is_none_or(|i| !i.suspended))
        },
        billed_once,
    );
}

#[test]
fn a_job_that_was_given_up_is_tried_again_whoever_dies() {
    killed(
        "job_retries",
        &FATES,
        &fault("*", "reserve", DEFECT),
        async |s, orders| {
            parked(s, orders).await?;
            for order in orders {
                let root = root(s, order).await?;
                s.setup.engine.put_variable(&root, "lineCount", &"not a number".into()).await?;
                s.retry(order).await?;
                let given_up = async || Ok(s.setup.engine.jobs(&root).await?.iter().any(|job| job.retries == 0));
                s.wait("the job before the lines is given up", given_up).await?;
                s.setup.engine.put_variable(&root, "lineCount", &Variable::from(1)).await?;
                s.setup.desk.unblock_order(&s.tenant, "local:test", order, "the scenario asks for it").await?;
            }
            Ok(())
        },
        async |s, order| stands(s, order, Standing::Completed).await,
        async |s, order| {
            assert_eq!((s.book_of(order, "reserve")?.len(), s.book_of(order, "provision")?.len()), (1, 1));
            Ok(())
        },
    );
}

#[test]
fn an_instance_is_moved_to_the_newest_definition_once() {
    let deployed = Mutex::new(None);
    killed(
        "migrate",
        &FATES,
        &fault("*", "bill", DEFECT),
        async |s, orders| {
            parked(s, orders).await?;
            let source = s.step(&orders[0], "", "bill").await?.context("it is parked")?.step.process_definition_id;
            let xml = s.setup.engine.process_definition_xml(&source).await?.context("its model is deployed")?;
            let xml = xml.replace("Recoverable step", "Newer step").into_bytes();
            let files = vec![("recoverable-step.bpmn".to_owned(), xml)];
            let deployment = s.setup.engine.deploy("newer", "test", files, false).await?;
            let target = deployment.process_definitions[0].id.clone();
            *deployed.lock().unwrap() = Some((deployment.id, target));
            for order in orders {
                s.setup.desk.migrate_order(&s.tenant, "local:test", order, "the scenario asks for it").await?;
            }
            Ok(())
        },
        async |s, order| {
            let target = deployed.lock().unwrap().clone().unwrap().1;
            let step = s.step(order, "", "bill").await?.context("it is parked")?.step;
            let running = s.setup.engine.process_instance(&step.process_instance_id).await?;
            Ok(running.is_some_and(|i| i.definition_id == target))
        },
        async |s, order| {
            let target = deployed.lock().unwrap().clone().unwrap().1;
            let bill = async || Ok::<_, anyhow::Error>(s.step(order, "", "bill").await?.context("it is known")?.step);
            s.wait("the ledger knows", async || Ok(bill().await?.process_definition_id == target)).await?;
            let timeline = s.case(&s.case_of(order).await?.case_number).await?.timeline;
            let moved = timeline.iter().filter(|e| e.reason.as_deref().is_some_and(|r| r.ends_with(&target))).count();
            assert_eq!(moved, 1, "{order}: it is told once");
            s.retry(order).await?;
            billed_once(s, order).await?;
            assert_eq!(bill().await?.process_definition_id, target);
            let left = s.cases().await?.is_empty();
            if left {
                let deployment = deployed.lock().unwrap().clone().unwrap().0;
                rest(s, "DELETE", &format!("/deployment/{deployment}?cascade=true"), &Value::Null)?;
            }
            Ok(())
        },
    );
}

#[test]
fn an_incident_of_the_engine_bears_the_number_of_its_case_once() {
    killed(
        "annotate",
        &FATES,
        &fault("*", "bare", DEFECT),
        async |s, orders| {
            parked_bare(s, orders).await?;
            for order in orders {
                let incident = incident_of(s, order).await?.context("it is there")?;
                let step = s.step(order, "", "bare").await?.context("it is parked")?.step.key;
                let signal = NewSignal {
                    source: "engine".into(),
                    event: incident.id.clone(),
                    finding: Finding::Code("failedExternalTask".into()),
                    place: Place { step: Some(step), ..Place::default() },
                    cause: Cause { incident_id: Some(incident.id), ..Cause::default() },
                    occurred_at: None,
                    reason: "an incident of the engine".into(),
                    payload: Value::Null,
                };
                s.setup.desk.signal(&s.tenant, &signal).await?;
            }
            Ok(())
        },
        async |s, order| Ok(incident_of(s, order).await?.is_some_and(|i| i.annotation.is_some())),
        async |s, order| {
            let case = s.case_of(order).await?.case_number;
            let annotation = incident_of(s, order).await?.and_then(|i| i.annotation);
            assert_eq!(annotation, Some(case), "{order}");
            s.retry(order).await?;
            resolved_once(s, order).await
        },
    );
}

/// How many incidents of ours there are for the case of an order.
async fn shown(s: &Scenario<'_>, order: &str) -> anyhow::Result<usize> {
    let case = s.case_of(order).await?.case_number;
    let query = IncidentQuery { incident_type: Some(INCIDENT_TYPE), configuration: Some(&case), ..Default::default() };
    Ok(s.setup.engine.incidents(&query).await?.iter().filter(|i| i.configuration.is_some()).count())
}

#[test]
fn a_case_is_shown_once_where_its_token_waits() {
    killed(
        "incident",
        &FATES,
        &fault("*", "reserve", "attempt = '1'; behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'"),
        parked,
        async |s, order| Ok(shown(s, order).await? == 1),
        async |s, order| {
            s.wait("nothing of it is under way", async || Ok(s.setup.desk.pending_commands().await? == 0)).await?;
            assert_eq!(shown(s, order).await?, 1, "{order}");
            s.retry(order).await?;
            s.until(order, Standing::Completed).await
        },
    );
}

#[test]
fn a_report_that_is_refused_is_shown_once_until_it_is_taken() {
    killed(
        "unreported",
        &FATES,
        "",
        async |s, orders| {
            accept(s, orders).await?;
            for order in orders {
                s.until(order, Standing::Completed).await?;
                bare(s, order, "inventory.reserve", false).await?;
            }
            Ok(())
        },
        async |s, order| Ok(!s.cases_of(order).await?.is_empty() && shown(s, order).await? == 1),
        async |s, order| {
            let case = s.case_of(order).await?.case_number;
            let instance = s.step(order, "", "bare").await?.context("it was claimed")?.step.process_instance_id;
            s.setup.engine.put_variable(&instance, "mayGoOn", &Variable::from(true)).await?;
            s.resolved(&case).await?;
            assert_eq!((s.attempts_at(order, "bare"), s.book_of(order, "bare")?.len()), (1, 1));
            Ok(())
        },
    );
}

/// Asked for, with every question answered: past the parked task, to the end of the called step.
async fn asked_to_modify(s: &mut Scenario<'_>, orders: &[String]) -> anyhow::Result<()> {
    parked(s, orders).await?;
    for order in orders {
        s.wait("its token stands at the task", async || Ok(!tokens_at(s, order, "perform").await?.is_empty())).await?;
        ask_to_modify(s, order, &past_the_task()).await?;
    }
    Ok(())
}

/// The states of the modifications of an order.
async fn modified(s: &Scenario<'_>, order: &str) -> anyhow::Result<Vec<ModificationState>> {
    Ok(s.setup.desk.modifications(&s.tenant, order).await?.iter().map(|m| m.state).collect())
}

#[test]
fn what_stands_before_a_modification_is_read_whoever_dies() {
    killed(
        "inspect",
        // It changes nothing, so there is nothing to die before or behind.
        &[fate(Point::Taken, 1, false), fate(Point::Settled, 1, false), fate(Point::Settled, 1, true)],
        &fault("*", "bill", DEFECT),
        asked_to_modify,
        async |s, order| Ok(modified(s, order).await? == [ModificationState::AwaitingApproval]),
        async |s, order| {
            let id = s.setup.desk.modifications(&s.tenant, order).await?.remove(0).id;
            s.setup.desk.refuse_modification(&s.tenant, "token:second", id, "no need").await?;
            s.retry(order).await?;
            billed_once(s, order).await
        },
    );
}

#[test]
fn a_process_is_modified_once() {
    killed(
        "modify",
        &FATES,
        &fault("*", "bill", DEFECT),
        async |s, orders| {
            asked_to_modify(s, orders).await?;
            for order in orders {
                agree(s, order).await?;
            }
            Ok(())
        },
        async |s, order| {
            let step = s.step(order, "", "bill").await?.context("it is known")?.step;
            let marks = s.setup.engine.historic_variables(&step.process_instance_id, "processModificationId").await?;
            Ok(!marks.is_empty())
        },
        async |s, order| {
            s.wait("it is read back", async || Ok(modified(s, order).await? == [ModificationState::Done])).await?;
            let step = s.step(order, "", "bill").await?.context("it is known")?.step;
            let query = HistoricActivityQuery {
                process_instance_id: Some(&step.process_instance_id),
                activity_id: Some("skipped"),
                ..Default::default()
            };
            assert_eq!(s.setup.engine.historic_activity_instances(&query).await?.len(), 1, "{order}");
            skip_by_hand(s, order).await
        },
    );
}
