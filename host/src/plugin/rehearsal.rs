//! One call outside the daemon, watched: for whoever writes a plugin.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use super::capability::recorded::{Destinations, Exchange, Request, Response, Sent};

use super::capability::recorded::Recorded;
use super::egress::Requests;
use super::instance::Instance;
use super::{Call, CallError, Effects, Plugin};

/// What a call came to.
#[derive(Debug)]
pub struct Rehearsal {
    /// What it wants changed, or how it failed.
    pub outcome: Result<Effects, CallError>,
    /// How long it took, without the making of the instance.
    pub time: Duration,
    /// The most memory that the instance had, in bytes.
    pub memory: u64,
    /// The requests that it sent, in order.
    pub requests: Vec<Sent>,
}

impl Plugin {
    /// Runs the handler on one event, in an instance of its own. Its requests go nowhere: they are answered with what was recorded,
    /// and fail if nothing was. Which of them are answered, `destinations` says.
    pub async fn rehearse(&self, call: Call, recorded: Vec<Exchange>, destinations: Destinations) -> Rehearsal {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let recorded = Recorded::new(recorded, sent.clone(), self.egress.clone(), destinations);
        let mut instance =
            match Instance::new(&self.id, &self.compiled, &self.settings, &self.egress, &self.runtime).await {
                Ok(instance) => instance,
                Err(error) => {
                    return Rehearsal { outcome: Err(error), time: Duration::ZERO, memory: 0, requests: Vec::new() };
                }
            };
        instance.answer_with(recorded);
        let limit = self.settings.limits.time;
        let started = Instant::now();
        let handling = instance.handle(call, Vec::new(), Requests::default(), &self.runtime);
        let outcome = match tokio::time::timeout(limit, handling).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallError::TimedOut(limit)),
        };
        let time = started.elapsed();
        let memory = instance.memory().load(Ordering::Relaxed);
        let requests = std::mem::take(&mut *sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        Rehearsal { outcome, time, memory, requests }
    }
}
