//! Hand-written SQL that the database must refuse, the legal statement next to it, and that nothing but the rule stands
//! between them.

use fallout_core::{outcome::Outcome, step::StepState};

use crate::database::{Database, legal, run};

/// One rule: what is there, what is refused, what is legal instead, and what holds the rule.
struct Rule {
    name: &'static str,
    given: &'static str,
    refused: &'static str,
    says: &'static str,
    legal: &'static str,
    held_by: &'static str,
}

const BEGIN: &str = "drop trigger attempt_may_begin on attempt";
const CHANGE: &str = "drop trigger attempt_may_change on attempt";
const DECIDED: &str = "drop trigger intent_may_be_decided on intent";
const STEP: &str = "drop trigger step_may_change on step";
const ROUTE: &str = "drop trigger step_route_may_change on step";
const TRIED: &str = "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1)";
const UNKNOWN: &str = "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'replayable')";
const REJECTED: &str = "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'business')";
const TWO_STEPS: &str = "call begin_step(1); call decide(1, 1); call begin_step(2); call decide(2, 1)";
/// Generation 1 is unresolved and generation 2 decided, past every trigger: what only a bug could leave.
const BOTH: &str = "alter table intent disable trigger intent_may_be_decided;
    call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'replayable'); call decide(1, 2)";

