//! What can be done with trials: request, get, list, extend, cancel, and their end when the time has come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use uuid::Uuid;

use crate::bus::{Bus, Change};
use crate::clock::Timestamp;
use crate::config::TrialType;
use crate::storage::key::TimerKind;
use crate::storage::{self, ABSENT, CommitError, Expect, Key, KeyRange, Storage, Version, Versioned, Write};
use crate::trial::{REQUESTED, Stored, Trial};

/// How long the id of a trial that ended stays taken, if the caller chose it.
pub const ID_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// The most trials in one page.
pub const MAX_PAGE: usize = 1000;

/// Trial ids made from idempotency keys are names in this namespace.
const IDEMPOTENCY_NAMESPACE: Uuid = Uuid::from_u128(0x7d2c_9a54_3c0e_4f0b_9a41_5a0f_6b1e_c0de);

/// A wish for a trial.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The lead who asks, 1 to 256 bytes.
    pub lead_id: String,
    /// A type of rules.toml.
    pub trial_type: String,
    /// How long it shall live; the type's default if not given.
    pub ttl: Option<Duration>,
    /// The id it shall have: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Asking twice makes one trial.
    pub trial_id: Option<String>,
    /// A key that makes the same trial of repeated requests, where the caller chooses no id.
    pub idempotency_key: Option<String>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Requested {
    /// The trial.
    pub trial: Trial,
    /// The version of its record.
    pub version: Version,
    /// Whether this request made it, or an earlier one had.
    pub origin: Origin,
}

/// Where the trial of an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This request made it.
    New,
    /// An earlier request had made it.
    Earlier,
}

/// Which trials to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this status.
    pub status: Option<String>,
    /// Only those of this type.
    pub trial_type: Option<String>,
    /// Continue where the earlier page's `next` says.
    pub after: Option<String>,
    /// At most so many, 1 to [`MAX_PAGE`].
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The trials with the versions of their records.
    pub trials: Vec<(Trial, Version)>,
    /// Where the next page begins; nothing when this was the last.
    pub next: Option<String>,
}

/// Why something could not be done with a trial.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the request is wrong.
    #[error("{field}: {message}")]
    Invalid {
        /// The field, as the API names it.
        field: &'static str,
        /// What is wrong with it and what it should be.
        message: String,
    },
    /// There is none of this id, or it has ended.
    #[error("there is no trial `{0}`; it may have ended")]
    NotFound(String),
    /// The id belongs to a trial that was requested differently.
    #[error("trialId: trial `{id}` exists with another {field}; choose another id, or repeat the request as it was")]
    Different {
        /// The id.
        id: String,
        /// The field that differs.
        field: &'static str,
    },
    /// The id belongs to a trial that has ended.
    #[error(
        "trialId: trial `{id}` was requested before and ended at {ended}; its id can be used again 24 h after that"
    )]
    Ended {
        /// The id.
        id: String,
        /// When it ended.
        ended: Timestamp,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What is stored cannot be read.
    #[error("the record of trial `{id}` cannot be read: {reason}")]
    Corrupt {
        /// The id.
        id: String,
        /// What the parser said.
        reason: String,
    },
}

/// The trials of a store.
pub struct Trials {
    /// The way to the store.
    bus: Arc<Bus>,
    /// The types there are.
    types: ArcSwap<BTreeMap<String, TrialType>>,
}

impl Trials {
    /// The trials of the bus's store, with no types yet.
    pub fn new(bus: Arc<Bus>) -> Self {
        Self { bus, types: ArcSwap::default() }
    }

    /// Sets the types that can be requested from now on.
    pub fn replace_types(&self, types: BTreeMap<String, TrialType>) {
        self.types.store(Arc::new(types));
    }

