//! Calls of many tasks made as one: while one batch is under way, the next collects. Whoever asks first carries the
//! others; there is no loop of its own that could stop.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Mutex as Turns, oneshot};

/// Keeps one transaction short: what waits behind it is not kept longer than this many rows take.
const MOST: usize = 100;

#[derive(Debug)]
pub(crate) struct Together<A, B> {
    waiting: Mutex<Vec<(A, oneshot::Sender<B>)>>,
    turn: Turns<()>,
}

impl<A, B> Default for Together<A, B> {
    fn default() -> Self {
        Together { waiting: Mutex::default(), turn: Turns::default() }
    }
}

impl<A, B> Together<A, B> {
    /// The answer to this one, asked with whatever else waits; `None` when the batch had none for it.
    pub async fn ask<E>(
        &self,
        one: A,
        call: impl AsyncFnOnce(Vec<A>) -> Result<Vec<Option<B>>, E>,
    ) -> Result<Option<B>, E> {
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push((one, answer));
        let _turn = tokio::select! {
            biased;
            done = &mut answered => return Ok(done.ok()),
            turn = self.turn.lock() => turn,
        };
        self.let_others_come().await;
        let mut asked = Vec::new();
        let mut answers = Vec::new();
        for (one, answer) in self.next() {
            asked.push(one);
            answers.push(answer);
        }
        if !asked.is_empty() {
            for (answer, said) in answers.into_iter().zip(call(asked).await?) {
                if let Some(said) = said {
                    // Nobody may wait for it any more.
                    let _ = answer.send(said);
                }
            }
        }
        Ok(answered.try_recv().ok())
    }

    /// What was fetched together is spawned one by one and comes one after the other.
    async fn let_others_come(&self) {
        let mut waited_for = 0;
        loop {
            tokio::task::yield_now().await;
            let waiting = self.waiting().len();
            if waiting <= waited_for || waiting >= MOST {
                return;
            }
            waited_for = waiting;
        }
    }

    /// Left to be said with others, at the latest by `rest`; how many wait now.
    pub fn leave(&self, one: A) -> usize {
        let mut waiting = self.waiting();
        waiting.push((one, oneshot::channel().0));
        waiting.len()
    }

    /// Says what was left, unless somebody is at it.
    pub async fn rest<E>(&self, call: impl AsyncFnOnce(Vec<A>) -> Result<(), E>) -> Result<(), E> {
        let Ok(_turn) = self.turn.try_lock() else {
            return Ok(());
        };
        let left: Vec<A> = self.next().into_iter().map(|(one, _)| one).collect();
        if left.is_empty() { Ok(()) } else { call(left).await }
    }

    fn next(&self) -> Vec<(A, oneshot::Sender<B>)> {
        let mut waiting = self.waiting();
        let most = waiting.len().min(MOST);
        waiting.drain(..most).collect()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(A, oneshot::Sender<B>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_comes_while_a_batch_is_under_way_goes_together_and_each_gets_its_own_answer() {
        let together = Arc::new(Together::<u32, u32>::default());
        let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let asked: Vec<_> = (0..20)
            .map(|n| {
                let (together, calls, gate) = (together.clone(), calls.clone(), gate.clone());
                tokio::spawn(async move {
                    let call = async |all: Vec<u32>| {
                        calls.fetch_add(1, Ordering::SeqCst);
                        gate.acquire().await.unwrap().forget();
                        // One has no answer in a batch.
                        Ok::<_, Infallible>(all.into_iter().map(|n| (n != 7).then_some(n * 2)).collect())
                    };
                    (n, together.ask(n, call).await.unwrap())
                })
            })
            .collect();
        gate.add_permits(20);
        for answer in asked {
            let (n, said) = answer.await.unwrap();
            assert_eq!(said, (n != 7).then_some(n * 2));
        }
        assert!(calls.load(Ordering::SeqCst) < 20, "nothing went together");
    }

    #[tokio::test]
    async fn a_failed_batch_fails_for_its_caller_and_sends_the_others_their_own_way() {
        let together = Together::<u32, u32>::default();
        let failing = together.ask(1, async |_| Err::<Vec<Option<u32>>, &str>("no"));
        let other = together.ask(2, async |all: Vec<u32>| Ok::<_, &str>(all.into_iter().map(Some).collect()));
        let (first, second) = tokio::join!(failing, other);
        assert_eq!(first, Err("no"));
        assert_eq!(second, Ok(None));
    }
}
