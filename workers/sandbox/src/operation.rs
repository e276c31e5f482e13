//! What the downstreams can be asked to do, as data.

use std::fmt;

/// One simulated system, with its own listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Downstream {
    Inventory,
    Contract,
    Provisioning,
    Billing,
    Payment,
    /// Connects lines over a network of its own.
    Partner,
    /// Keeps the orders themselves.
    Orders,
    /// Prices, and the baselines of changes.
    Quote,
}

impl Downstream {
    pub const ALL: [Self; 8] = [
        Self::Inventory,
        Self::Contract,
        Self::Provisioning,
        Self::Billing,
        Self::Payment,
        Self::Partner,
        Self::Orders,
        Self::Quote,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Contract => "contract",
            Self::Provisioning => "provisioning",
            Self::Billing => "billing",
            Self::Payment => "payment",
            Self::Partner => "partner",
            Self::Orders => "orders",
            Self::Quote => "quote",
        }
    }
}

impl fmt::Display for Downstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One kind of effect or read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// As the book names it.
    pub(crate) name: &'static str,
    pub(crate) downstream: Downstream,
    /// The collection whose keys it shares and where lookups find it; none: it knows no keys.
    pub(crate) collection: Option<&'static str>,
    /// Whether a repeated key gets the first answer again. Without it a repetition is one more effect, and lookups still
    /// find the last one.
    pub(crate) recognises: bool,
    /// The beginning of the ids it gives.
    pub(crate) prefix: &'static str,
}

const fn operation(
    name: &'static str,
    downstream: Downstream,
    collection: Option<&'static str>,
    prefix: &'static str,
) -> Operation {
    Operation { name, downstream, collection, recognises: collection.is_some(), prefix }
}

pub(crate) static CHECK_AVAILABILITY: Operation = operation("inventory.check", Downstream::Inventory, None, "");
pub(crate) static CHECK_CONTRACT: Operation = operation("contract.check", Downstream::Contract, None, "");
pub(crate) static RESERVE: Operation =
    operation("inventory.reserve", Downstream::Inventory, Some("reservations"), "RSV");
pub(crate) static NOTIFY: Operation = operation("contract.notify", Downstream::Contract, None, "NTF");
pub(crate) static LETTER: Operation =
    Operation { recognises: false, ..operation("contract.letter", Downstream::Contract, Some("letters"), "LTR") };
pub(crate) static ADD: Operation =
    operation("provisioning.add", Downstream::Provisioning, Some("service-orders"), "SVC");
pub(crate) static MODIFY: Operation =
    operation("provisioning.modify", Downstream::Provisioning, Some("service-orders"), "SVC");
pub(crate) static CEASE: Operation =
    operation("provisioning.cease", Downstream::Provisioning, Some("service-orders"), "SVC");
pub(crate) static ACTIVATE: Operation = operation("billing.activate", Downstream::Billing, Some("activations"), "BIL");
pub(crate) static AUTHORIZE: Operation =
    operation("payment.authorize", Downstream::Payment, Some("authorizations"), "PAY");
pub(crate) static DEPOSIT: Operation = operation("payment.deposit", Downstream::Payment, Some("deposits"), "PAY");
pub(crate) static CAPTURE: Operation = operation("payment.capture", Downstream::Payment, Some("captures"), "PAY");

pub(crate) static RELEASE: Operation = operation("inventory.release", Downstream::Inventory, Some("releases"), "RLS");
pub(crate) static CANCEL: Operation =
    operation("provisioning.cancel", Downstream::Provisioning, Some("service-orders"), "SVC");
pub(crate) static DEACTIVATE: Operation =
    operation("billing.deactivate", Downstream::Billing, Some("deactivations"), "BIL");
pub(crate) static VOID: Operation = operation("payment.void", Downstream::Payment, Some("voids"), "PAY");
pub(crate) static REFUND: Operation = operation("payment.refund", Downstream::Payment, Some("refunds"), "PAY");

pub(crate) static CONNECT: Operation = operation("partner.connect", Downstream::Partner, Some("connections"), "PRT");
pub(crate) static DISCONNECT: Operation =
    operation("partner.disconnect", Downstream::Partner, Some("disconnections"), "PRT");

pub(crate) static CORRECT: Operation = operation("order.correct", Downstream::Orders, Some("corrections"), "COR");

pub(crate) static REVISE: Operation = operation("quote.revise", Downstream::Quote, Some("quote-revisions"), "QRV");
pub(crate) static REBASE: Operation = operation("quote.rebase", Downstream::Quote, Some("baselines"), "BSL");

const EFFECTS: [&Operation; 20] = [
    &RESERVE,
    &NOTIFY,
    &LETTER,
    &ADD,
    &MODIFY,
    &CEASE,
    &ACTIVATE,
    &AUTHORIZE,
    &DEPOSIT,
    &CAPTURE,
    &RELEASE,
    &CANCEL,
    &DEACTIVATE,
    &VOID,
    &REFUND,
    &CONNECT,
    &DISCONNECT,
    &CORRECT,
    &REVISE,
    &REBASE,
];

/// The operation that the book means by a name; only effects stand in the book.
pub(crate) fn effect(name: &str) -> Option<&'static Operation> {
    EFFECTS.into_iter().find(|operation| operation.name == name)
}

/// The operation of a provisioning order by the `action` in its body.
pub(crate) fn provisioning(action: &str) -> Option<&'static Operation> {
    match action {
        "add" => Some(&ADD),
        "modify" => Some(&MODIFY),
        "cease" => Some(&CEASE),
        "cancel" => Some(&CANCEL),
        _ => None,
    }
}
