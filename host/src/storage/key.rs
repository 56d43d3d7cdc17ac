//! The key space. Frozen: the order of the bytes is the order of the meaning, and a store written by one version is
//! read by the next.

use std::fmt;

use crate::clock::Timestamp;

use super::Sequence;

/// The name of everything that is stored.
///
/// Texts hold no NUL, because NUL ends them in the encoded key: [`Key::encode`] replaces none and panics on none, so
/// whoever makes a key from foreign input checks first (see [`valid_text`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// What the store says of itself: schema, counters. Backends only.
    Meta(&'static str),
    /// A trial by its id: the record, or the mark left by one that ended.
    Trial(String),
    /// A trial by status and type; without value.
    TrialIndex {
        /// Its status.
        status: String,
        /// Its type.
        trial_type: String,
        /// Its id.
        id: String,
    },
    /// A plugin's key in a bucket.
    Kv {
        /// The bucket.
        bucket: String,
        /// The key in it.
        key: String,
    },
    /// An event of the journal.
    Event(Sequence),
    /// A delivery ready to be attempted, in the queue of its plugin.
    Delivery {
        /// Whose queue.
        plugin: String,
        /// Of which event.
        sequence: Sequence,
        /// Which of the event's deliveries.
        ordinal: u32,
    },
    /// A delivery that was given up.
    DeadLetter {
        /// Of which event.
        sequence: Sequence,
        /// Which of the event's deliveries.
        ordinal: u32,
    },
    /// What is kept of the latest attempt of a delivery.
    Receipt {
        /// Of which event.
        sequence: Sequence,
        /// Which of the event's deliveries.
        ordinal: u32,
    },
    /// Something that happens when its time comes.
    Timer {
        /// What sort of thing.
        kind: TimerKind,
        /// When.
        due: Timestamp,
        /// Which one.
        id: String,
    },
    /// A plugin's metric: one series.
    Metric {
        /// Whose.
        plugin: String,
        /// Its name.
        name: String,
        /// Its labels: the text of a JSON array of pairs, sorted by name.
        labels: String,
    },
    /// When the schedule of a rule is due next.
    Schedule(String),
}

/// What a timer is for. The number is part of the encoded key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TimerKind {
    /// A trial ends; the id is the trial's.
    Expiry = 1,
    /// A delayed event is emitted.
    Delayed = 2,
    /// A delivery is tried again; the id is `plugin/sequence/ordinal`.
    Retry = 3,
    /// A schedule fires; the id is the rule's name.
    Schedule = 4,
    /// The mark of a trial that ended is forgotten; the id is the trial's.
    Forget = 5,
}

/// Keys whose inserts and removals move one version together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// The trials of one status and type.
    Trials {
        /// The status.
        status: String,
        /// The type.
        trial_type: String,
    },
    /// A bucket of the key-value store.
    Kv(String),
}

/// A run of keys: those that begin with a prefix, from somewhere on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// What the encoded keys begin with.
    prefix: Vec<u8>,
    /// The encoded key where to begin, itself included.
    from: Vec<u8>,
}

/// Whether `text` can be part of a key.
pub fn valid_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= 512 && !text.contains('\0')
}

impl Key {
    /// The key as bytes. Their order is the order of the keys of one kind.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Self::Meta(name) => last(head(&mut out, b'M'), name),
            Self::Trial(id) => last(head(&mut out, b'T'), id),
            Self::TrialIndex { status, trial_type, id } => {
                last(text(text(head(&mut out, b'I'), status), trial_type), id);
            }
            Self::Kv { bucket, key } => last(text(head(&mut out, b'K'), bucket), key),
            Self::Event(sequence) => number(head(&mut out, b'E'), *sequence),
            Self::Delivery { plugin, sequence, ordinal } => {
                let out = text(head(&mut out, b'D'), plugin);
                number(out, *sequence);
                out.extend_from_slice(&ordinal.to_be_bytes());
            }
            Self::DeadLetter { sequence, ordinal } => {
                let out = head(&mut out, b'X');
                number(out, *sequence);
                out.extend_from_slice(&ordinal.to_be_bytes());
            }
            Self::Receipt { sequence, ordinal } => {
                let out = head(&mut out, b'R');
                number(out, *sequence);
                out.extend_from_slice(&ordinal.to_be_bytes());
            }
            Self::Timer { kind, due, id } => {
                let out = head(&mut out, b'W');
                out.push(*kind as u8);
                number(out, due.as_millis());
                last(out, id);
            }
            Self::Metric { plugin, name, labels } => {
                last(text(text(head(&mut out, b'C'), plugin), name), labels);
            }
            Self::Schedule(rule) => last(head(&mut out, b'S'), rule),
        }
        out
    }

    /// The key that these bytes encode; `None` if they encode none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes.get(1..)?);
        let key = match bytes[0] {
            b'M' => Self::Meta(match rest.last()?.as_str() {
                "schema" => "schema",
                "counters" => "counters",
                _ => return None,
            }),
            b'T' => Self::Trial(rest.last()?),
            b'I' => Self::TrialIndex { status: rest.text()?, trial_type: rest.text()?, id: rest.last()? },
            b'K' => Self::Kv { bucket: rest.text()?, key: rest.last()? },
            b'E' => Self::Event(rest.number()?),
            b'D' => Self::Delivery { plugin: rest.text()?, sequence: rest.number()?, ordinal: rest.ordinal()? },
            b'X' => Self::DeadLetter { sequence: rest.number()?, ordinal: rest.ordinal()? },
            b'R' => Self::Receipt { sequence: rest.number()?, ordinal: rest.ordinal()? },
            b'W' => Self::Timer {
                kind: TimerKind::from_byte(rest.byte()?)?,
                due: Timestamp::from_millis(rest.number()?),
                id: rest.last()?,
            },
            b'C' => Self::Metric { plugin: rest.text()?, name: rest.text()?, labels: rest.last()? },
            b'S' => Self::Schedule(rest.last()?),
            _ => return None,
        };
        rest.0.is_empty().then_some(key)
    }

    /// The bucket whose version moves when this key appears or goes.
    pub fn bucket(&self) -> Option<Bucket> {
        match self {
            Self::TrialIndex { status, trial_type, .. } => {
                Some(Bucket::Trials { status: status.clone(), trial_type: trial_type.clone() })
            }
            Self::Kv { bucket, .. } => Some(Bucket::Kv(bucket.clone())),
            _ => None,
        }
    }
}

