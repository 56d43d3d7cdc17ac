//! LongCalls: a call that computes for long takes them with others of its kind, so that they never have all processors.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// How many calls that compute for long may do so at one time, over all plugins: half of the processors.
#[derive(Debug)]
pub(super) struct LongCalls(Semaphore);

impl LongCalls {
    /// Those of this machine.
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Semaphore::new((processors / 2).max(1)))
    }

    /// Runs a call that yields after every `slice`, and adds the time in which it computes to `cpu`. Once it has computed for longer than that, it
    /// waits for its turn after each. So does the next call of the plugin from the beginning on, because it is `long`, until one is short again.
    pub(super) async fn run<T>(
        &self,
        call: impl Future<Output = T>,
        slice: Duration,
        long: &AtomicBool,
        cpu: &mut Duration,
    ) -> T {
        let mut call = pin!(call);
        let mut computed = Duration::ZERO;
        let mut waits = long.load(Ordering::Relaxed);
        loop {
            // The semaphore is never closed.
            let turn = if waits { self.0.acquire().await.ok() } else { None };
            let started = Instant::now();
            let polled = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
            let elapsed = started.elapsed();
            drop(turn);
            *cpu += elapsed;
            computed += elapsed;
            waits |= computed >= slice;
            // Here and not at the end, which is not reached by a call that is dropped because its time is over.
            if polled.is_ready() || computed >= slice {
                long.store(computed >= slice, Ordering::Relaxed);
            }
            match polled {
                Poll::Ready(answer) => return answer,
                // Threads that wait for this processor are let in now, and not when the system thinks it is their time.
                Poll::Pending if elapsed >= slice / 2 => std::thread::yield_now(),
                Poll::Pending => {}
            }
            woken().await;
        }
    }
}

/// Waits until whatever is waited for in this task has woken it.
async fn woken() {
    let mut asleep = true;
    std::future::poll_fn(|_| if std::mem::take(&mut asleep) { Poll::Pending } else { Poll::Ready(()) }).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use tokio::sync::Semaphore;

    use super::LongCalls;

    const SLICE: Duration = Duration::from_micros(100);

    /// Computes for a slice, and yields, so many times.
    async fn compute(slices: usize, now: &tokio::sync::watch::Sender<(usize, usize)>) {
        for _ in 0..slices {
            now.send_modify(|(running, most)| {
                *running += 1;
                *most = (*most).max(*running);
            });
            let started = Instant::now();
            while started.elapsed() < SLICE {}
            now.send_modify(|(running, _)| *running -= 1);
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn those_that_compute_for_long_do_it_one_by_one_and_the_others_do_not_wait() {
        let long_calls = std::sync::Arc::new(LongCalls(Semaphore::new(1)));
        let long = std::sync::Arc::new(AtomicBool::new(true));
        let (now, seen) = tokio::sync::watch::channel((0, 0));
        let calls = (0..8).map(|_| {
            let (long_calls, long, now) = (long_calls.clone(), long.clone(), now.clone());
            tokio::spawn(async move {
                let mut cpu = Duration::ZERO;
                long_calls.run(compute(20, &now), SLICE, &long, &mut cpu).await;
                cpu
            })
        });
        for call in calls.collect::<Vec<_>>() {
            assert!(call.await.expect("an answer") >= SLICE * 20);
        }
        assert_eq!(*seen.borrow(), (0, 1), "one at a time");

        // With all turns taken, a plugin whose calls are short has its answer all the same, even if one waits for long.
        let _all = long_calls.0.acquire().await.expect("a turn");
        let short = AtomicBool::new(false);
        let wait = tokio::time::sleep(SLICE * 20);
        long_calls.run(wait, Duration::from_secs(60), &short, &mut Duration::default()).await;
        assert!(!short.load(Ordering::Relaxed));
    }
}