const RULES: &[Rule] = &[
    Rule {
        name: "attempt_one_open",
        given: TRIED,
        refused: "call attempt(1, 1, 2)",
        says: "an open attempt",
        legal: "call settle(1, 1, 'technical'); call attempt(1, 1, 2)",
        held_by: "drop trigger attempt_may_begin on attempt; drop index attempt_one_open",
    },
    Rule {
        name: "attempt_same_key",
        given: BOTH,
        refused: "call attempt(1, 2, 2)",
        says: "unresolved attempt of another intent",
        legal: "call settle(1, 1, 'business'); call attempt(1, 2, 2)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_of_latest_generation",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'business'); call act(1); call decide(1, 2)",
        refused: "call attempt(1, 1, 2, 1)",
        says: "generation 1",
        legal: "call attempt(1, 2, 2, 1)",
        held_by: BEGIN,
    },
    // The fixture's retention is 1000 s; a tenth of it is margin.
    Rule {
        name: "attempt_inside_retention",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1, 0, '901 s'); call settle(1, 1, 'replayable')",
        refused: "call attempt(1, 1, 2)",
        says: "not surely recognised",
        legal: "call settle(1, 1, 'technical'); call attempt(1, 1, 2)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_inside_retention",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1, 0, '850 s'); call settle(1, 1, 'unknown')",
        refused: "call attempt(1, 1, 2)",
        says: "whether intent",
        legal: "call settle(1, 1, 'replayable'); call attempt(1, 1, 2)",
        held_by: BEGIN,
    },
    // Retention counts from the intent's first attempt, not from the unresolved one.
    Rule {
        name: "attempt_inside_retention",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1, 0, '901 s'); call settle(1, 1, 'technical');
                call attempt(1, 1, 2); call settle(1, 2, 'replayable')",
        refused: "call attempt(1, 1, 3)",
        says: "not surely recognised",
        legal: "call settle(1, 2, 'technical'); call attempt(1, 1, 3)",
        held_by: BEGIN,
    },
    // The downstream recognises nothing.
    Rule {
        name: "attempt_inside_retention",
        given: "call begin_step(1); call decide(1, 1, null); call attempt(1, 1, 1); call settle(1, 1, 'replayable')",
        refused: "call attempt(1, 1, 2)",
        says: "not surely recognised",
        legal: "call settle(1, 1, 'technical'); call attempt(1, 1, 2)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_before_effect",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'success')",
        refused: "call attempt(1, 1, 2)",
        says: "exists",
        legal: "update attempt set reported_at = now() where id = attempt_id(1, 1)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_of_live_step",
        given: "call begin_step(1); call decide(1, 1); update step set state = 'parked' where id = id(1)",
        refused: "call attempt(1, 1, 1)",
        says: "parked",
        legal: "call act(1); call attempt(1, 1, 1, 1)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_of_its_step",
        given: TWO_STEPS,
        refused: "insert into attempt (id, tenant_id, step_id, intent_id, number, epoch, worker_id, external_task_id, send_before, over_at)
                  values (id(9), 't', id(1), intent_id(2, 1), 1, 0, 'w', 'task', now(), now() + interval '1 s')",
        says: "another step",
        legal: "call attempt(1, 1, 1); call attempt(2, 1, 1)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_of_its_step",
        given: TWO_STEPS,
        refused: "call attempt(1, 1, 1, 0, '0', 'other')",
        says: "another step or tenant",
        legal: "call attempt(1, 1, 1)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_begins_open",
        given: TWO_STEPS,
        refused: "insert into attempt (id, tenant_id, step_id, intent_id, number, epoch, worker_id, external_task_id, send_before, over_at, state, outcome)
                  values (id(9), 't', id(1), intent_id(1, 1), 1, 0, 'w', 'task', now(), now() + interval '1 s', 'unknown', outcome('unknown'))",
        says: "begins open",
        legal: "call attempt(1, 1, 1)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_begins_open",
        given: TWO_STEPS,
        refused: "insert into attempt (id, tenant_id, step_id, intent_id, number, epoch, worker_id, external_task_id, send_before, over_at, state, outcome, settled_at)
                  values (id(9), 't', id(1), intent_id(1, 1), 1, 0, 'w', 'task', now(), now() + interval '1 s', 'settled', outcome('success'), now())",
        says: "begins open",
        legal: "call attempt(1, 1, 1); call settle(1, 1, 'success')",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_begins_now",
        given: TWO_STEPS,
        refused: "call attempt(1, 1, 1, 0, '-1 s')",
        says: "in the future",
        legal: "call attempt(1, 1, 1)",
        held_by: BEGIN,
    },
    Rule {
        name: "attempt_is_what_was_tried",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call begin_step(2); call decide(2, 1)",
        refused: "update attempt set intent_id = intent_id(2, 1), step_id = id(2)",
        says: "cannot change",
        legal: "update attempt set next_read_at = now()",
        held_by: CHANGE,
    },
    Rule {
        name: "attempt_is_what_was_tried",
        given: TRIED,
        refused: "update attempt set over_at = now() + interval '1 h'",
        says: "cannot change",
        legal: "update attempt set reads = '[]'",
        held_by: CHANGE,
    },
    Rule {
        name: "attempt_forward",
        given: UNKNOWN,
        refused: "update attempt set state = 'open', outcome = null",
        says: "from unknown to open",
        legal: "call settle(1, 1, 'technical')",
        held_by: CHANGE,
    },
    Rule {
        name: "attempt_settled_once",
        given: REJECTED,
        refused: "call settle(1, 1, 'success')",
        says: "later evidence is appended",
        legal: "insert into evidence (tenant_id, attempt_id, source, detail) values ('t', attempt_id(1, 1), 'exchange', '{}')",
        held_by: CHANGE,
    },
    Rule {
        name: "attempt_settled_once",
        given: REJECTED,
        refused: "update attempt set state = 'unknown', outcome = outcome('unknown'), settled_at = null",
        says: "is settled",
        legal: "update attempt set verdict = '{}'",
        held_by: CHANGE,
    },
    Rule {
        name: "attempt_outcome_fits",
        given: TRIED,
        refused: "update attempt set state = 'settled', outcome = outcome('unknown'), settled_at = now()",
        says: "attempt_outcome_fits",
        legal: "call settle(1, 1, 'unknown')",
        held_by: "alter table attempt drop constraint attempt_outcome_fits",
    },
    Rule {
        name: "intent_is_immutable",
        given: TWO_STEPS,
        refused: "update intent set request = '{\"path\": \"/other\"}' where step_id = id(1)",
        says: "update is refused",
        legal: "call attempt(1, 1, 1)",
        held_by: "drop trigger intent_is_immutable on intent",
    },
    Rule {
        name: "intent_of_its_step",
        given: "call begin_step(1)",
        refused: "call decide(1, 1, 1000, 'other')",
        says: "another tenant",
        legal: "call decide(1, 1)",
        held_by: DECIDED,
    },
    Rule {
        name: "intent_follows",
        given: "call begin_step(1)",
        refused: "call decide(1, 2)",
        says: "has no generation 1",
        legal: "call decide(1, 1)",
        held_by: DECIDED,
    },
    Rule {
        name: "intent_after_proof",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'unknown'); call act(1)",
        refused: "call decide(1, 2)",
        says: "not proven not applied",
        legal: "call settle(1, 1, 'technical'); call decide(1, 2)",
        held_by: DECIDED,
    },
    Rule {
        name: "intent_after_proof",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call act(1)",
        refused: "call decide(1, 2)",
        says: "not proven not applied",
        legal: "call settle(1, 1, 'defect'); call decide(1, 2)",
        held_by: DECIDED,
    },
    // An effect that exists, until it is undone; and then only once.
    Rule {
        name: "intent_after_proof",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'success'); call act(1)",
        refused: "call decide(1, 2)",
        says: "nor undone",
        legal: "update step set undone = true where id = id(1); call decide(1, 2)",
        held_by: DECIDED,
    },
    Rule {
        name: "intent_after_proof",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'success'); call act(1);
                update step set undone = true where id = id(1); call decide(1, 2); call attempt(1, 2, 2, 1); call settle(1, 2, 'success'); call act(1)",
        refused: "call decide(1, 3)",
        says: "nor undone",
        legal: "update step set undone = true where id = id(1); call decide(1, 3)",
        held_by: DECIDED,
    },
    Rule {
        name: "intent_after_action",
        given: REJECTED,
        refused: "call decide(1, 2)",
        says: "no action was taken",
        legal: "call act(1); call decide(1, 2)",
        held_by: DECIDED,
    },
    Rule {
        name: "step_begins_new",
        given: "",
        refused: "insert into step (id, tenant_id, order_run_id, step_code, direction, operation, process_definition_id, process_instance_id, activity_id, external_task_id, state)
                  values (id(1), 't', id(1), 's', 'do', 'op', 'd', 'p', 'a', 'task', 'done')",
        says: "begins new",
        legal: "call begin_step(1)",
        held_by: "drop trigger step_may_begin on step",
    },
    Rule {
        name: "step_moves",
        given: "call begin_step(1); update step set state = 'running'; update step set state = 'done'",
        refused: "update step set state = 'running'",
        says: "cannot go from done to running",
        legal: "update step set undone = true",
        held_by: STEP,
    },
    Rule {
        name: "step_epoch",
        given: "call begin_step(1); call act(1)",
        refused: "update step set epoch = 0",
        says: "rises by one",
        legal: "call act(1)",
        held_by: STEP,
    },
    Rule {
        name: "step_epoch",
        given: "call begin_step(1)",
        refused: "update step set epoch = 1, last_action_id = gen_random_uuid()",
        says: "with the action that has its gate",
        legal: "call act(1)",
        held_by: STEP,
    },
    Rule {
        name: "step_is_itself",
        given: "call begin_step(1)",
        refused: "update step set step_code = 'another'",
        says: "cannot change",
        legal: "update step set external_task_id = 'another'",
        held_by: STEP,
    },
    Rule {
        name: "step_route_by_action",
        given: "call begin_step(1)",
        refused: "update step set route = 'another'",
        says: "only by an action",
        legal: "update step set updated_at = now()",
        held_by: ROUTE,
    },
    Rule {
        name: "step_operation_by_route",
        given: "call begin_step(1)",
        refused: "update step set operation = 'another'",
        says: "only its route changes that",
        legal: "update step set external_task_id = 'another'",
        held_by: ROUTE,
    },
    Rule {
        name: "undo_of_an_effect",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'business'); call begin_undo(2, 1)",
        refused: "update step set state = 'running' where id = id(2)",
        says: "does not have",
        legal: "update step set state = 'cancelled' where id = id(2)",
        held_by: "drop trigger undo_of_an_effect on step",
    },
    Rule {
        name: "undo_of_an_effect",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'unknown'); call begin_undo(2, 1)",
        refused: "update step set state = 'running' where id = id(2)",
        says: "does not have",
        legal: "call settle(1, 1, 'success'); update step set state = 'running' where id = id(2)",
        held_by: "drop trigger undo_of_an_effect on step",
    },
    Rule {
        name: "append_only",
        given: "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1);
                insert into evidence (tenant_id, attempt_id, source, detail) values ('t', attempt_id(1, 1), 'exchange', '{}')",
        refused: "update evidence set detail = '{\"other\": 1}'",
        says: "update is refused",
        legal: "insert into evidence (tenant_id, attempt_id, source, detail) values ('t', attempt_id(1, 1), 'lookup', '{}')",
        held_by: "drop trigger evidence_is_append_only on evidence",
    },
    Rule {
        name: "ledger_is_read_committed",
        given: "set transaction isolation level repeatable read",
        refused: "call begin_step(1)",
        says: "read committed",
        legal: "select 1",
        held_by: "drop trigger step_may_begin on step",
    },
    Rule {
        name: "append_only",
        given: "insert into restore_window (lost_from, lost_to, reason, declared_by) values (now() - interval '1 h', now(), 'failover', 'me')",
        refused: "delete from restore_window",
        says: "delete is refused",
        legal: "insert into restore_window (lost_from, lost_to, reason, declared_by) values (now() - interval '2 h', now(), 'failover', 'me')",
        held_by: "drop trigger restore_window_is_append_only on restore_window",
    },
];

