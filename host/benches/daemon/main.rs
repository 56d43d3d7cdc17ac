//! What the daemon can do on this machine: `cargo xtask bench` prints the table, with `--json` for machines.
//!
//! Every figure is durable: a store in a temporary folder, one `fdatasync` for each group of commits. Machines differ and are noisy;
//! compare rows of one run.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should say so at once")]

mod calls;
mod deliveries;
mod expiries;
mod lifecycles;
mod neighbours;
mod requests;
mod startup;
mod support;

use std::io::Write;

use serde_json::json;
use tikv_jemallocator::Jemalloc;

use support::Row;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let as_json = args.iter().any(|arg| arg == "--json");
    let wanted = |name: &str| {
        let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
        names.is_empty() || names.iter().any(|wanted| *wanted == name)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut rows: Vec<Row> = Vec::new();
    if wanted("requests") {
        rows.extend(runtime.block_on(requests::measure()));
    }
    if wanted("calls") {
        rows.extend(runtime.block_on(calls::measure()));
    }
    if wanted("deliveries") {
        rows.extend(runtime.block_on(deliveries::measure()));
    }
    if wanted("lifecycles") {
        rows.extend(runtime.block_on(lifecycles::measure()));
    }
    if wanted("neighbours") {
        rows.extend(runtime.block_on(neighbours::measure()));
    }
    if wanted("expiries") {
        rows.extend(runtime.block_on(expiries::measure()));
    }
    if wanted("startup") {
        rows.extend(runtime.block_on(startup::measure()));
    }
    let mut out = std::io::stdout().lock();
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| json!({ "what": row.what, "value": row.value, "unit": row.unit, "limit": row.limit }))
            .collect();
        writeln!(out, "{}", json!({ "rows": rows })).unwrap();
        return;
    }
    writeln!(out, "| what | value | limited by |\n|---|---:|---|").unwrap();
    for row in rows {
        writeln!(out, "| {} | {} {} | {} |", row.what, support::readable(row.value), row.unit, row.limit).unwrap();
    }
}
