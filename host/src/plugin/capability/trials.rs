//! `trials`: the trials, read and changed.

use serde_json::{Map, Value};

use crate::config::Access;
use crate::plugin::bindings::trialbridge::plugin::trials::{Change, Host, Page, Trial as WitTrial};
use crate::plugin::bindings::trialbridge::plugin::types::Error;
use crate::plugin::effects::Effects;
use crate::plugin::guest::Guest;
use crate::storage::{ABSENT, Bucket, Key, KeyRange, key};
use crate::trial::{Stored, Trial};

impl Host for Guest {
    fn get(&mut self, trial_id: String) -> wasmtime::Result<Result<Option<WitTrial>, Error>> {
        Ok(self.trial_get(&trial_id).map(|found| found.map(|(_, trial)| wit(&trial))))
    }

    fn list(
        &mut self,
        status: String,
        trial_type: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Page, Error>> {
        Ok(self.trial_list(status, trial_type, after, limit as usize))
    }

    fn update(&mut self, trial_id: String, change: Change) -> wasmtime::Result<Result<WitTrial, Error>> {
        Ok(self.trial_update(&trial_id, change))
    }
}

impl Guest {
    /// A trial as it is stored and as this call sees it.
    fn trial_get(&mut self, id: &str) -> Result<Option<(Trial, Trial)>, Error> {
        self.trials_granted(Access::Read)?;
        if !key::valid_text(id) {
            return Ok(None);
        }
        let storage = self.storage.clone();
        let current = self.current()?;
        let key = Key::Trial(id.to_owned());
        let found = storage.get(&key)?;
        current.effects.read_key(key, found.as_ref().map_or(ABSENT, |found| found.version))?;
        let Some(found) = found else { return Ok(None) };
        let stored = Stored::decode(&found.value).map_err(|error| unreadable(id, &error))?;
        let Some(stored) = stored.visible(current.call.now) else { return Ok(None) };
        let stored = current.earlier_trial(id).cloned().unwrap_or(stored);
        let seen = current.effects.own_trial(id).cloned().unwrap_or_else(|| stored.clone());
        Ok(Some((stored, seen)))
    }

    fn trial_list(
        &mut self,
        status: String,
        trial_type: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page, Error> {
        self.trials_granted(Access::Read)?;
        if !(1..=1000).contains(&limit) {
            return Err(Error::Invalid(format!("limit: {limit} is not between 1 and 1000")));
        }
        if !key::valid_text(&status) || !key::valid_text(&trial_type) {
            return Err(Error::Invalid("status, trial-type: must not be empty".to_owned()));
        }
        let storage = self.storage.clone();
        let current = self.current()?;
        current.wait_if(Effects::changes_trials)?;
        let bucket = Bucket::Trials { status: status.clone(), trial_type: trial_type.clone() };
        current.effects.read_bucket(bucket.clone(), storage.bucket_version(&bucket));
        let range = KeyRange::trial_index(&status, Some(&trial_type));
        let after = after.map(|id| Key::TrialIndex { status, trial_type, id });
        let entries = storage.scan(&range.after(after.as_ref()), limit)?;
        let mut page = Page { trials: Vec::new(), next: None };
        for (entry, _) in &entries {
            let Key::TrialIndex { id, .. } = entry else { continue };
            let key = Key::Trial(id.clone());
            let found = storage.get(&key)?;
            current.effects.read_key(key, found.as_ref().map_or(ABSENT, |found| found.version))?;
            let Some(found) = found else { continue };
            let stored = Stored::decode(&found.value).map_err(|error| unreadable(id, &error))?;
            page.trials.extend(stored.visible(current.call.now).map(|trial| wit(&trial)));
        }
        if entries.len() == limit
            && let Some((Key::TrialIndex { id, .. }, _)) = entries.last()
        {
            page.next = Some(id.clone());
        }
        Ok(page)
    }

    fn trial_update(&mut self, id: &str, change: Change) -> Result<WitTrial, Error> {
        self.trials_granted(Access::ReadWrite)?;
        let Some((stored, mut trial)) = self.trial_get(id)? else {
            return Err(Error::NotFound(format!("there is no trial `{id}`; it may have ended")));
        };
        if let Some(status) = change.status {
            let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if status.is_empty() || status.len() > 64 || !status.chars().all(fits) {
                return Err(Error::Invalid(format!("status: {status:?} is not 1 to 64 characters of A-Z, 0-9 and _")));
            }
            trial.status = status;
        }
        if let Some(attributes) = change.attributes {
            let changes: Map<String, Value> = serde_json::from_str(&attributes)
                .map_err(|error| Error::Invalid(format!("attributes: not a JSON object: {error}")))?;
            trial.merge(changes).map_err(|message| Error::Invalid(format!("attributes: {message}")))?;
        }
        let answer = wit(&trial);
        self.current()?.effects.write_trial(stored, trial)?;
        Ok(answer)
    }

    fn trials_granted(&self, wanted: Access) -> Result<(), Error> {
        match (self.settings.grants.trials, wanted) {
            (Some(Access::ReadWrite), _) | (Some(Access::Read), Access::Read) => Ok(()),
            (_, Access::Read) => Err(self.denied("trials = \"read\"")),
            (_, Access::ReadWrite) => Err(self.denied("trials = \"read-write\"")),
        }
    }
}

fn unreadable(id: &str, error: &serde_json::Error) -> Error {
    Error::Unavailable(format!("the record of trial `{id}` cannot be read: {error}"))
}

fn wit(trial: &Trial) -> WitTrial {
    WitTrial {
        trial_id: trial.trial_id.clone(),
        lead_id: trial.lead_id.clone(),
        trial_type: trial.trial_type.clone(),
        status: trial.status.clone(),
        requested_at: trial.requested_at.as_millis(),
        expires_at: trial.expires_at.as_millis(),
        attributes: Value::Object(trial.attributes.clone()).to_string(),
    }
}
