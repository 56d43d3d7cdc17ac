//! What the providers have, as one call sees it.
//!
//! Each provider is asked once in a call, because a long list takes many requests, and before any record is read, because what is read must
//! not change until the commit. So a list may lack what was made since: that a stack is not in it is a reason to look, and no proof.

use std::collections::{BTreeMap, BTreeSet};

use trialbridge_plugin::{Failure, Host, retry};

use crate::provider::{Error, Extent, Found, Kind, Providers};

/// The lists of the providers that were asked.
pub(crate) struct Existing(BTreeMap<Kind, Option<List>>);

struct List {
    /// Everything, sorted by name.
    found: Vec<Found>,
    /// The ids of what is whole.
    whole: BTreeSet<String>,
}

impl Existing {
    /// Asks these providers.
    ///
    /// # Errors
    ///
    /// Retry if one tries to list its stacks and fails.
    pub(crate) fn of(
        host: &Host,
        providers: &mut impl Providers,
        kinds: impl IntoIterator<Item = Kind>,
    ) -> Result<Self, Failure> {
        let mut existing = Self(BTreeMap::new());
        kinds.into_iter().try_for_each(|kind| existing.ask(host, providers, &kind))?;
        Ok(existing)
    }

    /// Asks a provider, unless that was done.
    ///
    /// # Errors
    ///
    /// Retry if it tries to list its stacks and fails.
    pub(crate) fn ask(&mut self, host: &Host, providers: &mut impl Providers, kind: &Kind) -> Result<(), Failure> {
        if self.0.contains_key(kind) {
            return Ok(());
        }
        let found = match providers.provider(host, kind).list() {
            Ok(found) => found,
            Err(Error::Failed(reason)) => return Err(retry(format!("cannot list the stacks: {reason}"))),
            Err(Error::Busy(reason) | Error::Refused(reason)) => {
                // The others are not to wait for one that does not answer.
                host.warn("cannot list the stacks of a provider", &[("reason", &reason)]);
                None
            }
        };
        let list = found.map(|found| {
            let whole = found.iter().filter(|found| found.extent == Extent::Whole);
            List { whole: whole.map(|found| found.stack_id.clone()).collect(), found }
        });
        self.0.insert(kind.clone(), list);
        Ok(())
    }

    /// What a provider has, sorted by name; nothing if it cannot say.
    pub(crate) fn found(&self, kind: &Kind) -> &[Found] {
        self.list(kind).map_or(&[], |list| &list.found)
    }

    /// Whether a provider did not list a stack, and can list them.
    pub(crate) fn lacks(&self, stack_id: &str, kind: &Kind) -> bool {
        self.list(kind).is_some_and(|list| !list.whole.contains(stack_id))
    }

    fn list(&self, kind: &Kind) -> Option<&List> {
        self.0.get(kind)?.as_ref()
    }
}
