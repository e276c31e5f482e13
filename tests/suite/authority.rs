//! Two people, roles and tokens, over a step that the engine really waits at.

use fallout::demo::Standing;
use fallout_core::{
    action::{Action, approval::ApprovalState},
    authority::{Extent, Grant},
    case::CaseState,
    step::{Outputs, StepState},
};
use fallout_desk::{DeskError, NotRecovered, Recovery};
use fallout_tests::{
    orders::{fault, simple},
    scenario,
};

const ADMIN: &str = "local:admin";

#[test]
fn two_people_with_tokens_skip_a_step_and_nobody_does_alone() {
    let faults = fault("two", "reserve", "behaviour = 'bad_request'");
    scenario("authority", &faults, async |s| {
        s.start();
        s.accept(vec![simple("two")]).await?;
        s.until("two", Standing::Parked).await?;
        let case = s.case_of("two").await?.case_number;
        let (desk, tenant) = (&s.setup.desk, s.tenant.as_str());
        let (ann, bob) = (s.person("ann").await?, s.person("bob").await?);
        for (principal, role) in
            [(ADMIN, "platform_admin"), ("token:ann", "senior_operations"), ("token:bob", "senior_operations")]
        {
            let grant = Grant { principal: principal.into(), role: role.into(), extent: Extent::Tenant };
            desk.grant_role(tenant, ADMIN, &grant, "the scenario begins").await?;
        }
        let outputs = Outputs::from([("reservationId".into(), "BY-HAND".into())]);
        let skip =
            |principal| Recovery { principal, outputs: outputs.clone(), ..s.command(&case, Action::SkipStep, "k") };

        let nobody = desk.recover(&Recovery { principal: "local:test", ..skip("local:test") }).await;
        assert!(matches!(nobody, Err(DeskError::NotAuthorised(_))), "{nobody:?}");
        let approval = desk.recover(&skip(&ann)).await?.approval.expect("a skip takes two");
        let alone = desk.approve(tenant, &ann, approval, "fine").await.unwrap_err();
        assert!(alone.to_string().contains("another person"), "{alone}");
        let login = desk.approve(tenant, ADMIN, approval, "fine").await.unwrap_err();
        assert!(login.to_string().contains("personal token"), "{login}");
        assert_eq!(s.step("two", "", "reserve").await?.unwrap().step.state, StepState::Parked);
        assert_eq!(s.case(&case).await?.case.status, CaseState::AwaitingApproval.word());

        let agreed = desk.approve(tenant, &bob, approval, "the shelf was emptied by hand").await?;
        assert_eq!(agreed.approval_state, ApprovalState::Granted);
        s.until("two", Standing::Completed).await?;
        s.resolved(&case).await?;
        let skipped = s.step("two", "", "reserve").await?.unwrap().step;
        assert_eq!((skipped.state, skipped.outputs), (StepState::Skipped, outputs.clone()));
        let late = desk.approve(tenant, &bob, approval, "again").await;
        assert!(matches!(late, Err(DeskError::Recovery(NotRecovered::NotApprovable(_)))), "{late:?}");
        Ok(())
    });
}
