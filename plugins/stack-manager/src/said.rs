//! What this plugin says.

use serde_json::{Map, Value, json};
use trialbridge_plugin::{Failure, Host, NewEvent};

use crate::record::Stack;

/// The source of what this plugin says.
pub(crate) const SELF: &str = "stack-manager";

/// Emits an event of this plugin.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn emit(host: &Host, detail_type: &str, detail: Map<String, Value>) -> Result<(), Failure> {
    Ok(host.emit(NewEvent::new(SELF, detail_type, detail))?)
}

/// Says that a stack failed, and why.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn fail(host: &Host, stack_id: &str, stack: &Stack, reason: &str) -> Result<(), Failure> {
    let mut failed = of_stack(stack_id, stack);
    failed.insert("reason".to_owned(), json!(reason));
    emit(host, "StackFailed", failed)?;
    host.warn("a stack failed", &[("stackId", stack_id), ("reason", reason)]);
    Ok(())
}

/// Asks this plugin for a step with a stack.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn request(host: &Host, detail_type: &str, stack_id: &str, trial_type: &str) -> Result<(), Failure> {
    emit(host, detail_type, of_request(stack_id, trial_type))
}

/// What every request for a step says: which stack, and of which type.
pub(crate) fn of_request(stack_id: &str, trial_type: &str) -> Map<String, Value> {
    Map::from_iter([("stackId".to_owned(), json!(stack_id)), ("type".to_owned(), json!(trial_type))])
}

/// What every event about a stack says: which one, and in which state it is, or was before it ended.
pub(crate) fn of_stack(stack_id: &str, stack: &Stack) -> Map<String, Value> {
    let mut detail = of_request(stack_id, &stack.trial_type);
    detail.insert("state".to_owned(), json!(stack.state));
    if let Some(trial_id) = &stack.trial_id {
        detail.insert("trialId".to_owned(), json!(trial_id));
    }
    detail
}
