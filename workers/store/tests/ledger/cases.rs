//! What nobody may do to a case, by hand either: the legal statement beside each refused one, and that nothing but the rule
//! stands between them.

use fallout_core::case::{CaseEvent, CaseState, next};

use crate::database::{Database, legal, run};

/// One rule: what is there, what is refused, what is legal instead, and what holds it.
struct Rule {
    name: &'static str,
    given: &'static str,
    refused: &'static str,
    legal: &'static str,
    held_by: &'static str,
}

const MOVES: &str = "drop trigger case_moves on fallout_case";
const TOLD: &str = "drop trigger case_change_is_told on fallout_case";
const LINKS: &str = "drop trigger case_duplicate_has_an_original on fallout_case";
const ACTION: &str = "drop trigger action_of_classified_case on fallout_recovery_action";
/// Deferred rules speak at once.
const AT_ONCE: &str = "; set constraints all immediate";
const LINK: &str = "update fallout_case set status = 'duplicate', duplicate_of = id(1) where id = id(2); call told(2)";

const RULES: &[Rule] = &[
    // A case must have a classification before recovery.
    Rule {
        name: "action_of_classified_case",
        given: "call a_case(1); update fallout_case set status = 'detected', classification_code = null where id = id(1)",
        refused: "call an_action(1)",
        legal: "update fallout_case set status = 'classified', classification_code = 'X'; call told(1); call an_action(1)",
        held_by: ACTION,
    },
    Rule {
        name: "action_of_its_tenant",
        given: "call a_case(1)",
        refused: "call an_action(1, tenant => 'other')",
        legal: "call an_action(1)",
        held_by: ACTION,
    },
    // A recovery action must be authorised: by a principal, who is on record.
    Rule {
        name: "action_is_by_somebody",
        given: "call a_case(1)",
        refused: "call an_action(1, by => '')",
        legal: "call an_action(1)",
        held_by: "alter table fallout_recovery_action drop constraint action_is_by_somebody",
    },
    // A recovery action must be protected by an idempotency key.
    Rule {
        name: "action_has_a_key",
        given: "call a_case(1)",
        refused: "call an_action(1, key => '')",
        legal: "call an_action(1)",
        held_by: "alter table fallout_recovery_action drop constraint action_has_a_key",
    },
    Rule {
        name: "fallout_recovery_action_tenant_id_idempotency_key_key",
        given: "call a_case(1); call an_action(1);
            update fallout_recovery_action set status = 'failed', completed_at = now()",
        refused: "call an_action(1)",
        legal: "call an_action(1, key => 'another')",
        held_by: "alter table fallout_recovery_action drop constraint fallout_recovery_action_tenant_id_idempotency_key_key",
    },
    // A manual resolution must leave an audit trail.
    Rule {
        name: "case_change_is_told",
        given: "call a_case(1)",
        refused: "update fallout_case set status = 'assigned'",
        legal: "update fallout_case set status = 'assigned'; call told(1)",
        held_by: TOLD,
    },
    Rule {
        name: "case_change_is_told",
        given: "call a_case(1)",
        refused: "update fallout_case set assigned_user = 'me'",
        legal: "call told(1); update fallout_case set assigned_user = 'me'",
        held_by: TOLD,
    },
    Rule {
        name: "case_change_is_told",
        given: "call a_case(1); call a_case(2)",
        refused: "update fallout_case set classification_code = 'Y' where id = id(1); call told(2)",
        legal: "update fallout_case set diagnostic_summary = 'the same in other words'",
        held_by: TOLD,
    },
    Rule {
        name: "append_only",
        given: "call a_case(1); call told(1)",
        refused: "update fallout_event set reason = 'another'",
        legal: "call told(1)",
        held_by: "drop trigger fallout_event_is_append_only on fallout_event",
    },
    // Closing must not imply that the order is correct unless verification passed.
    Rule {
        name: "case_moves",
        given: "call a_case(1)",
        refused: "call move_case(id(1), 'resolved')",
        legal: "call move_case(id(1), 'verifying'); call move_case(id(1), 'resolved')",
        held_by: MOVES,
    },
    Rule {
        name: "case_moves",
        given: "call a_case(1)",
        refused: "update fallout_case set status = 'closed', root_cause = 'x', resolution_code = 'X', closed_at = now(); call told(1)",
        legal: "call move_case(id(1), 'verifying'); call move_case(id(1), 'resolved');
            update fallout_case set status = 'closed', root_cause = 'x', closed_at = now(); call told(1)",
        held_by: MOVES,
    },
    Rule {
        name: "case_begins_open",
        given: "",
        refused: "call a_case(1, 'verifying')",
        legal: "call a_case(1)",
        held_by: "drop trigger case_begins_open on fallout_case",
    },
    Rule {
        name: "case_resolved_says_how",
        given: "call a_case(1); call move_case(id(1), 'verifying')",
        refused: "update fallout_case set status = 'resolved', resolved_at = now(); call told(1)",
        legal: "call move_case(id(1), 'resolved')",
        held_by: "alter table fallout_case drop constraint case_resolved_says_how",
    },
    Rule {
        name: "case_closed_says_why",
        given: "call a_case(1); call move_case(id(1), 'verifying'); call move_case(id(1), 'resolved')",
        refused: "update fallout_case set status = 'closed', closed_at = now(); call told(1)",
        legal: "update fallout_case set status = 'closed', closed_at = now(), root_cause = 'a typo'; call told(1)",
        held_by: "alter table fallout_case drop constraint case_closed_says_why",
    },
    // Duplicates must be linked, not deleted.
    Rule {
        name: "case_is_kept",
        given: "call a_case(1)",
        refused: "delete from fallout_case",
        legal: "call told(1)",
        held_by: "drop trigger case_is_kept on fallout_case",
    },
    Rule {
        name: "case_duplicate_is_linked",
        given: "call a_case(1); call a_case(2)",
        refused: "call move_case(id(2), 'duplicate')",
        legal: LINK,
        held_by: "alter table fallout_case drop constraint case_duplicate_is_linked",
    },
    Rule {
        name: "case_duplicate_is_linked",
        given: "call a_case(1); call a_case(2)",
        refused: "update fallout_case set duplicate_of = id(1) where id = id(2)",
        legal: LINK,
        held_by: "alter table fallout_case drop constraint case_duplicate_is_linked",
    },
    Rule {
        name: "case_duplicate_of_its_tenant",
        given: "call a_case(1, tenant => 'other'); call a_case(2)",
        refused: LINK,
        legal: "call a_case(3); update fallout_case set status = 'duplicate', duplicate_of = id(3) where id = id(2); call told(2)",
        held_by: LINKS,
    },
    Rule {
        name: "case_duplicate_ends_somewhere",
        given: "call a_case(1); call a_case(2); call a_case(3);
            update fallout_case set status = 'duplicate', duplicate_of = id(1) where id = id(2); call told(2);
            update fallout_case set status = 'duplicate', duplicate_of = id(2) where id = id(3); call told(3)",
        refused: "update fallout_case set status = 'duplicate', duplicate_of = id(3) where id = id(1); call told(1)",
        legal: "call move_case(id(1), 'assigned')",
        held_by: LINKS,
    },
    // Force close must require reason, authority and impact statement; and a second person.
    Rule {
        name: "case_force_close_is_answered_for",
        given: "call a_case(1)",
        refused: "call force_close(1, impact => null)",
        legal: "call force_close(1)",
        held_by: "alter table fallout_case drop constraint case_force_close_is_answered_for",
    },
    Rule {
        name: "case_force_close_is_answered_for",
        given: "call a_case(1)",
        refused: "call force_close(1, authority => '')",
        legal: "call force_close(1)",
        held_by: "alter table fallout_case drop constraint case_force_close_is_answered_for",
    },
    Rule {
        name: "case_force_close_is_answered_for",
        given: "call a_case(1)",
        refused: "call force_close(1, approved_by => 'me')",
        legal: "call force_close(1)",
        held_by: "alter table fallout_case drop constraint case_force_close_is_answered_for",
    },
    // What a state means.
    Rule {
        name: "case_wait_is_whole",
        given: "call a_case(1)",
        refused: "call move_case(id(1), 'waiting')",
        legal: "update fallout_case set status = 'waiting', waiting_for = 'customer', wait_reason = 'papers'; call told(1)",
        held_by: "alter table fallout_case drop constraint case_wait_is_whole",
    },
    Rule {
        name: "case_wait_is_whole",
        given: "call a_case(1)",
        refused: "update fallout_case set status = 'waiting', waiting_for = 'until', wait_reason = 'papers'; call told(1)",
        legal: "update fallout_case set status = 'waiting', waiting_for = 'until', wait_reason = 'papers', wait_until = now(); call told(1)",
        held_by: "alter table fallout_case drop constraint case_wait_is_whole",
    },
    Rule {
        name: "case_unresolved_has_owner_reason_and_review",
        given: "call a_case(1)",
        refused: "update fallout_case set status = 'unresolved', unresolved_reason = 'bankrupt', review_at = now(); call told(1)",
        legal: "update fallout_case set status = 'unresolved', unresolved_reason = 'bankrupt', review_at = now(), assigned_group = 'g'; call told(1)",
        held_by: "alter table fallout_case drop constraint case_unresolved_has_owner_reason_and_review",
    },
];

