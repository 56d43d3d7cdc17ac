//! `cron(minutes hours day-of-month month day-of-week year)`.

use std::fmt;

use jiff::civil;

use super::ScheduleError;
use super::days::Days;
use super::field::{Field, Set};
use super::zone::Zone;
use crate::clock::Timestamp;

const MINUTES: Field = Field { name: "minutes", least: 0, most: 59, names: &[] };
const HOURS: Field = Field { name: "hours", least: 0, most: 23, names: &[] };
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const YEAR: Field = Field { name: "year", least: 1970, most: 2199, names: &[] };

/// Times by the calendar and the clocks of a time zone, to the minute: EventBridge's `cron()`.
///
/// Where the clocks change it does what EventBridge Scheduler documents: a time that they skip is skipped here, and does not fire
/// on that day; a time that they show twice fires the first time, and not again.
///
/// `15W` is the weekday closest to the 15th in the same month; a month that does not have the day does not fire, as with the
/// day itself. `L` in day-of-week is the last day of the week, Saturday; `6L` is the last Friday of the month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// As it was written, with one space between the fields.
    text: String,
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    years: Set,
    zone: Zone,
}

impl Cron {
    /// Reads what stands in the parentheses.
    ///
    /// # Errors
    ///
    /// Names the field, the value and what to write. One that never fires, because no year has such a day or the clocks always skip
    /// the time, is an error too.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, of_month, month, of_week, year] = fields[..] else {
            return Err(ScheduleError::in_expression(
                format!("cron() has six fields, and `{text}` has {}", fields.len()),
                "write minutes hours day-of-month month day-of-week year, like cron(0 12 * * ? *)",
            ));
        };
        let cron = Self {
            minutes: MINUTES.set(minutes)?,
            hours: HOURS.set(hours)?,
            months: MONTH.set(month)?,
            years: YEAR.set(year)?,
            days: Days::read(of_month, of_week)?,
            text: fields.join(" "),
            zone,
        };
        let beginning = civil::date(YEAR.least as i16, 1, 1).at(0, 0, 0, 0);
        let help = if cron.first_local(beginning).is_none() {
            "no year that it names has such a day; change the day, the month or the year".to_owned()
        } else if cron.times_from(beginning).next().is_none() {
            format!("the clocks of {} are put forward over it; write another hour", cron.zone.name())
        } else {
            return Ok(cron);
        };
        Err(ScheduleError::in_expression(format!("{cron} never fires"), help))
    }

    /// The first time that is after `time`; nothing if there is none, because its years are over.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        // Whatever the clocks show before this minute, they have shown for the first time before `time`.
        let local = self.zone.local(time)?;
        self.times_from(local.date().at(local.hour(), local.minute(), 0, 0)).find(|found| *found > time)
    }

    /// The zone whose clocks are meant.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// When it fires, from what the clocks show on. Ends with the year 2199.
    fn times_from(&self, local: civil::DateTime) -> impl Iterator<Item = Timestamp> + '_ {
        let next = |before: &civil::DateTime| {
            let minute = before.checked_add(jiff::Span::new().minutes(1)).ok()?;
            self.first_local(minute)
        };
        std::iter::successors(self.first_local(local), next).filter_map(|local| self.zone.first(local))
    }

    /// The first time of the calendar that is not before `from`, whatever the clocks do. Looks at each month at most once.
    fn first_local(&self, from: civil::DateTime) -> Option<civil::DateTime> {
        let begin = from.date();
        for year in self.years.all_from(u16::try_from(begin.year()).unwrap_or(0)) {
            let is_first_year = begin.year() == year as i16;
            for month in self.months.all_from(if is_first_year { begin.month() as u16 } else { 1 }) {
                let first = civil::date(year as i16, month as i8, 1);
                let is_first_month = is_first_year && begin.month() == month as i8;
                let mut days = self.days.in_month(first);
                if is_first_month {
                    days &= u32::MAX << begin.day();
                }
                while days != 0 {
                    let day = days.trailing_zeros() as i8;
                    days &= days - 1;
                    let is_first_day = is_first_month && begin.day() == day;
                    let time = if is_first_day { (from.hour() as u16, from.minute() as u16) } else { (0, 0) };
                    if let Some((hour, minute)) = self.first_time(time) {
                        return Some(civil::date(first.year(), first.month(), day).at(hour as i8, minute as i8, 0, 0));
                    }
                }
            }
        }
        None
    }

    /// The first hour and minute of a day that is not before `from`.
    fn first_time(&self, (hour, minute): (u16, u16)) -> Option<(u16, u16)> {
        let found = self.hours.from(hour)?;
        match self.minutes.from(if found == hour { minute } else { 0 }) {
            Some(minute) => Some((found, minute)),
            None => Some((self.hours.from(hour + 1)?, self.minutes.from(0)?)),
        }
    }
}

/// As it is written in rules.toml, without the zone.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cron({})", self.text)
    }
}
