//! What people did outside, kept under the name of who says so: read back at the downstream where it can be asked, taken at
//! its word where not.

use fallout_core::{
    action::{ActionState, Attestation, Refusal},
    case::{CaseEvent, Resolution},
    ids::ActionId,
    outcome::Outcome,
    verification::{Shows, Verification},
};
use fallout_store::{
    Tx, actions,
    attempts::{self, Source},
    cases::Case,
};
use serde_json::json;

use super::ask::Ask;
use crate::{
    DeskError,
    cases::{complete_action, event, move_case},
    evidence,
    lifecycle::{Fixed, resolve},
    verification::Proof,
    work::Work,
};

impl Work<'_> {
    /// The case is being verified from here on.
    pub(super) async fn said_outside(
        &mut self,
        case: &mut Case,
        action: ActionId,
        ask: &Ask<'_>,
        settles: Option<Outcome>,
    ) -> Result<(), DeskError> {
        let said = ask.attestation().ok_or(Refusal::NotAttested)?;
        match settles {
            Some(outcome) => self.attest(ask.principal, said, &outcome).await?,
            None => self.keep_word(ask.principal, said).await?,
        }
        begin(&mut self.tx, case, action, ask).await?;
        self.overtake(action).await?;
        self.step.last_action = Some(action);
        let (state, outputs, rejected) = (self.step.state, self.step.outputs.clone(), self.step.rejected_code.clone());
        self.stand(state, &outputs, rejected.as_deref()).await?;
        match self.readable(said) {
            Some((attempt, expects)) => self.ask_to_read(case, attempt, expects).await,
            None => {
                let by = Proof { how: Verification::Attested, by: ask.principal.to_owned() };
                self.resolved(case.clone(), by, &why(said)).await
            }
        }
    }

    async fn keep_word(&mut self, principal: &str, said: &Attestation) -> Result<(), DeskError> {
        let Some(last) = self.attempts.last().map(|a| a.id) else { return Ok(()) };
        let (tenant, source) = (self.step.identity.tenant.clone(), Source::Attestation(principal));
        Ok(attempts::append_evidence(&mut self.tx, &tenant, last, source, &json!(said)).await?)
    }

    /// Whether the downstream can be asked about it. Without a bound on late arrival its "not found" would prove nothing.
    fn readable(&self, said: &Attestation) -> Option<(fallout_core::ids::AttemptId, Shows)> {
        let (lookup, last) = (self.op.lookup.as_ref()?, self.attempts.last()?);
        match said.applied {
            true => Some((last.id, Shows::Applied)),
            false => lookup.max_late_arrival_ms.map(|_| (last.id, Shows::Absent)),
        }
    }
}

/// Of a case that belongs to no step: there is nobody to ask.
pub(super) async fn without_step(
    tx: &mut Tx,
    case: &mut Case,
    action: ActionId,
    ask: &Ask<'_>,
) -> Result<(), DeskError> {
    let said = ask.attestation().ok_or(Refusal::NotAttested)?;
    begin(tx, case, action, ask).await?;
    complete_action(tx, case, action, &why(said)).await?;
    let proof = Some(Proof { how: Verification::Attested, by: ask.principal.to_owned() });
    let fixed = Fixed { how: Some(Resolution::ResolvedOutside), by: Some(action.to_string()), proof };
    resolve(tx, case, &fixed, "desk", &why(said)).await
}

/// With evidence that the case has, the action takes effect at once: it is about what was done already.
async fn begin(tx: &mut Tx, case: &mut Case, action: ActionId, ask: &Ask<'_>) -> Result<(), DeskError> {
    for hash in &ask.command.evidence {
        evidence::named(tx, case, hash).await?;
    }
    move_case(tx, case, CaseEvent::ActionStarted).await?;
    actions::set_state(tx, action, ActionState::Started, &json!({ "evidence": ask.command.evidence })).await?;
    event(tx, case, CaseEvent::ActionStarted, "desk", None, &json!({ "action": action, "type": ask.action })).await
}

fn why(said: &Attestation) -> String {
    let is = if said.applied { "exists" } else { "does not exist" };
    format!("done outside: the effect {is}; see {}", said.reference)
}
