//! What is built into the program, so that it works outside the repository: defaults, catalogue, models, demo input.

/// Files of a folder as (name, content), in one list per folder.
macro_rules! shipped {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../", $folder, "/", $name)))),+]
    };
}

pub const DEFAULTS: &str = include_str!("../../../../config/default.toml");
pub const TAXONOMY: &str = include_str!("../../../../config/taxonomy.toml");
pub const CUSTOMER_STATUS: &str = include_str!("../../../../config/customer-status.toml");
pub const PROBLEMS: &str = include_str!("../../../../config/problems.toml");
pub const SEVERITY: &str = include_str!("../../../../config/severity.toml");
pub const PERSONAL_DATA: &str = include_str!("../../../../config/personal-data.toml");
pub const SLA: &str = include_str!("../../../../config/sla.toml");
pub const POLICIES: &str = include_str!("../../../../config/policies.toml");
pub const AUTHORITY: &str = include_str!("../../../../config/authority.toml");
pub const VERIFICATION: &str = include_str!("../../../../config/verification.toml");
pub const BULK: &str = include_str!("../../../../config/bulk.toml");
/// One hundred orders in the shape of TMF622.
pub const ORDERS: &str = include_str!("../../../../config/demo/orders.json");
pub const FAULTS: &str = include_str!("../../../../config/demo/faults.toml");

pub const OPERATIONS: &[(&str, &str)] = shipped!("config/operations":
    "billing.activate.toml",
    "billing.deactivate.toml",
    "contract.check.toml",
    "contract.notify.toml",
    "inventory.check.toml",
    "inventory.release.toml",
    "inventory.reserve.toml",
    "order.correct.toml",
    "partner.connect.toml",
    "partner.disconnect.toml",
    "payment.authorize.toml",
    "payment.capture.toml",
    "payment.deposit.toml",
    "payment.refund.toml",
    "payment.void.toml",
    "provisioning.add.toml",
    "provisioning.cancel.toml",
    "provisioning.cease.toml",
    "provisioning.modify.toml",
    "quote.rebase.toml",
    "quote.revise.toml",
);

pub const MODELS: &[(&str, &str)] = shipped!("bpmn": "order-fulfilment.bpmn", "recoverable-step.bpmn");

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &str, suffix: &str) -> Vec<String> {
        let folder = format!("{}/../../{folder}", env!("CARGO_MANIFEST_DIR"));
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(suffix))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_operation_and_model_of_the_repository_is_built_in() {
        let built_in = |files: &[(&str, &str)]| files.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(built_in(OPERATIONS), names("config/operations", ".toml"));
        assert_eq!(built_in(MODELS), names("bpmn", ".bpmn"));
    }
}