/// Short ways to write cases by hand.
const WAYS: &str = "
    create procedure a_case(n int, status text default 'classified', tenant text default 't') language sql as $$
        insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code, match_key)
        values (id(n), tenant, 'fc-' || n, 'X', 'SEV3', status, 'test', 'X', 'k-' || n)
    $$;
    create procedure told(n int) language sql as $$
        insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type)
        select gen_random_uuid(), tenant_id, id, 'X', 'system' from fallout_case where id = id(n)
    $$;
    create procedure an_action(n int, key text default 'key', by text default 'me', tenant text default 't') language sql as $$
        insert into fallout_recovery_action (id, tenant_id, fallout_case_id, action_type, requested_by, reason, idempotency_key, target_ref)
        values (gen_random_uuid(), tenant, id(n), 'RETRY_STEP', by, 'test', key, '{}')
    $$;
    create procedure force_close(n int, authority text default 'restricted senior role', impact text default 'the customer pays twice',
                                 approved_by text default 'another') language sql as $$
        update fallout_case set status = 'force_closed', closed_at = now(), force_close_reason = 'x', force_close_authority = authority,
            force_close_impact = impact, force_closed_by = 'me', force_close_approved_by = approved_by where id = id(n);
        call told(n)
    $$;";

#[tokio::test]
async fn every_illegal_statement_about_a_case_is_refused_by_its_rule_and_the_legal_one_beside_it_passes() {
    let mut conn = Database::new().await.connect().await;
    legal(&mut conn, WAYS).await;
    for (number, rule) in RULES.iter().enumerate() {
        let what = format!("{} (case {number})", rule.name);
        legal(&mut conn, "begin").await;
        given(&mut conn, rule).await;
        legal(&mut conn, "savepoint here").await;
        let (by, why) = run(&mut conn, &format!("{}{AT_ONCE}", rule.refused)).await.expect_err(&what);
        assert_eq!(by, rule.name, "{what}: {why}");
        legal(&mut conn, "rollback to savepoint here").await;
        legal(&mut conn, &format!("{}{AT_ONCE}", rule.legal)).await;
        legal(&mut conn, "rollback").await;
    }
}

