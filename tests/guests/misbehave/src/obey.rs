//! What a plugin may do, made visible.

use std::thread;
use std::time::{Duration, Instant};

use crate::bindings::exports::trialbridge::plugin::handler::{Delivery, Event, Failure};
use crate::bindings::trialbridge::plugin::events::NewEvent;
use crate::bindings::trialbridge::plugin::log::{self, Level};
use crate::bindings::trialbridge::plugin::{commands, events, kv};
use crate::order::{Order, give_up, text};

/// Reads a number, and writes it back with one more: two calls at once would lose one if they did not conflict.
pub(crate) fn counter(order: &Order) -> Result<(), Failure> {
    let key = order.text("key", "some");
    let stored = kv::get("counters", key).map_err(give_up)?.unwrap_or_else(|| b"0".to_vec());
    let number = String::from_utf8_lossy(&stored).parse::<u64>();
    let number = number.map_err(|error| Failure::Permanent(format!("`{key}` holds no number: {error}")))?;
    thread::sleep(Duration::from_millis(order.millis()));
    kv::set("counters", key, (number + 1).to_string().as_bytes()).map_err(give_up)?;
    match order.text("detail-type", "") {
        "" => Ok(()),
        _ => events::emit(&order.event(number + 1)).map_err(give_up),
    }
}

pub(crate) fn echo(event: &Event) -> Result<(), Failure> {
    kv::set("echo", &event.id, event.detail.as_bytes()).map_err(give_up)
}

pub(crate) fn input(delivery: &Delivery) -> Result<(), Failure> {
    let input = delivery.input.as_deref().unwrap_or("none");
    kv::set("echo", &delivery.rule, input.as_bytes()).map_err(give_up)
}

pub(crate) fn emit(order: &Order) -> Result<(), Failure> {
    (0..order.number("count", 1)).try_for_each(|number| events::emit(&order.event(number)).map_err(give_up))
}

pub(crate) fn again(event: &Event, order: &Order) -> Result<(), Failure> {
    let again = NewEvent {
        source: event.source.clone(),
        detail_type: event.detail_type.clone(),
        detail: event.detail.clone(),
        resources: event.resources.clone(),
    };
    match order.find("millis") {
        Some(millis) => events::emit_after(&again, millis).map(drop).map_err(give_up),
        None => events::emit(&again).map_err(give_up),
    }
}

pub(crate) fn emit_after(order: &Order) -> Result<(), Failure> {
    events::emit_after(&order.event(0), order.millis()).map(drop).map_err(give_up)
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what guests print is to be seen")]
pub(crate) fn say(order: &Order) -> Result<(), Failure> {
    compute(Duration::from_millis(order.millis()));
    let text = order.text("text", "nothing");
    log::log(Level::Warn, text, &[("field".to_owned(), text.to_owned())]);
    println!("{text}");
    eprintln!("{text}");
    Err(Failure::Permanent(text.to_owned()))
}

pub(crate) fn slow(order: &Order) -> Result<(), Failure> {
    let pause = Duration::from_millis(order.millis());
    if order.text("how", "sleep") == "busy" {
        compute(pause);
    } else {
        thread::sleep(pause);
    }
    Ok(())
}

fn compute(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {}
}

/// What comes of a command, as `exited CODE` or `killed REASON` or the error, and what it wrote.
pub(crate) fn command(order: &Order) -> Result<(), Failure> {
    let name = order.text("command", "some");
    let parameters = serde_json::Value::Object(order.members("parameters")).to_string();
    let outcome = match commands::run(name, &parameters) {
        Ok(commands::Outcome { ending: commands::Ending::Exited(code), stdout, stderr }) => {
            format!("exited {code}\n{stdout}{stderr}")
        }
        Ok(commands::Outcome { ending: commands::Ending::Killed(reason), stdout, stderr }) => {
            format!("killed {reason}\n{stdout}{stderr}")
        }
        Err(error) => text(&error),
    };
    kv::set("echo", name, outcome.as_bytes()).map_err(give_up)
}
