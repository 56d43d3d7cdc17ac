//! Attempts to take more than there is. Those that the host cannot refuse do not return.

use std::hint::black_box;
use std::io::{self, Write};

use crate::bindings::exports::trialbridge::plugin::handler::Failure;
use crate::bindings::trialbridge::plugin::log::{Level, log as write_line};
use crate::bindings::trialbridge::plugin::types::Error;
use crate::bindings::trialbridge::plugin::{events as host_events, kv as host_kv, metrics as host_metrics};
use crate::order::{Order, tell, text};

/// What floods are made of, in bytes.
const PIECE: usize = 1024;

pub(crate) fn cpu() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

pub(crate) fn memory() -> ! {
    let mut eaten = Vec::new();
    loop {
        // Written to, because memory that is only reserved may cost nothing.
        eaten.push(vec![1_u8; 1 << 20]);
        black_box(&eaten);
    }
}

pub(crate) fn stack() -> Result<(), Failure> {
    Err(Failure::Permanent(format!("recurse: worked, {}", deeper(0))))
}

pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

pub(crate) fn log() -> ! {
    let line = "x".repeat(PIECE);
    loop {
        write_line(Level::Info, &line, &[]);
    }
}

pub(crate) fn stdout() -> Result<(), Failure> {
    let line = "x".repeat(PIECE);
    loop {
        if let Err(error) = writeln!(io::stdout(), "{line}") {
            return tell::<()>(vec![("write", Err(error.to_string()))]);
        }
    }
}

pub(crate) fn kv(order: &Order) -> Result<(), Failure> {
    until_refused("set", |number| host_kv::set(order.text("bucket", "forbidden"), &number.to_string(), &[0; PIECE]))
}

pub(crate) fn events(order: &Order) -> Result<(), Failure> {
    until_refused("emit", |number| host_events::emit(&order.event(number)))
}

pub(crate) fn metrics() -> Result<(), Failure> {
    until_refused("counter", |number| {
        host_metrics::counter("flood_total", &[("number".to_owned(), number.to_string())], 1)
    })
}

/// Goes on until the host says no, and tells after how many times and why.
fn until_refused(attempt: &str, mut action: impl FnMut(u64) -> Result<(), Error>) -> Result<(), Failure> {
    let mut number = 0;
    loop {
        if let Err(error) = action(number) {
            return tell::<()>(vec![(&format!("{attempt} after {number}"), Err(text(&error)))]);
        }
        number += 1;
    }
}

/// Never reaches its end: the stack ends before.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { black_box(deeper(depth + 1)) + black_box(frame)[0] }
}
