//! /events: publish, and read the journal.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::body::{JsonText, misshapen};
use super::journal::{self, FILTERS, Filter};
use super::problem::Problem;
use super::query::Query;
use super::tail;
use super::{Context, reading};
use crate::event::Event;

/// Publishes an event: it is in the journal, and its deliveries are owed, when this answers.
pub(super) async fn publish(
    State(context): State<Context>,
    JsonText(body): JsonText,
) -> Result<impl IntoResponse, Problem> {
    let event = Event::published(&body, context.bus.now()).map_err(|error| match error.field {
        "body" => misshapen(".", error.message.trim_start_matches("not an event: ")),
        _ => error.into(),
    })?;
    let id = event.id.clone();
    let sequence = context.bus.publish(event).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id, "seq": sequence }))))
}

/// Events of the journal in pages, the oldest first; or as they happen, for those who ask for server-sent events.
pub(super) async fn list(state: State<Context>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.trim_start().starts_with("text/event-stream") {
        return tail::tail(state, headers, uri).await.map(IntoResponse::into_response);
    }
    let query = Query::read(&uri, &[&FILTERS[..], &["limit", "after"]].concat())?;
    let filter = Filter::new(&query);
    let after = query.text("after").map_or(Ok(0), |text| journal::sequence("after", &text))?;
    let limit = query.limit()?;
    let storage = state.bus.storage().clone();
    Ok(Json(reading(move || journal::read(storage.as_ref(), &filter, after, limit)).await?).into_response())
}
