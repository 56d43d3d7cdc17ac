//! `trialbridge plugin test`: one event, outside the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use tokio::sync::Notify;
use trialbridge::clock::{Clock, SystemClock, Timestamp};
use trialbridge::event::{Event, Recorded};
use trialbridge::plugin::rehearsal::{Destinations, Exchange, Rehearsal, Sent};
use trialbridge::plugin::{Call, CallError, Compiled, Plugin};
use trialbridge::reload;
use trialbridge::telemetry::{GuestLog, Line};

use super::super::output::{complain, text};
use super::stage::{self, Stopped};
use super::{Failure, Output, effects, id_of, read, tools};

/// What `plugin test` takes.
#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The component.
    file: PathBuf,
    /// The event: a file with its JSON; source, detail-type and detail are enough.
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// The trials there are: a list in the form of the API; trialId and type are enough.
    #[arg(long, value_name = "FILE")]
    trials: Option<PathBuf>,
    /// The keys there are: {"BUCKET": {"KEY": VALUE}}.
    #[arg(long, value_name = "FILE")]
    kv: Option<PathBuf>,
    /// The answers to HTTP requests: [{"request": {"method", "url"}, "response": {"status", "headers", "body"}}].
    #[arg(long, value_name = "FILE")]
    http: Option<PathBuf>,
    /// The configuration with the plugin's grants, limits and own part; without it, what the plugin needs is granted. Secrets are not
    /// read: requests show their names, also in what is recorded: https://api.example.com/?key=[secret NAME].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The plugin's id in the configuration, if it is not the file's name.
    #[arg(long, value_name = "ID")]
    plugin: Option<String>,
    /// What the target makes of the event, as JSON.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// The time of the call, such as 2020-05-13T14:19:39Z, if not now.
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// Run again whenever one of the files changes, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// What a test came to.
struct Outcome {
    plugin: Arc<Compiled>,
    id: String,
    event: Event,
    /// The grants that were given because the plugin needs them.
    granted: Vec<String>,
    rehearsal: Rehearsal,
    log: Vec<Line>,
}

