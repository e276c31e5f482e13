//! Whoever works past the program, as superuser and with triggers off, is found: by the chain, or by heads kept outside.

use fallout_core::case::CaseEvent;
use fallout_desk::{Anchor, Tampering, Verified};

use crate::database::{Database, run, texts};

/// Three seals of three entries each, and their heads.
struct History {
    database: Database,
    anchors: Vec<Anchor>,
    /// Entry ids in order.
    ids: Vec<String>,
}

async fn history() -> History {
    let database = Database::new().await;
    let case = database.case(1).await;
    let mut anchors = Vec::new();
    for _ in 0..3 {
        database.tell(case, &[CaseEvent::Created, CaseEvent::Classified, CaseEvent::Resolved]).await;
        assert_eq!(database.seal().await, 3);
        anchors.extend(database.desk.heads().await.unwrap());
    }
    let ids = texts(&mut database.admin().await, "select id::text from fallout_event order by tx, position").await;
    History { database, anchors, ids }
}

impl History {
    async fn tamper(&self, sql: &str) {
        let sql = format!("begin; set local session_replication_role = replica; {sql}; commit");
        run(&mut self.database.admin().await, &sql).await;
    }

    async fn verify(&self, anchors: &[Anchor]) -> Verified {
        self.database.desk.verify_history("t", anchors).await.unwrap()
    }

    /// `(seal, what, entries)` of what is found.
    async fn findings(&self, anchors: &[Anchor]) -> Vec<(i64, Tampering, Vec<String>)> {
        let found = self.verify(anchors).await.findings;
        found.into_iter().map(|f| (f.seal, f.what, f.entries.iter().map(ToString::to_string).collect())).collect()
    }

    fn id(&self, n: usize) -> &str {
        &self.ids[n]
    }
}

#[tokio::test]
async fn an_untouched_history_has_no_findings() {
    let history = history().await;
    assert_eq!(history.findings(&history.anchors).await, []);
}

#[tokio::test]
async fn an_edit_of_any_column_is_found_and_names_its_entry() {
    let edits = [
        "reason = 'nobody called'",
        "reason = null",
        "actor_id = 'someone.else'",
        "actor_type = 'system'",
        "event_type = 'FalloutCaseClosed'",
        "payload = payload || '{\"level\": 3}'",
        "created_at = created_at + interval '1 microsecond'",
        "tenant_id = 'u'",
        "fallout_case_id = gen_random_uuid()",
    ];
    for edit in edits {
        let history = history().await;
        history.tamper(&format!("update fallout_event set {edit} where id = '{}'", history.id(4))).await;
        let expected = vec![(2, Tampering::Edited, vec![history.id(4).to_owned()])];
        assert_eq!(history.findings(&[]).await, expected, "{edit}");
    }
}

#[tokio::test]
async fn a_deletion_is_found_and_names_its_entry() {
    let history = history().await;
    history.tamper(&format!("delete from fallout_event where id in ('{}', '{}')", history.id(0), history.id(8))).await;
    let gone = |seal, n| (seal, Tampering::Deleted, vec![history.id(n).to_owned()]);
    assert_eq!(history.findings(&[]).await, [gone(1, 0), gone(3, 8)]);
}

#[tokio::test]
async fn a_swap_of_two_entries_is_found_and_names_both() {
    let history = history().await;
    let (a, b) = (history.id(3), history.id(5));
    let swap = format!(
        "update fallout_event e set (event_type, actor_type, actor_id, reason, payload, created_at) =
             (select o.event_type, o.actor_type, o.actor_id, o.reason, o.payload, o.created_at from fallout_event o
              where o.id in ('{a}', '{b}') and o.id <> e.id) where e.id in ('{a}', '{b}')"
    );
    history.tamper(&swap).await;
    assert_eq!(history.findings(&[]).await, [(2, Tampering::Swapped, vec![a.to_owned(), b.to_owned()])]);
}

#[tokio::test]
async fn an_entry_that_was_put_between_sealed_ones_is_found() {
    let history = history().await;
    let put = format!(
        "insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, tx, position) overriding system value
         select '{}', tenant_id, fallout_case_id, event_type, 'system', tx, position from fallout_event where id = '{}'",
        uuid::Uuid::nil(),
        history.id(4)
    );
    history.tamper(&put).await;
    assert_eq!(history.findings(&[]).await, [(2, Tampering::Added, vec![uuid::Uuid::nil().to_string()])]);
}

/// Entries and seals of the end together: the rest is a sound chain, so only a head from outside shows it.
#[tokio::test]
async fn a_cut_off_end_is_found_against_heads_kept_outside_and_only_there() {
    let history = history().await;
    let cut = format!(
        "delete from audit_seal where seq = 3; delete from fallout_event where position > (select position from fallout_event where id = '{}')",
        history.id(5)
    );
    history.tamper(&cut).await;
    assert_eq!(history.findings(&[]).await, []);
    assert_eq!(history.findings(&history.anchors).await, [(3, Tampering::CutOff, Vec::new())]);

    // Grown over: the same number, another head.
    let case = texts(&mut history.database.admin().await, "select id::text from fallout_case").await;
    history.database.tell(fallout_core::ids::CaseId(case[0].parse().unwrap()), &[CaseEvent::Created]).await;
    assert_eq!(history.database.seal().await, 1);
    assert_eq!(history.findings(&history.anchors).await, [(3, Tampering::Rewritten, Vec::new())]);
}

#[tokio::test]
async fn everything_of_a_tenant_gone_is_found_against_its_anchor() {
    let history = history().await;
    history.tamper("delete from audit_seal; delete from fallout_event").await;
    assert_eq!(history.database.desk.audited_tenants().await.unwrap(), Vec::<String>::new());
    assert_eq!(history.findings(&history.anchors).await, [(1, Tampering::CutOff, Vec::new())]);
}

#[tokio::test]
async fn a_chain_that_was_written_anew_over_an_edit_does_not_fit_its_anchors() {
    let history = history().await;
    history
        .tamper(&format!(
            "update fallout_event set reason = 'x' where id = '{}'; delete from audit_seal",
            history.id(4)
        ))
        .await;
    while history.database.seal().await > 0 {}
    assert_eq!(history.findings(&[]).await, [], "it is a chain again");
    let found = history.findings(&history.anchors).await;
    assert!(found.iter().any(|f| matches!(f.1, Tampering::Rewritten | Tampering::CutOff)), "{found:?}");
}

#[tokio::test]
async fn a_seal_that_was_changed_or_taken_out_is_found() {
    let changes = [
        ("update audit_seal set previous = decode(repeat('00', 32), 'hex') where seq = 2", (2, Tampering::SealChanged)),
        ("update audit_seal set head = decode(repeat('00', 32), 'hex') where seq = 2", (2, Tampering::SealChanged)),
        ("update audit_seal set up_to_position = up_to_position + 1000 where seq = 3", (3, Tampering::SealChanged)),
        ("delete from audit_seal where seq = 2", (2, Tampering::SealDeleted)),
    ];
    for (sql, first) in changes {
        let history = history().await;
        history.tamper(sql).await;
        let found = history.findings(&[]).await;
        assert_eq!(found.first().map(|f| (f.0, f.1)), Some(first), "{sql}: {found:?}");
    }
}
