//! The words of a case: how they are made equal, when they are written, and what a search by them finds.

use crate::seeded::{hand, run, texts as words};

#[tokio::test]
async fn words_are_made_equal_cut_and_counted() {
    let mut hand = hand().await;
    let long = "x".repeat(100);
    let table = [
        ("MÜNCHEN, Straße: ﬁbre", "munchen|straße|fibre"),
        ("Ⅳ １２３ e\u{301}cole", "iv|123|ecole"),
        ("(ADDRESS_NOT_SERVICEABLE) a \t no\nfibre, fibre!", "address_not_serviceable|no|fibre"),
        ("-- ... ''", "--"),
        ("", ""),
        (long.as_str(), &long[..64]),
    ];
    for (text, expected) in table {
        let sql = format!("select unnest(worklist_words('{}'))", text.replace('\'', "''"));
        let expected: Vec<&str> = expected.split('|').filter(|w| !w.is_empty()).collect();
        assert_eq!(words(&mut hand, &sql).await, expected, "{text}");
    }
    let many = "select unnest(worklist_words((select string_agg('word' || n, ' ') from generate_series(1, 1000) n)))";
    assert_eq!(words(&mut hand, many).await.len(), 64);
    let huge = "select unnest(worklist_words(repeat('word ', 1000000) || 'end'))";
    assert_eq!(words(&mut hand, huge).await, ["word"]);
}

#[tokio::test]
async fn whoever_writes_a_case_its_words_follow() {
    let mut hand = hand().await;
    let of = "select word || case when open then '' else ' (over)' end from case_word where fallout_case_id = md5('w')::uuid order by 1";
    let mut write = async |sql: &str| {
        run(&mut hand, sql).await;
        words(&mut hand, of).await
    };
    let opened = write(
        "insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code,
             customer_id, match_key, diagnostic_summary)
         values (md5('w')::uuid, 'words', 'fc-1', 'BILLING', 'SEV3', 'classified', 'test', 'ACCOUNT_UNKNOWN', 'C-1', 'k', 'No account')",
    );
    assert_eq!(opened.await, ["account", "account_unknown", "c-1", "fc-1", "no"]);
    let found_again = "update fallout_case set diagnostic_summary = 'account closed' where id = md5('w')::uuid";
    assert_eq!(write(found_again).await, ["account", "account_unknown", "c-1", "closed", "fc-1", "no"]);
    let over = "begin; set local session_replication_role = origin;
        alter table fallout_case disable trigger user;
        alter table fallout_case enable trigger case_words_follow;
        update fallout_case set status = 'resolved', resolution_code = 'CLEARED', resolved_at = now() where id = md5('w')::uuid;
        alter table fallout_case enable trigger user; commit";
    let expected = ["account", "account_unknown", "c-1", "closed", "fc-1", "no"].map(|w| format!("{w} (over)"));
    assert_eq!(write(over).await, expected);
}
