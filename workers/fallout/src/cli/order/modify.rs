//! `fallout order modify | modifications | approve-modification | refuse-modification`: moving tokens past what the model
//! says, as the last resort.

use clap::Subcommand;
use fallout_core::{
    ids::ModificationId,
    modification::{Answers, Move, Token},
};
use fallout_desk::{Desk, Modification, Modify as Ask};
use uuid::Uuid;

use crate::{
    cli::{Context, case::told},
    output::plain,
};

/// Move tokens of an order past what its model says: the last resort, with a second person
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout order modify ord-88210 --cancel perform --start-before skipped \\
    --not-modelled 'its model has no branch for skip, and cannot be migrated' \\
    --known-state 'parked at perform, nothing else of the order is under way' \\
    --domain-state 'the line was activated by hand, INC-881' --reason 'CHG-4711' \\
    --reversible 'no' --completed-steps 'none' --tested 'tried on order test-17'

Try a recovery action first (fallout case show), then a newer model (fallout order migrate). What stands in the instance is read
and kept, then a second person agrees to exactly these moves of exactly these tokens. When anything has moved meanwhile, nothing
is done. No effect is made by it: what a step may send is decided by its own record. Runbook: fallout explain FO-072.")]
pub struct Modify {
    /// The order's id, as the outside knows it
    #[arg(value_name = "ORDER")]
    pub order: String,
    /// The process instance; without it the one in which the order's only parked step waits, else the order's own
    #[arg(long, value_name = "ID")]
    pub instance: Option<String>,
    /// End what stands at this activity; ACTIVITY=STAY where it stands there more than once. May be repeated
    #[arg(long, value_name = "ACTIVITY[=STAY]")]
    pub cancel: Vec<String>,
    /// Start a token right before this activity; may be repeated
    #[arg(long, value_name = "ACTIVITY")]
    pub start_before: Vec<String>,
    /// Start a token right behind this activity; may be repeated
    #[arg(long, value_name = "ACTIVITY")]
    pub start_after: Vec<String>,
    /// Is this a normal business recovery path that should be modeled? Why no modelled recovery fits
    #[arg(long, value_name = "TEXT")]
    pub not_modelled: String,
    /// Is the process instance in a known valid state? Which
    #[arg(long, value_name = "TEXT")]
    pub known_state: String,
    /// Has domain state been updated consistently? What was done about it
    #[arg(long, value_name = "TEXT")]
    pub domain_state: String,
    /// Is there an audit reason? Which
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Is this action reversible? How
    #[arg(long, value_name = "TEXT")]
    pub reversible: String,
    /// Does it affect already completed steps? Which, and what that means
    #[arg(long, value_name = "TEXT")]
    pub completed_steps: String,
    /// Is there a test for this recovery path? Where it was tried
    #[arg(long, value_name = "TEXT")]
    pub tested: String,
}

/// What becomes of a modification that was asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    Modify(Box<Modify>),
    /// Every modification that was asked of an order: the answers, who agreed, what stood before and after
    Modifications {
        /// The order's id, as the outside knows it
        #[arg(value_name = "ORDER")]
        order: String,
    },
    /// Agree, as a second person, to a modification that waits for it
    ApproveModification {
        #[arg(value_name = "MODIFICATION")]
        modification: Uuid,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Refuse, as a second person, a modification that waits for it
    RefuseModification {
        #[arg(value_name = "MODIFICATION")]
        modification: Uuid,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub async fn run(command: Command, desk: &Desk, me: &str, context: &Context) -> anyhow::Result<()> {
    let tenant = &context.settings.tenant.id;
    let out = context.out;
    match command {
        Command::Modifications { order } => {
            let all = desk.modifications(tenant, &order).await.map_err(told)?;
            let none = || format!("no modification was ever asked of {order}");
            out.data(
                &all,
                || if all.is_empty() { none() } else { all.iter().map(whole).collect::<Vec<_>>().join("\n") },
            )?;
        }
        Command::Modify(args) => {
            let (moves, answers) = (moves(&args), answers(&args));
            let ask = Ask {
                tenant,
                principal: me,
                order: &args.order,
                instance: args.instance.as_deref(),
                moves: &moves,
                answers: &answers,
            };
            let asked = desk.modify_process(&ask).await.map_err(told)?;
            out.data(&asked, || {
                let (id, order) = (asked.id, &asked.order);
                format!(
                    "modification {id} is asked for; what stands there is being read: fallout order modifications {order}\n\
                     then somebody else, with a token of their own, runs:\n\
                     fallout order approve-modification {id} --reason TEXT"
                )
            })?;
        }
        Command::ApproveModification { modification, reason } => {
            let id = ModificationId(modification);
            let done = desk.approve_modification(tenant, me, id, &reason).await.map_err(told)?;
            out.data(&done, || decided(&done))?;
        }
        Command::RefuseModification { modification, reason } => {
            let id = ModificationId(modification);
            let done = desk.refuse_modification(tenant, me, id, &reason).await.map_err(told)?;
            out.data(&done, || decided(&done))?;
        }
    }
    Ok(())
}

fn moves(args: &Modify) -> Vec<Move> {
    let cancel = |text: &String| match text.split_once('=') {
        Some((activity, stay)) => Move::Cancel { activity: activity.into(), instance: Some(stay.into()) },
        None => Move::Cancel { activity: text.clone(), instance: None },
    };
    let cancels = args.cancel.iter().map(cancel);
    let before = args.start_before.iter().map(|activity| Move::StartBefore { activity: activity.clone() });
    let after = args.start_after.iter().map(|activity| Move::StartAfter { activity: activity.clone() });
    cancels.chain(before).chain(after).collect()
}

fn answers(args: &Modify) -> Answers {
    let of = |text: &str| text.trim().to_owned();
    Answers {
        not_modelled: of(&args.not_modelled),
        known_state: of(&args.known_state),
        domain_state: of(&args.domain_state),
        reason: of(&args.reason),
        reversible: of(&args.reversible),
        completed_steps: of(&args.completed_steps),
        tested: of(&args.tested),
    }
}

fn decided(of: &Modification) -> String {
    format!("modification {} is {}; see fallout order modifications {}", of.id, of.state, of.order)
}

fn whole(of: &Modification) -> String {
    let mut lines = vec![format!("{}  {}  by {}", of.id, of.state, plain(&of.requested_by))];
    let mut row = |name: &str, value: &str| lines.push(format!("  {name:<9} {}", plain(value)));
    row("instance", &of.process_instance_id);
    for one in of.resolved.as_ref().unwrap_or(&of.moves) {
        row("move", &said(one));
    }
    for (question, answer) in of.answers.all() {
        row("asked", &format!("{question} {answer}"));
    }
    if let Some(approver) = &of.approver {
        row("agreed", approver);
    }
    if let Some(message) = &of.message {
        row("because", message);
    }
    for (name, tokens) in [("before", &of.before), ("after", &of.after)] {
        tokens.iter().flatten().for_each(|token| row(name, &stay(token)));
    }
    lines.join("\n") + "\n"
}

fn said(one: &Move) -> String {
    match one {
        Move::Cancel { activity, instance: Some(stay) } => format!("cancel {activity} ({stay})"),
        Move::Cancel { activity, instance: None } => format!("cancel {activity}"),
        Move::StartBefore { activity } => format!("start before {activity}"),
        Move::StartAfter { activity } => format!("start after {activity}"),
    }
}

fn stay(token: &Token) -> String {
    let how = if token.in_transition { ", waiting for its job" } else { "" };
    format!("{} ({}{how})", token.activity, token.instance)
}
