//! Attempts to reach what was not granted. Each tells how it went.

use std::fs;
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::bindings::exports::trialbridge::plugin::handler::Failure;
use crate::bindings::trialbridge::plugin::trials::Change;
use crate::bindings::trialbridge::plugin::{events, kv as host_kv, trials as host_trials};
use crate::bindings::wasi::random::random as host_random;
use crate::order::{Order, tell, text};

pub(crate) fn open_files(order: &Order) -> Result<(), Failure> {
    let paths = order.texts("paths", "/etc/passwd");
    tell(paths.into_iter().map(|path| (path, fs::read_to_string(path).map_err(|error| error.to_string()))).collect())
}

pub(crate) fn write_files(order: &Order) -> Result<(), Failure> {
    let paths = order.texts("paths", "/etc/passwd");
    tell(paths.into_iter().map(|path| (path, fs::write(path, "x").map_err(|error| error.to_string()))).collect())
}

pub(crate) fn open_socket(order: &Order) -> Result<(), Failure> {
    let port = u16::try_from(order.number("port", 80)).map_err(|error| Failure::Permanent(format!("port: {error}")))?;
    let connected = TcpStream::connect(("127.0.0.1", port));
    tell(vec![("connect", connected.map(|_| port).map_err(|error| error.to_string()))])
}

pub(crate) fn kv(order: &Order) -> Result<(), Failure> {
    let bucket = order.text("bucket", "forbidden");
    tell(vec![
        ("get", host_kv::get(bucket, "key").map(drop).map_err(|error| text(&error))),
        ("set", host_kv::set(bucket, "key", b"value").map_err(|error| text(&error))),
        ("delete", host_kv::delete(bucket, "key").map_err(|error| text(&error))),
        ("list", host_kv::list(bucket, "", None, 10).map(drop).map_err(|error| text(&error))),
        ("keys", host_kv::keys(bucket, "", None, 10).map(drop).map_err(|error| text(&error))),
        ("any", host_kv::any(bucket, "").map(drop).map_err(|error| text(&error))),
    ])
}

pub(crate) fn trials(order: &Order) -> Result<(), Failure> {
    let id = order.text("trialId", "some");
    let change = Change { status: Some("STOLEN".to_owned()), attributes: None };
    tell(vec![
        ("get", host_trials::get(id).map(drop).map_err(|error| text(&error))),
        ("list", host_trials::list("REQUESTED", "ACS", None, 10).map(drop).map_err(|error| text(&error))),
        ("update", host_trials::update(id, &change).map(drop).map_err(|error| text(&error))),
    ])
}

pub(crate) fn emit(order: &Order) -> Result<(), Failure> {
    let event = order.event(0);
    tell(vec![
        ("emit", events::emit(&event).map_err(|error| text(&error))),
        ("emit-after", events::emit_after(&event, 1000).map(drop).map_err(|error| text(&error))),
    ])
}

/// There must be neither variables nor arguments.
pub(crate) fn environment() -> Result<(), Failure> {
    let variables: Vec<_> = std::env::vars_os().collect();
    let arguments: Vec<_> = std::env::args_os().collect();
    Err(Failure::Permanent(format!("variables: {variables:?}; arguments: {arguments:?}")))
}

pub(crate) fn random() -> Result<(), Failure> {
    Err(Failure::Permanent(format!("random: {}", host_random::get_random_u64())))
}

pub(crate) fn clock() -> Result<(), Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Err(Failure::Permanent(format!("clock: {}", since.as_millis())))
}
