//! Process modification, the last resort: asked for with seven answers, agreed to by a second person, done to exactly the
//! tokens that were seen, and nothing of it makes an effect.

use anyhow::Context;
use fallout::demo::Standing;
use fallout_core::{
    action::{Action, Refusal, approval::NotApprovable},
    modification::{Answers, ModificationState, Move, NotModified},
    step::{Outputs, StepState},
};
use fallout_desk::{DeskError, Modification, Modify, NotRecovered};
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};
use serde_json::json;

use crate::{engine::root, recovery::refused};

const DEFECT: &str = "attempt = '1'; behaviour = 'bad_request'";

/// Past the parked task, to the end of the called step.
pub fn past_the_task() -> Vec<Move> {
    vec![Move::Cancel { activity: "perform".into(), instance: None }, Move::StartBefore { activity: "skipped".into() }]
}

fn answers() -> Answers {
    let said = |text: &str| text.to_owned();
    Answers {
        not_modelled: said("the scenario is about the last resort"),
        known_state: said("parked, nothing else is under way"),
        domain_state: said("activated by hand, INC-1"),
        reason: said("CHG-1"),
        reversible: said("no"),
        completed_steps: said("none"),
        tested: said("here"),
    }
}

async fn ask(s: &Scenario<'_>, order: &str, moves: &[Move], answers: &Answers) -> Result<Modification, DeskError> {
    let ask = Modify { tenant: &s.tenant, principal: "local:admin", order, instance: None, moves, answers };
    s.setup.desk.modify_process(&ask).await
}

pub async fn ask_to_modify(s: &Scenario<'_>, order: &str, moves: &[Move]) -> anyhow::Result<Modification> {
    Ok(ask(s, order, moves, &answers()).await?)
}

async fn newest(s: &Scenario<'_>, order: &str) -> anyhow::Result<Modification> {
    let all = s.setup.desk.modifications(&s.tenant, order).await?;
    all.into_iter().next().context("one was asked for")
}

/// Waits until it can be agreed to, and agrees as somebody else.
pub async fn agree(s: &Scenario<'_>, order: &str) -> anyhow::Result<()> {
    s.wait("what stands there was read", async || {
        Ok(newest(s, order).await?.state == ModificationState::AwaitingApproval)
    })
    .await?;
    let id = newest(s, order).await?.id;
    s.setup.desk.approve_modification(&s.tenant, "token:second", id, "seen").await?;
    Ok(())
}

/// The stays at an activity of the instance in which the order is parked.
pub async fn tokens_at(s: &Scenario<'_>, order: &str, activity: &str) -> anyhow::Result<Vec<String>> {
    let steps = s.ledger().await?.into_iter().flat_map(|v| v.steps).map(|v| v.step);
    let mut parked = steps.filter(|step| step.identity.order == order && step.state == StepState::Parked);
    let instance = parked.next().context("it is parked")?.process_instance_id;
    let tree = s.setup.engine.activity_instances(&instance).await?.context("it runs")?;
    Ok(tree.all().into_iter().filter(|stay| stay.activity_id == activity).map(|stay| stay.id.clone()).collect())
}

/// What was done outside is said to the ledger.
pub async fn skip_by_hand(s: &Scenario<'_>, order: &str) -> anyhow::Result<()> {
    let case = s.case_of(order).await?.case_number;
    let by_hand = Outputs::from([("activationId".to_owned(), json!("by hand"))]);
    s.recover(&case, Action::SkipStep, None, by_hand).await?;
    s.resolved(&case).await?;
    assert!(s.book_of(order, "bill")?.is_empty(), "{order}: a modification makes no effect");
    Ok(())
}

async fn parked(s: &mut Scenario<'_>, order: &str) -> anyhow::Result<()> {
    s.start();
    s.accept(vec![simple(order)]).await?;
    s.until(order, Standing::Parked).await?;
    s.wait("its token stands at the task", async || Ok(!tokens_at(s, order, "perform").await?.is_empty())).await
}

