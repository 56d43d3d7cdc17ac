//! LongCalls: calls that compute for long go on where they hold up nobody.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// The threads for calls that compute for long, over all plugins: half as many as there are processors. Each call that yields goes behind the
/// others that wait for one.
pub(super) struct LongCalls {
    /// What ends with this; there until then.
    runtime: Option<Runtime>,
    threads: Handle,
    /// How many calls are there.
    calls: AtomicUsize,
}

/// What is known of a call that runs, whoever runs it, and of the plugin's last one.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    /// For how long it has computed, in nanoseconds.
    computed: Arc<AtomicU64>,
    /// Whether the last call computed for long.
    long: Arc<AtomicBool>,
    /// How that is measured.
    clock: Clock,
}

/// What tells for how long a call computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The time that passes while it runs: the cheaper one, for calls that never wait without saying so.
    Wall,
    /// The time that its thread has had a processor: for calls that wait for the disk.
    Processor,
}

/// A call that is measured.
struct Measured<F> {
    call: Pin<Box<F>>,
    meter: Meter,
    /// Longer than this is long.
    slice: Duration,
    /// Whether it is where long calls are.
    gives_way: bool,
}

/// Counts a call while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl LongCalls {
    /// Those of this machine.
    ///
    /// # Errors
    ///
    /// If there can be no more threads.
    pub(super) fn new() -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        let threads = threads.worker_threads(Self::at_one_time()).thread_name("long-calls").enable_all().build()?;
        Ok(Self { threads: threads.handle().clone(), runtime: Some(threads), calls: AtomicUsize::new(0) })
    }

    /// How many compute at one time: half as many as there are processors.
    pub(super) fn at_one_time() -> usize {
        (std::thread::available_parallelism().map_or(1, std::num::NonZero::get) / 2).max(1)
    }

    /// Whether there are any now.
    pub(super) fn is_busy(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }

    /// Runs a call that yields now and then: in place if it may block its thread, which its meter tells.
    pub(super) async fn run<F>(&self, call: F, slice: Duration, meter: &Meter, turns: &Arc<Semaphore>) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match meter.clock {
            Clock::Wall => self.run_anywhere(call, slice, meter).await,
            Clock::Processor => self.run_in_place(call, slice, meter, turns.clone()).await,
        }
    }

    /// Runs a call that never blocks its thread. Once it has computed for a `slice`, it goes on in one of the threads for long calls. The next call of the
    /// plugin begins there, until one is short again.
    async fn run_anywhere<F>(&self, call: F, slice: Duration, meter: &Meter) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let mut call = Measured { call: Box::pin(call), meter: meter.clone(), slice, gives_way: false };
        if !meter.long.load(Ordering::Relaxed) {
            let answer = std::future::poll_fn(|context| match Pin::new(&mut call).poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if meter.computed() >= slice => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(answer) = answer.await {
                return answer;
            }
        }
        call.gives_way = true;
        let _counted = self.count();
        match AbortOnDropHandle::new(self.threads.spawn(call.in_current_span())).await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The threads end, and so does whoever waits.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Runs a call that may block its thread, which it does not leave: no long call of another plugin is to wait for its disk. Once it has computed for a
    /// `slice`, it goes on only while it has one of the `turns`, which the plugin's calls share.
    async fn run_in_place<F: Future>(
        &self,
        call: F,
        slice: Duration,
        meter: &Meter,
        turns: Arc<Semaphore>,
    ) -> F::Output {
        let mut call = Measured { call: Box::pin(call), meter: meter.clone(), slice, gives_way: false };
        let mut turns = PollSemaphore::new(turns);
        let mut counted = None;
        let running = std::future::poll_fn(|context| {
            if meter.computed() < slice {
                return Pin::new(&mut call).poll(context);
            }
            call.gives_way = true;
            counted.get_or_insert_with(|| self.count());
            let _turn = ready!(turns.poll_acquire(context));
            Pin::new(&mut call).poll(context)
        });
        running.await
    }

    fn count(&self) -> Counted<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Counted(&self.calls)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for LongCalls {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for them is not allowed in an asynchronous task, which may be who drops this.
            runtime.shutdown_background();
        }
    }
}

