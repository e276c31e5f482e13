//! Correcting a field: what is asked is looked at in full before anything is stored, the order's owner has it first, and only
//! then is it so here.

use fallout_core::{
    action::{
        Action, Refusal,
        correction::{At, Correctable, Correction, Field, NotCorrectable, Reference, put},
    },
    case::{CaseEvent, next},
    command::{EngineCommand, StartValue},
    decide::{Joined, join},
    ids::{ActionId, CommandId},
    operation::Operation,
    order,
    outcome::Outcome,
    people::Group,
    personal::PersonalData,
    step::Outputs,
};
use fallout_store::{
    StoreError, Tx,
    actions::{self, StoredAction},
    attempts,
    cases::{self, Actor, Case},
    commands, context,
    corrections::{self, NewCorrection, Personal},
    people, steps,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ask::Ask;
use crate::{Desk, DeskError, audit::hex, effects::completed, work::Work};

/// A correction that may be made, with everything that is recorded of it.
pub(crate) struct Planned {
    pub declared: Correctable,
    pub line: String,
    pub pointer: Option<String>,
    pub old: Option<Value>,
    pub new: Value,
    /// The value is kept apart, and nowhere else.
    pub is_personal: bool,
    /// Steps of the order that will be rendered from it.
    pub open: Vec<String>,
    /// Steps that were made with the old value.
    pub done: Vec<String>,
}

/// Steps that rely on something that is to be changed.
#[derive(Default)]
pub(super) struct Relying {
    /// Still to be sent.
    pub open: Vec<String>,
    /// Made already.
    pub done: Vec<String>,
    /// Nobody knows what it has made, and why.
    pub in_the_way: Option<(String, &'static str)>,
}

fn refused(why: NotCorrectable) -> DeskError {
    Refusal::NotCorrectable(why).into()
}

impl Work<'_> {
    /// What the command would correct; a refusal says why it cannot.
    pub(super) async fn correction(&mut self, case: &Case, ask: &Ask<'_>) -> Result<Planned, DeskError> {
        let given = ask.command.correction.as_ref().ok_or_else(|| refused(NotCorrectable::NothingSet))?;
        let reference =
            Reference { taxonomy: self.desk.taxonomy(ask.tenant), customer: &self.desk.catalogue().customer };
        let declared = given.check(&reference).map_err(refused)?;
        let attested = ask.attestation().map(|said| said.applied);
        let applied = attested.unwrap_or(matches!(join(&self.attempts), Joined::Settled(_, Outcome::Success { .. })));
        declared.fits(applied).map_err(refused)?;
        let planned = match declared.at {
            At::Ours => self.ours(case, declared, given).await?,
            At::Order(_) | At::Line(_) => self.of_order(declared, given).await?,
        };
        match planned.old.as_ref() == Some(&planned.new) {
            true => Err(refused(NotCorrectable::Unchanged(planned.declared.field))),
            false => Ok(planned),
        }
    }

    async fn ours(&mut self, case: &Case, declared: Correctable, given: &Correction) -> Result<Planned, DeskError> {
        let kept = corrections::ours(&mut self.tx, case.id).await?;
        let old = match declared.field {
            Field::FalloutOwner => kept.group,
            Field::DelayReason => kept.delay_reason,
            _ => kept.reference,
        };
        let (line, old, new) = (self.step.identity.line.clone(), old.map(Value::from), given.value.clone());
        let (open, done) = (Vec::new(), Vec::new());
        Ok(Planned { declared, line, pointer: None, old, new, is_personal: false, open, done })
    }

    async fn of_order(&mut self, declared: Correctable, given: &Correction) -> Result<Planned, DeskError> {
        let rendered = context::rendered(&mut self.tx, self.run.order).await?;
        let (document, erased) = (rendered.document(), rendered.erased);
        let (line, pointer) = self.stands_at(&declared, given, &document)?;
        let old = document.pointer(&pointer).filter(|value| !value.is_null()).cloned();
        let new = declared.becomes(old.as_ref().unwrap_or(&Value::Null), &given.value);
        let is_personal = is_personal(&self.desk.catalogue().personal, document, &pointer, &new);
        if is_personal && erased {
            return Err(refused(NotCorrectable::Erased));
        }
        let (open, done) = self.users(&declared, &line).await?;
        Ok(Planned { declared, line, pointer: Some(pointer), old, new, is_personal, open, done })
    }

    /// The line and the place in the order: of the line that is named, else the case's own, else the only one there is.
    fn stands_at(
        &self,
        declared: &Correctable,
        given: &Correction,
        document: &Value,
    ) -> Result<(String, String), DeskError> {
        let path = match declared.at {
            At::Line(path) => path,
            At::Order(path) => return Ok((String::new(), format!("/{}", path.join("/")))),
            At::Ours => return Ok((String::new(), String::new())),
        };
        let items = order::items(document);
        let id = |item: &&Value| item.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let own = Some(&self.step.identity.line).filter(|line| !line.is_empty()).cloned();
        let only = items.first().filter(|_| items.len() == 1).map(id);
        let line =
            given.line.clone().or(own).or(only).ok_or_else(|| refused(NotCorrectable::NoLine(declared.field)))?;
        let pointer = order::item_pointer(document, &line);
        let pointer = pointer.ok_or_else(|| refused(NotCorrectable::NoSuchLine(line.clone())))?;
        Ok((line, format!("{pointer}/{}", path.join("/"))))
    }

    /// Steps that use the field: those still to be sent, and those that were made with the old value. One whose outcome is
    /// open or unknown stands in the way: what it sent may be applied.
    async fn users(&mut self, declared: &Correctable, line: &str) -> Result<(Vec<String>, Vec<String>), DeskError> {
        let relying = self.relying(|op| declared.at.is_used_by(op), line).await?;
        match relying.in_the_way {
            Some((step, is)) => Err(refused(NotCorrectable::InUse { field: declared.field, step, is })),
            None => Ok((relying.open, relying.done)),
        }
    }

    /// The steps of the order, or of one line of it, whose operation is such.
    pub(super) async fn relying(
        &mut self,
        is_such: impl Fn(&Operation) -> bool,
        line: &str,
    ) -> Result<Relying, DeskError> {
        let mut found = Relying::default();
        for step in steps::of_run(&mut self.tx, self.run.id).await? {
            let op = self.desk.operation(&step.operation)?;
            let of_line = line.is_empty() || step.identity.line == line;
            if step.identity.action().is_some() || !of_line || !is_such(op) {
                continue;
            }
            let name = step.identity.to_string();
            let is = match join(&attempts::of_latest_generation(&mut self.tx, step.key).await?) {
                Joined::Open(_) => Some("still open"),
                Joined::Unresolved(..) if step.key != self.step.key => Some("not known to be applied or not"),
                _ => None,
            };
            match is {
                Some(is) => drop(found.in_the_way.get_or_insert((name, is))),
                None if step.state.is_ended() => found.done.push(name),
                None => found.open.push(name),
            }
        }
        Ok(found)
    }

    /// What was asked is kept, and the owner asked first; what is only ours is so at once.
    pub(super) async fn correct(&mut self, case: &mut Case, action: ActionId, ask: &Ask<'_>) -> Result<(), DeskError> {
        let planned = self.correction(case, ask).await?;
        let personal = planned.is_personal.then(|| hashed(planned.old.as_ref(), &planned.new));
        let new = NewCorrection {
            action,
            tenant: ask.tenant,
            order: self.run.order,
            case: case.id,
            business_key: &self.run.business_key,
            field: planned.declared.field.word(),
            line: &planned.line,
            pointer: planned.pointer.as_deref(),
            old: planned.old.as_ref(),
            new: &planned.new,
            personal,
            source: ask.command.correction.as_ref().and_then(|c| c.source.as_deref()),
            reason: ask.reason(),
            by: ask.principal,
            authority: planned.declared.authority.word(),
        };
        corrections::insert(&mut self.tx, &new).await?;
        match (planned.declared.at, Action::CorrectData.declaration().performs) {
            (At::Order(_) | At::Line(_), Some(operation)) => self.begin_effect(action, operation).await,
            _ => self.correct_ours(case, action, &planned).await,
        }
    }

    async fn correct_ours(&mut self, case: &mut Case, action: ActionId, planned: &Planned) -> Result<(), DeskError> {
        let stored = actions::by_id(&mut self.tx, action).await?;
        let text = planned.new.as_str().unwrap_or_default().to_owned();
        let fits = (planned.declared.field == Field::Acknowledgement).then_some(Action::ResumeWorkflow);
        self.holds_with(case, &stored, None, (fits, "it is kept here; no owner had to be asked")).await?;
        match planned.declared.field {
            Field::FalloutOwner => self.give_to(case, &stored.requested_by, &text).await,
            Field::DelayReason => Ok(corrections::set_delay_reason(&mut self.tx, self.run.order, &text).await?),
            _ => Ok(corrections::set_reference(&mut self.tx, case.id, &text).await?),
        }
    }

    async fn give_to(&mut self, case: &mut Case, by: &str, group: &str) -> Result<(), DeskError> {
        let members = people::members(&mut self.tx, &case.tenant, group).await?;
        Group { name: group, members: &members }.may_assign(by, None)?;
        let state = next(case.state, CaseEvent::Assigned)?;
        people::set_owner(&mut self.tx, case, state, Some(group), None).await?;
        let payload = json!({ "group": group, "user": null });
        let id = Uuid::now_v7();
        cases::append_event(&mut self.tx, id, case, CaseEvent::Assigned, Actor::User(by), None, &payload).await?;
        (case.state, case.version) = (state, case.version + 1);
        Ok(())
    }

    /// The owner has it: it is so here from now on, and a retry renders from it.
    pub(crate) async fn corrected(
        &mut self,
        case: &mut Case,
        stored: &StoredAction,
        outputs: &Outputs,
    ) -> Result<(), DeskError> {
        let version = outputs.get("orderVersion").and_then(Value::as_i64);
        let why = "the order's owner has the new value; what is still to be sent is rendered from it";
        self.holds(case, stored, version, why).await
    }

    /// It has changed what the step is rendered from, so the step is to be tried again.
    pub(super) async fn holds(
        &mut self,
        case: &mut Case,
        stored: &StoredAction,
        owner_version: Option<i64>,
        why: &str,
    ) -> Result<(), DeskError> {
        self.holds_with(case, stored, owner_version, (Some(Action::RetryStep), why)).await
    }

    async fn holds_with(
        &mut self,
        case: &mut Case,
        stored: &StoredAction,
        owner_version: Option<i64>,
        (fits, why): (Option<Action>, &str),
    ) -> Result<(), DeskError> {
        let correction = corrections::of_action(&mut self.tx, stored.id).await?;
        let correction =
            correction.ok_or_else(|| StoreError::Corrupt(format!("action {} corrects nothing", stored.id)))?;
        let back = stored.case_was.map_or(case.state, |was| was.returns_to());
        let transition = json!({ "case": [case.state, back], "step": stored.target.get("stepId") });
        let tenant = case.tenant.clone();
        corrections::apply(&mut self.tx, &tenant, stored.id, &correction, owner_version, &transition).await?;
        self.tell_gateways(&correction).await?;
        let payload = json!({
            "field": correction.field, "line": correction.line, "from": correction.old_shown, "to": correction.new_shown,
            "personal": correction.personal, "ownerVersion": owner_version, "authority": correction.authority,
        });
        completed(&mut self.tx, case, stored, (fits, why), &payload).await
    }

    /// Root variables that gateways of the model may read.
    async fn tell_gateways(&mut self, correction: &corrections::Correction) -> Result<(), DeskError> {
        let declared = correction.field.parse::<Field>().map(Field::declaration);
        let variable = declared.ok().and_then(|declared| declared.variable);
        let (Some(variable), Some(root)) = (variable, self.run.process_instance_id.clone()) else { return Ok(()) };
        let document = context::rendered(&mut self.tx, self.run.order).await?.document();
        let of_line = |item: &&Value| item.get("id").and_then(Value::as_str) == Some(&correction.line);
        let Some(index) = order::items(&document).iter().position(of_line) else { return Ok(()) };
        let value = StartValue::Text(correction.new.as_str().unwrap_or_default().to_owned());
        let variables = [(format!("{variable}_{index}"), value)].into();
        let command = EngineCommand::SetVariables { process_instance_id: root, variables };
        let id = CommandId(Uuid::now_v7());
        Ok(commands::insert(&mut self.tx, id, &self.step.identity.tenant, &command, None).await?)
    }
}

impl Desk {
    /// What the request of a correction is rendered from.
    pub(crate) async fn correction_values(&self, tx: &mut Tx, stored: &StoredAction) -> Result<Value, DeskError> {
        let found = corrections::of_action(tx, stored.id).await?;
        let found = found.ok_or_else(|| StoreError::Corrupt(format!("action {} corrects nothing", stored.id)))?;
        Ok(json!({
            "id": stored.id, "by": stored.requested_by, "orderVersion": found.owner_version, "field": found.field,
            "line": found.line, "path": found.pointer, "value": found.new,
        }))
    }
}

/// Whether the value would be cut out of an order that is taken in: then it is kept apart here too.
fn is_personal(personal: &PersonalData, mut document: Value, pointer: &str, new: &Value) -> bool {
    put(&mut document, pointer, new);
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    personal.cut(&mut document).keys().any(|cut| within(cut, pointer) || within(pointer, cut))
}

/// Salted: an address can be guessed, and once it is erased its hash must not say that the guess was right.
fn hashed(old: Option<&Value>, new: &Value) -> Personal {
    let salt = Uuid::new_v4().to_string();
    let hash = |value: &Value| hex(&Sha256::digest(json!(["fallout correction 1", salt, value]).to_string()));
    Personal { old_hash: hash(old.unwrap_or(&Value::Null)), new_hash: hash(new), salt: salt.clone() }
}
