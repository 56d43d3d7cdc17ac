//! GET /deliveries, POST /deliveries/redrive.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::path::Named;
use super::problem::Problem;
use super::query::Query;
use super::{Context, reading};
use crate::delivery::ledger::{Filter, ListState, Listed, Page, Selection};
use crate::delivery::record::DeliveryId;

/// What to redrive; one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redrive {
    ids: Option<Vec<String>>,
    plugin: Option<String>,
    all: Option<bool>,
}

/// Deliveries that are owed or were given up, in pages.
pub(super) async fn list(State(context): State<Context>, uri: Uri) -> Result<Json<Page>, Problem> {
    let query = Query::read(&uri, &["state", "plugin", "limit", "after"])?;
    let state = match query.text("state").as_deref() {
        None => None,
        Some("ready") => Some(ListState::Ready),
        Some("waiting") => Some(ListState::Waiting),
        Some("dead") => Some(ListState::Dead),
        Some("acknowledged") => Some(ListState::Acknowledged),
        Some(other) => {
            let detail = format!("`{other}` is not a state; there are ready, waiting, dead and acknowledged");
            return Err(Problem::invalid("state", detail));
        }
    };
    let filter = Filter { state, plugin: query.text("plugin"), after: query.text("after"), limit: query.limit()? };
    Ok(Json(reading(move || context.ledger.list(&filter)).await?))
}

/// One delivery.
pub(super) async fn get(State(context): State<Context>, Named(id): Named) -> Result<Json<Listed>, Problem> {
    let id: DeliveryId = id.parse().map_err(|detail| Problem::invalid("id", detail))?;
    Ok(Json(reading(move || context.ledger.get(&id)).await?))
}

/// Puts dead letters back into their queues.
pub(super) async fn redrive(
    State(context): State<Context>,
    JsonBody(wanted): JsonBody<Redrive>,
) -> Result<Json<Value>, Problem> {
    let selection = match wanted {
        Redrive { ids: Some(ids), plugin: None, all: None } => {
            let ids = ids.iter().map(|id| id.parse()).collect::<Result<_, _>>();
            Selection::Ids(ids.map_err(|detail: String| Problem::invalid("ids", detail))?)
        }
        Redrive { ids: None, plugin: Some(plugin), all: None } => Selection::Plugin(plugin),
        Redrive { ids: None, plugin: None, all: Some(true) } => Selection::All,
        _ => return Err(Problem::invalid("body", "must have one of `ids`, `plugin` and `all: true`")),
    };
    // A task of its own, so that it goes on if the one who asked does not wait.
    let redriving = tokio::spawn(async move { context.ledger.redrive(selection).await });
    let redriven = redriving.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    Ok(Json(json!({ "redriven": redriven })))
}