impl TimerKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Expiry, Self::Delayed, Self::Retry, Self::Schedule, Self::Forget];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// For logs and errors: the kind and the parts, readable.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl KeyRange {
    /// All trials after the one of id `after`, by id.
    pub fn trials(after: Option<&str>) -> Self {
        Self::under(vec![b'T']).after(after.map(|id| Key::Trial(id.to_owned())).as_ref())
    }

    /// The index entries of a status, and of one type if given.
    pub fn trial_index(status: &str, trial_type: Option<&str>) -> Self {
        let mut prefix = vec![b'I'];
        text(&mut prefix, status);
        if let Some(trial_type) = trial_type {
            text(&mut prefix, trial_type);
        }
        Self::under(prefix)
    }

    /// All index entries: by status, then type, then id.
    pub fn trial_indexes() -> Self {
        Self::under(vec![b'I'])
    }

    /// All index entries of the statuses after `status`, so that whoever wants to know which statuses there are need
    /// not read every entry.
    pub fn trial_indexes_beyond(status: &str) -> Self {
        Self::under(vec![b'I']).beyond(status)
    }

    /// The keys of a bucket that begin with `prefix`.
    pub fn kv(bucket: &str, prefix: &str) -> Self {
        let mut bytes = vec![b'K'];
        text(&mut bytes, bucket);
        last(&mut bytes, prefix);
        Self::under(bytes)
    }

    /// The events after `sequence`.
    pub fn events(after: Sequence) -> Self {
        Self::under(vec![b'E']).after(Some(&Key::Event(after)))
    }

    /// The ready deliveries of a plugin, from the event `from` on, itself included.
    pub fn deliveries(plugin: &str, from: Sequence) -> Self {
        let mut prefix = vec![b'D'];
        text(&mut prefix, plugin);
        let from = Key::Delivery { plugin: plugin.to_owned(), sequence: from, ordinal: 0 }.encode();
        Self { prefix, from }
    }

    /// The ready deliveries of all plugins.
    pub fn all_deliveries() -> Self {
        Self::under(vec![b'D'])
    }

    /// The ready deliveries of the plugins after `plugin`, by name.
    pub fn deliveries_beyond(plugin: &str) -> Self {
        Self::under(vec![b'D']).beyond(plugin)
    }

    /// The dead letters, by event.
    pub fn dead_letters() -> Self {
        Self::under(vec![b'X'])
    }

    /// The receipts, by event.
    pub fn receipts() -> Self {
        Self::under(vec![b'R'])
    }

    /// The timers of a kind, the earliest first.
    pub fn timers(kind: TimerKind) -> Self {
        Self::under(vec![b'W', kind as u8])
    }

    /// The timers of a kind that are due at `from` or later, the earliest first.
    pub fn timers_from(kind: TimerKind, from: Timestamp) -> Self {
        let key = Key::Timer { kind, due: from, id: String::new() };
        Self { from: key.encode(), ..Self::timers(kind) }
    }

    /// All metrics, by plugin and name.
    pub fn metrics() -> Self {
        Self::under(vec![b'C'])
    }

    /// The metrics of a plugin, by name.
    pub fn metrics_of(plugin: &str) -> Self {
        let mut prefix = vec![b'C'];
        text(&mut prefix, plugin);
        Self::under(prefix)
    }

    /// The schedules' next times.
    pub fn schedules() -> Self {
        Self::under(vec![b'S'])
    }

    /// The part of this range that comes after `key`; all of it for `None`.
    #[must_use]
    pub fn after(self, key: Option<&Key>) -> Self {
        let Some(key) = key else { return self };
        let mut from = key.encode();
        from.push(0);
        Self { from: from.max(self.from), ..self }
    }

    /// What the encoded keys begin with.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The encoded key where to begin; it may lie beyond the prefix, and the range is empty then.
    pub fn from(&self) -> &[u8] {
        &self.from
    }

    /// The part of this range where the text after the prefix is greater than `first`, and does not only begin with it.
    fn beyond(self, first: &str) -> Self {
        let mut from = self.prefix.clone();
        last(&mut from, first);
        from.push(1);
        Self { from, ..self }
    }

    fn under(prefix: Vec<u8>) -> Self {
        Self { from: prefix.clone(), prefix }
    }
}

fn head(out: &mut Vec<u8>, kind: u8) -> &mut Vec<u8> {
    out.push(kind);
    out
}

fn text<'a>(out: &'a mut Vec<u8>, text: &str) -> &'a mut Vec<u8> {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    out
}

fn last(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Takes an encoded key apart.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8(self.0[..end].to_vec()).ok()?;
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    fn last(&mut self) -> Option<String> {
        String::from_utf8(std::mem::take(&mut self.0).to_vec()).ok()
    }

    fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    fn ordinal(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests;
