//! What people did outside: their word with a reference and evidence, read back where the downstream can be asked.

use fallout_core::{
    action::{Action, ActionState, Attestation, command::RecoveryCommand},
    case::CaseState,
    evidence::Evidence,
    ids::CaseNumber,
    lookup::Said,
    step::Outputs,
};
use fallout_desk::{CaseCommand, EVIDENCE_BYTES_MAX, EVIDENCE_FILES_MAX, File, Kept};
use serde_json::json;

use crate::house::{ADMIN, ANN, House, TENANT, bare, command, refused, task};

fn outside(case: CaseNumber, key: &str, evidence: Vec<String>) -> RecoveryCommand {
    let attestation = Some(Attestation { applied: true, reference: "INC-9".into() });
    RecoveryCommand { attestation, evidence, ..command(case, Action::ResolveOutside, key) }
}

fn ask(case: CaseNumber) -> CaseCommand<'static> {
    CaseCommand { tenant: TENANT, principal: ANN, case, if_version: None, key: None }
}

impl House {
    async fn adds(&self, case: CaseNumber, content: &[u8]) -> Kept {
        let file = File { name: "scan.pdf", media_type: "application/pdf", content };
        self.desk.add_evidence(&ask(case), &file).await.unwrap()
    }

    async fn verified(&self, case: CaseNumber) -> (CaseState, Option<String>, Option<String>) {
        let detail = self.desk.case(TENANT, case).await.unwrap();
        (detail.case.status.parse().unwrap(), detail.fields.verification, detail.fields.verified_by)
    }
}

#[tokio::test]
async fn a_case_without_a_step_is_resolved_by_the_word_of_a_named_person_with_its_evidence() {
    let mut house = House::new(bare).await;
    let case = house.trouble("o-1").await;
    let bare_word = RecoveryCommand { attestation: None, ..outside(case, "k", Vec::new()) };
    assert!(refused(house.give(&bare_word).await).contains("--attest applied|not-applied"));
    let foreign = refused(house.give(&outside(case, "k", vec!["ab".repeat(32)])).await);
    assert!(foreign.contains("has no evidence"), "{foreign}");
    assert_eq!(house.latest(case).await, "no_evidence");
    assert_eq!(house.state(case).await, CaseState::Classified, "a refusal changes nothing");
    let kept = house.adds(case, b"%PDF").await;
    house.give(&outside(case, "k", vec![kept.sha256.clone()])).await.unwrap();
    assert_eq!(house.verified(case).await, (CaseState::Resolved, Some("attested".into()), Some(ANN.into())));
    let ended = "select count(*) from fallout_case where resolution_code = 'RESOLVED_OUTSIDE'";
    assert_eq!(house.count(ended).await, 1);
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!(
        (action.state, action.target["command"]["evidence"][0].as_str()),
        (ActionState::Completed, Some(kept.sha256.as_str()))
    );
    let again = house.give(&outside(case, "k", vec![kept.sha256])).await.unwrap();
    assert!(again.repeated, "the first answer again");
}

#[tokio::test]
async fn what_was_done_outside_is_read_back_where_the_downstream_can_be_asked() {
    let house = House::new(|_| {}).await;
    for (order, said, expected) in [
        (
            "there",
            Said::Found { outputs: Outputs::new() },
            (CaseState::Resolved, Some("machine"), Some("a lookup at payment")),
        ),
        (
            "not-there",
            Said::Rejected { code: "NO".into(), classification: None, message: "no".into() },
            (CaseState::Reopened, None, None),
        ),
    ] {
        house.order(order).await;
        let attempt = house.attempt(&task(order, "1")).await;
        let outputs = Outputs::from([("receiptId".to_owned(), json!("R-1"))]);
        house.desk.record(attempt, &Evidence::answered(201, json!({ "id": "R-1" })), &Ok(outputs)).await.unwrap();
        // Somebody disputes what was done.
        let rejected = Evidence::answered(422, json!({ "code": "BILLING_ACCOUNT_INVALID" }));
        house.desk.record(attempt, &rejected, &Err("an answer".into())).await.unwrap();
        let open = house.desk.cases(TENANT, true, Some(order), 10).await.unwrap().remove(0);
        let case = open.case_number.parse().unwrap();
        house.give(&outside(case, order, Vec::new())).await.unwrap();
        assert_eq!(house.state(case).await, CaseState::Verifying, "{order}");
        for due in house.desk.due_verifications(10).await.unwrap() {
            house.desk.verification_read(due.id, said.clone(), std::time::Instant::now()).await.unwrap();
        }
        let (state, how, by) = house.verified(case).await;
        assert_eq!((state, how.as_deref(), by.as_deref()), expected, "{order}");
    }
}

