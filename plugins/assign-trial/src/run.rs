//! Executions within one call of the handler.
//!
//! A call takes an execution as far as it goes: until it waits for something, has ended, or has changed as much as a call may.
//! Where more is to do, an event goes on with it in another call. So it does for each request: that it is to be sent is
//! committed by one call, and the next begins with sending it.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use serde_json::json;
use trialbridge_plugin::{Failure, Host, NewEvent, Trial, permanent, retry};
use trialbridge_states::{Moment, Problem, Status, Step, names};

use crate::assign::{CONTINUED, SELF};
use crate::config::Config;
use crate::history;
use crate::record::{ASSIGNMENTS, Assignment, Pending, Timer, WAITING};
use crate::tasks::{self, Answer};

/// How many changes to the store a call makes before it begins with no other execution. The host's limit is 240.
const MOST_CHANGES: usize = 180;

/// How many it makes before it leaves the rest of an execution to another call.
const MOST_CHANGES_WITHIN: usize = 220;

/// The changes of any part of an execution: assignment, history, the old deadline and the new, the outcome that may be owed (four).
const CHANGES_OF_A_PART: usize = 8;

/// How many steps a call makes of one execution.
const MOST_STEPS: usize = 500;

/// The longest delay of an event, which is half of what the host allows. A wait that is longer is taken in several.
const LONGEST_DELAY: Duration = Duration::from_secs(183 * 24 * 60 * 60);

/// The largest execution that is kept, in bytes. A value in the store may have a little more.
const LARGEST: usize = 240 * 1024;

/// A call of the handler.
pub(crate) struct Run<'a> {
    pub(crate) host: &'a Host,
    /// What a stack answers when it is asked for which trial it is.
    pub(crate) answer: &'a dyn Fn(&str) -> io::Result<Option<String>>,
    /// The stacks that were selected in this call.
    pub(crate) given: BTreeSet<String>,
    /// The types whose lines somebody has joined in this call.
    pub(crate) joined: BTreeSet<String>,
    /// How many changes were made to the store.
    changes: usize,
}

/// Why a part of an execution is over.
enum Pause {
    /// There is more to do.
    More,
    /// It waits, until a time if there is one.
    Waits(Option<u64>),
    Ended,
}

impl<'a> Run<'a> {
    pub(crate) fn new(host: &'a Host, answer: &'a dyn Fn(&str) -> io::Result<Option<String>>) -> Self {
        Self { host, answer, given: BTreeSet::new(), joined: BTreeSet::new(), changes: 0 }
    }

    /// Whether another execution fits into this call.
    pub(crate) fn has_room(&self) -> bool {
        self.changes <= MOST_CHANGES
    }

    /// Counts changes to the store.
    pub(crate) fn spend(&mut self, changes: usize) {
        self.changes += changes;
    }

    /// A trial that lived a moment ago.
    pub(crate) fn trial(&self, id: &str) -> Result<Trial, Failure> {
        self.host.trials().get(id)?.ok_or_else(|| retry(format!("the trial {id} has just ended")))
    }

    /// Goes on with an execution, whose trial lives, at `now`.
    pub(crate) fn proceed(&mut self, id: &str, mut assignment: Assignment, now: u64) -> Result<(), Failure> {
        self.spend(CHANGES_OF_A_PART);
        let config = Config::read(self.host)?;
        let host = self.host;
        let mut random = || random(host);
        let mut moment = Moment::new(now, &mut random);
        let mut pause = Pause::More;
        if let Some(request) = take_request(&mut assignment) {
            let result = tasks::send(host, id, &request);
            assignment.execution.complete(request.token(), result);
        }
        for _ in 0..MOST_STEPS {
            if self.changes > MOST_CHANGES_WITHIN {
                break;
            }
            match assignment.execution.step(&config.machine, &mut moment) {
                Step::Moved => {}
                Step::Call(call) => {
                    if let Answer::Now(result) = tasks::perform(self, id, &mut assignment, &call)? {
                        assignment.execution.complete(call.token, result);
                    }
                }
                Step::Wait { until } => {
                    pause = Pause::Waits(until);
                    break;
                }
                Step::Done(_) | Step::Failed(_) => {
                    pause = Pause::Ended;
                    break;
                }
            }
        }
        let history = moment.history;
        self.drop_what_nobody_waits_for(&mut assignment)?;
        history::append(host, id, &history)?;
        let is_to_send = assignment.pending.iter().any(Pending::is_request);
        match pause {
            Pause::Waits(_) if is_to_send => self.go_on_later(id, assignment),
            Pause::More => self.go_on_later(id, assignment),
            Pause::Ended => self.settle(id, assignment),
            Pause::Waits(until) => {
                self.set_timer(id, &mut assignment, until, now)?;
                self.store(id, assignment)
            }
        }
    }

    /// Stops the execution of a trial that has ended, and settles what is owed.
    pub(crate) fn abort(&mut self, id: &str, assignment: Assignment, reason: &str) -> Result<(), Failure> {
        history::forget_later(self.host, SELF, id)?;
        self.stop(id, assignment, None, reason)
    }

