//! Carries out groups of commits: checks, stages, writes, announces, answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Shared;
use super::announcements::Announcements;
use super::batch::{Batch, Change};
use crate::storage::commit::MAX_OPERATIONS;
use crate::storage::disk::{Counters, Disk, split_stored};
use crate::storage::metric::Metric;
use crate::storage::{ABSENT, Bucket, Commit, CommitError, Committed, Error, Expect, Key, NewEvent, Version, Write};

/// How many metrics are remembered, so that counting does not read the disk. When there are more, all are forgotten.
const MAX_REMEMBERED_METRICS: usize = 4096;

/// A commit that waits for its answer.
pub(super) type Waiting = (Commit, oneshot::Sender<Result<Committed, CommitError>>);

/// The state of the writer's thread.
pub(super) struct Grouping<D> {
    /// What everything is written to.
    disk: D,
    /// What was given out last, be it written or only staged.
    counters: Counters,
    /// What is staged and not written.
    batch: Batch,
    /// The metrics that are written, by encoded key, as far as they are remembered.
    metrics: HashMap<Vec<u8>, Metric>,
    /// What is to be said once this group is durable.
    announcements: Announcements,
    /// What readers may know.
    shared: Arc<Shared>,
    /// Why nothing more is written.
    broken: Option<String>,
}

/// What came of one commit: carried out, or refused with nothing written. That the disk failed is a matter of
/// the whole group, and comes as an [`Error`] around this.
type Outcome = Result<Committed, CommitError>;

