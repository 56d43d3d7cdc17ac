//! `at(yyyy-mm-ddThh:mm:ss)`: once.

use std::fmt;

use jiff::civil;

use super::ScheduleError;
use super::zone::Zone;
use crate::clock::Timestamp;

/// How it is written, with `0` for every digit.
const SHAPE: &str = "0000-00-00T00:00:00";

/// One point in time, by the clocks of a time zone. One that they show twice is the first of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    local: civil::DateTime,
    time: Timestamp,
    zone: Zone,
}

impl At {
    /// Reads what stands in the parentheses.
    ///
    /// # Errors
    ///
    /// If it is not a date and a time, or one that the clocks of the zone skip.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        if shape != SHAPE {
            let rest = shape.strip_prefix(SHAPE).unwrap_or_default();
            let help = if rest.starts_with(['Z', 'z', '+', '-', '[']) {
                "the time zone has a field of its own: schedule-timezone = \"Europe/Berlin\""
            } else {
                "write at(yyyy-mm-ddThh:mm:ss), like at(2030-12-24T18:00:00)"
            };
            return Err(ScheduleError::in_expression(format!("`{text}` is not a date and a time"), help));
        }
        // A leap second would be read as the second before it.
        let local = text.parse().ok().filter(|local: &civil::DateTime| local.to_string() == text);
        let Some(local) = local else {
            let help = "write a day of the calendar and a time from 00:00:00 to 23:59:59";
            return Err(ScheduleError::in_expression(format!("`{text}` does not exist"), help));
        };
        if !(1970..=2199).contains(&local.year()) {
            let message = format!("the year of `{text}` is not possible");
            return Err(ScheduleError::in_expression(message, "write 1970 to 2199"));
        }
        let Some(time) = zone.first(local) else {
            let message = format!("`{text}` does not exist in {}", zone.name());
            let help = format!("the clocks are put forward over it; write at({})", zone.beyond_gap(local));
            return Err(ScheduleError::in_expression(message, help));
        };
        Ok(Self { local, time, zone })
    }

    /// When it is.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The zone whose clocks are meant.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }
}

/// As it is written in rules.toml, without the zone.
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at({})", self.local)
    }
}
