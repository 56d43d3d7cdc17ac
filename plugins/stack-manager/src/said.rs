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

/// What every event about the end of a stack says: which one, and in which state it was.
pub(crate) fn of_stack(stack_id: &str, stack: &Stack) -> Map<String, Value> {
    let mut detail = Map::new();
    detail.insert("stackId".to_owned(), json!(stack_id));
    detail.insert("type".to_owned(), json!(stack.trial_type));
    detail.insert("state".to_owned(), json!(stack.state));
    if let Some(trial_id) = &stack.trial_id {
        detail.insert("trialId".to_owned(), json!(trial_id));
    }
    detail
}
