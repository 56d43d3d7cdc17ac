//! One handling: the functions of the host over what is stored and what the handling has changed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;

use super::effects::{Effects, MetricChange};
use super::limits::{self, MAX_LIST, MAX_SERIES};
use super::state::{Due, LogLine, State};
use crate::backend::Backend;
use crate::commands::Outcome;
use crate::trials::{Change, Page, Trial};
use crate::{Access, Error, Event, Level, Need, NewEvent};

/// A handling in progress.
#[derive(Debug)]
pub(crate) struct Call(RefCell<Inner>);

#[derive(Debug)]
struct Inner {
    state: State,
    effects: Effects,
}

impl Call {
    pub(super) fn new(state: State) -> Self {
        Self(RefCell::new(Inner { state, effects: Effects::default() }))
    }

    /// Ends the handling: what was stored, and what it wants changed.
    pub(super) fn finish(self) -> (State, Effects) {
        let Inner { state, effects } = self.0.into_inner();
        (state, effects)
    }

    fn measure(&self, name: &str, labels: &[(&str, &str)], change: MetricChange) -> Result<(), Error> {
        let Inner { state, effects } = &mut *self.0.borrow_mut();
        if let MetricChange::Set(value) | MetricChange::Add(value) | MetricChange::Observe(value) = change
            && !value.is_finite()
        {
            return Err(Error::Invalid(format!("value: {value} is not a finite number")));
        }
        let mut labels: Vec<_> =
            labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        limits::series(name, &labels)?;
        let series = (name.to_owned(), labels);
        if !state.metrics.contains_key(&series) && state.metrics.len() >= MAX_SERIES {
            return Err(Error::Limit(format!("a plugin may have at most {MAX_SERIES} series of metrics")));
        }
        effects.spend(1, 64)?;
        effects.metrics.push((series, change));
        Ok(())
    }

    fn listed(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        what: What,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let Inner { state, effects } = &mut *self.0.borrow_mut();
        state.check(&Need::Kv(bucket.to_owned(), Access::Read))?;
        limits::page(limit)?;
        let limit = limit as usize;
        let first = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let range = (first, Bound::Unbounded);
        let own: Vec<_> = effects.kv.get(bucket).into_iter().flat_map(|keys| keys.range::<str, _>(range)).collect();
        let own: Vec<(String, Option<Vec<u8>>)> = own
            .into_iter()
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();

        // Own deletions hide stored keys, so as many more are read.
        let wanted = limit + own.len();
        let stored = state.kv.get(bucket).into_iter().flat_map(|keys| keys.range::<str, _>(range));
        let stored = stored.take_while(|(key, _)| key.starts_with(prefix)).take(wanted);
        let mut merged: BTreeMap<String, Vec<u8>> = stored.map(|(key, value)| (key.clone(), value.clone())).collect();
        if what == What::Entries {
            merged.keys().try_for_each(|key| effects.read(bucket, key))?;
        }
        let last = merged.keys().next_back().filter(|_| merged.len() == wanted).cloned();
        for (key, value) in own {
            // Beyond the last stored key that was read there may be others, so own keys there wait for the next page.
            if last.as_ref().is_some_and(|last| key > *last) {
                continue;
            }
            match value {
                Some(value) => merged.insert(key, value),
                None => merged.remove(&key),
            };
        }
        let mut size = 0;
        let mut fits = |(key, value): &(String, Vec<u8>)| {
            size += key.len() + value.len();
            size <= MAX_LIST || size == key.len() + value.len()
        };
        // As many keys as may be listed always fit.
        Ok(merged.into_iter().take(limit).take_while(|entry| what == What::Keys || fits(entry)).collect())
    }
}

/// What a list shows, and so what of it the commit would depend on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Entries,
    Keys,
}

impl Inner {
    fn trial(&mut self, id: &str) -> Result<Option<Trial>, Error> {
        self.state.check(&Need::Trials(Access::Read))?;
        self.effects.read("", id)?;
        let stored = self.state.trials.get(id).filter(|trial| self.state.now < trial.expires_at);
        Ok(stored.map(|stored| self.effects.trials.get(id).unwrap_or(stored).clone()))
    }

    fn event(&mut self, event: NewEvent) -> Result<Event, Error> {
        self.state.check(&Need::Emit(event.source.clone()))?;
        let detail = limits::event(&event)?.to_owned();
        Ok(self.state.event(&event.source, &event.detail_type, detail, event.resources))
    }
}

impl Backend for Call {
    fn config(&self) -> String {
        self.0.borrow().state.config.clone()
    }

    fn now(&self) -> u64 {
        self.0.borrow().state.now
    }

    fn new_id(&self) -> String {
        self.0.borrow_mut().state.new_id()
    }

    fn folder(&self, name: &str) -> PathBuf {
        let state = &mut self.0.borrow_mut().state;
        if state.is_granted(&Need::Folder(name.to_owned(), Access::Read)) {
            state.folders.open(name)
        } else {
            state.folders.absent(name)
        }
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.0.borrow_mut().state.logs.push(LogLine { level, message: message.to_owned(), fields });
    }