impl Meter {
    /// Of a new call of a plugin.
    pub(super) fn new(long: &Arc<AtomicBool>, clock: Clock) -> Self {
        Self { computed: Arc::default(), long: long.clone(), clock }
    }

    /// For how long it has computed.
    pub(super) fn computed(&self) -> Duration {
        Duration::from_nanos(self.computed.load(Ordering::Relaxed))
    }
}

/// For how long this thread has had a processor.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let (polled, elapsed) = match self.meter.clock {
            Clock::Wall => {
                let started = Instant::now();
                (self.call.as_mut().poll(context), started.elapsed())
            }
            Clock::Processor => {
                let started = processor_time();
                (self.call.as_mut().poll(context), processor_time().saturating_sub(started))
            }
        };
        self.meter.computed.fetch_add(elapsed.as_nanos() as u64, Ordering::Relaxed);
        let is_long = self.meter.computed() >= self.slice;
        // Here and not at the end, which is not reached by a call that is dropped because its time is over.
        if polled.is_ready() || is_long {
            self.meter.long.store(is_long, Ordering::Relaxed);
        }
        if self.gives_way && polled.is_pending() {
            // A kernel that preempts lazily looks only now, or at its next tick, whether others wait for this processor.
            std::thread::yield_now();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use tokio::sync::Semaphore;

    use super::{Clock, LongCalls, Meter};

    const SLICE: Duration = Duration::from_micros(100);

    #[tokio::test]
    async fn those_that_may_block_stay_where_they_are_and_take_turns() {
        let (calls, long, turns) = (LongCalls::new().expect("threads"), Arc::default(), Arc::new(Semaphore::new(1)));
        let meter = Meter::new(&long, Clock::Processor);
        let at = calls.run_in_place(compute(20), SLICE, &meter, turns.clone()).await;
        assert!(at.as_deref() != Some("long-calls") && long.load(Ordering::Relaxed));

        let turn = turns.clone().acquire_owned().await.expect("it is open");
        let meter = Meter::new(&long, Clock::Processor);
        let mut waits = Box::pin(calls.run_in_place(compute(20), SLICE, &meter, turns));
        while meter.computed() < SLICE {
            assert!(futures_util::poll!(&mut waits).is_pending());
        }
        assert!(futures_util::poll!(&mut waits).is_pending() && calls.is_busy());
        let computed = meter.computed();
        assert!(futures_util::poll!(&mut waits).is_pending());
        assert_eq!(meter.computed(), computed, "it has no turn");
        drop(turn);
        waits.await;
        assert!(!calls.is_busy());
    }

    /// Computes for a slice, and yields, so many times. Answers with where it did so last.
    async fn compute(slices: usize) -> Option<String> {
        for _ in 0..slices {
            let started = Instant::now();
            while started.elapsed() < SLICE {}
            tokio::task::yield_now().await;
        }
        std::thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn those_that_compute_for_long_do_it_elsewhere_until_one_is_short_again() {
        let (calls, long) = (LongCalls::new().expect("threads"), Arc::new(AtomicBool::new(false)));
        let run = async |slices| {
            let meter = Meter::new(&long, Clock::Wall);
            let at = calls.run_anywhere(compute(slices), SLICE, &meter).await;
            (at.as_deref() == Some("long-calls"), meter.computed() >= SLICE * slices as u32)
        };
        assert_eq!(run(0).await, (false, true));
        assert_eq!(run(20).await, (true, true));
        assert!(long.load(Ordering::Relaxed));
        assert_eq!(run(0).await, (true, true), "as its last call was");
        assert_eq!(run(0).await, (false, true));

        // One that is stopped is remembered.
        let meter = Meter::new(&long, Clock::Wall);
        let endless = calls.run_anywhere(compute(usize::MAX), SLICE, &meter);
        tokio::time::timeout(SLICE * 20, endless).await.expect_err("its time is over");
        assert!(long.load(Ordering::Relaxed));
    }
}
