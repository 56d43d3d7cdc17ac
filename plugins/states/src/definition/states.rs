//! Scopes and the states in them.

use std::collections::BTreeMap;

use super::fields::{Fields, Report, short};
use super::{Amount, Kind, Said, Scope, State, Until, below, choices, graph, handlers};
use crate::path::{Path, Reference};
use crate::suggest::did_you_mean;
use crate::template::Expression;
use crate::time;

/// The types of states.
const TYPES: [&str; 8] = ["Task", "Choice", "Wait", "Pass", "Succeed", "Fail", "Parallel", "Map"];

/// The longest name of a state, in characters.
const LONGEST_NAME: usize = 80;

/// How many items of a map are worked on at once, unless given: all.
const ALL: Amount = Amount::Given(0);

/// Reads `StartAt` and `States`.
pub(super) fn scope(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Scope {
    let start_at = fields.text("StartAt", report).map(str::to_owned);
    let mut scope = Scope { start_at: start_at.clone().unwrap_or_default(), states: BTreeMap::new() };
    let Some(value) = fields.need("States", report) else { return scope };
    let at = fields.path("States");
    let Some(members) = value.as_object().filter(|members| !members.is_empty()) else {
        report.say(at, format!("must be an object with a state at least, and is {}", short(value)));
        return scope;
    };
    for (name, value) in members {
        let at = below(&at, name);
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            report.say(at.as_str(), format!("the name of a state must have 1 to {LONGEST_NAME} characters"));
        }
        if !report.names.insert(name.clone()) {
            report.say(at.as_str(), "another state of the machine has this name already");
        }
        if let Some(mut fields) = Fields::of(value, at, "a state", report)
            && let Some(state) = state(&mut fields, report)
        {
            fields.finish(report);
            scope.states.insert(name.clone(), state);
        }
    }
    // States that could not be read are there all the same, and are not to be missed.
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    if start_at.is_some() && !names.contains(&scope.start_at.as_str()) {
        let hint = did_you_mean(&scope.start_at, names.iter().copied());
        report.say(fields.path("StartAt"), format!("there is no state {:?}{hint}", scope.start_at));
    } else if scope.states.len() == members.len() && start_at.is_some() {
        graph::check(&scope, fields.at(), &at, report);
    }
    for (name, state) in &scope.states {
        for (path, target) in graph::targets(state) {
            if !names.contains(&target) {
                let hint = did_you_mean(target, names.iter().copied());
                report.say(format!("{}{path}", below(&at, name)), format!("there is no state {target:?}{hint}"));
            }
        }
    }
    scope
}

