//! The events of deliveries. Most events have several, which are attempted at about the same time.

use std::sync::{Arc, Mutex, PoisonError};

use super::attempt::Error;
use crate::event::Recorded;
use crate::storage::{Key, Sequence, Storage};

/// How many events are kept that were read lately.
const KEPT: usize = 256;

/// The longest event that is kept, in bytes of JSON.
const LONGEST: usize = 4 << 10;

/// Reads events, which never change.
pub(super) struct Events {
    /// Those of the latest sequences, each in the place of those that leave the same rest.
    lately: [Mutex<Option<Arc<Recorded>>>; KEPT],
}

impl Default for Events {
    fn default() -> Self {
        Self { lately: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Events {
    /// The event of a sequence.
    pub(super) fn read(&self, storage: &dyn Storage, sequence: Sequence) -> Result<Arc<Recorded>, Error> {
        let place = &self.lately[sequence as usize % KEPT];
        let lately = place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(event) = lately.filter(|event| event.sequence == sequence) {
            return Ok(event);
        }
        let lost = |reason: String| Error::Event(sequence, reason);
        let stored = storage.get(&Key::Event(sequence))?;
        let stored = stored.ok_or_else(|| lost("it is not in the journal".to_owned()))?;
        let event = Recorded::decode(sequence, &stored.value).map_err(|error| lost(error.to_string()))?;
        let event = Arc::new(event);
        if stored.value.len() <= LONGEST {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.clone());
        }
        Ok(event)
    }
}
