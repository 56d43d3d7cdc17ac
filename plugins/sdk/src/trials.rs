//! The trials, read and changed.

use serde_json::{Map, Value, json};

use crate::backend::Backend as _;
use crate::detail::seconds;
use crate::{Error, Host};

/// The trials. One is visible until it expires, and to nobody from then on.
#[derive(Clone, Copy, Debug)]
pub struct Trials<'a> {
    host: &'a Host,
}

/// A stored trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its id: a UUID unless the caller chose one.
    pub trial_id: String,
    /// The lead who asked for it.
    pub lead_id: String,
    /// The type of trial, one of those in rules.toml.
    pub trial_type: String,
    /// `REQUESTED`, then `ASSIGNED` or `FAILED`; a plugin may set others.
    pub status: String,
    /// When it was asked for, in milliseconds since the epoch.
    pub requested_at: u64,
    /// When it ends, in milliseconds since the epoch.
    pub expires_at: u64,
    /// Every other field: url, stackId, progress, ...
    pub attributes: Map<String, Value>,
}

/// A part of a list of trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The trials, in the order of their ids.
    pub trials: Vec<Trial>,
    /// The `after` of the next page; nothing when this is the last.
    pub next: Option<String>,
}

/// What to change in a trial. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The new status: 1 to 64 characters of `A-Z`, `0-9` and `_`.
    pub status: Option<String>,
    /// Merged into the attributes, member by member; null removes one.
    pub attributes: Map<String, Value>,
}

impl<'a> Trials<'a> {
    pub(crate) fn new(host: &'a Host) -> Self {
        Self { host }
    }

    /// The trial of this id; nothing if there is none or it has expired. Sees this handling's own updates. The commit depends
    /// on the trial being the same then.
    ///
    /// # Errors
    ///
    /// Denied, limit, unavailable.
    pub fn get(&self, trial_id: &str) -> Result<Option<Trial>, Error> {
        self.host.backend.trial(trial_id)
    }

    /// At most `limit` (1 to 1000) trials of a status and type, those after `after`, by id. Sees stored trials only, not
    /// this handling's updates. The commit depends on each of them, and on none having joined or left that status and type.
    ///
    /// # Errors
    ///
    /// Denied, invalid, limit, unavailable.
    pub fn page(&self, status: &str, trial_type: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.host.backend.trials(status, trial_type, after, limit)
    }

    /// Every trial of a status and type, by id; as [`page`](Self::page), read to the end.
    ///
    /// # Errors
    ///
    /// Those of [`page`](Self::page).
    pub fn all(&self, status: &str, trial_type: &str) -> Result<Vec<Trial>, Error> {
        let mut page = self.page(status, trial_type, None, 1000)?;
        let mut all = page.trials;
        while let Some(after) = page.next {
            page = self.page(status, trial_type, Some(&after), 1000)?;
            all.append(&mut page.trials);
        }
        Ok(all)
    }

    /// Changes a trial and answers with what it will be. The version it had is a condition of the commit: if somebody
    /// else changes it meanwhile, the handler runs again on the new state.
    ///
    /// # Errors
    ///
    /// Not-found where [`get`](Self::get) finds nothing; denied, invalid, limit, unavailable.
    pub fn update(&self, trial_id: &str, change: &Change) -> Result<Trial, Error> {
        self.host.backend.update(trial_id, change)
    }
}

impl Trial {
    /// The trial as events carry it.
    pub fn detail(&self) -> Map<String, Value> {
        self.detail_over(&Map::new())
    }

    /// The trial as events carry it, over the members that were known `before`, of which none is dropped.
    pub fn detail_over(&self, before: &Map<String, Value>) -> Map<String, Value> {
        let mut detail = before.clone();
        detail.insert("version".to_owned(), json!("1.0"));
        detail.insert("trialId".to_owned(), json!(self.trial_id));
        detail.insert("leadId".to_owned(), json!(self.lead_id));
        detail.insert("type".to_owned(), json!(self.trial_type));
        detail.insert("requestedAt".to_owned(), json!(self.requested_at / 1000));
        detail.insert("status".to_owned(), json!(self.status));
        detail.insert("expiresAt".to_owned(), seconds(self.expires_at));
        detail.extend(self.attributes.clone());
        detail
    }
}

impl Change {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the status.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// Sets an attribute; null removes it.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}