/// Where a rule is taken away, nothing else refuses its statement: so the rule is what holds.
#[tokio::test]
async fn without_its_rule_every_illegal_statement_about_a_case_passes() {
    let mut conn = Database::new().await.connect().await;
    legal(&mut conn, WAYS).await;
    for (number, rule) in RULES.iter().enumerate() {
        legal(&mut conn, "begin").await;
        given(&mut conn, rule).await;
        legal(&mut conn, rule.held_by).await;
        if let Err((by, why)) = run(&mut conn, &format!("{}{AT_ONCE}", rule.refused)).await {
            panic!("{} (case {number}) is held by {by} too: {why}", rule.name);
        }
        legal(&mut conn, "rollback").await;
    }
}

/// What is given is written past the rule that would ask for its entries, in a transaction of its own as it were.
async fn given(conn: &mut sqlx::PgConnection, rule: &Rule) {
    legal(conn, "alter table fallout_case disable trigger user").await;
    legal(conn, rule.given).await;
    legal(conn, "alter table fallout_case enable trigger user").await;
}

#[test]
fn every_rule_about_cases_stands_in_the_docs() {
    let page = include_str!("../../../../docs/CASES.md");
    for rule in RULES {
        assert!(page.contains(&format!("`{}`", rule.name)), "docs/CASES.md does not know {}", rule.name);
    }
}

#[tokio::test]
async fn two_links_cannot_close_a_circle_behind_each_others_back() {
    let database = Database::new().await;
    let (mut one, mut other) = (database.connect().await, database.connect().await);
    legal(&mut one, WAYS).await;
    legal(&mut one, "call a_case(1); call a_case(2)").await;
    let link = |of: u32, to: u32| {
        format!(
            "update fallout_case set status = 'duplicate', duplicate_of = id({to}) where id = id({of}); call told({of})"
        )
    };
    legal(&mut one, "begin").await;
    legal(&mut one, &link(1, 2)).await;
    let second = tokio::spawn(async move { run(&mut other, &link(2, 1)).await });
    let waits =
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut one).await.unwrap() {}
    legal(&mut one, "commit").await;
    assert_eq!(second.await.unwrap().unwrap_err().0, "case_duplicate_ends_somewhere");
}

#[tokio::test]
async fn the_database_and_the_rules_agree_where_a_case_may_go() {
    let mut conn = Database::new().await.connect().await;
    for from in CaseState::ALL {
        for to in CaseState::ALL.iter().filter(|to| *to != from) {
            let may = sqlx::query_scalar::<_, bool>("select case_may_become($1, $2)").bind(from.word()).bind(to.word());
            let goes = CaseEvent::ALL.iter().any(|event| next(*from, *event) == Ok(*to));
            assert_eq!(may.fetch_one(&mut conn).await.unwrap(), goes, "{from} -> {to}");
        }
    }
}
