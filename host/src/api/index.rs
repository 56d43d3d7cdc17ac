//! GET /: what there is.

use axum::Json;
use serde_json::{Value, json};

/// The paths, for those who come without a manual.
pub(super) async fn index() -> Json<Value> {
    Json(json!({
        "name": "trialbridge",
        "version": env!("CARGO_PKG_VERSION"),
        "paths": {
            "/trials": "POST {leadId, type, ttl?, trialId?} requests a trial; GET lists: status, type, limit, after",
            "/trials/ID": "GET; PATCH {ttl} extends; DELETE cancels",
            "/trials/ID/history": "GET what plugins noted of it, step by step",
            "/events": "POST {source, detail-type, detail}; GET lists: source, detail-type, trialId, limit, after",
            "/events/tail": "GET events as they happen, as server-sent events: source, detail-type, trialId, after",
            "/rules": "GET; GET /rules/NAME",
            "/plugins": "GET; GET /plugins/ID",
            "/deliveries": "GET lists: state (ready, waiting, dead, acknowledged), plugin, limit, after; GET /deliveries/ID",
            "/deliveries/redrive": "POST {ids}, {plugin} or {all: true}",
            "/stacks/ID/": "GET a stack's pages",
            "/metrics": "GET, in the format of Prometheus",
            "/healthz": "GET whether the daemon lives",
            "/readyz": "GET whether it can work",
        },
    }))
}