    /// Stores a trial, sets its end, and publishes TrialRequested. Asking again with the same id or key
    /// answers with the trial that there is.
    ///
    /// # Errors
    ///
    /// * [`Error::Invalid`]: unknown type, TTL out of the type's range, malformed lead or id
    /// * [`Error::Different`], [`Error::Ended`]: the id is taken
    /// * [`Error::Storage`], [`Error::Commit`], [`Error::Corrupt`]: the store failed
    pub async fn request(&self, request: Request) -> Result<Requested, Error> {
        length("leadId", &request.lead_id, 256)?;
        let chosen = chosen_id(&request)?;
        let trial_id = chosen.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
        loop {
            // Before anything that rules.toml may have changed since.
            if chosen.is_some()
                && let Some(found) = self.earlier(&trial_id, &request)?
            {
                return Ok(found);
            }
            let ttl = self.ttl_in_range(&request.trial_type, request.ttl)?;
            let now = self.bus.now();
            let trial = Trial {
                trial_id: trial_id.clone(),
                lead_id: request.lead_id.clone(),
                trial_type: request.trial_type.clone(),
                status: REQUESTED.to_owned(),
                requested_at: now,
                expires_at: now.plus(ttl),
                chosen_id: chosen.is_some(),
                attributes: serde_json::Map::new(),
            };
            let change = Change {
                expects: vec![Expect::Key(trial.key(), ABSENT)],
                writes: vec![
                    Write::Put(trial.key(), Stored::Live(trial.clone()).encode()),
                    Write::Put(trial.index_key(), Bytes::new()),
                    Write::Put(expiry(&trial), Bytes::new()),
                ],
                events: vec![trial.event("TrialRequested", now).into()],
                ..Change::default()
            };
            match self.bus.commit(change).await {
                Ok(committed) => return Ok(Requested { trial, version: committed.version, origin: Origin::New }),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The trial of an id, with the version of its record.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none or it has expired; [`Error::Storage`], [`Error::Corrupt`].
    pub fn get(&self, id: &str) -> Result<(Trial, Version), Error> {
        let found = self.stored(id)?;
        found
            .and_then(|(stored, version)| Some((stored.visible(self.bus.now())?, version)))
            .ok_or_else(|| Error::NotFound(id.to_owned()))
    }

    /// Trials by status and type, or all by id.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `after` is not what an earlier page gave; [`Error::Storage`], [`Error::Corrupt`].
    pub fn list(&self, filter: &Filter) -> Result<Page, Error> {
        let limit = filter.limit.clamp(1, MAX_PAGE);
        let mut page = Page::default();
        let mut found = self.candidates(filter, limit)?;
        loop {
            let (ids, next) = found;
            for id in ids {
                match self.get(&id) {
                    Ok((trial, version)) if filter.accepts(&trial) => page.trials.push((trial, version)),
                    Ok(_) | Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            page.next = next;
            if page.next.is_none() || page.trials.len() >= limit {
                return Ok(page);
            }
            let rest = Filter { after: page.next.take(), ..filter.clone() };
            found = self.candidates(&rest, limit - page.trials.len())?;
        }
    }

    /// Lets a trial live for `ttl` from now on. Publishes TrialExtended.
    ///
    /// # Errors
    ///
    /// * [`Error::NotFound`]: there is none, or it has expired
    /// * [`Error::Invalid`]: the TTL is out of the type's range, or would end the trial earlier than it ends now
    pub async fn extend(&self, id: &str, ttl: Duration) -> Result<(Trial, Version), Error> {
        loop {
            let (old, version) = self.get(id)?;
            self.ttl_in_range(&old.trial_type, Some(ttl))?;
            let now = self.bus.now();
            let trial = Trial { expires_at: now.plus(ttl), ..old.clone() };
            if trial.expires_at < old.expires_at {
                let message =
                    format!("would end the trial before {}, when it ends now; cancel it instead", old.expires_at);
                return Err(Error::Invalid { field: "ttl", message });
            }
            let mut writes = trial.replacing(&old);
            writes.push(Write::Delete(expiry(&old)));
            writes.push(Write::Put(expiry(&trial), Bytes::new()));
            let change = Change {
                expects: vec![Expect::Key(trial.key(), version)],
                writes,
                events: vec![trial.event("TrialExtended", now).into()],
                ..Change::default()
            };
            match self.bus.commit(change).await {
                Ok(committed) => return Ok((trial, committed.version)),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends a trial now, and answers with the record as it was. Publishes TrialCancelled with it; there will be no
    /// TrialExpired.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]: there is none, or it has expired.
    pub async fn cancel(&self, id: &str) -> Result<(Trial, Version), Error> {
        loop {
            let (trial, version) = self.get(id)?;
            match self.end(&trial, version, "TrialCancelled").await {
                Ok(()) => return Ok((trial, version)),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends a trial whose timer fired, and publishes TrialExpired with the record as it was. Does nothing but remove the timer if
    /// the trial ended otherwise or lives longer by now.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Commit`], [`Error::Corrupt`].
    pub async fn expire(&self, id: &str, timer: Key) -> Result<(), Error> {
        loop {
            let stored = self.stored(id)?;
            let outcome = match stored {
                Some((Stored::Live(trial), version)) if !trial.visible(self.bus.now()) => {
                    self.end(&trial, version, "TrialExpired").await
                }
                _ => {
                    let change = Change { writes: vec![Write::Delete(timer.clone())], ..Change::default() };
                    self.bus.commit(change).await.map(drop)
                }
            };
            match outcome {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets the mark of a trial that ended.
    ///
    /// # Errors
    ///
    /// Those of the commit.
    pub async fn forget(&self, id: &str, timer: Key) -> Result<(), Error> {
        let mut writes = vec![Write::Delete(timer)];
        if let Some((Stored::Ended { .. }, _)) = self.stored(id)? {
            writes.push(Write::Delete(Key::Trial(id.to_owned())));
        }
        self.bus.commit(Change { writes, ..Change::default() }).await?;
        Ok(())
    }

    /// Removes a trial, with everything that belongs to it, and publishes its end.
    async fn end(&self, trial: &Trial, version: Version, detail_type: &str) -> Result<(), CommitError> {
        let now = self.bus.now();
        let mut writes = vec![Write::Delete(trial.index_key()), Write::Delete(expiry(trial))];
        if trial.chosen_id {
            let forget = Key::Timer { kind: TimerKind::Forget, due: now.plus(ID_MEMORY), id: trial.trial_id.clone() };
            writes.push(Write::Put(trial.key(), Stored::Ended { ended: now }.encode()));
            writes.push(Write::Put(forget, Bytes::new()));
        } else {
            writes.push(Write::Delete(trial.key()));
        }
        let change = Change {
            expects: vec![Expect::Key(trial.key(), version)],
            writes,
            events: vec![trial.event(detail_type, now).into()],
            ..Change::default()
        };
        self.bus.commit(change).await.map(drop)
    }

    /// What an earlier request with the same id left.
    fn earlier(&self, id: &str, request: &Request) -> Result<Option<Requested>, Error> {
        match self.stored(id)? {
            None => Ok(None),
            Some((Stored::Live(trial), version)) if trial.visible(self.bus.now()) => {
                let differs = |field| Error::Different { id: id.to_owned(), field };
                if trial.lead_id != request.lead_id {
                    return Err(differs("leadId"));
                }
                if trial.trial_type != request.trial_type {
                    return Err(differs("type"));
                }
                Ok(Some(Requested { trial, version, origin: Origin::Earlier }))
            }
            Some((Stored::Live(trial), _)) => Err(Error::Ended { id: id.to_owned(), ended: trial.expires_at }),
            Some((Stored::Ended { ended }, _)) => Err(Error::Ended { id: id.to_owned(), ended }),
        }
    }

    fn stored(&self, id: &str) -> Result<Option<(Stored, Version)>, Error> {
        if !storage::key::valid_text(id) {
            return Ok(None);
        }
        let Some(Versioned { version, value }) = self.bus.storage().get(&Key::Trial(id.to_owned()))? else {
            return Ok(None);
        };
        let stored =
            Stored::decode(&value).map_err(|error| Error::Corrupt { id: id.to_owned(), reason: error.to_string() })?;
        Ok(Some((stored, version)))
    }

    fn ttl_in_range(&self, trial_type: &str, ttl: Option<Duration>) -> Result<Duration, Error> {
        let types = self.types.load();
        let Some(settings) = types.get(trial_type) else {
            let known = types.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message = format!("`{trial_type}` is not a type of trial; rules.toml has: {known}");
            return Err(Error::Invalid { field: "type", message });
        };
        let ttl = ttl.unwrap_or(settings.default_ttl);
        if ttl < settings.minimum_ttl || ttl > settings.maximum_ttl {
            let message = format!(
                "{} is out of range; a trial of type {trial_type} lives from {} to {}",
                crate::config::duration::format(ttl),
                crate::config::duration::format(settings.minimum_ttl),
                crate::config::duration::format(settings.maximum_ttl),
            );
            return Err(Error::Invalid { field: "ttl", message });
        }
        Ok(ttl)
    }

    /// Ids of at most `limit` trials that may be in the list, and where the next ones begin.
    fn candidates(&self, filter: &Filter, limit: usize) -> Result<(Vec<String>, Option<String>), Error> {
        let storage = self.bus.storage();
        let keys = match (&filter.status, &filter.trial_type) {
            (None, None) => storage.scan(&KeyRange::trials(filter.after.as_deref()), limit)?,
            (Some(status), _) => {
                let range = KeyRange::trial_index(status, filter.trial_type.as_deref());
                storage.scan(&range.after(cursor(filter)?.as_ref()), limit)?
            }
            (None, Some(trial_type)) => self.of_type_in_any_status(trial_type, cursor(filter)?, limit)?,
        };
        let ids: Vec<String> = keys
            .iter()
            .filter_map(|(key, _)| match key {
                Key::Trial(id) | Key::TrialIndex { id, .. } => Some(id.clone()),
                _ => None,
            })
            .collect();
        let next = keys.last().filter(|_| keys.len() == limit).map(|(key, _)| match key {
            Key::TrialIndex { status, trial_type, id } => format!("{status}/{trial_type}/{id}"),
            _ => ids.last().cloned().unwrap_or_default(),
        });
        Ok((ids, next))
    }

    fn of_type_in_any_status(
        &self,
        trial_type: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, storage::Error> {
        let storage = self.bus.storage();
        let mut found = Vec::new();
        let mut status = match &after {
            Some(Key::TrialIndex { status, .. }) => Some(status.clone()),
            _ => first_status(storage.as_ref(), &KeyRange::trial_indexes())?,
        };
        while let Some(current) = status
            && found.len() < limit
        {
            let range = KeyRange::trial_index(&current, Some(trial_type)).after(after.as_ref());
            found.extend(storage.scan(&range, limit - found.len())?);
            status = first_status(storage.as_ref(), &KeyRange::trial_indexes_beyond(&current))?;
        }
        Ok(found)
    }
}

impl Filter {
    fn accepts(&self, trial: &Trial) -> bool {
        self.status.as_ref().is_none_or(|status| *status == trial.status)
            && self.trial_type.as_ref().is_none_or(|trial_type| *trial_type == trial.trial_type)
    }
}

fn first_status(storage: &dyn Storage, range: &KeyRange) -> Result<Option<String>, storage::Error> {
    Ok(storage.scan(range, 1)?.into_iter().find_map(|(key, _)| match key {
        Key::TrialIndex { status, .. } => Some(status),
        _ => None,
    }))
}

/// The index key that `after` names.
fn cursor(filter: &Filter) -> Result<Option<Key>, Error> {
    let Some(after) = &filter.after else { return Ok(None) };
    let mut parts = after.splitn(3, '/').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(status), Some(trial_type), Some(id)) => Ok(Some(Key::TrialIndex { status, trial_type, id })),
        _ => {
            let message =
                format!("`{after}` is not a cursor; give the `next` of the page before, with the same filters");
            Err(Error::Invalid { field: "after", message })
        }
    }
}

/// The timer that ends a trial.
fn expiry(trial: &Trial) -> Key {
    Key::Timer { kind: TimerKind::Expiry, due: trial.expires_at, id: trial.trial_id.clone() }
}

/// The id that the caller chose, by itself or through a key.
fn chosen_id(request: &Request) -> Result<Option<String>, Error> {
    if let Some(id) = &request.trial_id {
        length("trialId", id, 128)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        if matches!(id.as_str(), "." | "..") {
            let message = format!("`{id}` means a folder in an address; choose another id");
            return Err(Error::Invalid { field: "trialId", message });
        }
        if let Some(wrong) = id.chars().find(|c| !fits(*c)) {
            let message = format!("{wrong:?} is not allowed in an id; use A-Z a-z 0-9 . _ : -");
            return Err(Error::Invalid { field: "trialId", message });
        }
        return Ok(Some(id.clone()));
    }
    let Some(key) = &request.idempotency_key else { return Ok(None) };
    length("Idempotency-Key", key, 256)?;
    Ok(Some(Uuid::new_v5(&IDEMPOTENCY_NAMESPACE, key.as_bytes()).to_string()))
}

fn length(field: &'static str, text: &str, most: usize) -> Result<(), Error> {
    let message = match text.len() {
        0 => "must not be empty".to_owned(),
        long if long > most => format!("has {long} bytes, and at most {most} are allowed"),
        _ => return Ok(()),
    };
    Err(Error::Invalid { field, message })
}
