//! What the journal holds: the event, and what caused it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::clock::Timestamp;
use crate::storage::Sequence;

/// The delivery whose handling published an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The event that was delivered.
    pub sequence: Sequence,
    /// The plugin that handled it.
    pub plugin: String,
    /// The depth of what was published: how many handlings, each of an event that the one before had published, lead from an
    /// event without a cause to it. At least 1; what an earlier version stored does not say, and counts as 1.
    #[serde(default = "least_depth")]
    pub depth: u32,
}

/// An event of the journal.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// Its place.
    #[serde(rename = "seq")]
    pub sequence: Sequence,
    /// The event.
    pub event: Event,
    /// When it was published, which its sender may have dated otherwise.
    #[serde(skip)]
    pub published: Timestamp,
    /// What published it; nothing if it came from outside or from the daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// The stored form, but for the event, which stands before this.
#[derive(Serialize)]
struct Written<'a> {
    published: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a Cause>,
}

#[derive(Deserialize)]
struct Read {
    event: Event,
    published: Timestamp,
    cause: Option<Cause>,
}

impl Recorded {
    /// How many handlings have led to the event: 0 if it came from outside or from the daemon.
    pub fn depth(&self) -> u32 {
        self.cause.as_ref().map_or(0, |cause| cause.depth)
    }

    /// The cause of whatever `plugin` publishes when it handles this event.
    pub fn handled_by(&self, plugin: &str) -> Cause {
        Cause { sequence: self.sequence, plugin: plugin.to_owned(), depth: self.depth().saturating_add(1) }
    }

    /// The value to store for an event, given as its envelope's JSON text.
    pub fn encode(json: &str, published: Timestamp, cause: Option<&Cause>) -> Bytes {
        let others = serde_json::to_vec(&Written { published, cause }).expect("an envelope can be written");
        [br#"{"event":"#, json.as_bytes(), b",", &others[1..]].concat().into()
    }

    /// Reads a stored value.
    ///
    /// # Errors
    ///
    /// If the value is not what [`Recorded::encode`] wrote.
    pub fn decode(sequence: Sequence, value: &[u8]) -> Result<Self, serde_json::Error> {
        let Read { event, published, cause } = serde_json::from_slice(value)?;
        Ok(Self { sequence, event, published, cause })
    }
}

fn least_depth() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Delayed;

    fn event() -> String {
        Event::of_daemon("Tested", Timestamp::default(), &serde_json::json!({})).to_json()
    }

    fn stored(cause: Option<&Cause>) -> Recorded {
        let value = Recorded::encode(&event(), Timestamp::default(), cause);
        Recorded::decode(7, &value).expect("it was just written")
    }

    #[test]
    fn each_handling_goes_one_deeper() {
        let outside = stored(None);
        let first = outside.handled_by("a");
        assert_eq!((outside.depth(), &first), (0, &Cause { sequence: 7, plugin: "a".to_owned(), depth: 1 }));
        let second = stored(Some(&first)).handled_by("b");
        assert_eq!((second.depth, stored(Some(&second)).depth()), (2, 2));
    }

    #[test]
    fn what_an_earlier_version_stored_can_be_read() {
        let event = event();
        let entry = format!(r#"{{"event":{event},"published":0,"cause":{{"sequence":3,"plugin":"a"}}}}"#);
        assert_eq!(Recorded::decode(4, entry.as_bytes()).expect("an entry").depth(), 1);
        let timer = format!(r#"{{"cause":{{"sequence":3,"plugin":"a"}},"event":{event}}}"#);
        assert_eq!(Delayed::decode(timer.as_bytes()).expect("a timer").cause.depth, 1);
        let entry = format!(r#"{{"event":{event},"published":0}}"#);
        assert_eq!(Recorded::decode(4, entry.as_bytes()).expect("an entry").depth(), 0);
    }
}
