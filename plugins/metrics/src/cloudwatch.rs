//! CloudWatch, beside Prometheus: measurements are kept, put together once a minute, and sent with PutMetricData.
//!
//! 1. Each handling keeps its measurements under a key of its own, in one of two buckets, by turns from minute to minute: so nobody waits for anybody.
//! 2. The schedule's event, whose rule gives the input `{"send":"cloudwatch"}`, puts together what the minute before kept, stores the request as one
//!    record, and says `MetricsBatched`. Nothing is sent here, so that this can run again when a commit conflicts.
//! 3. `MetricsBatched` comes back, the request is sent, and its record is removed. Nobody else touches the record.
//!
//! PutMetricData has no idempotency token: a request whose answer is lost, or that is followed by a crash before the commit, is sent again, and its
//! counts are there twice. None is lost: a request that is refused for good stays a record, and its delivery is a dead letter that can be redriven.

mod request;

use serde::Deserialize;
use serde_json::json;
use trialbridge_plugin::http::{Request, Response};
use trialbridge_plugin::{Event, Failure, Host, NewEvent, permanent, retry};

use crate::config::CloudWatch;
use crate::recorder::Datum;
use crate::{BUCKET, SELF};

/// The buckets that measurements are kept in, by the minute.
const BUCKETS: [&str; 2] = ["metrics-even", "metrics-odd"];

/// How many handlings are put together at once: each is a change of the store, of which a call may make 240.
const AT_ONCE: u32 = 200;

const MINUTE: u64 = 60_000;

/// What is sent at once.
const BATCHED: &str = "MetricsBatched";

/// There is more to put together.
const CONTINUED: &str = "MetricsContinued";

/// What the schedule's rule says.
#[derive(Deserialize)]
struct Input {
    send: String,
}

/// Handles what is about sending, whatever is measured; nothing if the event is to be measured.
pub(crate) fn handle(event: &Event, host: &Host, config: &CloudWatch) -> Option<Result<(), Failure>> {
    match event.kind() {
        ("trialbridge", "Scheduled Event") if host.delivery().input.is_some() => Some(scheduled(host, config)),
        (SELF, CONTINUED) => Some(put_together(host, config)),
        (SELF, BATCHED) => Some(send(event, host, config)),
        _ => None,
    }
}

/// Keeps measurements until they are sent.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn keep(event: &Event, host: &Host, data: Vec<Datum>) -> Result<(), Failure> {
    let bucket = BUCKETS[(host.now() / MINUTE % 2) as usize];
    let key = format!("{:020}/{}", event.sequence, host.delivery().id);
    Ok(host.kv(bucket).set(&key, &(host.now() / MINUTE * 60, data))?)
}

fn scheduled(host: &Host, config: &CloudWatch) -> Result<(), Failure> {
    match host.delivery().input::<Input>()? {
        Some(input) if input.send == "cloudwatch" => put_together(host, config),
        _ => Err(permanent("the rule's input must be {\"send\": \"cloudwatch\"}")),
    }
}

/// Makes a request of what the minute before this one kept, or several if it is much.
fn put_together(host: &Host, config: &CloudWatch) -> Result<(), Failure> {
    let bucket = host.kv(BUCKETS[((host.now() / MINUTE + 1) % 2) as usize]);
    let kept = bucket.page::<(u64, Vec<Datum>)>("", None, AT_ONCE)?;
    for (key, _) in &kept {
        bucket.delete(key)?;
    }
    let full = kept.len() == AT_ONCE as usize;
    let data = kept.into_iter().flat_map(|(_, (minute, data))| data.into_iter().map(move |datum| (minute, datum)));
    for form in request::forms(config, data) {
        let id = host.new_id();
        host.kv(BUCKET).set_bytes(&batch(&id), form.as_bytes())?;
        host.emit(NewEvent::new(SELF, BATCHED, json!({ "batch": id })))?;
    }
    if full {
        host.emit(NewEvent::new(SELF, CONTINUED, json!({})))?;
    }
    Ok(())
}

/// Sends a request that was put together, unless it was sent before.
fn send(event: &Event, host: &Host, config: &CloudWatch) -> Result<(), Failure> {
    let key = batch(event.detail()?.text("batch")?);
    let Some(form) = host.kv(BUCKET).get_bytes(&key)? else { return Ok(()) };
    let request = Request::post(format!("{}/", config.endpoint.trim_end_matches('/')))
        .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(form);
    judge(&host.send(&request)?)?;
    Ok(host.kv(BUCKET).delete(&key)?)
}

fn judge(response: &Response) -> Result<(), Failure> {
    if response.status == 200 {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&response.body);
    let said: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    let reason = format!("CloudWatch answered {}: {said}", response.status);
    // Throttling is a 400 in this protocol; so are some credentials that are not taken, which are mended elsewhere.
    let passing = [
        "Throttling",
        "RequestLimitExceeded",
        "InternalFailure",
        "ServiceUnavailable",
        "AccessDenied",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignature",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
    ];
    match response.status {
        401 | 403 | 408 | 429 | 500.. => Err(retry(reason)),
        _ if passing.iter().any(|passing| text.contains(passing)) => Err(retry(reason)),
        _ => Err(permanent(reason)),
    }
}

fn batch(id: &str) -> String {
    format!("batch/{id}")
}
