//! /trials: request, look, extend, cancel.

use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{AppendHeaders, IntoResponse};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::body::JsonBody;
use super::path::Named;
use super::problem::Problem;
use super::query::Query;
use super::{Context, reading};
use crate::config::duration;
use crate::history::{self, History};
use crate::storage::Version;
use crate::trial::Trial;
use crate::trials::{Filter, Origin, Request};

/// The header that makes the same trial of repeated requests.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The body of a request for a trial.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    lead_id: String,
    #[serde(rename = "type")]
    trial_type: String,
    ttl: Option<Ttl>,
    trial_id: Option<String>,
}

/// The body of an extension.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extension {
    ttl: Ttl,
}

/// How long a trial shall live: `"30s"`, `"14d"`, or a number of seconds.
struct Ttl(Duration);

/// Requests a trial: 201 if this made it, 200 if an earlier request had.
pub(super) async fn request(
    State(context): State<Context>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<impl IntoResponse, Problem> {
    let idempotency_key = headers.get(IDEMPOTENCY_KEY).map(|value| value.to_str().map(str::to_owned));
    let request = Request {
        lead_id: wanted.lead_id,
        trial_type: wanted.trial_type,
        ttl: wanted.ttl.map(|Ttl(ttl)| ttl),
        trial_id: wanted.trial_id,
        idempotency_key: idempotency_key
            .transpose()
            .map_err(|_| Problem::invalid(IDEMPOTENCY_KEY, "must be visible ASCII"))?,
    };
    let requested = context.trials.request(request).await?;
    let status = match requested.origin {
        Origin::New => StatusCode::CREATED,
        Origin::Earlier => StatusCode::OK,
    };
    // The characters that an id may have stand for themselves in a path.
    let location = AppendHeaders([(header::LOCATION, format!("/trials/{}", requested.trial.trial_id))]);
    Ok((status, location, shown(&requested.trial, requested.version)))
}

/// Lists trials by status and type, in pages.
pub(super) async fn list(State(context): State<Context>, uri: Uri) -> Result<Json<Value>, Problem> {
    let query = Query::read(&uri, &["status", "type", "limit", "after"])?;
    let filter = Filter {
        status: query.text("status"),
        trial_type: query.text("type"),
        after: query.text("after"),
        limit: query.limit()?,
    };
    let page = reading(move || context.trials.list(&filter)).await?;
    let trials: Vec<Value> = page.trials.iter().map(|(trial, version)| trial.to_json(*version)).collect();
    Ok(Json(json!({ "trials": trials, "next": page.next })))
}

/// One trial.
pub(super) async fn get(State(context): State<Context>, Named(id): Named) -> Result<impl IntoResponse, Problem> {
    let (trial, version) = context.trials.get(&id)?;
    Ok(shown(&trial, version))
}

/// What plugins noted of a trial. It may be there for some time after the trial.
pub(super) async fn history(State(context): State<Context>, Named(id): Named) -> Result<Json<Value>, Problem> {
    let found = {
        let (storage, id) = (context.bus.storage().clone(), id.clone());
        reading(move || history::read(storage.as_ref(), &id)).await?
    };
    let history = match found {
        Some(history) => history,
        // A trial of which nobody has noted anything yet.
        None => context.trials.get(&id).map(|_| History::default())?,
    };
    Ok(Json(json!({ "trialId": id, "entries": history.entries, "omitted": history.omitted })))
}

/// Lets a trial live for a time from now on.
pub(super) async fn extend(
    State(context): State<Context>,
    Named(id): Named,
    JsonBody(Extension { ttl: Ttl(ttl) }): JsonBody<Extension>,
) -> Result<impl IntoResponse, Problem> {
    let (trial, version) = context.trials.extend(&id, ttl).await?;
    Ok(shown(&trial, version))
}

/// Ends a trial, and answers with it as it was.
pub(super) async fn cancel(State(context): State<Context>, Named(id): Named) -> Result<Json<Value>, Problem> {
    let (trial, version) = context.trials.cancel(&id).await?;
    Ok(Json(trial.to_json(version)))
}

fn shown(trial: &Trial, version: Version) -> impl IntoResponse + use<> {
    (AppendHeaders([(header::ETAG, format!("\"{version}\""))]), Json(trial.to_json(version)))
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TtlVisitor;

        impl Visitor<'_> for TtlVisitor {
            type Value = Ttl;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time like \"30s\" or \"14d\", or a number of seconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ttl, E> {
                duration::parse(text).map(Ttl).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Ttl, E> {
                Ok(Ttl(Duration::from_secs(seconds)))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Ttl, E> {
                let time = Duration::try_from_secs_f64(seconds);
                time.map(Ttl)
                    .map_err(|_| E::custom(format!("{seconds} is not a time; write it like \"30s\", or as seconds")))
            }
        }

        deserializer.deserialize_any(TtlVisitor)
    }
}