fn state(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<State> {
    let type_name = fields.text("Type", report)?;
    fields.optional_text("Comment", report);
    fields.dialect(report);
    let kind = match type_name {
        "Task" => task(fields, report),
        "Choice" => choices::choice(fields, report),
        "Wait" => wait(fields, report)?,
        "Pass" => Kind::Pass { result: fields.take("Result").cloned() },
        "Succeed" => Kind::Succeed,
        "Fail" => Kind::Fail {
            error: said("Error", "ErrorPath", fields, report),
            cause: said("Cause", "CausePath", fields, report),
        },
        "Parallel" => parallel(fields, report),
        "Map" => map(fields, report),
        other => {
            let hint = did_you_mean(other, TYPES);
            report.say(fields.path("Type"), format!("there is no type {other:?}, but {}{hint}", TYPES.join(", ")));
            return None;
        }
    };
    let works = matches!(type_name, "Task" | "Parallel" | "Map");
    let mut state = State {
        kind,
        input: Some(Path::whole()),
        parameters: None,
        selector: None,
        result: Some(Reference::whole()),
        output: Some(Path::whole()),
        next: None,
        retry: Vec::new(),
        catch: Vec::new(),
    };
    if type_name != "Fail" {
        state.input = fields.part("InputPath", report);
        state.output = fields.part("OutputPath", report);
    }
    if matches!(type_name, "Task" | "Parallel" | "Pass") {
        state.parameters = fields.template("Parameters", report);
    }
    if works || type_name == "Pass" {
        state.result = fields.result_path(report);
    }
    if works {
        state.selector = fields.template("ResultSelector", report);
        state.retry = handlers::retriers(fields, report);
        state.catch = handlers::catchers(fields, report);
    }
    if works || matches!(type_name, "Pass" | "Wait") {
        state.next = next(fields, report);
    }
    Some(state)
}

/// `Next` or `End`.
fn next(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<String> {
    let next = fields.optional_text("Next", report).map(str::to_owned);
    let end = match fields.take("End") {
        None => false,
        Some(value) => fields.expect("End", value, value.as_bool(), "true or false", report).unwrap_or(true),
    };
    match (fields.has("Next"), end) {
        (true, true) => report.say(fields.path("End"), "cannot be beside Next: a state goes on, or is the last"),
        (false, false) => report.say(fields.at(), "has neither Next nor \"End\": true"),
        _ => {}
    }
    next
}

fn task(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Kind {
    let resource = fields.text("Resource", report).unwrap_or_default().to_owned();
    if !resource.is_empty() && !report.resources.contains(&resource.as_str()) {
        let hint = did_you_mean(&resource, report.resources.iter().copied());
        let known = report.resources.join(", ");
        report.say(fields.path("Resource"), format!("there is no resource {resource:?}, but {known}{hint}"));
    }
    let timeout = fields.amount("TimeoutSeconds", "TimeoutSecondsPath", 1, report);
    let heartbeat = fields.amount("HeartbeatSeconds", "HeartbeatSecondsPath", 1, report);
    if let (Some(Amount::Given(timeout)), Some(Amount::Given(heartbeat))) = (&timeout, &heartbeat)
        && heartbeat >= timeout
    {
        let message = format!("must be less than TimeoutSeconds, {timeout}, and is {heartbeat}");
        report.say(fields.path("HeartbeatSeconds"), message);
    }
    Kind::Task { resource, timeout, heartbeat }
}

fn wait(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Kind> {
    const NAMES: [&str; 4] = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
    if !NAMES.iter().any(|name| fields.has(name)) {
        report.say(fields.at(), format!("has none of {}", NAMES.join(", ")));
    }
    fields.either(&NAMES, report);
    let seconds = fields.seconds("Seconds", 0, report).map(|seconds| Until::Seconds(Amount::Given(seconds)));
    let found = fields.definite_path("SecondsPath", report).map(|path| Until::Seconds(Amount::Found(path)));
    let time = fields.take("Timestamp").and_then(|value| {
        let time = value.as_str().and_then(time::parse);
        fields.expect("Timestamp", value, time, "a time as 2020-05-13T14:19:39Z", report)
    });
    let path = fields.definite_path("TimestampPath", report).map(Until::TimestampPath);
    let until = seconds.or(found).or(time.map(|time| Until::Timestamp(time::millis(time)))).or(path);
    // What is wrong has been said; the other fields are to be looked at all the same.
    Some(Kind::Wait(until.unwrap_or(Until::Timestamp(0))))
}

fn said(name: &'static str, path: &'static str, fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Said> {
    fields.either(&[name, path], report);
    let given = fields.optional_text(name, report).map(|text| Said::Given(text.to_owned()));
    let made = fields.optional_text(path, report).and_then(|text| {
        Expression::parse(text).map_err(|reason| report.say(fields.path(path), reason)).ok().map(Said::Made)
    });
    given.or(made)
}

fn parallel(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Kind {
    fields.need("Branches", report);
    let branches = fields.list("Branches", report);
    let branches = branches.into_iter().filter_map(|(value, at)| {
        let mut fields = Fields::of(value, at, "a branch", report)?;
        fields.optional_text("Comment", report);
        let scope = scope(&mut fields, report);
        fields.finish(report);
        Some(scope)
    });
    Kind::Parallel { branches: branches.collect() }
}

fn map(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Kind {
    let items = fields.any_path("ItemsPath", report).unwrap_or_else(Path::whole);
    // Older definitions say Iterator and Parameters.
    fields.either(&["ItemProcessor", "Iterator"], report);
    fields.either(&["ItemSelector", "Parameters"], report);
    let selector = fields.template("ItemSelector", report);
    let selector = selector.or(fields.template("Parameters", report));
    let at_once = fields.amount("MaxConcurrency", "MaxConcurrencyPath", 0, report).unwrap_or(ALL);
    fields.optional_text("Label", report);
    let name = if fields.has("Iterator") { "Iterator" } else { "ItemProcessor" };
    let (_, processor) = (fields.take("ItemProcessor"), fields.take("Iterator"));
    let processor = match processor {
        Some(value) => Some(value),
        None => fields.need("ItemProcessor", report),
    };
    let mut inner = Scope::default();
    if let Some(value) = processor
        && let Some(mut processor) = Fields::of(value, fields.path(name), name, report)
    {
        processor.optional_text("Comment", report);
        if let Some(value) = processor.take("ProcessorConfig")
            && let Some(mut config) = Fields::of(value, processor.path("ProcessorConfig"), "ProcessorConfig", report)
        {
            if let Some(mode) = config.optional_text("Mode", report)
                && mode != "INLINE"
            {
                report.say(config.path("Mode"), format!("{mode:?} is not supported, only \"INLINE\" is"));
            }
            config.finish(report);
        }
        inner = scope(&mut processor, report);
        processor.finish(report);
    }
    Kind::Map { items, selector, processor: inner, at_once }
}
