//! A plugin that does what it is told, above all what it should not. The event's detail says what: `{"do": "loop"}`.
//!
//! | `do` | members | what happens |
//! |---|---|---|
//! | `ok`, `permanent`, `retry` | | returns that |
//! | `retry-after` | `millis` | returns that |
//! | `loop`, `eat`, `recurse` | | takes CPU, memory, stack without end |
//! | `trap`, `panic` | | ends at once |
//! | `slow` | `millis`, `how`: `sleep` or `busy` | returns ok after a while |
//! | `flood-log`, `flood-stdout` | | writes until it is stopped |
//! | `flood-kv` | `bucket` | sets new keys until it is refused |
//! | `flood-events` | `source` | emits until it is refused |
//! | `flood-metrics` | | counts new series until it is refused |
//! | `open-file`, `write-file` | `paths` | opens, or creates, each file |
//! | `open-socket` | `port` | connects to 127.0.0.1 |
//! | `http` | `url`, `method`, `headers`, `body`, `times`, `key` | sends a request with so many times that body; `${config:NAME}` is what the configuration says. With a `key` it keeps the answer in bucket `echo` |
//! | `command` | `command`, `parameters` | runs it, and keeps what came of it in bucket `echo` as `command` |
//! | `say` | `text`, `millis` | computes for a while, logs it, prints it, and fails with it |
//! | `kv-denied` | `bucket` | gets, sets, lists, deletes |
//! | `trials-denied` | `trialId` | gets, lists, updates |
//! | `emit-denied` | `source` | emits, now and later |
//! | `env`, `random`, `clock` | | looks at the environment, rolls dice, tells the time |
//! | `counter` | `key`, `millis`, `detail-type` | adds one to a number in bucket `counters`, with a pause between reading and writing, and emits the new one if there is a `detail-type` |
//! | `echo` | | sets the event's id to its detail, in bucket `echo` |
//! | `input` | | sets the rule's name to the delivery's input, in bucket `echo`; to `none` if there is none |
//! | `emit` | `count`, `source`, `detail-type` | emits so many events |
//! | `transact` | `id`, `steps`, `millis` | takes the steps, with pauses between them, and emits `Transacted` with what each saw or wrote |
//! | `again` | `millis` | emits the event that it got, later if there are `millis`: a loop, if a rule routes it back |
//! | `emit-after` | `millis`, `source`, `detail-type` | emits one event later |
//!
//! What is tried and does not end the call is told by a permanent failure, `ATTEMPT: OUTCOME` and joined by `; `,
//! so that a test can read it. It is told in the same way when it works.
//!
//! Members that are left out: `source` is `misbehave`, `detail-type` is `Emitted`, `bucket` is `forbidden`, `trialId` and `key`
//! are `some`, `method` is `GET`, `times` is 1, `paths` is `["/etc/passwd"]`, `how` is `sleep`, `count` is 1, `millis` is 0.

mod bindings;
mod escape;
mod exhaust;
mod obey;
mod order;
mod request;
mod transact;

use self::bindings::exports::trialbridge::plugin::handler::{Delivery, Description, Event, Failure, Guest};
use self::order::Order;

/// The plugin.
pub struct Misbehave;

impl Guest for Misbehave {
    fn describe() -> Description {
        Description {
            summary: "does what it is told, above all what it should not".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            needs: Vec::new(),
        }
    }

    fn handle(event: Event, delivery: Delivery) -> Result<(), Failure> {
        let order = Order::read(&event.detail)?;
        match order.what.as_str() {
            "ok" => Ok(()),
            "permanent" => Err(Failure::Permanent("as told".to_owned())),
            "retry" => Err(Failure::Retry("as told".to_owned())),
            "retry-after" => Err(Failure::RetryAfter((order.millis(), "as told".to_owned()))),
            "counter" => obey::counter(&order),
            "echo" => obey::echo(&event),
            "input" => obey::input(&delivery),
            "again" => obey::again(&event, &order),
            "transact" => transact::transact(&order),
            "emit" => obey::emit(&order),
            "say" => obey::say(&order),
            "command" => obey::command(&order),
            "emit-after" => obey::emit_after(&order),
            "slow" => obey::slow(&order),
            "loop" => exhaust::cpu(),
            "eat" => exhaust::memory(),
            "recurse" => exhaust::stack(),
            "trap" => exhaust::trap(),
            "panic" => panic!("as told"),
            "flood-log" => exhaust::log(),
            "flood-stdout" => exhaust::stdout(),
            "flood-kv" => exhaust::kv(&order),
            "flood-events" => exhaust::events(&order),
            "flood-metrics" => exhaust::metrics(),
            "open-file" => escape::open_files(&order),
            "write-file" => escape::write_files(&order),
            "open-socket" => escape::open_socket(&order),
            "http" => request::http(&order),
            "kv-denied" => escape::kv(&order),
            "trials-denied" => escape::trials(&order),
            "emit-denied" => escape::emit(&order),
            "env" => escape::environment(),
            "random" => escape::random(),
            "clock" => escape::clock(),
            unknown => Err(Failure::Permanent(format!("misbehave does not know how to do `{unknown}`"))),
        }
    }
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the generated exports speak the ABI of components")]
mod exports {
    use super::{Misbehave, bindings};

    bindings::export!(Misbehave with_types_in bindings);
}
