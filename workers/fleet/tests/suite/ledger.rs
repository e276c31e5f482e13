//! A ledger in memory that answers as a test scripts it, and keeps what it was told.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use fallout_core::{
    attempt::{Prepared, StoredRequest},
    claim::{Claim, Permission, Recorded},
    decide::Verdict,
    evidence::{Evidence, Phase},
    ids::AttemptId,
    lookup::Said,
    operation::Method,
    step::Outputs,
    task::{Definition, StepContext, TaskRef},
};
use fallout_fleet::{Ledger, LedgerError};
use tokio::sync::Semaphore;
use uuid::Uuid;

#[derive(Clone, Debug, Default)]
pub struct Told {
    pub claims: Vec<(TaskRef, Option<Result<Prepared, String>>)>,
    pub recorded: Vec<(AttemptId, Evidence)>,
    pub read: Vec<Said>,
    pub reported: Vec<AttemptId>,
    pub refused: Vec<String>,
    pub learnt: Vec<Definition>,
}

/// What the nth claim (from 0) of an order, or the nth recording at all, comes to.
type OnClaim = Box<dyn Fn(&TaskRef, usize) -> Claim + Send + Sync>;
type OnRecord = Box<dyn Fn(usize) -> Recorded + Send + Sync>;

pub struct Memory {
    pub told: Mutex<Told>,
    pub on_claim: OnClaim,
    pub on_record: OnRecord,
    /// What recording anything but a 2xx comes to, where that differs.
    pub on_failure: Option<Recorded>,
    pub away: AtomicBool,
    /// How often it was asked whether it answers.
    pub asked: AtomicUsize,
    /// Permits let readings of contexts and claims through; many by default.
    pub contexts: Semaphore,
    pub claims: Semaphore,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            told: Mutex::default(),
            on_claim: Box::new(|_, _| fresh()),
            on_record: Box::new(|_| recorded(Verdict::Complete { outputs: Outputs::new() })),
            on_failure: None,
            away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            contexts: Semaphore::new(1_000),
            claims: Semaphore::new(1_000),
        }
    }
}

pub fn fresh() -> Claim {
    Claim::Fresh(Permission {
        attempt: AttemptId(Uuid::now_v7()),
        request: request(),
        key: "k.1".into(),
        generation: 1,
        send_within_ms: 5_000,
    })
}

pub fn request() -> StoredRequest {
    StoredRequest { method: Method::Post, path: "/things".into(), headers: Vec::new(), body: Some("{}".into()) }
}

pub fn recorded(verdict: Verdict) -> Recorded {
    Recorded { verdict: Some(verdict), case: None }
}

impl Memory {
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    fn answers(&self) -> Result<(), LedgerError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(LedgerError::Away("scripted".into())),
            false => Ok(()),
        }
    }
}

impl Ledger for Memory {
    async fn contexts(&self, tasks: &[TaskRef]) -> Result<Vec<StepContext>, LedgerError> {
        self.contexts.acquire().await.unwrap().forget();
        self.answers()?;
        Ok(vec![StepContext { next_generation: 1, ..StepContext::default() }; tasks.len()])
    }

    async fn knows(&self, definition: &str) -> Result<bool, LedgerError> {
        Ok(self.told().learnt.iter().any(|known| known.id == definition))
    }

    async fn learn(&self, definition: Definition) -> Result<(), LedgerError> {
        self.told().learnt.push(definition);
        Ok(())
    }

    async fn claim(&self, task: &TaskRef, prepared: Option<Result<Prepared, String>>) -> Result<Claim, LedgerError> {
        self.claims.acquire().await.unwrap().forget();
        self.answers()?;
        let mut told = self.told();
        let nth = told.claims.iter().filter(|(earlier, _)| earlier.step == task.step).count();
        told.claims.push((task.clone(), prepared));
        Ok((self.on_claim)(task, nth))
    }

    async fn record(
        &self,
        attempt: AttemptId,
        evidence: Evidence,
        _: Result<Outputs, String>,
    ) -> Result<Recorded, LedgerError> {
        self.answers()?;
        let mut told = self.told();
        let failed = !matches!(evidence.phase, Phase::Answered { status: 200..300, .. });
        told.recorded.push((attempt, evidence));
        if let Some(recorded) = self.on_failure.as_ref().filter(|_| failed) {
            return Ok(recorded.clone());
        }
        Ok((self.on_record)(told.recorded.len() - 1))
    }

    async fn record_read(&self, _: AttemptId, said: Said, _: std::time::Instant) -> Result<Recorded, LedgerError> {
        self.answers()?;
        self.told().read.push(said);
        Ok(recorded(Verdict::Complete { outputs: Outputs::new() }))
    }

    async fn settle_read(
        &self,
        _: &TaskRef,
        evidence: Evidence,
        _: Result<Outputs, String>,
    ) -> Result<Claim, LedgerError> {
        self.answers()?;
        let attempt = AttemptId(Uuid::nil());
        let mut told = self.told();
        told.recorded.push((attempt, evidence));
        let Recorded { verdict, case } = (self.on_record)(told.recorded.len() - 1);
        Ok(Claim::Report { attempt: None, verdict: verdict.expect("a script gives reads a verdict"), case })
    }

    async fn reported(&self, marks: Vec<(AttemptId, Uuid)>) -> Result<(), LedgerError> {
        self.answers()?;
        self.told().reported.extend(marks.into_iter().map(|(attempt, _)| attempt));
        Ok(())
    }

    async fn cannot_report(&self, _: &TaskRef, problem: &str) -> Result<(), LedgerError> {
        self.answers()?;
        self.told().refused.push(problem.to_owned());
        Ok(())
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers()
    }
}