    /// Stops an execution, and settles what is owed; `trial` is the trial if it lives.
    fn stop(
        &mut self,
        id: &str,
        mut assignment: Assignment,
        trial: Option<&Trial>,
        reason: &str,
    ) -> Result<(), Failure> {
        self.spend(CHANGES_OF_A_PART);
        let host = self.host;
        let mut random = || random(host);
        let mut moment = Moment::new(host.now(), &mut random);
        assignment.execution.abort(reason, &mut moment);
        let entries = moment.history;
        history::append(host, id, &entries)?;
        self.drop_what_nobody_waits_for(&mut assignment)?;
        self.cancel_timer(&mut assignment)?;
        host.kv(ASSIGNMENTS).delete(id)?;
        if assignment.is_settled {
            return Ok(());
        }
        tasks::fail(host, id, trial, assignment.stack_id.as_deref(), &assignment.detail, reason)
    }

    /// Ends an assignment whose execution has ended. One that has emitted no outcome has failed.
    fn settle(&mut self, id: &str, mut assignment: Assignment) -> Result<(), Failure> {
        self.cancel_timer(&mut assignment)?;
        self.host.kv(ASSIGNMENTS).delete(id)?;
        if assignment.is_settled {
            return Ok(());
        }
        let reason = match assignment.execution.status() {
            Status::Failed(problem) => problem.to_string(),
            _ => "the definition ended without an outcome".to_owned(),
        };
        let trial = self.trial(id)?;
        tasks::fail(self.host, id, Some(&trial), assignment.stack_id.as_deref(), &assignment.detail, &reason)
    }

    fn go_on_later(&mut self, id: &str, assignment: Assignment) -> Result<(), Failure> {
        self.host.emit(NewEvent::new(SELF, CONTINUED, json!({ "trialId": id })))?;
        self.store(id, assignment)
    }

    fn store(&mut self, id: &str, assignment: Assignment) -> Result<(), Failure> {
        let value = serde_json::to_vec(&assignment)
            .map_err(|error| permanent(format!("an assignment cannot be kept: {error}")))?;
        if value.len() <= LARGEST {
            return Ok(self.host.kv(ASSIGNMENTS).set_bytes(id, &value)?);
        }
        let cause = format!("the execution has {} bytes, and at most {LARGEST} are kept", value.len());
        let reason = Problem::new(names::DATA_LIMIT_EXCEEDED, cause).to_string();
        let trial = self.trial(id)?;
        self.stop(id, assignment, Some(&trial), &reason)
    }

    /// Forgets tasks that took too long, or whose execution has ended.
    fn drop_what_nobody_waits_for(&mut self, assignment: &mut Assignment) -> Result<(), Failure> {
        let (kept, dropped): (Vec<_>, Vec<_>) =
            assignment.pending.drain(..).partition(|pending| assignment.execution.awaits(pending.token()));
        assignment.pending = kept;
        dropped.iter().try_for_each(|pending| self.drop_pending(pending))
    }

    fn drop_pending(&mut self, pending: &Pending) -> Result<(), Failure> {
        if let Pending::SelectStack { key, .. } = pending {
            self.host.kv(WAITING).delete(key)?;
            self.spend(1);
        }
        Ok(())
    }

    /// Has the execution gone on with at a time, and at no other.
    fn set_timer(&self, id: &str, assignment: &mut Assignment, until: Option<u64>, now: u64) -> Result<(), Failure> {
        let longest = now.saturating_add(LONGEST_DELAY.as_millis() as u64);
        let at = until.map(|until| until.min(longest));
        if assignment.timer.as_ref().map(|timer| timer.at) == at {
            return Ok(());
        }
        self.cancel_timer(assignment)?;
        if let Some(at) = at {
            let event = NewEvent::new(SELF, CONTINUED, json!({ "trialId": id, "at": at }));
            let delay = Duration::from_millis(at.saturating_sub(self.host.now()));
            assignment.timer = Some(Timer { id: self.host.emit_after(event, delay)?, at });
        }
        Ok(())
    }

    fn cancel_timer(&self, assignment: &mut Assignment) -> Result<(), Failure> {
        if let Some(timer) = assignment.timer.take() {
            // False when it has passed already: whoever handles it finds another timer, or none.
            self.host.cancel(&timer.id)?;
        }
        Ok(())
    }
}

/// The request that is to be sent first.
fn take_request(assignment: &mut Assignment) -> Option<Pending> {
    let first = assignment.pending.iter().position(Pending::is_request)?;
    Some(assignment.pending.remove(first))
}

/// A random number, made of a UUID of version 7: of what is random in it, and of the time, which does no harm.
fn random(host: &Host) -> u64 {
    let digits: String = host.new_id().chars().filter(char::is_ascii_hexdigit).collect();
    let uuid = u128::from_str_radix(&digits, 16).unwrap_or_default();
    // Some of its bits are always the same, and this spreads the others over all.
    let mixed = ((uuid >> 64) as u64).rotate_left(32) ^ uuid as u64;
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
