//! Many cases with one cause: one problem, told of once, which grows, is worked on by people, and ends with its cases.

use fallout_core::{
    case::Severity,
    catalogue::Catalogue,
    ids::ProblemNumber,
    people::{Member, Role},
    problem::ProblemState,
    worklist::{Filter, Sort},
};
use fallout_desk::{DeskError, Problem};

use super::{house::House, rig::TENANT};

impl House {
    /// Orders whose step is rejected for the same reason.
    async fn storm(&self, orders: std::ops::Range<u32>) {
        for n in orders {
            self.rejected(&format!("o-{n}")).await;
        }
    }

    /// By three controllers at once, until nothing is due.
    async fn tend(&self) {
        loop {
            let desk = &self.rig.desk;
            let done = tokio::join!(desk.tend_problems(), desk.tend_problems(), desk.tend_problems());
            if done.0.unwrap() + done.1.unwrap() + done.2.unwrap() == 0 {
                return;
            }
        }
    }

    async fn problems(&self) -> Vec<Problem> {
        self.rig.desk.problems(TENANT, false, 10).await.unwrap()
    }

    async fn published(&mut self, event: &str) -> i64 {
        self.count(&format!("event_outbox where event_type = '{event}'")).await
    }
}

#[tokio::test]
async fn a_storm_is_one_problem_that_is_told_of_once_and_rises_with_its_orders() {
    let grave = |catalogue: &mut Catalogue| {
        let thresholds = catalogue.severity.factors.iter_mut().flat_map(|factor| &mut factor.thresholds);
        thresholds.filter(|threshold| threshold.from == 20.0).for_each(|threshold| threshold.severity = Severity::Sev1);
    };
    let mut house = House::changed("problems-storm", grave).await;
    house.storm(0..4).await;
    house.tend().await;
    assert_eq!(house.problems().await.len(), 0, "four cases are no problem yet");
    house.storm(4..6).await;
    house.tend().await;
    let [problem] = house.problems().await.try_into().unwrap();
    assert_eq!((problem.cases, problem.orders, problem.severity), (6, 6, Severity::Sev2));
    assert_eq!((problem.downstream.as_str(), problem.classification.as_str()), ("payment", "ADDRESS_NOT_SERVICEABLE"));
    assert_eq!(problem.group, "Fulfillment Ops");
    house.storm(6..20).await;
    house.tend().await;
    let [problem] = house.problems().await.try_into().unwrap();
    assert_eq!((problem.cases, problem.orders, problem.severity), (20, 20, Severity::Sev1));
    assert_eq!(house.count("fallout_case where problem_id is not null").await, 20);
    assert_eq!(
        house.count("fallout_event where event_type = 'FalloutProblemJoined'").await,
        20,
        "each case tells of it"
    );
    for (event, times) in
        [("FalloutProblemOpened", 1), ("FalloutProblemSeverityRaised", 1), ("FalloutProblemClosed", 0)]
    {
        assert_eq!(house.published(event).await, times, "{event}");
    }
}

#[tokio::test]
async fn a_problem_ends_when_its_cases_have_and_nothing_comes() {
    let mut house = House::new("problems-end").await;
    house.storm(0..5).await;
    house.tend().await;
    let over = "begin;
        insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id)
            select gen_random_uuid(), tenant_id, id, 'FalloutNoteAdded', 'user', 'hand' from fallout_case;
        update fallout_case set status = 'verifying';
        update fallout_case set status = 'resolved', resolved_at = now(), resolution_code = 'CLEARED';
        commit";
    house.run(over).await.unwrap();
    house.tend().await;
    assert_eq!(house.problems().await[0].state, ProblemState::Open, "a storm with gaps is one");
    house.run("update fallout_problem set joined_at = joined_at - interval '11 min'").await.unwrap();
    house.tend().await;
    let [problem] = house.problems().await.try_into().unwrap();
    assert_eq!((problem.state, problem.taking, problem.cases), (ProblemState::Closed, false, 5));
    assert_eq!(house.published("FalloutProblemClosed").await, 1);
    house.storm(5..10).await;
    house.tend().await;
    assert_eq!(house.problems().await.len(), 2, "what comes later is another");
}

#[tokio::test]
async fn people_take_assign_and_note_a_problem_of_their_tenant() {
    let house = House::new("problems-people").await;
    house.storm(0..5).await;
    house.tend().await;
    let number = house.problems().await[0].number;
    let desk = &house.rig.desk;
    assert!(desk.assign_problem(TENANT, "local:a", number, None, Some("local:a")).await.unwrap());
    assert!(!desk.assign_problem(TENANT, "local:a", number, None, Some("local:a")).await.unwrap(), "already done");
    assert!(desk.assign_problem(TENANT, "local:a", number, Some("Senior Ops"), None).await.unwrap());
    desk.note_problem(TENANT, "local:a", number, "the vendor works on it").await.unwrap();
    let huge = desk.note_problem(TENANT, "local:a", number, &"x".repeat(1_048_576)).await;
    assert!(matches!(huge, Err(DeskError::BadText(_))), "{huge:?}");
    for (tenant, number) in [("other", number), (TENANT, ProblemNumber(7))] {
        let none = desk.problem(tenant, number).await;
        assert!(matches!(none, Err(DeskError::NoSuchProblem(_))), "{none:?}");
    }
    let detail = desk.problem(TENANT, number).await.unwrap();
    assert_eq!((detail.problem.group.as_str(), detail.problem.user), ("Senior Ops", None));
    let told: Vec<&str> = detail.timeline.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(told, ["FalloutProblemOpened", "FalloutProblemTaken", "FalloutProblemAssigned", "FalloutProblemNoted"]);
}