/// The rule's own name; `intent_is_immutable` is one of the append-only tables.
fn is_by(rule: &Rule, name: &str) -> bool {
    name == rule.name || rule.name == "intent_is_immutable" && name == "append_only"
}

#[tokio::test]
async fn every_illegal_statement_is_refused_by_its_rule_and_the_legal_one_beside_it_passes() {
    let mut conn = Database::new().await.connect().await;
    for (number, rule) in RULES.iter().enumerate() {
        let what = format!("{} (case {number})", rule.name);
        legal(&mut conn, "begin").await;
        legal(&mut conn, rule.given).await;
        legal(&mut conn, "savepoint here").await;
        let (by, why) = run(&mut conn, rule.refused).await.expect_err(&what);
        assert!(is_by(rule, &by) && why.contains(rule.says), "{what}: {by} said: {why}");
        legal(&mut conn, "rollback to savepoint here").await;
        legal(&mut conn, rule.legal).await;
        legal(&mut conn, "rollback").await;
    }
}

/// Where a rule is taken away, nothing else refuses its statement: so the rule is what holds.
#[tokio::test]
async fn without_its_rule_every_illegal_statement_passes() {
    let mut conn = Database::new().await.connect().await;
    for (number, rule) in RULES.iter().enumerate() {
        legal(&mut conn, "begin").await;
        legal(&mut conn, rule.given).await;
        legal(&mut conn, rule.held_by).await;
        if let Err((by, why)) = run(&mut conn, rule.refused).await {
            panic!("{} (case {number}) is held by {by} too: {why}", rule.name);
        }
        legal(&mut conn, "rollback").await;
    }
}

