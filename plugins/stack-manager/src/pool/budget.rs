//! How much a call may change.

/// How many changes to the store a call makes. The host allows 240; what lies between is for the event that says where
/// to go on, and for a deletion before a refill.
const MOST_CHANGES: usize = 200;

/// The changes of an order or a retirement: pool, stack, event.
pub(crate) const CHANGES_OF_STACK: usize = 3;

/// How many changes a call may still make.
pub(crate) struct Budget {
    left: usize,
    exceeded: bool,
}

impl Budget {
    /// The budget of a call.
    pub(crate) fn new() -> Self {
        Self { left: MOST_CHANGES, exceeded: false }
    }

    /// Whether `changes` more are in the budget; takes them from it if so.
    pub(crate) fn take(&mut self, changes: usize) -> bool {
        if self.left < changes {
            self.exceeded = true;
            return false;
        }
        self.left -= changes;
        true
    }

    /// Puts changes back that were taken and not made.
    pub(crate) fn give_back(&mut self, changes: usize) {
        self.left += changes;
    }

    /// Whether something was asked for that was not in the budget, so that another call has to do it.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded
    }
}
