//! The chain of an untouched history, however it was written and sealed.

use fallout_core::case::CaseEvent;
use fallout_desk::{Desk, Tampering, Verified};

use crate::database::{Database, append, run, texts};

const ENTRY: [CaseEvent; 1] = [CaseEvent::Created];

fn sound(seals: i64, entries: usize, unsealed: i64) -> Verified {
    Verified { tenant: "t".into(), seals, entries, unsealed, findings: Vec::new() }
}

#[tokio::test]
async fn what_is_sealed_verifies_and_what_came_since_is_counted() {
    let database = Database::new().await;
    assert_eq!(database.desk.audited_tenants().await.unwrap(), Vec::<String>::new());
    assert_eq!(database.seal().await, 0);
    let case = database.case(1).await;
    database.tell(case, CaseEvent::ALL).await;
    let all = CaseEvent::ALL.len();
    assert_eq!(database.desk.verify_history("t", &[]).await.unwrap(), sound(0, 0, i64::try_from(all).unwrap()));
    assert_eq!(database.seal().await, all);
    assert_eq!(database.seal().await, 0, "nothing new");
    database.tell(case, &ENTRY).await;
    assert_eq!(database.desk.verify_history("t", &[]).await.unwrap(), sound(1, all, 1));
    assert_eq!(database.desk.audited_tenants().await.unwrap(), ["t"]);
}

#[tokio::test]
async fn an_entry_that_commits_late_is_sealed_too() {
    let database = Database::new().await;
    let (slow, quick) = (database.case(1).await, database.case(2).await);
    let mut open = database.begin().await;
    append(&mut open, slow, &ENTRY).await;
    database.tell(quick, &ENTRY).await;
    assert_eq!(database.desk.seal("t").await.unwrap(), 0, "something may yet come below");
    open.commit().await.unwrap();
    assert_eq!(database.seal().await, 2);
    assert_eq!(database.desk.verify_history("t", &[]).await.unwrap(), sound(1, 2, 0));
}

#[tokio::test]
async fn many_processes_that_seal_at_once_make_one_chain() {
    let database = Database::new().await;
    let case = database.case(1).await;
    for _ in 0..5 {
        database.tell(case, &ENTRY).await;
        database.settled().await;
        let seal = || database.desk.seal("t");
        let (a, b, c) = tokio::join!(seal(), seal(), seal());
        a.unwrap();
        b.unwrap();
        c.unwrap();
    }
    while database.seal().await > 0 {}
    let verified = database.desk.verify_history("t", &[]).await.unwrap();
    assert_eq!((verified.entries, verified.findings), (5, Vec::new()));
}

#[tokio::test]
async fn a_long_history_is_sealed_in_pieces_and_each_tenant_has_its_own_chain() {
    let database = Database::new().await;
    database.case(1).await;
    let many = "insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, payload)
        select gen_random_uuid(), t, (select id from fallout_case), 'FalloutSignalJoined', 'system', jsonb_build_object('n', n, 'x', 1.50)
        from generate_series(1, 1100) n, unnest(array['t', 'u']) t";
    run(&mut database.admin().await, many).await;
    for sealed in [Desk::FULL_SEAL, Desk::FULL_SEAL, 100, 0] {
        assert_eq!(database.seal().await, sealed);
    }
    database.desk.seal("u").await.unwrap();
    assert_eq!(database.desk.verify_history("t", &[]).await.unwrap(), sound(3, 1100, 0));
    let other = database.desk.verify_history("u", &[]).await.unwrap();
    assert_eq!((other.seals, other.entries, other.unsealed, other.findings), (1, 500, 600, Vec::new()));
}

#[tokio::test]
async fn heads_taken_at_any_time_fit_the_chain_that_grew_from_them() {
    let database = Database::new().await;
    let case = database.case(1).await;
    let mut anchors = Vec::new();
    for _ in 0..3 {
        database.tell(case, &ENTRY).await;
        database.seal().await;
        anchors.extend(database.desk.heads().await.unwrap());
    }
    assert_eq!(anchors.iter().map(|a| a.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(database.desk.verify_history("t", &anchors).await.unwrap(), sound(3, 3, 0));
}

#[tokio::test]
async fn no_text_of_an_entry_stands_in_a_seal() {
    let database = Database::new().await;
    let case = database.case(1).await;
    database.tell(case, &ENTRY).await;
    database.seal().await;
    let all = "select encode(digests, 'escape') || row_to_json(audit_seal)::text from audit_seal";
    let seals = texts(&mut database.admin().await, all).await;
    assert!(seals.len() == 1 && !seals[0].contains("Miller") && !seals[0].contains("jane"), "{seals:?}");
}

#[tokio::test]
async fn the_timeline_of_a_problem_is_sealed_with_that_of_the_cases() {
    let database = Database::new().await;
    let case = database.case(1).await;
    let mut admin = database.admin().await;
    let problem = "insert into fallout_problem (id, tenant_id, problem_number, downstream, operation, classification_code, category,
            severity, assigned_group, takes_until)
        values ('00000000-0000-0000-0000-00000000000a', 't', 'pr-1', 'billing', 'charge', 'DEFECT', 'BILLING', 'SEV2', 'Ops', now());
        insert into fallout_problem_event (id, tenant_id, problem_id, event_type, actor_type, actor_id, reason)
        values ('00000000-0000-0000-0000-00000000000b', 't', '00000000-0000-0000-0000-00000000000a', 'FalloutProblemTaken',
            'user', 'jane', 'mine')";
    database.tell(case, &ENTRY).await;
    run(&mut admin, problem).await;
    database.tell(case, &ENTRY).await;
    assert_eq!(database.seal().await, 3);
    assert_eq!(database.desk.verify_history("t", &[]).await.unwrap(), sound(1, 3, 0));
    run(&mut admin, "set session_replication_role = replica; update fallout_problem_event set reason = 'theirs'").await;
    let found = database.desk.verify_history("t", &[]).await.unwrap().findings;
    assert_eq!((found.len(), found[0].what), (1, Tampering::Edited));
    run(&mut admin, "delete from fallout_problem_event").await;
    let found = database.desk.verify_history("t", &[]).await.unwrap().findings;
    assert_eq!((found.len(), found[0].what), (1, Tampering::Deleted));
}