#[tokio::test]
async fn an_undo_that_is_done_or_attested_marks_its_effect_and_no_other() {
    let mut conn = Database::new().await.connect().await;
    for (ends, expected) in [("done", true), ("skipped", true), ("cancelled", false), ("parked", false)] {
        legal(&mut conn, "begin").await;
        legal(&mut conn, "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'success')")
            .await;
        legal(
            &mut conn,
            "call begin_step(2); call begin_undo(3, 1); update step set state = 'running' where id = id(3)",
        )
        .await;
        legal(&mut conn, &format!("update step set state = '{ends}' where id = id(3)")).await;
        let undone = sqlx::query_scalar::<_, bool>("select undone from step order by id");
        assert_eq!(undone.fetch_all(&mut conn).await.unwrap(), [expected, false, false], "{ends}");
        legal(&mut conn, "rollback").await;
    }
}

#[tokio::test]
async fn nothing_of_the_ledger_can_be_deleted_or_truncated_by_hand() {
    let mut conn = Database::new().await.connect().await;
    legal(&mut conn, TRIED).await;
    legal(
        &mut conn,
        "insert into evidence (tenant_id, attempt_id, source, detail) values ('t', attempt_id(1, 1), 'exchange', '{}')",
    )
    .await;
    for table in ["evidence", "attempt", "intent", "step"] {
        let (by, why) = run(&mut conn, &format!("delete from {table}")).await.unwrap_err();
        assert_eq!(by, "ledger_keeps", "{table}: {why}");
    }
    for table in ["evidence", "attempt", "intent", "step", "step_tombstone", "restore_window"] {
        let (by, why) = run(&mut conn, &format!("truncate {table} cascade")).await.unwrap_err();
        assert_eq!(by, "append_only", "{table}: {why}");
    }
}

#[tokio::test]
async fn the_database_and_the_rules_agree_where_a_step_may_go() {
    let mut conn = Database::new().await.connect().await;
    for from in StepState::ALL {
        for to in StepState::ALL {
            let may = sqlx::query_scalar::<_, bool>("select step_may_become($1, $2)").bind(from.word()).bind(to.word());
            assert_eq!(may.fetch_one(&mut conn).await.unwrap(), from.may_become(*to), "{from} -> {to}");
        }
        assert!(!from.is_ended() || StepState::ALL.iter().all(|to| !from.may_become(*to)), "{from} is an end");
    }
}

#[tokio::test]
async fn the_database_and_the_rules_agree_which_outcomes_are_definite() {
    let mut conn = Database::new().await.connect().await;
    let reason = String::new;
    let outcomes = [
        Outcome::Success { outputs: Default::default() },
        Outcome::Business { code: reason(), classification: None, message: reason() },
        Outcome::Technical { reason: reason(), retry_after_ms: None },
        Outcome::Defect { reason: reason() },
        Outcome::Pending,
        Outcome::Unknown { reason: reason() },
        Outcome::Replayable { reason: reason() },
    ];
    for outcome in outcomes {
        let (right, wrong) = if outcome.is_definite() { ("settled", "unknown") } else { ("unknown", "settled") };
        let set = |state: &str| {
            let settled_at = if state == "settled" { "now()" } else { "null" };
            format!(
                "update attempt set state = '{state}', outcome = outcome('{}'), settled_at = {settled_at}",
                outcome.word()
            )
        };
        legal(&mut conn, "begin").await;
        legal(&mut conn, TRIED).await;
        legal(&mut conn, "savepoint here").await;
        assert_eq!(run(&mut conn, &set(wrong)).await.unwrap_err().0, "attempt_outcome_fits", "{}", outcome.word());
        legal(&mut conn, "rollback to savepoint here").await;
        legal(&mut conn, &set(right)).await;
        legal(&mut conn, "rollback").await;
    }
}
