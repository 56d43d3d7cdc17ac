//! The context object, `$$`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::time;

/// What the context object says of the execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) id: String,
    pub(super) name: String,
    /// The name of the machine.
    pub(super) machine: String,
    /// What the execution was given.
    pub(super) input: Value,
    /// In milliseconds since the epoch.
    pub(super) started_at: u64,
}

/// An item of a Map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) value: Value,
}

/// What the context object says of a state.
pub(super) struct Here<'a> {
    pub(super) state: &'a str,
    pub(super) entered_at: u64,
    pub(super) retries: u32,
    pub(super) item: Option<&'a Item>,
}

impl About {
    /// The context object in a state.
    pub(super) fn context(&self, here: &Here<'_>) -> Value {
        let mut context = json!({
            "Execution": {
                "Id": self.id, "Name": self.name, "Input": self.input, "StartTime": time::format(self.started_at),
            },
            "State": {
                "Name": here.state, "EnteredTime": time::format(here.entered_at), "RetryCount": here.retries,
            },
            "StateMachine": { "Id": self.machine, "Name": self.machine },
        });
        if let Some(Item { index, value }) = here.item {
            context["Map"] = json!({ "Item": { "Index": index, "Value": value } });
        }
        context
    }
}
