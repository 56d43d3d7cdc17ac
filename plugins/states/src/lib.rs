//! State machines in [Amazon States Language](https://states-language.net/spec.html), JSONPath dialect.
//!
//! ```text
//! definition ─► Machine::from_json or parse ─► Machine    every mistake at once, each with its JSON path
//! input ─► Execution::start ─► Execution ─┐               a plain value: serde writes and reads it
//!              ┌──────────────────────────┘
//!              └► step ─► Moved | Call | Wait | Ended     one move at a time; what happened is in Moment::history
//! result of a call ─► complete ─► step ...
//! ```
//!
//! Everything is pure: the time and the random numbers are given in, what a task does is the caller's business, and
//! between two steps an execution can be stored and read back, days later and by another process.
//!
//! In reading order:
//!
//! * `definition`: what a machine is, and its parser, which checks everything that can be known without running it
//! * `path` and `template`: where values come from and go to
//! * `intrinsic`: the functions `States.*`
//! * `choice`: the comparisons of Choice states
//! * `retry`: who retries and catches what, and when
//! * `execution`: the state of a run, and its steps
//! * `history`: what happened
//!
//! What is not here: JSONata and variables, and distributed maps (`ItemReader`, `ItemBatcher`, `ResultWriter`). A definition that has them is
//! refused by name. Tasks send no heartbeats: `HeartbeatSeconds` is the time in which they answer, and its end `States.HeartbeatTimeout`. Where
//! the rest differs from the specification, `tests/deviations.json` says how and why, and the tests keep to it; the specification's own examples
//! are in the files beside it.
//!
//! ```
//! use serde_json::json;
//! use trialbridge_states::{Execution, Machine, Moment, Start, Step};
//!
//! let definition = json!({
//!     "StartAt": "Greet",
//!     "States": {
//!         "Greet": { "Type": "Task", "Resource": "greet", "ResultPath": "$.greeting", "End": true }
//!     }
//! });
//! let machine = Machine::parse(&definition, &["greet"]).map_err(|mistakes| mistakes[0].to_string())?;
//! let start = Start { id: "run-1", name: "run-1", machine: "greeter", input: json!({ "name": "Ada" }), now: 0 };
//! let mut execution = Execution::start(&machine, start);
//! let mut random = || 4;
//! let output = loop {
//!     match execution.step(&machine, &mut Moment::new(0, &mut random)) {
//!         Step::Moved => {}
//!         Step::Call(call) => {
//!             let greeting = format!("hello, {}", call.input["name"].as_str().unwrap_or("you"));
//!             execution.complete(call.token, Ok(json!(greeting)));
//!         }
//!         Step::Wait { .. } => unreachable!("nothing waits here"),
//!         Step::Done(output) => break output,
//!         Step::Failed(problem) => return Err(problem.to_string()),
//!     }
//! };
//! assert_eq!(output, json!({ "name": "Ada", "greeting": "hello, Ada" }));
//! # Ok::<(), String>(())
//! ```

mod choice;
mod definition;
mod execution;
mod history;
mod intrinsic;
mod path;
mod problem;
mod retry;
mod suggest;
mod template;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;
mod time;

pub use self::definition::{Machine, Mistake};
pub use self::execution::{Call, Execution, Moment, Start, Status, Step};
pub use self::history::{Entry, What};
pub use self::problem::{Problem, names};