#[tokio::test]
async fn an_open_problem_is_one_row_of_a_worklist_and_its_members_are_none() {
    let house = House::new("problems-row").await;
    house.storm(0..6).await;
    house.tend().await;
    let other = house.rejected("o-other").await;
    let desk = house.rig.desk.clone();
    let seen = async |filter: Filter| {
        let page = desk.worklist(TENANT, &filter, Sort::Severity, 3, None).await.unwrap();
        (page.problems.len(), page.cases.len(), page.next)
    };
    // What came after the last look joins at the next one.
    assert_eq!(seen(Filter::default()).await, (1, 1, None));
    house.tend().await;
    assert_eq!(seen(Filter::default()).await, (1, 0, None));
    let page = desk.worklist(TENANT, &Filter::default(), Sort::Age, 3, None).await.unwrap();
    assert_eq!((page.problems[0].cases, page.problems[0].orders), (7, 7));
    let group = |group: &str| Filter { group: Some(group.into()), ..Filter::default() };
    assert_eq!(seen(group("Fulfillment Ops")).await, (1, 0, None), "the problem is of this group");
    assert_eq!(seen(group("Senior Ops")).await, (0, 0, None));
    for filter in [
        Filter { members: true, ..Filter::default() },
        Filter { problem: Some(page.problems[0].number.to_string()), ..Filter::default() },
    ] {
        let (problems, cases, next) = seen(filter.clone()).await;
        assert_eq!((problems, cases), (0, 3));
        let rest = desk.worklist(TENANT, &filter, Sort::Severity, 10, next.as_deref()).await.unwrap();
        assert_eq!(rest.cases.len(), 4);
    }
    let order = Filter { order: Some("o-other".into()), ..Filter::default() };
    assert_eq!(seen(order).await, (0, 1, None), "whoever looks for an order finds its case");
    // The problem is handed to others: its members still belong to the group, and stay to be seen there.
    let number = page.problems[0].number;
    assert!(desk.assign_problem(TENANT, "local:a", number, Some("Senior Ops"), None).await.unwrap());
    let (problems, cases, _) = seen(group("Fulfillment Ops")).await;
    assert_eq!((problems, cases), (0, 3));
    assert_eq!(seen(group("Senior Ops")).await, (1, 0, None));
    let shown = desk.case(TENANT, other).await.unwrap();
    let problem = shown.problem.unwrap();
    assert_eq!((problem.number, problem.cases, problem.orders), (number.to_string(), 7, 7));
    assert_eq!(shown.related.iter().filter(|case| case.relation == "same problem").count(), 6);
}

#[tokio::test]
async fn a_problem_is_taken_by_its_group_and_given_to_others_by_its_lead() {
    let house = House::new("problems-group").await;
    house.storm(0..5).await;
    house.tend().await;
    let (number, group) = {
        let problem = &house.problems().await[0];
        (problem.number, problem.group.clone())
    };
    let desk = &house.rig.desk;
    for (who, role) in [("local:lead", Role::Lead), ("local:member", Role::Member)] {
        let member = Member { principal: who.into(), role };
        desk.add_member(TENANT, "local:lead", &group, &member).await.unwrap();
    }
    let take = async |who: &str| desk.assign_problem(TENANT, who, number, None, Some(who)).await;
    let give = async |who: &str, whom: &str| desk.assign_problem(TENANT, who, number, None, Some(whom)).await;
    let no = take("local:other").await.unwrap_err();
    assert!(no.to_string().contains("local:other is not in Fulfillment Ops"), "{no}");
    assert!(take("local:member").await.unwrap());
    let no = give("local:member", "local:lead").await.unwrap_err();
    assert!(no.to_string().contains("only they give its cases to others: local:lead"), "{no}");
    let no = give("local:lead", "local:other").await.unwrap_err();
    assert!(no.to_string().contains("local:other is not in Fulfillment Ops"), "{no}");
    assert!(take("local:lead").await.unwrap(), "a lead takes what a member works on");
    assert!(give("local:lead", "local:member").await.unwrap());
    let told = desk.problem(TENANT, number).await.unwrap().timeline.len();
    assert_eq!(told, 4, "opened, and three changes: what was refused left nothing");
}
