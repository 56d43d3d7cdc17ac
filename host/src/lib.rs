//! trialbridge: event-driven provisioning of online product trials, in one daemon.
//!
//! A lead asks for a trial, which is stored with a time to live. The insert becomes the event `TrialRequested`, the removal when the
//! time has come becomes `TrialExpired`; rules route every event to plugins, and each plugin does one thing.
//!
//! ```text
//! HTTP, CLI, events ────┐
//! TTL and timers ───────┼─► route (pure: rules × event ─► deliveries) ─► Storage::commit ─► delivery engine ─┐
//! plugin effects ───────┘                        ▲                                                          │
//!                                                └──────────────── plugin call (WASM) ◄─────────────────────┘
//! rules.toml, plugins/*.wasm ─► reload ─► immutable snapshots (rules, plugins) ─► route, engine, api
//! ```
//!
//! Every change enters through one door, [`storage::Storage::commit`]: one atomic, durable write of state, events, deliveries and
//! timers. What a plugin wants changed is committed together with the acknowledgement of its delivery, so there are
//! exactly-once effects in the store, and at-least-once calls with a stable idempotency key to what is outside.
//!
//! The modules in the order in which they are best read:
//!
//! * [`clock`]: what time it is, and how tests decide that
//! * [`event`]: the envelope; [`trial`]: the record
//! * [`pattern`], [`rules`]: which events go where; pure
//! * [`config`]: rules.toml, from text to the above
//! * [`storage`]: the door
//! * [`bus`]: routes and commits
//! * [`trials`]: what can be done with trials; [`history`]: what plugins note of them
//! * [`plugin`]: the sandbox
//! * [`delivery`]: what is owed, and everything that waits for its time
//! * [`reload`]: files that change while the daemon runs
//! * [`api`], [`telemetry`]: what is seen from outside
//! * [`host`]: puts all of it together; [`Host::builder`] is where a program that embeds it begins
//!
//! It is not a workflow engine, not a general message broker, and not a cluster: one process owns one data folder.

pub mod api;
pub mod bus;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod event;
pub mod history;
pub mod host;
pub mod pattern;
pub mod plugin;
pub mod reload;
pub mod rules;
pub mod storage;
pub mod telemetry;
pub mod trial;
pub mod trials;

#[doc(inline)]
pub use host::Host;
