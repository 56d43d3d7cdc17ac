//! `events`: events now and later.

use std::time::Duration;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::event::{Delayed, Event};
use crate::plugin::bindings::trialbridge::plugin::events::{Host, NewEvent};
use crate::plugin::bindings::trialbridge::plugin::types::Error;
use crate::plugin::guest::Guest;
use crate::storage::key::TimerKind;
use crate::storage::{ABSENT, Key};

/// The longest delay.
const MAX_DELAY: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Host for Guest {
    fn emit(&mut self, event: NewEvent) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.event(event).and_then(|event| self.current()?.effects.emit(event)))
    }

    fn emit_after(&mut self, event: NewEvent, delay_ms: u64) -> wasmtime::Result<Result<String, Error>> {
        Ok(self.emit_later(event, Duration::from_millis(delay_ms)))
    }

    fn cancel(&mut self, id: String) -> wasmtime::Result<Result<bool, Error>> {
        Ok(self.cancel_delayed(&id))
    }
}

impl Guest {
    fn emit_later(&mut self, event: NewEvent, delay: Duration) -> Result<String, Error> {
        if delay > MAX_DELAY {
            return Err(Error::Invalid("delay-ms: is longer than 366 days".to_owned()));
        }
        let event = self.event(event)?;
        let current = self.current()?;
        let due = current.call.now.plus(delay);
        let id = Uuid::new_v4().to_string();
        current.effects.emit_later(due, id.clone(), event)?;
        Ok(format!("{}-{id}", due.as_millis()))
    }

    fn cancel_delayed(&mut self, id: &str) -> Result<bool, Error> {
        let malformed = || Error::Invalid(format!("id: {id:?} is not what emit-after returned"));
        let (due, name) = id.split_once('-').ok_or_else(malformed)?;
        let due = Timestamp::from_millis(due.parse().map_err(|_| malformed())?);
        if name.parse::<Uuid>().is_err() {
            return Err(malformed());
        }
        let storage = self.storage.clone();
        let plugin = self.plugin.clone();
        let timer = Key::Timer { kind: TimerKind::Delayed, due, id: name.to_owned() };
        let current = self.current()?;
        current.wait_if(|earlier| earlier.emits_later(due, name) || earlier.has_cancelled(&timer))?;
        let effects = &mut current.effects;
        if effects.cancel_own(due, name) {
            return Ok(true);
        }
        if effects.has_cancelled(&timer) {
            return Ok(false);
        }
        let found = storage.get(&timer)?;
        effects.read_key(timer.clone(), found.as_ref().map_or(ABSENT, |found| found.version))?;
        let Some(found) = found else { return Ok(false) };
        let delayed = Delayed::decode(&found.value)
            .map_err(|error| Error::Unavailable(format!("the delayed event cannot be read: {error}")))?;
        if delayed.cause.plugin != plugin {
            return Err(Error::Denied("the delayed event belongs to another plugin".to_owned()));
        }
        effects.cancel(timer)?;
        Ok(true)
    }

    /// The event that a guest describes, if it may emit it.
    fn event(&mut self, new: NewEvent) -> Result<Event, Error> {
        if !self.settings.grants.emit.contains(&new.source) {
            return Err(self.denied(&format!("emit = [\"{}\"]", new.source)));
        }
        let detail =
            RawValue::from_string(new.detail).map_err(|error| Error::Invalid(format!("detail: not JSON: {error}")))?;
        let mut event = Event::new(&new.source, &new.detail_type, self.current()?.call.now, detail);
        event.resources = new.resources;
        event.check().map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(event)
    }
}
