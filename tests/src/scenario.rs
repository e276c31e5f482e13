//! One scenario: a tenant, a sandbox with its own faults, roles in this process, and the checks that follow each.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;
use fallout::{
    demo::{Effects, Standing, effects, standing},
    roles::{intake, running::Running, setup::Setup},
};
use fallout_camunda::{ExternalTaskQuery, ProcessInstanceQuery};
use fallout_core::{
    action::{Action, Attestation},
    ids::CaseNumber,
    order::Order,
    step::{Outputs, StepState},
    token::TokenScope,
};
use fallout_desk::{CaseDetail, CaseLine, DeskError, PROCESS, Recovery, RunView, StepView, Taken};
use fallout_sandbox::{Book, Effect, FaultScript, Sandbox, SandboxOptions};
use fallout_watch::Controller;

use crate::World;

/// Longer than anything a scenario waits for takes on a busy machine; only a failure gets there.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Scenario<'a> {
    pub world: &'a mut World,
    pub tenant: String,
    pub setup: Setup,
    pub sandbox: Sandbox,
    pub orders: Vec<Order>,
    book: PathBuf,
    running: Option<Running>,
    _dir: tempfile::TempDir,
}

/// Runs `body` against the shared servers with these faults, then fails it for whatever it left behind.
pub fn scenario(name: &str, faults: &str, body: impl AsyncFnOnce(&mut Scenario<'_>) -> Result<()>) {
    let mut world = World::take();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let done: Result<()> = runtime.block_on(async {
        let mut scenario = Scenario::new(&mut world, name, faults).await?;
        let result = body(&mut scenario).await;
        let stopped = scenario.stop().await;
        let left_behind = scenario.left_behind().await;
        let tidied = scenario.tidy().await;
        result.and(stopped).and(left_behind).and(tidied)
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    if let Err(e) = done {
        panic!("{name}: {e:#}");
    }
}

impl<'a> Scenario<'a> {
    async fn new(world: &'a mut World, name: &str, faults: &str) -> Result<Scenario<'a>> {
        let dir = tempfile::tempdir()?;
        let book = dir.path().join("effects.ndjson");
        let script = FaultScript::parse(faults)?;
        let sandbox = Sandbox::start(SandboxOptions { book: book.clone(), script, ports: BTreeMap::new() }).await?;
        let tenant = format!("{}-{}", name.chars().take(24).collect::<String>(), std::process::id());
        let mut settings = world.settings(&tenant);
        settings.downstreams.clear();
        let urls = sandbox.urls().iter().map(|(n, u)| ((*n).to_owned(), u.clone())).collect();
        fallout::roles::session::only(&mut settings, &urls);
        let setup = Setup::new(settings)?;
        Ok(Scenario { world, tenant, setup, sandbox, orders: Vec::new(), book, running: None, _dir: dir })
    }

    /// Every worker and controller, in this process.
    pub fn start(&mut self) {
        self.running = Some(Running::start(&self.setup));
    }

    /// The same without the relay: what the engine is to be told waits until the test lets it be sent.
    pub fn start_without_relay(&mut self) {
        let others: Vec<_> = Controller::ALL.into_iter().filter(|c| *c != Controller::Relay).collect();
        self.running = Some(Running::start_with(&self.setup, &others));
    }

    /// Drains and stops what `start` began.
    pub async fn stop(&mut self) -> Result<()> {
        match self.running.take() {
            Some(running) => running.stop().await.map(drop),
            None => Ok(()),
        }
    }

    pub async fn accept(&mut self, orders: Vec<Order>) -> Result<()> {
        intake::accept(&self.setup.desk, &self.tenant, &orders, Some(1)).await?;
        self.orders.extend(orders);
        Ok(())
    }

    pub async fn ledger(&self) -> Result<Vec<RunView>> {
        Ok(self.setup.desk.ledger(&self.tenant).await?)
    }

    pub async fn standing(&self, order: &str) -> Result<Standing> {
        let ledger = self.ledger().await?;
        let view = ledger.iter().find(|v| v.run.external_id == order);
        let order = self.orders.iter().find(|o| o.id == order);
        Ok(order.zip(view).map_or(Standing::Moving, |(order, view)| standing(order, view)))
    }

    /// The step of an order (and line, or "") as the ledger knows it.
    pub async fn step(&self, order: &str, line: &str, step: &str) -> Result<Option<StepView>> {
        let is = |v: &StepView| {
            v.step.identity.order == order && v.step.identity.line == line && v.step.identity.step == step
        };
        Ok(self.ledger().await?.into_iter().flat_map(|v| v.steps).find(is))
    }

    /// Waits until the order stands like that.
    pub async fn until(&self, order: &str, wanted: Standing) -> Result<()> {
        self.wait(&format!("order {order} is {wanted:?}"), async || Ok(self.standing(order).await? == wanted)).await
    }

    /// Waits for a condition; says what did not come, and where every order stands.
    pub async fn wait(&self, what: &str, condition: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if condition().await? {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        let mut stand = Vec::new();
        for view in self.ledger().await? {
            let steps = view
                .steps
                .iter()
                .map(|s| format!("{}/{}={}", s.step.identity.line, s.step.identity.step, s.step.state));
            stand.push(format!("{} {}: {}", view.run.external_id, view.run.state, steps.collect::<Vec<_>>().join(" ")));
        }
        anyhow::bail!("waited in vain until {what}\n  {}", stand.join("\n  "))
    }

    /// The active cases, by order id.
    pub async fn cases(&self) -> Result<BTreeMap<String, CaseLine>> {
        let cases = self.setup.desk.cases(&self.tenant, true, None, 1_000).await?;
        Ok(cases.into_iter().map(|c| (c.order.clone().unwrap_or_default(), c)).collect())
    }

    pub async fn case_of(&self, order: &str) -> Result<CaseLine> {
        self.cases().await?.remove(order).ok_or_else(|| anyhow::anyhow!("order {order} has no active case"))
    }

    /// Every case an order ever had, resolved ones too.
    pub async fn cases_of(&self, order: &str) -> Result<Vec<CaseLine>> {
        Ok(self.setup.desk.cases(&self.tenant, false, Some(order), 1_000).await?)
    }

    /// A case with everything that `case show` tells.
    pub async fn case(&self, number: &str) -> Result<CaseDetail> {
        Ok(self.setup.desk.case(&self.tenant, number.parse()?).await?)
    }

    /// A recovery as an operator would command it; where a second person has to agree, one does.
    pub async fn recover(
        &self,
        case: &str,
        action: Action,
        attest: Option<bool>,
        outputs: Outputs,
    ) -> Result<Taken, DeskError> {
        let key = uuid::Uuid::now_v7().to_string();
        let attestation = attest.map(|applied| Attestation { applied, reference: "TICKET-1".into() });
        let taken =
            self.setup.desk.recover(&Recovery { attestation, outputs, ..self.command(case, action, &key) }).await?;
        if let Some(approval) = taken.approval {
            let second = self.person("second").await?;
            self.setup.desk.approve(&self.tenant, &second, approval, "the scenario agrees").await?;
        }
        Ok(taken)
    }

    /// Somebody with a token that an administrator made.
    pub async fn person(&self, name: &str) -> Result<String, DeskError> {
        let desk = &self.setup.desk;
        match desk.add_token(&self.tenant, "local:keys", name, &[TokenScope::CasesAct], None).await {
            Ok(_) | Err(DeskError::TokenExists(_)) => Ok(format!("token:{name}")),
            Err(e) => Err(e),
        }
    }

    /// The command of a recovery, to be changed before it is given.
    pub fn command<'b>(&'b self, case: &str, action: Action, key: &'b str) -> Recovery<'b> {
        let case: CaseNumber = case.parse().expect("the desk gives case numbers");
        Recovery {
            tenant: &self.tenant,
            principal: "local:test",
            case,
            action,
            reason: "the scenario asks for it",
            attestation: None,
            outputs: Outputs::new(),
            idempotency_key: key,
        }
    }

    /// Waits until the case is resolved.
    pub async fn resolved(&self, number: &str) -> Result<()> {
        self.wait(&format!("{number} is resolved"), async || Ok(self.case(number).await?.case.status == "resolved"))
            .await
    }

    /// Retries the parked step of an order that has one active case.
    pub async fn retry(&self, order: &str) -> Result<()> {
        let case = self.case_of(order).await?.case_number;
        self.recover(&case, Action::RetryStep, None, Outputs::new()).await?;
        Ok(())
    }

    pub fn book(&self) -> Result<Vec<Effect>> {
        Ok(Book::read(&self.book)?)
    }

    /// What stands in the book for a step of an order, its lines together.
    pub fn book_of(&self, order: &str, step: &str) -> Result<Vec<Effect>> {
        Ok(self.book()?.into_iter().filter(|e| e.order == order && e.step == step).collect())
    }

    /// How often the sandbox was asked to do a step of an order, lookups not counted.
    pub fn attempts_at(&self, order: &str, step: &str) -> u32 {
        let arrivals = self.sandbox.arrivals();
        arrivals.iter().filter(|(at, _)| at.order == order && at.step == step).map(|(_, n)| n.attempts).sum()
    }

    /// The effect check, once every sender has drained.
    pub async fn effects(&self) -> Result<Effects> {
        self.sandbox.drain().await;
        Ok(effects(&self.book()?, &self.ledger().await?))
    }

    /// What no scenario may leave: an effect too many or too few, a parked step without a case, a task that is still locked.
    async fn left_behind(&self) -> Result<()> {
        let found = self.effects().await?;
        anyhow::ensure!(found.is_clean(), "the effects do not add up: {}", found.findings.join("; "));
        for view in self.ledger().await? {
            for step in &view.steps {
                let ownerless = step.step.state == StepState::Parked && step.step.case.is_none();
                anyhow::ensure!(!ownerless, "{} is parked without a case", step.step.identity);
            }
            for step in &view.steps {
                let instance = Some(step.step.process_instance_id.as_str());
                let query =
                    ExternalTaskQuery { process_instance_id: instance, locked: Some(true), ..Default::default() };
                let locked = self.setup.engine.external_tasks(&query).await?;
                anyhow::ensure!(locked.is_empty(), "the task of {} is still locked", step.step.identity);
            }
        }
        Ok(())
    }

    /// Ends what is left in the engine: the next scenario's workers serve the same topics.
    async fn tidy(&self) -> Result<()> {
        for run in self.setup.desk.runs(&self.tenant).await? {
            let query = ProcessInstanceQuery {
                business_key: Some(&run.business_key),
                process_definition_key: Some(PROCESS),
                ..Default::default()
            };
            for instance in self.setup.engine.process_instances(&query).await? {
                self.setup.engine.delete_process_instance(&instance.id).await?;
            }
        }
        self.setup.store.close().await;
        Ok(())
    }
}
