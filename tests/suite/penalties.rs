//! What a cancellation costs by policy, who waives it, and which orders no policy lets go.

use anyhow::Context as _;
use fallout::demo::Standing;
use fallout_core::{
    action::{Action, Refusal},
    order::Order,
    policy::Due,
};
use fallout_desk::DeskError;
use fallout_tests::{
    Scenario,
    orders::{LineOf, fault, order, read, simple},
    scenario,
};
use serde_json::json;

use crate::{
    cancel_from_outside::{reached, send},
    recovery::refused,
    reroute::commanded,
};

const TWO: &[LineOf] = &[("done", "add", &[]), ("stuck", "modify", &["done"])];

fn stuck(orders: &str) -> String {
    format!(
        "[[fault]]\norder = '{orders}'\nstep = 'provision'\nline = 'stuck'\nbehaviour = 'reject'\ncode = 'PRODUCT_NOT_AVAILABLE'\n"
    )
}

/// What stands on the only action of a case.
async fn due(s: &Scenario<'_>, case: &str) -> anyhow::Result<Due> {
    let action = s.setup.desk.actions(&s.tenant, case.parse()?).await?.remove(0);
    action.terms.context("policies were asked")?.due.context("a penalty policy fits every order")
}

#[test]
fn a_cancellation_costs_what_the_policy_says_and_the_action_keeps_it_waived_or_not() {
    let faults = [stuck("dear"), stuck("waived"), fault("free", "reserve", "behaviour = 'bad_request'")];
    scenario("penalty", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![order("dear", TWO), order("waived", TWO), simple("free")]).await?;
        for order in ["dear", "waived", "free"] {
            s.until(order, Standing::Parked).await?;
        }
        let case = async |order| Ok::<_, DeskError>(s.case_of(order).await.expect("it is parked").case_number);
        let free = case("free").await?;
        let nothing = commanded(s, &free, Action::CancelOrder, |c| c.waive_penalty = true).await;
        assert_eq!(refused(nothing), Some(Refusal::NothingToWaive));
        for (order, waive, amount) in [("dear", false, 2.5), ("waived", true, 2.5), ("free", false, 0.0)] {
            let case = case(order).await?;
            commanded(s, &case, Action::CancelOrder, |c| c.waive_penalty = waive).await?;
            let due = due(s, &case).await?;
            assert_eq!((due.amount, due.unit.as_deref(), due.waived), (Some(amount), Some("EUR"), waive), "{order}");
            s.until(order, Standing::Cancelled).await?;
            s.resolved(&case).await?;
        }
        Ok(())
    });
}

/// Of a customer whose contract says how a paid order ends.
fn wholesale(id: &str) -> Order {
    let document = json!([{ "id": id, "@type": "ProductOrder", "category": "wholesale",
        "productOrderItem": [{ "id": "1", "action": "add", "quantity": 1,
            "itemPrice": [{ "price": { "dutyFreeAmount": { "unit": "EUR", "value": 12.5 } } }] }] }]);
    read(&document.to_string()).remove(0)
}

#[test]
fn an_order_that_its_policy_keeps_is_not_cancelled_by_people_nor_from_outside() {
    let faults = fault("kept", "notify", "attempt = '1'; behaviour = 'bad_request'");
    scenario("penalty-kept", &faults, async |s| {
        s.start();
        s.accept(vec![wholesale("kept")]).await?;
        s.until("kept", Standing::Parked).await?;
        let case = s.case_of("kept").await?.case_number;
        let answer = refused(commanded(s, &case, Action::CancelOrder, |_| {}).await);
        assert!(
            matches!(&answer, Some(Refusal::NotCancellable { policy, .. }) if policy == "WHOLESALE_BY_CONTRACT"),
            "{answer:?}"
        );
        send(s, "kept").await?;
        s.wait("the process is told", async || Ok(reached(s, "kept", "cancelRefused").await? == 1)).await?;
        assert!(!s.ledger().await?[0].run.cancel_requested);
        let view = s.case(&case).await?.actions.into_iter().find(|a| a.action == Action::CancelOrder).unwrap();
        assert!(view.refused.is_some_and(|why| why.contains("contract manager")), "case show says so beforehand");
        s.retry("kept").await?;
        s.until("kept", Standing::Completed).await
    });
}
