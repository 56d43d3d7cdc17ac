//! Pools: how many stacks are warm, how long there is none, and which fail.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trialbridge_plugin::{Event, Failure, Host};

use crate::recorder::Recorder;
use crate::{BUCKET, seconds, text};

/// How many stacks that went before they came are remembered.
const MOST_GONE: usize = 100;

/// What is known of a pool beside the stacks that are warm, each of which has a key of its own: `warm/TYPE/STACK`. So it is right in the end whatever it
/// was at the beginning, and however often and in whichever order events are handled; and handlers write to the same record only when a pool becomes
/// empty, or is so no longer.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Pool {
    /// Stacks of which it was handled first that they are not warm any more.
    gone: Vec<String>,
    /// Since when none is warm, in seconds since the epoch; nothing while there is one.
    empty_since: Option<f64>,
}

/// What an event does to a stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    /// It will be warm, perhaps as the first of its type.
    Begins,
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
        ("stack-manager", "StackCreateRequested") => Move::Begins,
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
    match moves {
        Move::Begins => {}
        Move::Comes => recorder.add("warm_stacks", &labels, 1.0)?,
        Move::Goes => recorder.add("warm_stacks", &labels, -1.0)?,
    }
    let Some(stack) = detail.get("stackId").and_then(Value::as_str) else { return Ok(()) };
    let Some(now) = seconds(event) else { return Ok(()) };

    let bucket = host.kv(BUCKET);
    let (record, warm) = (format!("pool/{stack_type}"), format!("warm/{stack_type}/"));
    let known = bucket.get::<Pool>(&record)?;
    let is_new = known.is_none();
    let mut pool = known.unwrap_or_default();
    let key = format!("{warm}{stack}");
    match moves {
        // A pool that never was filled is empty, too.
        Move::Begins if is_new => {
            pool.empty_since = bucket.any::<()>(&warm)?.is_none().then_some(now);
        }
        Move::Begins => return Ok(()),
        Move::Comes => {
            if let Some(gone) = pool.gone.iter().position(|gone| gone == stack) {
                pool.gone.remove(gone);
                return Ok(bucket.set(&record, &pool)?);
            }
            bucket.set(&key, &())?;
            match pool.empty_since.take() {
                Some(since) => recorder.observe("pool_starvation_seconds", &labels, (now - since).max(0.0))?,
                None if is_new => {}
                None => return Ok(()),
            }
        }
        Move::Goes => {
            if bucket.get::<()>(&key)?.is_none() {
                pool.gone.push(stack.to_owned());
                let surplus = pool.gone.len().saturating_sub(MOST_GONE);
                pool.gone.drain(..surplus);
                return Ok(bucket.set(&record, &pool)?);
            }
            bucket.delete(&key)?;
            if bucket.any::<()>(&warm)?.is_some() {
                return Ok(());
            }
            pool.empty_since = Some(now);
        }
    }
    bucket.set(&record, &pool)?;
    recorder.set("pool_empty_since_timestamp_seconds", &labels, pool.empty_since.unwrap_or(0.0))
}
