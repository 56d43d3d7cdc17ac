//! Pools: how many stacks are warm, how long there is none, and which fail.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trialbridge_plugin::{Event, Failure, Host};

use crate::recorder::Recorder;
use crate::{BUCKET, seconds, text};

/// How many stacks that went before they came are remembered.
const MOST_GONE: usize = 100;

/// What is known of a pool. It is known by stack, so that it is right in the end whatever it was at the beginning, and however often and in
/// whichever order events are handled.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Pool {
    /// The stacks that are warm.
    warm: Vec<String>,
    /// Stacks of which it was handled first that they are not warm any more.
    gone: Vec<String>,
    /// Since when there is none, in seconds since the epoch; nothing while there is one, or if there never was.
    empty_since: Option<f64>,
}

/// What an event does to a stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    Comes,
    Goes,
}

/// Measures what an event says of a stack.
///
/// # Errors
///
/// Permanent for a detail that is malformed; those of the host.
pub(crate) fn measure(event: &Event, host: &Host, recorder: &mut Recorder<'_>) -> Result<(), Failure> {
    let moves = match event.kind() {
        ("stack-manager", "StackWarm") => Move::Comes,
        ("assign-trial", "StackReserved") | ("stack-manager", "StackDeleted" | "StackFailed") => Move::Goes,
        _ => return Ok(()),
    };
    let detail = event.detail()?;
    let stack_type = text(event, &detail, "type")?;
    if event.source == "stack-manager" && moves == Move::Goes {
        let state = text(event, &detail, "state")?;
        if event.detail_type == "StackFailed" {
            recorder.count("stack_failures_total", &[("type", stack_type), ("state", &state.to_ascii_lowercase())])?;
        }
        // Only what was warm was counted as such.
        if state != "WARM" {
            return Ok(());
        }
    }
    let labels = [("type", stack_type)];
    recorder.add("warm_stacks", &labels, if moves == Move::Comes { 1.0 } else { -1.0 })?;
    let Some(stack) = detail.get("stackId").and_then(Value::as_str) else { return Ok(()) };
    let Some(now) = seconds(event) else { return Ok(()) };

    let key = format!("pool/{stack_type}");
    let mut pool = host.kv(BUCKET).get::<Pool>(&key)?.unwrap_or_default();
    let starved = pool.change(stack, moves, now);
    host.kv(BUCKET).set(&key, &pool)?;
    if let Some(starved) = starved {
        recorder.observe("pool_starvation_seconds", &labels, starved)?;
    }
    recorder.set("pool_empty_since_timestamp_seconds", &labels, pool.empty_since.unwrap_or(0.0))
}

impl Pool {
    /// Makes a change that happened at `now`. How many seconds there was no stack, if there is one again.
    fn change(&mut self, stack: &str, moves: Move, now: f64) -> Option<f64> {
        let at = self.warm.iter().position(|warm| warm == stack);
        match (moves, at) {
            (Move::Comes, Some(_)) => return None,
            (Move::Comes, None) => match self.gone.iter().position(|gone| gone == stack) {
                Some(gone) => {
                    self.gone.remove(gone);
                    return None;
                }
                None => self.warm.push(stack.to_owned()),
            },
            (Move::Goes, Some(at)) => {
                self.warm.remove(at);
            }
            (Move::Goes, None) => {
                self.gone.push(stack.to_owned());
                if self.gone.len() > MOST_GONE {
                    self.gone.remove(0);
                }
                return None;
            }
        }
        if self.warm.is_empty() {
            self.empty_since = Some(now);
            return None;
        }
        self.empty_since.take().map(|since| (now - since).max(0.0))
    }
}