#[tokio::test]
async fn an_order_that_waits_is_not_freed_by_a_word() {
    let house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    assert!(refused(house.give(&outside(case, "k", Vec::new())).await).contains("the order still waits"));
    assert_eq!(house.latest(case).await, "still_parked");
}

#[tokio::test]
async fn evidence_is_kept_with_its_hash_and_never_changed() {
    let mut house = House::new(bare).await;
    let case = house.trouble("o-1").await;
    let kept = house.adds(case, b"one").await;
    assert_eq!(kept.sha256, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    assert!(house.adds(case, b"one").await.already);
    let (line, content) = house.desk.evidence_file(TENANT, case, "7692c3").await.unwrap();
    assert_eq!((line.name.as_str(), line.added_by.as_str(), content.as_slice()), ("scan.pdf", ANN, b"one".as_slice()));
    let none = refused(house.desk.evidence_file(TENANT, case, "ff").await);
    assert!(none.contains("has no evidence ff"), "{none}");
    let foreign = refused(house.desk.evidence_file("other", case, "7692").await);
    assert!(foreign.contains("no case"), "{foreign}");
    for (sql, rule) in [
        ("update case_evidence set name = 'x'", "case_evidence_is_kept"),
        ("update case_evidence set content = 'two'", "case_evidence_is_kept"),
        ("delete from case_evidence", "case_evidence_is_kept"),
    ] {
        let said = house.tried(sql).await.unwrap_err();
        assert!(said.starts_with(rule), "{said}");
    }
    let bad: [(&str, &str, Vec<u8>, &str); 4] = [
        ("a.pdf", "application/pdf", Vec::new(), "empty"),
        ("a.pdf", "application/pdf", vec![0; EVIDENCE_BYTES_MAX + 1], "more than"),
        ("a.pdf", "pdf", b"x".to_vec(), "no media type"),
        ("", "text/plain", b"x".to_vec(), "the file's name"),
    ];
    for (name, media_type, content, says) in bad {
        let file = File { name, media_type, content: &content };
        let said = refused(house.desk.add_evidence(&ask(case), &file).await);
        assert!(said.contains(says), "{said}");
    }
    for number in 1..EVIDENCE_FILES_MAX {
        house.adds(case, format!("file {number}").as_bytes()).await;
    }
    let file = File { name: "one-more", media_type: "text/plain", content: b"more" };
    assert!(refused(house.desk.add_evidence(&ask(case), &file).await).contains("20 files already"));
}

#[tokio::test]
async fn above_a_value_or_severity_what_was_done_outside_takes_a_second_person() {
    let house = House::guarded(bare).await;
    // What the order is worth is not known, which counts as above.
    let case = house.trouble("o-1").await;
    let taken = house.give(&outside(case, "k", Vec::new())).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::AwaitingApproval, "nothing ends before two have agreed");
    let bob = house.person("bob", ADMIN).await;
    house.desk.approve(TENANT, &bob, taken.approval.unwrap(), "I saw it too").await.unwrap();
    assert_eq!(house.verified(case).await, (CaseState::Resolved, Some("attested".into()), Some(ANN.into())));
}
