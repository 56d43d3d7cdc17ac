//! The days of `cron()`: day-of-month or day-of-week, of which one is `?`.

use jiff::civil;

use super::ScheduleError;
use super::field::{Field, Set, digits};

/// The days of the month.
const OF_MONTH: Field = Field { name: "day-of-month", least: 1, most: 31, names: &[] };

/// The days of the week; the week begins on Sunday.
const OF_WEEK: Field =
    Field { name: "day-of-week", least: 1, most: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };

/// Saturday and Sunday.
const WEEKEND: [u16; 2] = [7, 1];

/// Which days of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Days {
    /// By their number.
    OfMonth {
        /// These.
        days: Set,
        /// The weekdays that are closest to these and in the same month: `15W`.
        nearest: Set,
        /// The last day: `L`.
        last: bool,
        /// The last weekday: `LW`.
        last_weekday: bool,
    },
    /// By their place in the week.
    OfWeek {
        /// Each of these.
        days: Set,
        /// The last of these in the month: `6L`.
        last: Set,
        /// The first to fifth of this day in the month: `3#2`.
        nth: Option<(u16, u16)>,
    },
}

impl Days {
    /// Reads both fields.
    pub(super) fn read(of_month: &str, of_week: &str) -> Result<Self, ScheduleError> {
        match (of_month, of_week) {
            ("?", "?") => Err(ScheduleError::in_expression(
                "day-of-month and day-of-week are both `?`",
                "write * or the days in one of them, like cron(0 12 * * ? *) or cron(0 12 ? * MON-FRI *)",
            )),
            (_, "?") => Self::read_of_month(of_month),
            ("?", _) => Self::read_of_week(of_week),
            _ => Err(ScheduleError::in_expression(
                format!("day-of-month `{of_month}` and day-of-week `{of_week}` are both given"),
                "write ? in one of them, like cron(0 12 * * ? *) or cron(0 12 ? * MON-FRI *)",
            )),
        }
    }

    /// The days of a month that begins with `first`, as bits: bit 1 is the first day.
    pub(super) fn in_month(&self, first: civil::Date) -> u32 {
        let length = first.days_in_month() as u16;
        let begins_with = first.weekday().to_sunday_one_offset() as u16;
        // Each day of the month with its day of the week.
        let days = (1..=length).map(|day| (day, (begins_with - 1 + day - 1) % 7 + 1));
        let wanted = |(day, weekday): (u16, u16)| match self {
            Self::OfMonth { days, nearest, last, last_weekday } => {
                days.contains(day)
                    || (*last && day == length)
                    || (*last_weekday && is_nearest(day, weekday, length, |wanted| wanted == length))
                    || is_nearest(day, weekday, length, |wanted| nearest.contains(wanted))
            }
            Self::OfWeek { days, last, nth } => {
                days.contains(weekday)
                    || (last.contains(weekday) && day + 7 > length)
                    || nth.is_some_and(|(wanted, nth)| wanted == weekday && (day - 1) / 7 + 1 == nth)
            }
        };
        days.filter(|day| wanted(*day)).fold(0, |bits, (day, _)| bits | 1 << day)
    }

    fn read_of_month(text: &str) -> Result<Self, ScheduleError> {
        let [mut days, mut nearest] = [OF_MONTH.nothing(); 2];
        let [mut last, mut last_weekday] = [false; 2];
        for item in text.split(',') {
            let upper = item.to_ascii_uppercase();
            match upper.strip_suffix('W') {
                Some("L") => last_weekday = true,
                Some(day) => nearest.insert(OF_MONTH.value(day)?),
                None if upper == "L" => last = true,
                None if upper.contains('L') => {
                    let help = "write L for the last day, LW for the last weekday, or a day, like 15".to_owned();
                    return Err(OF_MONTH.error(format!("`{item}` is not possible"), help));
                }
                None if item.contains('#') => {
                    let help = format!("`#` is for day-of-week: cron(0 12 ? * {item} *)");
                    return Err(OF_MONTH.error(format!("`{item}` is not possible"), help));
                }
                None => OF_MONTH.insert(item, &mut days)?,
            }
        }
        Ok(Self::OfMonth { days, nearest, last, last_weekday })
    }

    fn read_of_week(text: &str) -> Result<Self, ScheduleError> {
        let [mut days, mut last] = [OF_WEEK.nothing(); 2];
        let mut nth = None;
        for item in text.split(',') {
            let upper = item.to_ascii_uppercase();
            if let Some((day, number)) = item.split_once('#') {
                if text.contains(',') {
                    let help = "a `#` stands alone; make a rule of each".to_owned();
                    return Err(OF_WEEK.error(format!("`{item}` is part of the list `{text}`"), help));
                }
                let number = digits(number).filter(|number| (1..=5).contains(number)).ok_or_else(|| {
                    let help = format!("write {day}#1 to {day}#5: the first to the fifth of the month");
                    OF_WEEK.error(format!("`{item}` is not possible"), help)
                })?;
                nth = Some((OF_WEEK.value(day)?, number));
            } else if upper == "L" {
                // The last day of the week.
                days.insert(OF_WEEK.most);
            } else if let Some(day) = upper.strip_suffix('L') {
                last.insert(OF_WEEK.value(day)?);
            } else if upper.ends_with('W') {
                let help = "`W` is for day-of-month; write MON-FRI for all weekdays".to_owned();
                return Err(OF_WEEK.error(format!("`{item}` is not possible"), help));
            } else {
                OF_WEEK.insert(item, &mut days)?;
            }
        }
        Ok(Self::OfWeek { days, last, nth })
    }
}

/// Whether a day is the weekday that is closest to a wanted one. A Saturday is closest to the Friday before it, a Sunday to the Monday
/// after it, unless that is in another month.
fn is_nearest(day: u16, weekday: u16, length: u16, is_wanted: impl Fn(u16) -> bool) -> bool {
    const MONDAY: u16 = 2;
    const FRIDAY: u16 = 6;
    if WEEKEND.contains(&weekday) {
        return false;
    }
    is_wanted(day)
        || (weekday == MONDAY && day > 1 && is_wanted(day - 1))
        // The first is a Saturday, and the Friday before it in another month.
        || (weekday == MONDAY && day == 3 && is_wanted(1))
        || (weekday == FRIDAY && day < length && is_wanted(day + 1))
        // The last is a Sunday, and the Monday after it in another month.
        || (weekday == FRIDAY && day + 2 == length && is_wanted(length))
}
