//! GET /rules, and why an event goes where it goes.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::journal;
use super::path::Named;
use super::problem::Problem;
use super::query::Query;
use super::{Context, reading};
use crate::config::duration;
use crate::rules::{Input, Rule, Schedule, Target};

/// The rules in force, in the order of rules.toml, and what became of its latest change.
pub(super) async fn list(State(context): State<Context>, uri: Uri) -> Result<Json<Value>, Problem> {
    Query::read(&uri, &[])?;
    let rules: Vec<Value> = context.bus.rules().rules().iter().map(shown).collect();
    Ok(Json(json!({ "rules": rules, "reload": context.reload.status() })))
}

/// One rule.
pub(super) async fn get(State(context): State<Context>, Named(name): Named) -> Result<Json<Value>, Problem> {
    let rules = context.bus.rules();
    let rule = rules.rule(&name).map(shown);
    rule.map(Json).ok_or_else(|| Problem::not_found(format!("there is no rule `{name}`; GET /rules lists them")))
}

/// Which event to explain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Question {
    /// An event, which need not have happened: any fields of the envelope.
    event: Option<Box<RawValue>>,
    /// The id of an event of the journal.
    event_id: Option<String>,
    /// The rule to explain, instead of all.
    rule: Option<String>,
}

/// Which rules match an event, and why the others do not.
pub(super) async fn explain(
    State(context): State<Context>,
    JsonBody(question): JsonBody<Question>,
) -> Result<Json<Value>, Problem> {
    let rules = context.bus.rules();
    if let Some(name) = &question.rule
        && rules.rule(name).is_none()
    {
        return Err(Problem::not_found(format!("there is no rule `{name}`; GET /rules lists them")));
    }
    let event = match (question.event, question.event_id) {
        (Some(event), None) => event.get().to_owned(),
        (None, Some(id)) => {
            let storage = context.bus.storage().clone();
            let wanted = id.clone();
            let found = reading(move || journal::find(storage.as_ref(), &wanted)).await?;
            let found = found.ok_or_else(|| Problem::not_found(format!("there is no event `{id}` in the journal")))?;
            found.event.to_json()
        }
        _ => return Err(Problem::invalid("event", "give either `event`, a JSON object, or `eventId`")),
    };
    // Many rules take their time.
    let explained = reading(move || rules.explain(event.as_bytes(), question.rule.as_deref())).await;
    let explanations = explained.map_err(|error| Problem::invalid("event", error.to_string()))?;
    Ok(Json(json!({ "rules": explanations })))
}

fn shown(rule: &Rule) -> Value {
    // The text was read as JSON when the rule was made.
    let pattern = rule.pattern_text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut shown = json!({
        "name": rule.name,
        "description": rule.description,
        "enabled": rule.enabled,
        "pattern": pattern,
        "schedule": rule.schedule.as_ref().map(ToString::to_string),
        "targets": rule.targets.iter().map(shown_target).collect::<Vec<_>>(),
    });
    if let Some(zone) = rule.schedule.as_ref().and_then(Schedule::time_zone) {
        shown["scheduleTimezone"] = zone.name().into();
    }
    shown
}

fn shown_target(target: &Target) -> Value {
    let mut shown = json!({
        "id": target.id,
        "plugin": target.plugin,
        "retry": {
            "maximumAttempts": target.retry.maximum_attempts,
            "maximumAge": duration::format(target.retry.maximum_age),
            "minimumBackoff": duration::format(target.retry.minimum_backoff),
            "maximumBackoff": duration::format(target.retry.maximum_backoff),
        },
    });
    if let Some(input) = &target.input {
        let (name, input) = shown_input(input);
        shown[name] = input;
    }
    shown
}

/// A target's input, and what it is called.
fn shown_input(input: &Input) -> (&'static str, Value) {
    match input {
        // A number that no type here holds makes it a text.
        Input::Constant(json) => ("input", serde_json::from_str(json).unwrap_or_else(|_| json.as_str().into())),
        Input::Path(path) => ("inputPath", path.to_string().into()),
        Input::Transformer(transformer) => {
            let paths = transformer.paths().iter().map(|(name, path)| (name.clone(), path.to_string().into()));
            let paths: serde_json::Map<String, Value> = paths.collect();
            ("inputTransformer", json!({ "inputPaths": paths, "template": transformer.template().text() }))
        }
    }
}
