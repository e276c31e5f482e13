//! Where a signal belongs: its order, its step in the ledger, and the cases that stand there.

use chrono::{DateTime, Utc};
use fallout_core::{
    case::CaseState,
    dedup::Position,
    ids::{ActionId, CaseId, CaseNumber, OrderKey, StepKey},
    step::StepState,
};
use serde::Serialize;

use crate::{
    StoreError, Tx,
    cases::{Case, parse_number},
};

/// What a source knows of a place without knowing the step's id.
#[derive(Clone, Debug, Serialize)]
pub struct Sought<'a> {
    pub n: i32,
    pub order: Option<&'a str>,
    pub run: Option<i32>,
    pub line: Option<&'a str>,
    pub step_code: Option<&'a str>,
    pub business_key: Option<&'a str>,
    /// An idempotency key of ours, perhaps.
    pub reference: Option<&'a str>,
}

/// What of it is here.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub n: i32,
    pub order: Option<OrderKey>,
    pub external_id: Option<String>,
    pub customer: Option<String>,
    pub run: Option<i32>,
    pub business_key: Option<String>,
    pub process_instance_id: Option<String>,
    pub step: Option<StepKey>,
}

/// One answer for each place that is sought.
pub async fn find(tx: &mut Tx, tenant: &str, sought: &[Sought<'_>]) -> Result<Vec<Found>, StoreError> {
    let rows = sqlx::query!(
        r#"select w.n as "n!", o.id as "order?", o.external_id as "external_id?", o.customer_id as "customer?", r.run as "run?",
                  r.business_key as "business_key?", r.process_instance_id as "process_instance_id?",
                  coalesce(s.id, (select i.step_id from intent i where i.tenant_id = $1 and i.idempotency_key = w.reference)) as step
           from jsonb_to_recordset($2) as w (n int, "order" text, run int, line text, step_code text, business_key text, reference text)
           left join lateral (
               select r.* from order_run r where r.tenant_id = $1 and r.business_key = w.business_key
               union all
               (select r.* from product_order o join order_run r on r.order_id = o.id
                where w.business_key is null and o.tenant_id = $1 and o.external_id = w."order" and (w.run is null or r.run = w.run)
                order by r.run desc limit 1)) r on true
           left join product_order o on o.tenant_id = $1 and (o.id = r.order_id or (r.id is null and o.external_id = w."order"))
           left join step s on s.order_run_id = r.id and s.line_id = coalesce(w.line, '') and s.step_code = w.step_code
               and s.direction = 'do'"#,
        tenant,
        serde_json::to_value(sought)?,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows
        .map(|r| Found {
            n: r.n,
            order: r.order.map(OrderKey),
            external_id: r.external_id,
            customer: r.customer,
            run: r.run,
            business_key: r.business_key,
            process_instance_id: r.process_instance_id,
            step: r.step.map(StepKey),
        })
        .collect())
}

/// A step with what the cases of its place are decided and opened by.
#[derive(Clone, Debug)]
pub struct Scene {
    pub step: StepKey,
    pub state: StepState,
    pub epoch: i32,
    pub last_action: Option<ActionId>,
    pub operation: String,
    pub line: String,
    pub step_code: String,
    pub run: i32,
    pub order: OrderKey,
    pub external_id: String,
    pub customer: Option<String>,
    pub business_key: String,
    pub root_process_instance_id: Option<String>,
    /// Of the called process that performs the step.
    pub process_instance_id: String,
    /// The key of its latest intent.
    pub reference: Option<String>,
    pub active: Option<Case>,
    /// The latest that is over.
    pub over: Option<Over>,
}

/// A case as the place of a signal knows it, mostly one that is over.
#[derive(Clone, Debug)]
pub struct Over {
    pub id: CaseId,
    pub number: CaseNumber,
    pub state: CaseState,
    /// Where the history of its step stood when it was resolved.
    pub resolved: Option<Position>,
    pub classification: String,
    pub resolved_at: Option<DateTime<Utc>>,
    /// What it was linked to, instead of being solved.
    pub duplicate_of: Option<CaseId>,
}

/// The step, which must be held; `None` when this tenant has none.
pub async fn of_step(tx: &mut Tx, tenant: &str, step: StepKey) -> Result<Option<Scene>, StoreError> {
    let row = sqlx::query!(
        r#"select s.id, s.state, s.epoch, s.last_action_id, s.operation, s.line_id, s.step_code, s.process_instance_id, r.run,
                  r.business_key, r.process_instance_id as root, o.id as order_id, o.external_id, o.customer_id,
                  (select i.idempotency_key from intent i where i.step_id = s.id order by i.generation desc limit 1) as reference,
                  a.id as "case_id?", a.case_number as "case_number?", a.status as "status?", a.classification_code, a.version as "version?",
                  p.id as "over_id?", p.case_number as "over_number?", p.status as "over_status?", p.resolved_epoch, p.resolved_attempt,
                  p.duplicate_of as "duplicate_of?", p.classification_code as "over_code?", p.resolved_at as "resolved_at?"
           from step s join order_run r on r.id = s.order_run_id join product_order o on o.id = r.order_id
           left join fallout_case a on a.step_id = s.id and a.status not in ('resolved', 'closed', 'force_closed', 'duplicate')
           left join lateral (select c.id, c.case_number, c.status, c.resolved_epoch, c.resolved_attempt, c.duplicate_of,
                      c.classification_code, c.resolved_at
               from fallout_case c where a.id is null and c.step_id = s.id order by c.created_at desc limit 1) p on true
           where s.id = $1 and s.tenant_id = $2"#,
        step.0,
        tenant,
    );
    let Some(r) = row.fetch_optional(tx.conn()).await? else { return Ok(None) };
    let active = match (r.case_id, r.case_number, r.status, r.version) {
        (Some(id), Some(number), Some(status), Some(version)) => Some(Case {
            id: CaseId(id),
            number: parse_number(&number)?,
            tenant: tenant.to_owned(),
            state: status.parse()?,
            classification: r.classification_code.unwrap_or_default(),
            step: Some(step),
            version,
        }),
        _ => None,
    };
    let over = match (r.over_id, r.over_number, r.over_status) {
        (Some(id), Some(case_number), Some(status)) => {
            let (resolved_epoch, resolved_attempt, duplicate_of) =
                (r.resolved_epoch, r.resolved_attempt, r.duplicate_of);
            let (classification_code, resolved_at) = (r.over_code, r.resolved_at);
            Some(Over::try_from(Row {
                id,
                case_number,
                status,
                resolved_epoch,
                resolved_attempt,
                duplicate_of,
                classification_code,
                resolved_at,
            })?)
        }
        _ => None,
    };
    Ok(Some(Scene {
        step,
        state: r.state.parse()?,
        epoch: r.epoch,
        last_action: r.last_action_id.map(ActionId),
        operation: r.operation,
        line: r.line_id,
        step_code: r.step_code,
        run: r.run,
        order: OrderKey(r.order_id),
        external_id: r.external_id,
        customer: r.customer_id,
        business_key: r.business_key,
        root_process_instance_id: r.root,
        process_instance_id: r.process_instance_id,
        reference: r.reference,
        active,
        over,
    }))
}

/// A case that a key leads to: an active one first, then the latest.
pub async fn of_key(tx: &mut Tx, tenant: &str, key: &str) -> Result<Option<Over>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select c.id, c.case_number, c.status, c.resolved_epoch, c.resolved_attempt, c.duplicate_of, c.classification_code,
                c.resolved_at
         from case_alias a join fallout_case c on c.id = a.fallout_case_id
         where a.tenant_id = $1 and a.match_key = $2
         order by c.status in ('resolved', 'closed', 'force_closed', 'duplicate'), c.created_at desc limit 1",
        tenant,
        key,
    );
    row.fetch_optional(tx.conn()).await?.map(Over::try_from).transpose()
}

