//! Four eyes: when two people are asked for, and what is refused as a rule.

use super::*;

fn rule(action: Action, tenant: Option<&str>, above: Option<f64>, severity: Option<Severity>) -> FourEyes {
    FourEyes { action, tenant: tenant.map(str::to_owned), above, severity }
}

fn rules() -> Authorities {
    let four_eyes = vec![
        rule(Action::SkipStep, None, None, None),
        rule(Action::CompensateStep, None, Some(1_000.0), Some(Severity::Sev1)),
        rule(Action::SkipStep, Some("small"), Some(50.0), None),
    ];
    Authorities { version: 7, four_eyes, ..Authorities::default() }
}

#[test]
fn two_are_asked_for_always_above_a_value_or_from_a_severity_on() {
    use Action as A;
    use Severity as S;
    let rows = [
        ("t", A::SkipStep, Some(1.0), S::Sev4, Some("SKIP_STEP always takes two (authority 7)")),
        ("t", A::CompensateStep, Some(1_000.0), S::Sev2, None),
        (
            "t",
            A::CompensateStep,
            Some(1_000.5),
            S::Sev4,
            Some("COMPENSATE_STEP takes two above 1000.00, and the order's value is 1000.50 (authority 7)"),
        ),
        (
            "t",
            A::CompensateStep,
            None,
            S::Sev4,
            Some("COMPENSATE_STEP takes two above 1000.00, and the order's value is not known (authority 7)"),
        ),
        (
            "t",
            A::CompensateStep,
            Some(1.0),
            S::Sev1,
            Some("COMPENSATE_STEP takes two from SEV1 on, and the case is SEV1 (authority 7)"),
        ),
        ("small", A::SkipStep, Some(50.0), S::Sev1, None),
        (
            "small",
            A::SkipStep,
            Some(51.0),
            S::Sev1,
            Some("SKIP_STEP takes two above 50.00, and the order's value is 51.00 (authority 7)"),
        ),
        ("t", A::RetryStep, None, S::Sev1, None),
        ("t", A::ForceClose, Some(0.0), S::Sev4, Some("FORCE_CLOSE always takes two")),
    ];
    for (tenant, action, value, severity, expected) in rows {
        let why = rules().second_person(tenant, action, &Weight { value, severity }, false);
        assert_eq!(why.as_deref(), expected, "{tenant} {action} {value:?} {severity}");
    }
}

#[test]
fn what_is_switched_off_takes_one_but_never_a_force_close() {
    let weight = Weight { value: None, severity: Severity::Sev1 };
    assert_eq!(rules().second_person("t", Action::SkipStep, &weight, true), None);
    assert!(rules().second_person("t", Action::ForceClose, &weight, true).is_some());
}

#[test]
fn what_a_case_weighs_is_read_only_where_it_matters() {
    let rows = [
        ("t", Action::SkipStep, false),
        ("small", Action::SkipStep, true),
        ("t", Action::CompensateStep, true),
        ("t", Action::ForceClose, false),
        ("t", Action::RetryStep, false),
    ];
    for (tenant, action, expected) in rows {
        assert_eq!(rules().weighs(tenant, action), expected, "{tenant} {action}");
    }
}

#[test]
fn a_rule_that_says_nothing_is_refused() {
    let wrong = [
        (rule(Action::ForceClose, None, None, None), "it takes two in any case; take the rule out"),
        (rule(Action::SkipStep, None, Some(-1.0), None), "above is no amount of money"),
        (
            rule(Action::SkipStep, Some(" "), None, None),
            "tenant is empty; leave it out where the rule is for everybody",
        ),
    ];
    for (rule, expected) in wrong {
        let action = rule.action;
        let rules = Authorities { four_eyes: vec![rule], ..Authorities::default() };
        assert_eq!(rules.wrong_four_eyes(), [format!("four_eyes for {action}: {expected}")]);
    }
}