impl Test {
    pub(super) async fn execute(self, output: Output) -> Result<(), Failure> {
        let log = GuestLog::install();
        let scratch = stage::scratch();
        if !self.watch {
            return self.once(&log, &scratch, output).await;
        }
        let changed = Arc::new(Notify::new());
        let watcher = reload::watch_files(&self.files(), changed.clone());
        let _watcher = watcher.map_err(|error| Failure::Refused(format!("--watch: {error:#}")))?;
        loop {
            match self.once(&log, &scratch, output).await {
                Ok(()) => {}
                Err(Failure::OutputClosed) => return Ok(()),
                Err(Failure::Refused(message) | Failure::Usage(message)) => complain(&format!("error: {message}")),
            }
            tokio::select! {
                () = changed.notified() => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let optional = [&self.trials, &self.kv, &self.http, &self.config].into_iter().flatten();
        [&self.file, &self.event].into_iter().chain(optional).cloned().collect()
    }

    async fn once(&self, log: &GuestLog, scratch: &Path, output: Output) -> Result<(), Failure> {
        log.take();
        let outcome = self.run(log, scratch).await?;
        if scratch.exists() {
            complain(&format!("what it wrote to its folders is in {}", scratch.display()));
        }
        outcome.print(output)
    }

    async fn run(&self, log: &GuestLog, scratch: &Path) -> Result<Outcome, Failure> {
        let id = id_of(&self.file, self.plugin.as_deref())?;
        let clock: Arc<dyn Clock> = match self.now {
            Some(now) => Arc::new(Stopped(now)),
            None => Arc::new(SystemClock::default()),
        };
        let now = clock.now();
        let event = Event::read(&read(&self.event, "--event")?, now)
            .map_err(|error| Failure::Usage(format!("--event: {}: {error}", self.event.display())))?;
        if let Some(input) = &self.input {
            serde_json::from_str::<serde::de::IgnoredAny>(input)
                .map_err(|error| Failure::Usage(format!("--input: not JSON: {error}")))?;
        }
        let shape = "[{\"request\": {\"method\", \"url\"}, \"response\": {\"status\", \"headers\", \"body\"}}]";
        let recorded = self.http.as_deref().map(|file| stage::json::<Vec<Exchange>>(file, "--http", shape));
        let recorded = recorded.transpose()?.unwrap_or_default();
        let storage = stage::store(self.trials.as_deref(), self.kv.as_deref(), now).await?;
        let runtime = tools::runtime(storage, clock)?;
        let wrong = |error: &dyn ToString| Failure::Usage(format!("{}: {}", self.file.display(), error.to_string()));
        let compiled = Compiled::new(read(&self.file, "FILE")?, &runtime).await.map_err(|error| wrong(&error))?;
        let compiled = Arc::new(compiled);
        let (settings, granted) = stage::settings(&id, &compiled, self.config.as_deref(), scratch)?;
        let plugin = Plugin::new(&id, compiled.clone(), Arc::new(settings), runtime).map_err(|error| wrong(&error))?;
        plugin.check_config().await.map_err(|error| wrong(&error))?;
        let call = Call {
            delivery: format!("{id}/1/0"),
            rule: "test".to_owned(),
            attempt: 1,
            idempotency_key: format!("{}/test/{id}", event.id),
            input: self.input.clone(),
            now,
            event: Arc::new(Recorded { sequence: 1, event: event.clone(), published: now, cause: None }),
        };
        log.take();
        // What a plugin needs says that it needs HTTP, but not where.
        let destinations = match &self.config {
            None if !plugin.settings().grants.http.is_empty() => Destinations::Any,
            _ => Destinations::Granted,
        };
        let rehearsal = plugin.rehearse(call, recorded, destinations).await;
        Ok(Outcome { plugin: compiled, id, event, granted, rehearsal, log: log.take() })
    }
}

impl Outcome {
    /// Prints it, and fails if the handler did.
    fn print(self, output: Output) -> Result<(), Failure> {
        let Self { plugin, id, event, granted, rehearsal, log } = self;
        let Rehearsal { outcome, time, memory, requests } = rehearsal;
        let (word, parts, failure) = match outcome {
            Ok(effects) => ("ok", Some(effects.into_parts()), None),
            Err(error) => (word(&error), None, Some(error)),
        };
        if output.json {
            let value = json!({
                "plugin": id,
                "version": plugin.version(),
                "eventId": event.id,
                "granted": granted,
                "outcome": word,
                "error": failure.as_ref().map(ToString::to_string),
                "retryAfterSeconds": match &failure {
                    Some(CallError::RetryAfter(wait, _)) => json!(wait.as_secs_f64()),
                    _ => Value::Null,
                },
                "effects": parts.as_ref().map(effects::value),
                "log": log,
                "requests": requests,
                "seconds": time.as_secs_f64(),
                "memory": memory,
            });
            output.value(&value)?;
        } else {
            let (source, detail_type) = (text(&json!(event.source)), text(&json!(event.detail_type)));
            let millis = time.as_secs_f64() * 1000.0;
            let mebibytes = memory as f64 / f64::from(1 << 20);
            output.line(&format!("{id} {}: {source} {detail_type}: {word}", plugin.version()))?;
            output.line(&format!("{millis:.1} ms, {mebibytes:.1} MiB of memory at most"))?;
            section(output, "granted, because it needs it", granted.into_iter().map(|line| vec![line]).collect())?;
            section(output, "log", log.iter().map(row).collect())?;
            section(output, "requests", requests.iter().map(sent).collect())?;
            section(output, "effects", parts.as_ref().map(effects::rows).unwrap_or_default())?;
            unrecorded(output, &requests)?;
        }
        match failure {
            None => Ok(()),
            Some(CallError::RetryAfter(wait, reason)) => {
                let wait = trialbridge::config::duration::format(wait);
                Err(Failure::Refused(format!("the handler failed, and asks to be called again after {wait}: {reason}")))
            }
            Some(error) => Err(Failure::Refused(format!("the handler failed: {error}"))),
        }
    }
}

/// How a call failed, in a word.
fn word(error: &CallError) -> &'static str {
    match error {
        CallError::Retry(_) => "retry",
        CallError::RetryAfter(..) => "retry-after",
        CallError::Permanent(_) => "permanent",
        CallError::TimedOut(_) => "timed-out",
        _ => "trap",
    }
}

/// Prints a part of the outcome, if there is anything in it.
fn section(output: Output, head: &str, rows: Vec<Vec<String>>) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    output.line(&format!("\n{head}"))?;
    let indented = rows.into_iter().map(|mut row| {
        row[0].insert_str(0, "  ");
        row
    });
    Ok(output.rows(&indented.collect::<Vec<_>>())?)
}

fn row(line: &Line) -> Vec<String> {
    let printable = |what: &str| text(&Value::String(what.to_owned()));
    vec![line.level.clone(), printable(&line.message), printable(&line.fields)]
}

fn sent(sent: &Sent) -> Vec<String> {
    let unanswered = if sent.denied { "denied" } else { "not recorded" };
    let status = sent.status.map_or_else(|| unanswered.to_owned(), |status| status.to_string());
    vec![sent.request.method.clone(), text(&json!(sent.request.url)), status, text(&json!(sent.body))]
}

/// Says how to answer the requests that nobody answered.
fn unrecorded(output: Output, requests: &[Sent]) -> Result<(), Failure> {
    let exchanges = requests
        .iter()
        .filter(|sent| sent.status.is_none() && !sent.denied)
        .map(|sent| json!({ "request": sent.request, "response": { "status": 200, "headers": {}, "body": {} } }));
    let exchanges: Vec<Value> = exchanges.collect();
    if exchanges.is_empty() {
        return Ok(());
    }
    output.line("\nno answer is recorded for some requests; fill this in, and give it with --http FILE:\n")?;
    Ok(output.value(&Value::Array(exchanges))?)
}
