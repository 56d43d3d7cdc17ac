//! What a call of a plugin costs, beside the floor, which is wasmtime calling the same component with nothing around it, and beside the same handler under
//! extism.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use trialbridge::clock::{Clock, SystemClock};
use trialbridge::config::{Isolation, PluginSettings};
use trialbridge::event::{Event, Recorded, raw};
use trialbridge::plugin::{Call, Compiled, Plugin, Runtime};
use trialbridge::storage::memory::MemoryStorage;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::deliveries;
use crate::support::{Row, misbehave, target_folder};

mod bindings {
    wasmtime::component::bindgen!({ path: "../wit", world: "core", exports: { default: async } });
}

use bindings::Core;
use bindings::exports::trialbridge::plugin::handler;
use bindings::trialbridge::plugin::types;

/// For how long each row is measured, in turns.
const TURN: Duration = Duration::from_millis(300);
const TURNS: usize = 5;

/// How many calls are committed.
const COMMITTED: usize = 50_000;

/// What a handler is called with.
const DETAIL: &str = r#"{"do":"ok","leadId":"1234567890","number":17}"#;

/// Measures. All rows take turns, so that noise hits them alike.
pub(crate) async fn measure() -> Vec<Row> {
    let bytes = std::fs::read(misbehave()).unwrap();
    let mut raw = Raw::new(&bytes);
    let mut reused = raw.instantiate().await;
    let ours = [Isolation::Reuse, Isolation::PerEvent].map(|isolation| plugin(&bytes, isolation));
    let [ours_reused, ours_new] = futures_util::future::join_all(ours).await.try_into().ok().unwrap();
    let call = call();
    let mut extism = Extism::start();

    let mut times: [Vec<Duration>; 6] = Default::default();
    for _ in 0..TURNS {
        times[0].push(turn(async || raw.call(&mut reused).await).await);
        times[1].push(turn(async || drop(ours_reused.handle(call.clone()).await.unwrap())).await);
        times[2].push(
            turn(async || {
                let mut instance = raw.instantiate().await;
                raw.call(&mut instance).await;
            })
            .await,
        );
        times[3].push(turn(async || drop(ours_new.handle(call.clone()).await.unwrap())).await);
        times[4].push(extism.turn("reused"));
        times[5].push(extism.turn("new"));
    }
    let micros = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    });
    let committed = 1e6 / deliveries::rate("reuse", COMMITTED).await;
    let row = |what: &str, micros: f64, limit| Row::new(what, micros, "µs", limit);
    vec![
        row("a call, wasmtime alone, reused instance", micros[0], "the component model's copies, the guest"),
        row("a call, reused instance", micros[1], "the same, and what is kept of effects"),
        row("a call under extism, reused instance", micros[4], "JSON instead of the component model's types"),
        row(
            "a call with its commit, on sled, 256 events at a time",
            committed,
            "the event's own commit, routing, sled",
        ),
        row("a call, wasmtime alone, an instance per event", micros[2], "instantiation"),
        row("a call, an instance per event", micros[3], "instantiation, WASI set-up"),
        row("a call under extism, an instance per event", micros[5], "instantiation"),
    ]
}

/// The time of one call.
async fn turn(mut call: impl AsyncFnMut()) -> Duration {
    let started = Instant::now();
    let mut calls = 0;
    while started.elapsed() < TURN {
        for _ in 0..100 {
            call().await;
        }
        calls += 100;
    }
    started.elapsed() / calls
}

async fn plugin(bytes: &[u8], isolation: Isolation) -> Plugin {
    let clock = Arc::new(SystemClock::default());
    let runtime = Runtime::new(Arc::new(MemoryStorage::new()), clock).unwrap();
    let compiled = Compiled::new(bytes.to_vec(), &runtime).await.unwrap();
    let mut settings = PluginSettings { isolation, ..PluginSettings::default() };
    settings.grants.emit = ["misbehave".to_owned()].into();
    Plugin::new("misbehave", Arc::new(compiled), Arc::new(settings), runtime).unwrap()
}

