//! The happy order: every kind of line, every effect once.

use std::collections::BTreeSet;

use fallout::demo::Standing;
use fallout_tests::{orders::order, scenario};

#[test]
fn an_order_with_every_kind_of_line_completes_with_each_effect_once() {
    scenario("happy", "", async |s| {
        s.start();
        let lines: [(&str, &str, &[&str]); 4] =
            [("a", "add", &[]), ("b", "modify", &["a"]), ("c", "delete", &["a", "b"]), ("d", "noChange", &[])];
        s.accept(vec![order("заказ/1 №7", &lines)]).await?;
        s.until("заказ/1 №7", Standing::Completed).await?;
        let effects = s.effects().await?;
        assert_eq!((effects.intended, effects.applied), (8, 8), "{:?}", effects.findings);
        let operations: BTreeSet<String> = s.book()?.into_iter().map(|e| e.operation).collect();
        let expected = [
            "billing.activate",
            "contract.notify",
            "inventory.reserve",
            "payment.authorize",
            "payment.capture",
            "provisioning.add",
            "provisioning.cease",
            "provisioning.modify",
        ];
        assert_eq!(operations, expected.map(str::to_owned).into());
        assert!(s.cases().await?.is_empty());
        Ok(())
    });
}
