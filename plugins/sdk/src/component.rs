//! The daemon, as a component reaches it, and the component's exports.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use uuid::Uuid;

use self::bindings::exports::trialbridge::plugin::{checks, handler as wit};
use self::bindings::trialbridge::plugin::{commands, config, events, kv, log, metrics, trials, types};
use crate::backend::Backend;
use crate::commands::{Ending, Outcome};
use crate::trials::{Change, Page, Trial};
use crate::{Access, Config, Delivery, Description, Error, Event, Failure, Host, Level, Need, NewEvent, Plugin};

/// What `wit/` looks like from a plugin. Generated.
#[expect(missing_docs, reason = "the macros that are generated have no documentation")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "checked",
        path: "../../wit",
        pub_export_macro: true,
        export_macro_name: "export_component",
    });
}

/// The exports of a plugin.
#[derive(Debug)]
pub struct Exported<P>(PhantomData<P>);

impl<P: Plugin> wit::Guest for Exported<P> {
    fn describe() -> wit::Description {
        let Description { summary, version, needs } = P::describe();
        wit::Description { summary, version, needs: needs.into_iter().map(Into::into).collect() }
    }

    fn handle(event: wit::Event, delivery: wit::Delivery) -> Result<(), wit::Failure> {
        Ok(P::handle(&event.into(), &Host::new(delivery.into(), Daemon))?)
    }
}

impl<P: Plugin> checks::Guest for Exported<P> {
    fn check_config() -> Result<(), String> {
        P::check_config(&Config::new(config::get()))
    }
}

/// The daemon.
#[derive(Debug)]
pub(crate) struct Daemon;

impl Backend for Daemon {
    fn config(&self) -> String {
        config::get()
    }

    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn new_id(&self) -> String {
        Uuid::now_v7().to_string()
    }

    fn folder(&self, name: &str) -> PathBuf {
        Path::new("/").join(name)
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        log::log(level.into(), message, &owned(fields));
    }

    fn kv_get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(kv::get(bucket, key)?)
    }

    fn kv_set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), Error> {
        Ok(kv::set(bucket, key, value)?)
    }

    fn kv_delete(&self, bucket: &str, key: &str) -> Result<(), Error> {
        Ok(kv::delete(bucket, key)?)
    }

    fn kv_list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let entries = kv::list(bucket, prefix, after, limit)?;
        Ok(entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
    }

    fn kv_keys(&self, bucket: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        Ok(kv::keys(bucket, prefix, after, limit)?)
    }

    fn kv_any(&self, bucket: &str, prefix: &str) -> Result<Option<(String, Vec<u8>)>, Error> {
        Ok(kv::any(bucket, prefix)?.map(|entry| (entry.key, entry.value)))
    }

    fn trial(&self, id: &str) -> Result<Option<Trial>, Error> {
        trials::get(id)?.map(trial).transpose()
    }

    fn trials(&self, status: &str, trial_type: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        let page = trials::list(status, trial_type, after, limit)?;
        Ok(Page { trials: page.trials.into_iter().map(trial).collect::<Result<_, _>>()?, next: page.next })
    }

    fn update(&self, id: &str, change: &Change) -> Result<Trial, Error> {
        let attributes = (!change.attributes.is_empty()).then(|| Value::Object(change.attributes.clone()).to_string());
        trial(trials::update(id, &trials::Change { status: change.status.clone(), attributes })?)
    }

    fn emit(&self, event: NewEvent) -> Result<(), Error> {
        Ok(events::emit(&new_event(event)?)?)
    }

    fn emit_after(&self, event: NewEvent, delay: u64) -> Result<String, Error> {
        Ok(events::emit_after(&new_event(event)?, delay)?)
    }

    fn cancel(&self, id: &str) -> Result<bool, Error> {
        Ok(events::cancel(id)?)
    }

    fn counter(&self, name: &str, labels: &[(&str, &str)], add: u64) -> Result<(), Error> {
        Ok(metrics::counter(name, &owned(labels), add)?)
    }

    fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error> {
        Ok(metrics::gauge(name, &owned(labels), value)?)
    }

    fn gauge_add(&self, name: &str, labels: &[(&str, &str)], add: f64) -> Result<(), Error> {
        Ok(metrics::gauge_add(name, &owned(labels), add)?)
    }

    fn histogram(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error> {
        Ok(metrics::histogram(name, &owned(labels), value)?)
    }

    fn run(&self, command: &str, parameters: &str) -> Result<Outcome, Error> {
        let commands::Outcome { ending, stdout, stderr } = commands::run(command, parameters)?;
        let ending = match ending {
            commands::Ending::Exited(code) => Ending::Exited(code),
            commands::Ending::Killed(reason) => Ending::Killed(reason),
        };
        Ok(Outcome { ending, stdout, stderr })
    }

    #[cfg(feature = "http")]
    fn send(&self, request: &crate::http::Request) -> Result<crate::http::Response, crate::http::Error> {
        crate::http::outgoing::send(request)
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn trial(trial: trials::Trial) -> Result<Trial, Error> {
    let attributes = serde_json::from_str(&trial.attributes).map_err(|error| {
        Error::Damaged(format!("the attributes of trial `{}` are not a JSON object: {error}", trial.trial_id))
    })?;
    Ok(Trial {
        trial_id: trial.trial_id,
        lead_id: trial.lead_id,
        trial_type: trial.trial_type,
        status: trial.status,
        requested_at: trial.requested_at,
        expires_at: trial.expires_at,
        attributes,
    })
}

fn new_event(event: NewEvent) -> Result<events::NewEvent, Error> {
    let NewEvent { source, detail_type, detail, resources } = event;
    let detail = detail.map_err(|reason| Error::Invalid(format!("detail: {reason}")))?;
    Ok(events::NewEvent { source, detail_type, detail, resources })
}

impl From<wit::Event> for Event {
    fn from(event: wit::Event) -> Self {
        let wit::Event { sequence, id, source, detail_type, time, account, region, resources, detail } = event;
        Self { sequence, id, source, detail_type, time, account, region, resources, detail }
    }
}

impl From<wit::Delivery> for Delivery {
    fn from(delivery: wit::Delivery) -> Self {
        let wit::Delivery { id, rule, target, attempt, idempotency_key, input } = delivery;
        Self { id, rule, target, attempt, idempotency_key, input }
    }
}

impl From<Need> for types::Need {
    fn from(need: Need) -> Self {
        match need {
            Need::Kv(bucket, access) => Self::Kv((bucket, access.into())),
            Need::Trials(access) => Self::Trials(access.into()),
            Need::Emit(source) => Self::Emit(source),
            Need::Folder(name, access) => Self::Folder((name, access.into())),
            Need::Http => Self::Http,
        }
    }
}

impl From<Access> for types::Access {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::ReadWrite => Self::ReadWrite,
        }
    }
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Denied(reason) => Self::Denied(reason),
            types::Error::Invalid(reason) => Self::Invalid(reason),
            types::Error::NotFound(reason) => Self::NotFound(reason),
            types::Error::Limit(reason) => Self::Limit(reason),
            types::Error::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<Failure> for wit::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retry(reason) => Self::Retry(reason),
            Failure::RetryAfter(delay, reason) => Self::RetryAfter((millis(delay), reason)),
            Failure::Permanent(reason) => Self::Permanent(reason),
        }
    }
}

fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}
