//! The rig with what signals need: five detectors of one trouble, and a look at what is stored.

use fallout_core::{
    catalogue::Catalogue,
    ids::{CaseNumber, StepKey},
    signal::{Cause, Finding, NewSignal, Place, SignalState},
};
use fallout_desk::Answer;
use serde_json::json;
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Row,
    postgres::{PgDatabaseError, PgRow},
};
use uuid::Uuid;

use super::rig::{Rig, TENANT, rejected, task};

/// Who else sees a step that the worker was rejected at, and what they call it.
pub const OTHERS: [(&str, &str); 4] =
    [("engine", "failedExternalTask"), ("reconciliation", "STATE_DIFFERS"), ("callback", "LATE"), ("sla", "STUCK")];

pub struct House {
    pub rig: Rig,
    pub hand: PgConnection,
}

impl House {
    pub async fn new(name: &str) -> House {
        House::changed(name, |_| {}).await
    }

    pub async fn changed(name: &str, change: impl FnOnce(&mut Catalogue)) -> House {
        let rig = Rig::new(name, &["ADDRESS_NOT_SERVICEABLE"], change).await;
        let hand = PgConnection::connect(&rig.postgres.admin_url("fallout")).await.unwrap();
        House { rig, hand }
    }

    /// What the database said: nothing, or the rule that refused it.
    pub async fn run(&mut self, sql: &str) -> Result<(), String> {
        match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.hand).await {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(e)) => {
                Err(e.downcast_ref::<PgDatabaseError>().constraint().unwrap_or(e.message()).to_owned())
            }
            Err(e) => panic!("{sql}: {e}"),
        }
    }

    pub async fn count(&mut self, sql: &str) -> i64 {
        self.row(&format!("select count(*) from {sql}")).await.get(0)
    }

    pub async fn text(&mut self, sql: &str) -> String {
        self.row(sql).await.get(0)
    }

    async fn row(&mut self, sql: &str) -> PgRow {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.hand).await.unwrap()
    }

    pub async fn tell(&self, signal: &NewSignal) -> Answer {
        self.rig.desk.signal(TENANT, signal).await.unwrap()
    }

    /// An order whose step was rejected: its case.
    pub async fn rejected(&self, order: &str) -> CaseNumber {
        self.rig.order(order).await;
        self.rig.said(self.rig.attempt(order).await, &rejected("ADDRESS_NOT_SERVICEABLE")).await;
        self.number(order).await
    }

    pub async fn number(&self, order: &str) -> CaseNumber {
        let cases = self.rig.cases(order).await;
        assert_eq!(cases.len(), 1, "{cases:?}");
        cases[0].case_number.parse().unwrap()
    }

    /// Signals of a case by what became of them, in the order they came.
    pub async fn became(&self, case: CaseNumber) -> Vec<SignalState> {
        let told = self.rig.desk.signals_told(TENANT, Some(case), false, 1_000).await.unwrap();
        told.iter().rev().map(|line| line.state.parse().unwrap()).collect()
    }

    /// How often this stands on a timeline.
    pub async fn times(&self, case: CaseNumber, event: &str) -> usize {
        let timeline = self.rig.desk.case(TENANT, case).await.unwrap().timeline;
        timeline.iter().filter(|entry| entry.event == event).count()
    }
}

pub fn step(order: &str) -> StepKey {
    StepKey::of(&task(order).step)
}

/// Somebody sees something at the order's step.
pub fn seen(order: &str, source: &str, code: &str) -> NewSignal {
    NewSignal {
        source: source.into(),
        event: Uuid::now_v7().to_string(),
        finding: Finding::Code(code.into()),
        place: Place { step: Some(step(order)), ..Place::default() },
        cause: Cause::default(),
        occurred_at: None,
        reason: format!("{source} says {code}"),
        payload: json!({ "seen": true }),
    }
}
