//! What the daemon does as a whole. Each file is one behaviour; `support` has what they share.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say so at once")]

mod authoring;
mod cloudformation;
mod commands;
mod crash;
mod daemon;
mod egress;
mod expiry;
mod guests;
mod input;
mod isolation;
mod journal;
mod lake;
mod lifecycle;
mod loops;
mod observability;
mod receipts;
mod reload;
mod schedules;
mod serial;
mod shipped;
mod slack;
mod states;
mod support;
mod together;
mod trust;
