//! What nobody may write into a process modification, by hand either: the refused statement, and the legal one beside it.

use crate::database::{Database, legal, run};

/// One rule: what is there, what is refused by it, and what is legal instead.
struct Rule {
    name: &'static str,
    given: &'static str,
    refused: &'static str,
    legal: &'static str,
}

const WAYS: &str = r#"
create procedure asked(n int, instance text default 'p-1', tested text default 'here') language sql as $$
    insert into process_modification (id, tenant_id, order_run_id, process_instance_id, moves, answers, requested_by)
    values (id(n), 't', id(1), instance, '[]', jsonb_build_object('notModelled', 'a', 'knownState', 'b', 'domainState', 'c',
        'reason', 'd', 'reversible', 'e', 'completedSteps', 'f', 'tested', tested), 'local:ann')
$$;
create procedure seen(n int) language sql as $$
    update process_modification set state = 'awaiting_approval', resolved = '[]', tokens_before = '[]', content_hash = 'h',
        expires_at = now() + interval '1 day' where id = id(n)
$$;
create procedure agreed(n int, by text) language sql as $$
    update process_modification set state = 'requested', approver = by, approval_reason = 'seen', decided_at = now() where id = id(n)
$$;
create procedure ended(n int, how text) language sql as $$
    update process_modification set state = how, message = case when how <> 'done' then 'why' end,
        tokens_after = case when how = 'done' then '[]'::jsonb end, ended_at = now() where id = id(n)
$$;
"#;

const RULES: &[Rule] = &[
    Rule {
        name: "modification_is_answered",
        given: "",
        refused: "call asked(1, tested => ' ')",
        legal: "call asked(1)",
    },
    Rule {
        name: "process_modification_one_at_a_time",
        given: "call asked(1)",
        refused: "call asked(2)",
        legal: "call asked(2, instance => 'p-2')",
    },
    Rule {
        name: "modification_knows_what_stood",
        given: "call asked(1)",
        refused: "update process_modification set state = 'awaiting_approval' where id = id(1)",
        legal: "call seen(1)",
    },
    Rule {
        name: "modification_is_by_two",
        given: "call asked(1); call seen(1)",
        refused: "call agreed(1, 'local:ann')",
        legal: "call agreed(1, 'token:bob')",
    },
    Rule {
        name: "modification_done_knows_what_came",
        given: "call asked(1); call seen(1); call agreed(1, 'token:bob')",
        refused: "update process_modification set state = 'done', ended_at = now() where id = id(1)",
        legal: "call ended(1, 'done')",
    },
    Rule {
        name: "modification_says_why",
        given: "call asked(1)",
        refused: "update process_modification set state = 'refused', ended_at = now() where id = id(1)",
        legal: "call ended(1, 'refused')",
    },
    Rule {
        name: "modification_over_has_its_time",
        given: "call asked(1)",
        refused: "update process_modification set state = 'failed', message = 'why' where id = id(1)",
        legal: "call ended(1, 'failed')",
    },
    Rule {
        name: "modification_is_what_was_asked",
        given: "call asked(1); call seen(1)",
        refused: "update process_modification set tokens_before = '[1]' where id = id(1)",
        legal: "call agreed(1, 'token:bob')",
    },
    Rule {
        name: "modification_is_what_was_asked",
        given: "call asked(1); call seen(1); call agreed(1, 'token:bob')",
        refused: "update process_modification set approver = 'token:eve' where id = id(1)",
        legal: "call ended(1, 'done')",
    },
    Rule {
        name: "modification_ends_once",
        given: "call asked(1); call ended(1, 'failed')",
        refused: "call ended(1, 'not_approved')",
        legal: "call asked(2)",
    },
    Rule {
        name: "append_only",
        given: "call asked(1)",
        refused: "delete from process_modification",
        legal: "call seen(1)",
    },
];

#[tokio::test]
async fn every_illegal_statement_about_a_modification_is_refused_by_its_rule_and_the_legal_one_beside_it_passes() {
    let mut conn = Database::new().await.connect().await;
    legal(&mut conn, WAYS).await;
    for (number, rule) in RULES.iter().enumerate() {
        let what = format!("{} (case {number})", rule.name);
        legal(&mut conn, "begin").await;
        legal(&mut conn, rule.given).await;
        legal(&mut conn, "savepoint here").await;
        let (by, why) = run(&mut conn, rule.refused).await.expect_err(&what);
        assert_eq!(by, rule.name, "{what}: {why}");
        legal(&mut conn, "rollback to savepoint here").await;
        legal(&mut conn, rule.legal).await;
        legal(&mut conn, "rollback").await;
    }
}