fn call() -> Call {
    let detail = raw(&serde_json::from_str::<serde_json::Value>(DETAIL).unwrap_or(json!({})));
    let now = SystemClock::default().now();
    let event = Event::new("bench", "Bench", now, detail);
    let event = Recorded { sequence: 17, published: now, event, cause: None };
    Call {
        event: Arc::new(event),
        delivery: "misbehave/17/0".to_owned(),
        rule: "all".to_owned(),
        attempt: 1,
        idempotency_key: "0197a3f2-7d0c-7a3e-8f6e-2f5a0e0b8f11".to_owned(),
        input: None,
        now,
    }
}

/// The program that calls the same handler under extism, which is a program of its own because it has a wasmtime of its own.
struct Extism {
    program: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Extism {
    fn start() -> Self {
        let built = target_folder().join("extism");
        let guest = built.join("wasm32-unknown-unknown").join("guest").join("trialbridge_extism_guest.wasm");
        let mut program = Command::new(built.join("release").join("trialbridge-extism"));
        let started = program.arg(guest).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut program = started.expect("`cargo xtask bench` builds it");
        let (ask, answers) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
        Self { program, ask, answers: BufReader::new(answers) }
    }

    /// The time of one call.
    fn turn(&mut self, instance: &str) -> Duration {
        writeln!(self.ask, "{instance}").unwrap();
        let mut answer = String::new();
        let read = self.answers.read_line(&mut answer).unwrap();
        assert!(read > 0, "the program with extism has ended; see above");
        Duration::from_secs_f64(answer.trim().parse::<f64>().unwrap() / 1e6)
    }
}

impl Drop for Extism {
    fn drop(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

/// wasmtime, with the settings that calling needs and no limits.
struct Raw {
    engine: Engine,
    pre: bindings::CorePre<State>,
}

struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoRequests,
    table: ResourceTable,
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

struct NoRequests;

impl WasiHttpHooks for NoRequests {}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Raw {
    fn new(bytes: &[u8]) -> Self {
        let engine = Engine::new(&Config::new()).unwrap();
        let component = Component::from_binary(&engine, bytes).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
        traps(&engine, &component, &mut linker);
        let pre = bindings::CorePre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        Self { engine, pre }
    }

    async fn instantiate(&self) -> (Store<State>, Core) {
        let (wasi, http) = (WasiCtx::builder().build(), WasiHttpCtx::new());
        let state = State { wasi, http, hooks: NoRequests, table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        let core = self.pre.instantiate_async(&mut store).await.unwrap();
        (store, core)
    }

    async fn call(&mut self, (store, core): &mut (Store<State>, Core)) {
        let event = types::Event {
            sequence: 17,
            id: "0197a3f2-7d0c-7a3e-8f6e-2f5a0e0b8f11".to_owned(),
            source: "bench".to_owned(),
            detail_type: "Bench".to_owned(),
            time: "2020-05-13T14:19:39Z".to_owned(),
            account: "000000000000".to_owned(),
            region: "local".to_owned(),
            resources: Vec::new(),
            detail: DETAIL.to_owned(),
        };
        let delivery = types::Delivery {
            id: "misbehave/17/0".to_owned(),
            rule: "all".to_owned(),
            target: "misbehave".to_owned(),
            attempt: 1,
            idempotency_key: "0197a3f2-7d0c-7a3e-8f6e-2f5a0e0b8f11".to_owned(),
            input: None,
        };
        let answer: Result<(), handler::Failure> =
            core.trialbridge_plugin_handler().call_handle(store, &event, &delivery).await.unwrap();
        answer.unwrap();
    }
}

/// Links what a plugin may import beside WASI to functions that trap: the handler that is measured calls none.
fn traps(engine: &Engine, component: &Component, linker: &mut Linker<State>) {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if name.starts_with("trialbridge:") {
            let mut linked = linker.instance(name).unwrap();
            for (function, export) in instance.exports(engine) {
                if let ComponentItem::ComponentFunc(_) = export.ty {
                    linked.func_new(function, |_, _, _, _| Err(wasmtime::format_err!("not measured"))).unwrap();
                }
            }
        }
    }
}
