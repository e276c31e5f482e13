//! The downstream of the bench, in this process: it fails until it is said to be back, and counts what it was made to do.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use fallout_core::{
    attempt::StoredRequest,
    evidence::{Evidence, Phase},
    operation::{Method, Operation},
    step::Outputs,
    task::{StepContext, TaskRef},
};
use fallout_fleet::Handler;
use serde_json::json;

static BACK: AtomicBool = AtomicBool::new(false);
static MADE: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

pub fn set_back(back: bool) {
    BACK.store(back, Ordering::SeqCst);
}

pub fn effect(_: &Operation, request: &StoredRequest) -> Evidence {
    if !BACK.load(Ordering::SeqCst) {
        return Evidence::answered(503, json!({}));
    }
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    *made.get_or_insert_default().entry(request.path.clone()).or_default() += 1;
    Evidence::answered(200, json!({}))
}

/// How many effects were made, and how many of them more than once; and forgets them.
pub fn counted() -> (usize, usize) {
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    (made.len(), made.values().filter(|n| **n > 1).count())
}

/// One request per step, told apart by its path.
pub struct ByPath;

impl Handler for ByPath {
    fn prepare(&self, task: &TaskRef, _: &StepContext) -> Result<StoredRequest, String> {
        let path = format!("/{}", task.step.order);
        Ok(StoredRequest { method: Method::Post, path, headers: Vec::new(), body: Some("{}".into()) })
    }

    fn read(&self, evidence: &Evidence) -> Result<Outputs, String> {
        match evidence.phase {
            Phase::Answered { .. } => Ok(Outputs::new()),
            _ => Err("an answer".into()),
        }
    }
}
