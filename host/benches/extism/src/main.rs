//! Calls of the same handler under extism. For each line on standard input, `reused` or `new`, it calls for 300 ms and answers with the
//! microseconds of one call.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde_json::{Value, json};
use tikv_jemallocator::Jemalloc;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const TURN: Duration = Duration::from_millis(300);

fn main() -> Result<()> {
    let guest = std::env::args().nth(1).context("usage: trialbridge-extism GUEST.wasm")?;
    let compiled = CompiledPlugin::new(PluginBuilder::new(Manifest::new([Wasm::data(std::fs::read(guest)?)])))?;
    let what = event_and_delivery();
    let mut reused = Plugin::new_from_compiled(&compiled)?;
    for line in std::io::stdin().lock().lines() {
        let time = match line?.as_str() {
            "reused" => turn(|| call(&mut reused, &what))?,
            "new" => turn(|| call(&mut Plugin::new_from_compiled(&compiled)?, &what))?,
            other => bail!("`{other}` is neither `reused` nor `new`"),
        };
        let mut answer = std::io::stdout().lock();
        writeln!(answer, "{}", time.as_secs_f64() * 1e6)?;
        answer.flush()?;
    }
    Ok(())
}

/// Gives the handler what it gets in the other rows, as JSON that each call makes anew.
fn call(plugin: &mut Plugin, what: &Value) -> Result<()> {
    plugin.call::<String, ()>("handle", what.to_string())
}

fn event_and_delivery() -> Value {
    json!({
        "event": {
            "sequence": 17,
            "id": "0197a3f2-7d0c-7a3e-8f6e-2f5a0e0b8f11",
            "source": "bench",
            "detail_type": "Bench",
            "time": "2020-05-13T14:19:39Z",
            "account": "000000000000",
            "region": "local",
            "resources": [],
            "detail": r#"{"do":"ok","leadId":"1234567890","number":17}"#,
        },
        "delivery": {
            "id": "misbehave/17/0",
            "rule": "all",
            "target": "misbehave",
            "attempt": 1,
            "idempotency_key": "0197a3f2-7d0c-7a3e-8f6e-2f5a0e0b8f11",
            "input": null,
        },
    })
}

/// The time of one call.
fn turn(mut call: impl FnMut() -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    let mut calls = 0;
    while started.elapsed() < TURN {
        for _ in 0..100 {
            call()?;
        }
        calls += 100;
    }
    Ok(started.elapsed() / calls)
}