impl<D: Disk> Grouping<D> {
    pub(super) fn new(disk: D, counters: Counters, shared: Arc<Shared>) -> Self {
        Self {
            disk,
            counters,
            batch: Batch::default(),
            metrics: HashMap::new(),
            announcements: Announcements::default(),
            shared,
            broken: None,
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Carries out the first of `commits`, as many as make a group, and answers them when they are durable.
    pub(super) fn carry_out_some(&mut self, commits: &mut impl Iterator<Item = Waiting>) {
        let mut answers = Vec::new();
        match self.make_durable(commits, &mut answers) {
            Ok(outcomes) => {
                std::mem::take(&mut self.announcements).give(&self.shared.signals);
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    // An error means that nobody waits any more, and nobody has to.
                    let _ = answer.send(outcome);
                }
            }
            Err(reason) => {
                if self.broken.is_none() {
                    tracing::error!(reason, "the store failed and takes no more commits; restart the daemon");
                }
                for answer in answers {
                    let _ = answer.send(Err(Error::Backend(reason.clone()).into()));
                }
                self.broken = Some(reason);
            }
        }
    }

    /// What came of the first of `commits`; `answers` gets those who wait for it. Where the disk fails, nobody can tell
    /// what came of them: then the reason is the answer to all.
    fn make_durable(
        &mut self,
        commits: &mut impl Iterator<Item = Waiting>,
        answers: &mut Vec<oneshot::Sender<Outcome>>,
    ) -> Result<Vec<Outcome>, String> {
        if let Some(reason) = &self.broken {
            answers.extend(commits.map(|(_, answer)| answer));
            return Err(reason.clone());
        }
        let mut outcomes = Vec::new();
        for (commit, answer) in commits {
            answers.push(answer);
            outcomes.push(self.stage(commit).map_err(reason)?);
            if self.batch.is_full() {
                break;
            }
        }
        self.write().map_err(reason)?;
        Ok(outcomes)
    }

    /// Checks a commit against everything before it and stages it.
    fn stage(&mut self, commit: Commit) -> Result<Outcome, Error> {
        if commit.operations() > MAX_OPERATIONS {
            return Ok(Err(CommitError::TooLarge(commit.operations())));
        }
        if let Some(mistake) = mistake_in(&commit) {
            return Ok(Err(Error::Backend(mistake).into()));
        }
        for expect in &commit.expects {
            if !self.holds(expect)? {
                return Ok(Err(CommitError::Conflict(expect.clone())));
            }
        }
        self.batch.begin_commit();
        self.counters.version += 1;
        let version = self.counters.version;
        self.stage_writes(commit.writes, version)?;
        for (key, change) in commit.metrics {
            let key = key.encode();
            let metric = change.apply(self.withdraw_metric(&key)?);
            self.batch.merge(key, version, metric);
        }
        let first_sequence = self.counters.sequence + 1;
        for event in commit.events {
            self.stage_event(event, version);
        }
        Ok(Ok(Committed { version, first_sequence }))
    }

    fn holds(&self, expect: &Expect) -> Result<bool, Error> {
        match expect {
            Expect::Key(key, version) => Ok(self.version(&key.encode())? == *version),
            Expect::Bucket(bucket, version) => {
                let staged = self.batch.bucket_version(bucket);
                Ok(staged.unwrap_or_else(|| self.shared.bucket_version(bucket)) == *version)
            }
        }
    }

    /// The version of a key after all that was staged.
    fn version(&self, key: &[u8]) -> Result<Version, Error> {
        match self.batch.version(key)? {
            Some(version) => Ok(version),
            None => self.disk.version(key),
        }
    }

    fn stage_writes(&mut self, writes: Vec<Write>, version: Version) -> Result<(), Error> {
        // A bucket moves when the commit as a whole makes a key appear or go, whatever happens in between.
        let mut existed_before: BTreeMap<Vec<u8>, (Bucket, bool)> = BTreeMap::new();
        for write in writes {
            let (Write::Put(key, _) | Write::Delete(key)) = &write;
            let encoded = key.encode();
            if let Some(bucket) = key.bucket()
                && !existed_before.contains_key(&encoded)
            {
                let existed = self.version(&encoded)? != ABSENT;
                existed_before.insert(encoded.clone(), (bucket, existed));
            }
            if let Key::Metric { .. } = key {
                self.metrics.remove(&encoded);
            }
            match write {
                Write::Put(key, value) => {
                    self.announcements.note(&key);
                    self.skip_sequence_of(&key);
                    self.batch.put(encoded, version, &value);
                }
                Write::Delete(_) => self.batch.delete(encoded),
            }
        }
        for (encoded, (bucket, existed)) in existed_before {
            if existed != (self.version(&encoded)? != ABSENT) {
                self.batch.move_bucket(bucket, version);
            }
        }
        Ok(())
    }

    fn stage_event(&mut self, event: NewEvent, version: Version) {
        self.counters.sequence += 1;
        let sequence = self.counters.sequence;
        self.announcements.note_event(sequence);
        self.batch.put(Key::Event(sequence).encode(), version, &event.body);
        for (ordinal, delivery) in (0..).zip(event.deliveries) {
            let key = Key::Delivery { plugin: delivery.plugin, sequence, ordinal };
            self.announcements.note(&key);
            self.batch.put(key.encode(), version, &delivery.body);
        }
    }

    /// A sequence that comes from elsewhere, as it does when a store is imported, must not be given out again: the
    /// new event or its deliveries would overwrite what is there.
    fn skip_sequence_of(&mut self, key: &Key) {
        let (Key::Event(sequence) | Key::Delivery { sequence, .. } | Key::DeadLetter { sequence, .. }) = key else {
            return;
        };
        self.counters.sequence = self.counters.sequence.max(*sequence);
        if let Key::Event(_) = key {
            self.announcements.note_event(self.counters.sequence);
        }
    }

    /// Takes the metric that a key has after all that was staged, so that it can be changed and staged again.
    fn withdraw_metric(&mut self, key: &[u8]) -> Result<Option<Metric>, Error> {
        match self.batch.withdraw(key) {
            Some(Change::Merge(_, metric)) => return Ok(Some(metric)),
            Some(Change::Put(stored)) => return Ok(decode_metric(key, split_stored(&stored)?.1)),
            Some(Change::Delete) => return Ok(None),
            None => {}
        }
        match self.metrics.remove(key) {
            Some(metric) => Ok(Some(metric)),
            None => Ok(self.disk.get(key)?.and_then(|stored| decode_metric(key, &stored.value))),
        }
    }

    /// Writes what is staged. Readers see the changes first, and the versions that vouch for them after.
    fn write(&mut self) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let taken = self.batch.take(self.counters)?;
        self.disk.write(taken.changes)?;
        self.shared.publish(taken.moved, self.counters.sequence);
        if self.metrics.len() + taken.metrics.len() > MAX_REMEMBERED_METRICS {
            self.metrics.clear();
        }
        self.metrics.extend(taken.metrics);
        Ok(())
    }
}

/// What no commit may ask for, in words; it takes a mistake in this program to ask.
fn mistake_in(commit: &Commit) -> Option<String> {
    let own = commit.writes.iter().find_map(|write| match write {
        Write::Put(key @ Key::Meta(_), _) | Write::Delete(key @ Key::Meta(_)) => Some(key),
        _ => None,
    });
    if let Some(key) = own {
        return Some(format!("{key} belongs to the store itself; no commit may change it"));
    }
    let other = commit.metrics.iter().map(|(key, _)| key).find(|key| !matches!(key, Key::Metric { .. }));
    other.map(|key| format!("{key} is no metric; put it instead of merging it"))
}

/// A stored metric. One that cannot be read is counted from nothing: no metric is worth a daemon that stands still.
fn decode_metric(key: &[u8], json: &[u8]) -> Option<Metric> {
    match serde_json::from_slice(json) {
        Ok(metric) => Some(metric),
        Err(error) => {
            tracing::warn!(key = %key.escape_ascii(), %error, "a stored metric is unreadable and begins anew");
            None
        }
    }
}

fn reason(error: Error) -> String {
    match error {
        Error::Backend(reason) => reason,
        other => other.to_string(),
    }
}
