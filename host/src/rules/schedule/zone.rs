//! Time zones, from the database that is part of the program: the machine's is never read, so that everybody has the same.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use super::{Part, ScheduleError};
use crate::clock::Timestamp;
use crate::pattern::suggest;

/// A time zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of an IANA name, however its letters are cased.
    ///
    /// # Errors
    ///
    /// If there is none, with the name that was meant if one is close.
    pub fn parse(name: &str) -> Result<Self, ScheduleError> {
        let database = TimeZoneDatabase::bundled();
        match database.get(name) {
            Ok(zone) if !zone.is_unknown() && zone.iana_name().is_some() => Ok(Self(zone)),
            _ => Err(ScheduleError {
                message: format!("`{name}` is not a time zone"),
                help: advice(name, &database),
                part: Part::TimeZone,
            }),
        }
    }

    /// Its name, as IANA spells it: `Europe/Berlin`.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What the clocks there show; nothing for times that are beyond the year 9999.
    pub(super) fn local(&self, time: Timestamp) -> Option<civil::DateTime> {
        let millis = i64::try_from(time.as_millis()).ok()?;
        Some(self.0.to_datetime(jiff::Timestamp::from_millisecond(millis).ok()?))
    }

    /// When the clocks there show this for the first time; nothing if they skip it. What was before the epoch is the epoch.
    pub(super) fn first(&self, local: civil::DateTime) -> Option<Timestamp> {
        let offset = match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset,
            AmbiguousOffset::Gap { .. } => return None,
        };
        let time = offset.to_timestamp(local).ok()?;
        Some(Timestamp::from_millis(u64::try_from(time.as_millisecond()).unwrap_or(0)))
    }

    /// The same time as the clocks would show it that were put forward over it.
    pub(super) fn beyond_gap(&self, local: civil::DateTime) -> civil::DateTime {
        let later = self.0.to_ambiguous_timestamp(local).compatible();
        later.map_or(local, |time| self.0.to_datetime(time))
    }
}

fn advice(name: &str, database: &TimeZoneDatabase) -> String {
    let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
    let names = || names.iter().map(String::as_str);
    let city = |name: &str| name.rsplit('/').next().unwrap_or_default().replace('_', " ").to_lowercase();
    let wanted = name.replace('_', " ").to_lowercase();
    let meant = names().find(|known| city(known) == wanted).or_else(|| suggest::closest(name, names()));
    match meant {
        Some(known) => format!("did you mean `{known}`?"),
        None => "write a name of the IANA database, like \"Europe/Berlin\" or \"America/New_York\"".to_owned(),
    }
}
