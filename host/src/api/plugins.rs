//! GET /plugins.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::Context;
use super::path::Named;
use super::problem::Problem;
use super::query::Query;
use crate::plugin;

/// Every plugin, whether it serves or not.
pub(super) async fn list(State(context): State<Context>, uri: Uri) -> Result<Json<Value>, Problem> {
    Query::read(&uri, &[])?;
    Ok(Json(json!({ "plugins": context.plugins.statuses() })))
}

/// One plugin.
pub(super) async fn get(State(context): State<Context>, Named(id): Named) -> Result<Json<plugin::Status>, Problem> {
    let found = context.plugins.statuses().into_iter().find(|status| status.id == id);
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no plugin `{id}`; GET /plugins lists them")))
}