/// What a case is a duplicate of in the end; itself, when it is none.
pub async fn original(tx: &mut Tx, case: CaseId) -> Result<Over, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"with recursive linked as (
               select id, duplicate_of from fallout_case where id = $1
               union all
               select c.id, c.duplicate_of from linked l join fallout_case c on c.id = l.duplicate_of)
           select c.id, c.case_number, c.status, c.resolved_epoch, c.resolved_attempt, c.duplicate_of, c.classification_code,
                  c.resolved_at
           from linked l join fallout_case c on c.id = l.id where l.duplicate_of is null"#,
        case.0,
    );
    row.fetch_one(tx.conn()).await?.try_into()
}

struct Row {
    id: uuid::Uuid,
    case_number: String,
    status: String,
    resolved_epoch: Option<i32>,
    resolved_attempt: Option<i32>,
    duplicate_of: Option<uuid::Uuid>,
    classification_code: Option<String>,
    resolved_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Over {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        Ok(Over {
            id: CaseId(r.id),
            number: parse_number(&r.case_number)?,
            state: r.status.parse()?,
            resolved: r.resolved_epoch.map(|epoch| Position { epoch, attempt: r.resolved_attempt }),
            classification: r.classification_code.unwrap_or_default(),
            resolved_at: r.resolved_at,
            duplicate_of: r.duplicate_of.map(CaseId),
        })
    }
}
