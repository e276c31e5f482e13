//! What goes out in one turn. Every topic that may have a task in hand now is in exactly one standing long poll; beside them
//! there are looks, which do not wait: where a poll would sleep through (a retry that falls due, a task handed back, a
//! command of the relay), and for the rest of a topic that has more than a poll brought. Polls bring little, so that few
//! permits lie idle; looks bring as much as there is room for.

use std::{sync::Arc, time::Duration};

use fallout_camunda::{EngineError, LockedTask};
use fallout_downstream::health::Room;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    Ledger,
    errand::{Ask, Errand},
    rounds::Rounds,
};

/// A poll that holds the last permit keeps everybody else from looking.
const LAST_PERMIT: Duration = Duration::from_secs(1);

/// Why a lane has to be looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Want {
    /// There may be tasks that wake no poll.
    pub look: bool,
    /// The last fetch brought as many as it asked for.
    pub more: bool,
}

impl<L: Ledger> Rounds<L> {
    /// Starts whatever can be started now.
    pub fn set_out(&mut self) {
        self.room_at = None;
        if self.paused_until.is_some() {
            return;
        }
        if self.flow.gate.is_closed() {
            return self.ask_ledger();
        }
        self.leave_out_offline();
        let turn = self.turn();
        for lane in &turn {
            if self.wants[*lane].more && !self.is_looked_at(*lane) {
                self.look(&[*lane]);
            }
        }
        // The first thing a long poll does is to look.
        self.poll(&turn);
        let due = |lane: &&usize| self.wants[**lane].look && !self.is_looked_at(**lane);
        let due: Vec<usize> = turn.iter().filter(due).copied().collect();
        self.look(&due);
    }

    /// All lanes, each time beginning with another.
    fn turn(&mut self) -> Vec<usize> {
        let lanes = self.wants.len();
        self.first = (self.first + 1) % lanes.max(1);
        (0..lanes).map(|n| (self.first + n) % lanes).collect()
    }

    /// A poll that is pending since before a downstream went offline does not count for its topics when it is back.
    fn leave_out_offline(&mut self) {
        let now = Instant::now();
        for errand in self.under_way.values_mut() {
            if let Errand::Standing(ask) = errand {
                ask.lanes.retain(|lane| !self.flow.shares.is_offline(*lane, now));
            }
        }
    }

    fn poll(&mut self, lanes: &[usize]) {
        let uncovered: Vec<usize> = lanes.iter().filter(|lane| !self.is_covered(**lane)).copied().collect();
        let (lanes, room) = self.with_room(&uncovered);
        if let Some(permits) = self.take(room.min(self.waiting_part(lanes.len()))) {
            let wait = if self.free() == 0 { self.poll_timeout.min(LAST_PERMIT) } else { self.poll_timeout };
            self.fetch(Errand::Standing, lanes, permits, Some(wait));
        }
    }

    fn look(&mut self, lanes: &[usize]) {
        let (lanes, room) = self.with_room(lanes);
        if let Some(permits) = self.take(room) {
            self.fetch(Errand::Extra, lanes, permits, None);
        }
    }

    /// Those of the lanes that may get a task, and how many any one of them may get: the engine may give all of one topic.
    fn with_room(&mut self, lanes: &[usize]) -> (Vec<usize>, u32) {
        let (now, free) = (Instant::now(), self.free());
        let expected = self.flow.shares.expected(self.under_way.values().filter_map(Errand::look));
        let (mut open, mut least) = (Vec::new(), free);
        for lane in lanes {
            match self.flow.shares.room(*lane, free, &expected, now) {
                Room::AtMost(0) => {}
                Room::AtMost(room) => {
                    open.push(*lane);
                    least = least.min(room);
                }
                Room::Knock => self.flow.shares.knock(*lane, &self.flow.downstreams),
                Room::NotBefore(at) => self.room_at = Some(self.room_at.map_or(at, |other| other.min(at))),
            }
        }
        let room = if open.is_empty() { 0 } else { least };
        (open, room)
    }

    /// What a standing poll may hold: all of them together an eighth of the permits, since they may lie idle for as long as
    /// the engine waits.
    fn waiting_part(&self, lanes: usize) -> u32 {
        let part = self.total as usize * lanes / (self.wants.len().max(1) * 8);
        (part as u32).max(1)
    }

    /// As many as asked for: there may be more, of these topics or of the others.
    pub fn want_more(&mut self, ask: &Ask, brought: Result<&[LockedTask], &EngineError>) {
        let full = brought.is_ok_and(|tasks| tasks.len() == ask.most as usize);
        for task in brought.unwrap_or_default().iter().filter(|_| full) {
            if let Some(lane) = self.flow.shares.lane(&task.topic_name) {
                self.wants[lane].more = true;
            }
        }
        // What a look was for is not seen yet; what a poll was for the next one sees.
        if ask.wait.is_none() && (full || brought.is_err()) {
            ask.lanes.iter().for_each(|lane| self.wants[*lane].look = true);
        }
    }

    pub fn look_everywhere(&mut self) {
        self.wants.iter_mut().for_each(|want| want.look = true);
    }

    fn is_covered(&self, lane: usize) -> bool {
        self.under_way.values().filter_map(Errand::fetch).any(|ask| ask.lanes.contains(&lane))
    }

    fn is_looked_at(&self, lane: usize) -> bool {
        self.under_way.values().filter_map(Errand::look).any(|ask| ask.lanes.contains(&lane))
    }

    fn free(&self) -> u32 {
        self.permits.available_permits() as u32
    }

    fn take(&self, permits: u32) -> Option<OwnedSemaphorePermit> {
        if permits == 0 {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_many_owned(permits).ok()
    }
}