    fn kv_get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let Inner { state, effects } = &mut *self.0.borrow_mut();
        state.check(&Need::Kv(bucket.to_owned(), Access::Read))?;
        limits::key(key)?;
        if let Some(own) = effects.kv.get(bucket).and_then(|keys| keys.get(key)) {
            return Ok(own.clone());
        }
        effects.read(bucket, key)?;
        Ok(state.kv.get(bucket).and_then(|keys| keys.get(key)).cloned())
    }

    fn kv_set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), Error> {
        let Inner { state, effects } = &mut *self.0.borrow_mut();
        state.check(&Need::Kv(bucket.to_owned(), Access::ReadWrite))?;
        limits::key(key)?;
        limits::value(value)?;
        effects.write(bucket, key, Some(value.to_vec()))
    }

    fn kv_delete(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let Inner { state, effects } = &mut *self.0.borrow_mut();
        state.check(&Need::Kv(bucket.to_owned(), Access::ReadWrite))?;
        limits::key(key)?;
        effects.write(bucket, key, None)
    }

    fn kv_list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.listed(bucket, prefix, after, limit, What::Entries)
    }

    fn kv_keys(&self, bucket: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        let listed = self.listed(bucket, prefix, after, limit, What::Keys)?;
        Ok(listed.into_iter().map(|(key, _)| key).collect())
    }

    fn kv_any(&self, bucket: &str, prefix: &str) -> Result<Option<(String, Vec<u8>)>, Error> {
        Ok(self.listed(bucket, prefix, None, 1, What::Entries)?.into_iter().next())
    }

    fn trial(&self, id: &str) -> Result<Option<Trial>, Error> {
        self.0.borrow_mut().trial(id)
    }

    fn trials(&self, status: &str, trial_type: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        let Inner { state, effects } = &mut *self.0.borrow_mut();
        state.check(&Need::Trials(Access::Read))?;
        limits::page(limit)?;
        if status.is_empty() || trial_type.is_empty() {
            return Err(Error::Invalid("status, trial-type: must not be empty".to_owned()));
        }
        let fits = |trial: &&Trial| {
            trial.status == status
                && trial.trial_type == trial_type
                && after.is_none_or(|after| trial.trial_id.as_str() > after)
        };
        let listed: Vec<&Trial> = state.trials.values().filter(fits).take(limit as usize).collect();
        for trial in &listed {
            effects.read("", &trial.trial_id)?;
        }
        let is_full = listed.len() == limit as usize;
        let next = listed.last().filter(|_| is_full).map(|last| last.trial_id.clone());
        let visible = listed.into_iter().filter(|trial| state.now < trial.expires_at);
        Ok(Page { trials: visible.cloned().collect(), next })
    }

    fn update(&self, id: &str, change: &Change) -> Result<Trial, Error> {
        let inner = &mut *self.0.borrow_mut();
        inner.state.check(&Need::Trials(Access::ReadWrite))?;
        let Some(mut trial) = inner.trial(id)? else {
            return Err(Error::NotFound(format!("there is no trial `{id}`; it may have ended")));
        };
        if let Some(status) = &change.status {
            limits::status(status)?;
            trial.status.clone_from(status);
        }
        limits::attributes(&change.attributes)?;
        for (name, value) in &change.attributes {
            if value.is_null() {
                trial.attributes.shift_remove(name);
            } else {
                trial.attributes.insert(name.clone(), value.clone());
            }
        }
        let again = inner.effects.trials.contains_key(id);
        let size = trial.attributes.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        // The record, and its entry in the index, which moves.
        inner.effects.spend(if again { 0 } else { 3 }, size)?;
        inner.effects.trials.insert(id.to_owned(), trial.clone());
        Ok(trial)
    }

    fn emit(&self, event: NewEvent) -> Result<(), Error> {
        let inner = &mut *self.0.borrow_mut();
        let event = inner.event(event)?;
        inner.effects.spend(1, event.detail.len())?;
        inner.effects.events.push(event);
        Ok(())
    }

    fn emit_after(&self, event: NewEvent, delay: u64) -> Result<String, Error> {
        limits::delay(delay)?;
        let inner = &mut *self.0.borrow_mut();
        let event = inner.event(event)?;
        inner.effects.spend(1, event.detail.len())?;
        let (due, id) = (inner.state.now + delay, inner.state.new_id());
        let name = format!("{due}-{id}");
        inner.effects.delayed.insert((due, id), event);
        Ok(name)
    }

    fn cancel(&self, id: &str) -> Result<bool, Error> {
        let Inner { state, effects } = &mut *self.0.borrow_mut();
        let due = due(id).ok_or_else(|| Error::Invalid(format!("id: {id:?} is not what emit-after returned")))?;
        if effects.delayed.remove(&due).is_some() {
            return Ok(true);
        }
        if effects.cancelled.contains(&due) || !state.delayed.contains_key(&due) {
            return Ok(false);
        }
        effects.spend(1, 0)?;
        effects.cancelled.insert(due);
        Ok(true)
    }

    fn counter(&self, name: &str, labels: &[(&str, &str)], add: u64) -> Result<(), Error> {
        self.measure(name, labels, MetricChange::Count(add))
    }

    fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error> {
        self.measure(name, labels, MetricChange::Set(value))
    }

    fn gauge_add(&self, name: &str, labels: &[(&str, &str)], add: f64) -> Result<(), Error> {
        self.measure(name, labels, MetricChange::Add(add))
    }

    fn histogram(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error> {
        self.measure(name, labels, MetricChange::Observe(value))
    }

    fn run(&self, command: &str, parameters: &str) -> Result<Outcome, Error> {
        let State { commands, plugin, .. } = &mut self.0.borrow_mut().state;
        commands.answer(plugin, command, parameters)
    }

    #[cfg(feature = "http")]
    fn send(&self, request: &crate::http::Request) -> Result<crate::http::Response, crate::http::Error> {
        let state = &mut self.0.borrow_mut().state;
        state.check(&Need::Http).map_err(|error| crate::http::Error::Denied(error.reason().to_owned()))?;
        state.http.answer(request)
    }
}

/// The parts of the id of a delayed event.
fn due(id: &str) -> Option<Due> {
    let (due, name) = id.split_once('-')?;
    let is_uuid = name.len() == 36 && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    is_uuid.then_some((due.parse().ok()?, name.to_owned()))
}