fn not_modified(answer: Result<Modification, DeskError>) -> NotModified {
    match answer {
        Err(DeskError::NotModified(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_people_move_a_token_past_its_model_and_everything_about_it_is_kept() {
    scenario("modify", &fault("modify", "bill", DEFECT), async |s| {
        parked(s, "modify").await?;
        let case = s.case_of("modify").await?.case_number;
        let stay = tokens_at(s, "modify", "perform").await?.remove(0);
        ask_to_modify(s, "modify", &past_the_task()).await?;
        agree(s, "modify").await?;
        s.wait("it is read back", async || Ok(newest(s, "modify").await?.state == ModificationState::Done)).await?;

        let kept = newest(s, "modify").await?;
        assert_eq!((kept.requested_by.as_str(), kept.approver.as_deref()), ("local:admin", Some("token:second")));
        assert_eq!(kept.answers, answers());
        let named = Move::Cancel { activity: "perform".into(), instance: Some(stay.clone()) };
        assert_eq!(kept.resolved.unwrap()[0], named);
        let stood = |tokens: &Option<Vec<fallout_core::modification::Token>>| {
            tokens.iter().flatten().any(|token| token.instance == stay)
        };
        assert!(stood(&kept.before) && !stood(&kept.after), "what stood before and after");
        let timeline = s.case(&case).await?.timeline;
        let told = timeline.iter().filter(|e| e.reason.as_deref().is_some_and(|r| r.contains("modification"))).count();
        assert_eq!(told, 4, "asked, read, agreed to, made");
        s.wait("its order goes on", async || Ok(s.step("modify", "", "authorize").await?.is_some())).await?;
        skip_by_hand(s, "modify").await?;
        s.until("modify", Standing::Completed).await
    });
}

#[test]
fn a_modification_is_refused_by_name_and_the_refusal_is_kept() {
    let faults =
        [fault("refused", "bill", DEFECT), fault("slow", "reserve", "attempt = '1'; behaviour = 'slow'; ms = 3000")];
    scenario("modify-refused", &faults.concat(), async |s| {
        parked(s, "refused").await?;
        let desk = s.setup.desk.clone();
        let one = |m: Move| vec![m];
        let cancel = |activity: &str| Move::Cancel { activity: activity.into(), instance: None };
        assert_eq!(not_modified(ask(s, "refused", &[], &answers()).await), NotModified::NoMoves);
        let unanswered = Answers { tested: " ".into(), ..answers() };
        let answer = ask(s, "refused", &past_the_task(), &unanswered).await;
        assert!(matches!(answer, Err(DeskError::BadText(_))), "{answer:?}");
        let none = ask(s, "nobody", &past_the_task(), &answers()).await;
        assert!(matches!(none, Err(DeskError::NoSuchOrder(_))), "{none:?}");
        let elsewhere = Modify {
            tenant: &s.tenant,
            principal: "local:admin",
            order: "refused",
            instance: Some("17"),
            moves: &past_the_task(),
            answers: &answers(),
        };
        let other = not_modified(desk.modify_process(&elsewhere).await);
        assert_eq!(other, NotModified::OtherInstance("17".into()));

        // Only the engine knows these.
        let rows = [
            (one(cancel("perform")), "ends_all"),
            (one(cancel("awaitRecovery")), "nothing_there"),
            (one(Move::StartBefore { activity: "elsewhere".into() }), "no_activity"),
        ];
        for (moves, name) in rows {
            ask_to_modify(s, "refused", &moves).await?;
            s.wait(&format!("it is refused as {name}"), async || {
                Ok(newest(s, "refused").await?.refusal.as_deref() == Some(name))
            })
            .await?;
        }

        // Of two people, and while nothing has moved.
        let first = ask_to_modify(s, "refused", &past_the_task()).await?.id;
        let second = not_modified(ask(s, "refused", &past_the_task(), &answers()).await);
        assert_eq!(second, NotModified::UnderWay(first.to_string()));
        // The newest is the one that was refused.
        s.wait("it waits", async || {
            let all = desk.modifications(&s.tenant, "refused").await?;
            Ok(all.iter().any(|m| m.id == first && m.state != ModificationState::Checking))
        })
        .await?;
        let waits = desk.modifications(&s.tenant, "refused").await?;
        let waits = waits.iter().find(|m| m.id == first).context("it is kept")?;
        assert_eq!(waits.state, ModificationState::AwaitingApproval);
        for (who, expected) in [
            ("local:admin", NotApprovable::SamePerson("local:admin".into())),
            ("local:bob", NotApprovable::LocalLogin("local:bob".into())),
        ] {
            match desk.approve_modification(&s.tenant, who, first, "yes").await {
                Err(DeskError::Recovery(NotRecovered::NotApprovable(why))) => assert_eq!(why, expected),
                other => panic!("{other:?}"),
            }
        }
        // The step runs again meanwhile: its token is another.
        s.retry("refused").await?;
        s.until("refused", Standing::Completed).await?;
        let late = desk.approve_modification(&s.tenant, "token:second", first, "yes").await;
        late?;
        s.wait("it is not made", async || {
            let all = desk.modifications(&s.tenant, "refused").await?;
            Ok(all.iter().any(|m| m.id == first && m.state == ModificationState::Failed))
        })
        .await?;
        assert_eq!(s.book_of("refused", "bill")?.len(), 1);

        s.accept(vec![simple("slow")]).await?;
        s.wait("it is under way", async || Ok(s.attempts_at("slow", "reserve") == 1)).await?;
        let at_root = ask(s, "slow", &past_the_task(), &answers()).await;
        assert_eq!(not_modified(at_root), NotModified::NoCase);
        s.until("slow", Standing::Completed).await?;
        let kept = desk.modifications(&s.tenant, "refused").await?;
        assert!(kept.iter().filter(|m| m.state == ModificationState::Refused).count() >= 6, "refused ones are kept");
        Ok(())
    });
}

#[test]
fn an_action_that_is_under_way_keeps_a_modification_out_and_the_other_way_round() {
    scenario("modify-apart", &fault("apart", "bill", DEFECT), async |s| {
        parked(s, "apart").await?;
        let case = s.case_of("apart").await?.case_number;
        s.stop().await?;
        s.recover(&case, Action::RetryStep, None, Outputs::new()).await?;
        let kept_out = not_modified(ask(s, "apart", &past_the_task(), &answers()).await);
        assert!(matches!(kept_out, NotModified::ActionUnderWay(_)), "{kept_out:?}");
        assert_eq!(
            refused(s.recover(&case, Action::RetryStep, None, Outputs::new()).await),
            Some(Refusal::ActionUnderWay)
        );
        assert!(!root(s, "apart").await?.is_empty());
        s.start();
        s.until("apart", Standing::Completed).await
    });
}
