//! Deliveries: every obligation ends acknowledged or as a dead letter, and is never forgotten.
//!
//! What is owed lies in the store, in one queue for each plugin. The engine holds in memory only what it is working on: it takes
//! from the head of a queue as many as the plugin can have in hand, and looks again when the store says
//! that the queue grew.
//!
//! * [`record`]: what is stored of a delivery, and of a dead letter
//! * [`engine`]: which deliveries are attempted when
//! * `attempt`: one delivery: call, commit, or fail; `together`: several as one; `events`: what they are of
//! * `causation`: what led to an event
//! * [`retry`]: when one that failed is tried again
//! * [`timers`]: everything that waits for its time: expiries, delayed events, retries, schedules
//! * [`schedules`]: the timers of rules that have a schedule
//! * [`retention`]: how long events stay in the journal
//! * [`ledger`]: what is owed and what was given up, to look at and to redrive

mod attempt;
mod causation;
pub mod engine;
mod events;
pub mod ledger;
pub mod receipt;
pub mod record;
pub mod retention;
pub mod retry;
pub mod schedules;
pub mod timers;
mod together;
