//! A command as the desk takes it: checked in itself, by whom it is, and that it is about the case it names.

use fallout_core::{
    action::{
        Action, Asked, Attestation,
        command::{CommandTarget, Malformed, RecoveryCommand},
    },
    ids::CaseNumber,
};
use fallout_store::{
    Tx,
    cases::{self, Case},
    steps,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{NotRecovered, Recovery};
use crate::DeskError;

pub(crate) struct Ask<'a> {
    pub tenant: &'a str,
    /// Who is authenticated.
    pub principal: &'a str,
    pub case: CaseNumber,
    pub action: Action,
    pub command: RecoveryCommand,
    /// Of everything but the key.
    pub hash: String,
    /// It goes with another that was asked for.
    pub is_sibling: bool,
}

impl<'a> Ask<'a> {
    pub fn new(tenant: &'a str, principal: &'a str, command: &RecoveryCommand) -> Result<Ask<'a>, DeskError> {
        if command.reason.trim().is_empty() {
            return Err(DeskError::NoReason);
        }
        if command.attestation.as_ref().is_some_and(|said| said.reference.trim().is_empty()) {
            return Err(DeskError::NoReference);
        }
        let (case, action) = command.check().map_err(NotRecovered::Malformed)?;
        if command.requested_by != principal {
            let (said, is) = (command.requested_by.clone(), principal.to_owned());
            return Err(NotRecovered::NotYou { said, is }.into());
        }
        let hash = hash(case, action, command);
        Ok(Ask { tenant, principal, case, action, command: command.clone(), hash, is_sibling: false })
    }

    /// What the program itself asks for, in the name of whoever asked outside; not given as a command, so not checked as one.
    pub fn trusted(ask: &Recovery<'a>) -> Ask<'a> {
        let command = ask.command();
        let hash = hash(ask.case, ask.action, &command);
        Ask {
            tenant: ask.tenant,
            principal: ask.principal,
            case: ask.case,
            action: ask.action,
            command,
            hash,
            is_sibling: false,
        }
    }

    pub fn key(&self) -> &str {
        &self.command.idempotency_key
    }

    pub fn reason(&self) -> &str {
        &self.command.reason
    }

    pub fn attestation(&self) -> Option<&Attestation> {
        self.command.attestation.as_ref()
    }

    pub fn asked(&self) -> Asked<'_> {
        asked(&self.command)
    }

    /// What is kept with the action, beside where it belongs.
    pub fn target(&self, at: Value) -> Value {
        let mut target = at;
        target["outputs"] = json!(self.command.outputs);
        target["attestation"] = json!(self.command.attestation);
        // What it becomes is kept with the correction: a personal value must be nowhere else.
        let mut command = self.command.clone();
        command.correction.iter_mut().for_each(|correction| correction.value = Value::Null);
        target["command"] = json!(command);
        target
    }

    /// The same for another case of the order: what is said about this step's effect says nothing about theirs.
    pub fn for_sibling(&self, case: CaseNumber) -> Ask<'a> {
        let mut command = self.command.clone();
        command.fallout_case_id = case.to_string();
        command.idempotency_key = format!("{}/{case}", self.key());
        command.target = None;
        command.attestation = None;
        command.check = false;
        command.outputs.clear();
        // What it costs is due once for the order, and stands with the action that was asked for.
        command.waive_penalty = false;
        command.correction = None;
        command.agreement = None;
        let hash = hash(case, self.action, &command);
        Ask { case, command, hash, is_sibling: true, ..*self }
    }

    /// Whether the sender means this case: a target that is another's is a slip that must not be acted on.
    pub async fn is_for(&self, tx: &mut Tx, case: &Case) -> Result<(), DeskError> {
        let Some(target) = &self.command.target else { return Ok(()) };
        let is = whereabouts(tx, case).await?;
        let parts = [
            ("order", &target.order_id, &is.order_id),
            ("line", &target.line_id, &is.line_id),
            ("step", &target.step_id, &is.step_id),
        ];
        for (what, said, is) in parts {
            if let Some(said) = said
                && is.as_deref().unwrap_or_default() != said
            {
                let is = is.clone().filter(|is| !is.is_empty()).unwrap_or_else(|| format!("no {what}"));
                return Err(NotRecovered::OtherTarget { case: case.number, what, said: said.clone(), is }.into());
            }
        }
        Ok(())
    }
}

/// What is given with it.
pub(super) fn asked(command: &RecoveryCommand) -> Asked<'_> {
    Asked {
        attested: command.attestation.as_ref(),
        outputs: &command.outputs,
        impact: command.impact.as_deref(),
        check: command.check,
        route: command.route.as_deref(),
        waive_penalty: command.waive_penalty,
        agreed: command.agreement.as_ref(),
    }
}

async fn whereabouts(tx: &mut Tx, case: &Case) -> Result<CommandTarget, DeskError> {
    if let Some(step) = case.step {
        let at = steps::get(tx, step).await?.identity;
        return Ok(CommandTarget { order_id: Some(at.order), line_id: Some(at.line), step_id: Some(at.step) });
    }
    let line = cases::line(tx, &case.tenant, case.number).await?;
    Ok(CommandTarget { order_id: line.and_then(|line| line.order), ..CommandTarget::default() })
}

/// Of what the command says, in one form, however it was spelt.
fn hash(case: CaseNumber, action: Action, command: &RecoveryCommand) -> String {
    let mut content = json!([
        "v1",
        case.to_string(),
        action,
        command.target,
        command.reason,
        command.requested_by,
        command.attestation,
        command.outputs,
        command.impact,
        command.correction,
    ]);
    if let Some(parts) = content.as_array_mut() {
        parts.extend(command.check.then(|| "check".into()));
        parts.extend(command.takeover.then(|| "takeover".into()));
        // What was not there before leaves the hashes of then as they are.
        parts.extend((!command.evidence.is_empty()).then(|| json!({ "evidence": command.evidence })));
        parts.extend(command.route.as_ref().map(|route| json!({ "route": route })));
        parts.extend(command.waive_penalty.then(|| "waivePenalty".into()));
        parts.extend(command.agreement.as_ref().map(|agreement| json!({ "agreement": agreement })));
    }
    Sha256::digest(content.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl From<Malformed> for NotRecovered {
    fn from(e: Malformed) -> Self {
        NotRecovered::Malformed(e)
    }
}
