//! What is read and what is refused, when it fires, and that a naive look at every minute agrees.

use std::collections::HashSet;

use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;

use super::Schedule;
use crate::clock::Timestamp;

#[test]
fn expressions_are_read_and_written() {
    for (text, expected) in [
        ("rate(1 minute)", "rate(1 minute)"),
        (" rate( 5  minutes ) ", "rate(5 minutes)"),
        ("rate(1 second)", "rate(1 second)"),
        ("rate(12 hours)", "rate(12 hours)"),
        ("rate(3653 days)", "rate(3653 days)"),
        ("rate(1 minutes)", "`1 minutes`: one is singular; write rate(1 minute)"),
        ("rate(5 minute)", "`5 minute`: more than one are plural; write rate(5 minutes)"),
        ("rate(5 minits)", "`minits` is not a unit; did you mean `minutes`?"),
        ("rate(5 weeks)", "`weeks` is not a unit; known here: seconds, minutes, hours, days"),
        ("rate(0 minutes)", "`0` is not a number of times a unit; write a whole number from 1 on"),
        ("rate(-1 day)", "`-1` is not a number of times a unit; write a whole number from 1 on"),
        ("rate(3654 days)", "`3654 days` is too long; at most 3653 days are allowed"),
        ("rate(99999999999999999 days)", "`99999999999999999 days` is too long; at most 3653 days are allowed"),
        ("rate(5minutes)", "`5minutes` is not a rate; write a number, a space and a unit, like rate(5 minutes)"),
        (" cron( 0  12 * * ?  * ) ", "cron(0 12 * * ? *)"),
        (
            "cron(0/15 8-17/3,22 ? jan,Jun-AUG mon-FRI 2030-2199)",
            "cron(0/15 8-17/3,22 ? jan,Jun-AUG mon-FRI 2030-2199)",
        ),
        ("cron(0 0 L,15w,lw,1-3 * ? *)", "cron(0 0 L,15w,lw,1-3 * ? *)"),
        ("cron(0 0 29 2 ? *)", "cron(0 0 29 2 ? *)"),
        ("at(2030-12-24T18:00:00)", "at(2030-12-24T18:00:00)"),
        ("hourly", "`hourly` is not a schedule; write rate(12 hours), cron(0 12 * * ? *) or at(2030-12-24T18:00:00)"),
        (
            "cron(0 12 * * ?)",
            "cron() has six fields, and `0 12 * * ?` has 5; write minutes hours day-of-month month day-of-week year, like \
             cron(0 12 * * ? *)",
        ),
        (
            "cron(0 12 * * * *)",
            "day-of-month `*` and day-of-week `*` are both given; write ? in one of them, like cron(0 12 * * ? *) or \
             cron(0 12 ? * MON-FRI *)",
        ),
        (
            "cron(0 12 ? * ? *)",
            "day-of-month and day-of-week are both `?`; write * or the days in one of them, like cron(0 12 * * ? *) or \
             cron(0 12 ? * MON-FRI *)",
        ),
        ("cron(60 12 * * ? *)", "minutes: `60` is not possible; write 0 to 59, or * for every value"),
        (
            "cron(0 ? * * ? *)",
            "hours: `?` is not possible here; only day-of-month and day-of-week can be `?`; write * for every value",
        ),
        ("cron(0 1, * * ? *)", "hours: a value is missing; write 0 to 23, or * for every value"),
        ("cron(0 22-2 * * ? *)", "hours: `22-2` runs backwards; write 22-23,0-2"),
        ("cron(0 0 ? * FRI-MON/2 *)", "day-of-week: `FRI-MON/2` runs backwards; write FRI-SAT/2,SUN-MON/2"),
        ("cron(*/0 0 * * ? *)", "minutes: `0` is not a step in `*/0`; write a step of 1 to 59"),
        ("cron(0 0 * 13 ? *)", "month: `13` is not possible; write 1 to 12, or JAN to DEC"),
        ("cron(0 0 * * ? 1969)", "year: `1969` is not possible; write 1970 to 2199, or * for every value"),
        ("cron(0 0 ? * 0 *)", "day-of-week: `0` is not possible; write 1 to 7, or SUN to SAT"),
        (
            "cron(0 0 ? * 3#6 *)",
            "day-of-week: `3#6` is not possible; write 3#1 to 3#5: the first to the fifth of the month",
        ),
        (
            "cron(0 0 ? * 3#1,6#3 *)",
            "day-of-week: `3#1` is part of the list `3#1,6#3`; a `#` stands alone; make a rule of each",
        ),
        (
            "cron(0 0 ? * 15W *)",
            "day-of-week: `15W` is not possible; `W` is for day-of-month; write MON-FRI for all weekdays",
        ),
        ("cron(0 0 2#1 * ? *)", "day-of-month: `2#1` is not possible; `#` is for day-of-week: cron(0 12 ? * 2#1 *)"),
        (
            "cron(0 0 L-3 * ? *)",
            "day-of-month: `L-3` is not possible; write L for the last day, LW for the last weekday, or a day, like 15",
        ),
        ("cron(0 0 32W * ? *)", "day-of-month: `32` is not possible; write 1 to 31, or * for every value"),
        (
            "cron(0 0 30 2 ? *)",
            "cron(0 0 30 2 ? *) never fires; no year that it names has such a day; change the day, the month or the year",
        ),
        (
            "cron(0 0 ? 2 MON#5 2030)",
            "cron(0 0 ? 2 MON#5 2030) never fires; no year that it names has such a day; change the day, the month or the year",
        ),
        (
            "at(2030-02-29T00:00:00)",
            "`2030-02-29T00:00:00` does not exist; write a day of the calendar and a time from 00:00:00 to 23:59:59",
        ),
        (
            "at(2030-02-28T23:59:60)",
            "`2030-02-28T23:59:60` does not exist; write a day of the calendar and a time from 00:00:00 to 23:59:59",
        ),
        (
            "at(2030-02-28)",
            "`2030-02-28` is not a date and a time; write at(yyyy-mm-ddThh:mm:ss), like at(2030-12-24T18:00:00)",
        ),
        (
            "at(2030-02-28T00:00:00Z)",
            "`2030-02-28T00:00:00Z` is not a date and a time; the time zone has a field of its own: schedule-timezone = \
             \"Europe/Berlin\"",
        ),
        ("at(2200-01-01T00:00:00)", "the year of `2200-01-01T00:00:00` is not possible; write 1970 to 2199"),
    ] {
        let outcome = text.parse::<Schedule>();
        assert_eq!(outcome.map_or_else(|error| error.to_string(), |schedule| schedule.to_string()), expected);
    }
}

#[test]
fn time_zones_are_known_by_their_names() {
    let noon = "cron(0 12 * * ? *)";
    for (text, zone, expected) in [
        (noon, "europe/berlin", "Europe/Berlin"),
        (noon, "Asia/Calcutta", "Asia/Calcutta"),
        (noon, "UTC", "UTC"),
        (noon, "Europe/Berlni", "`Europe/Berlni` is not a time zone; did you mean `Europe/Berlin`?"),
        (noon, "new york", "`new york` is not a time zone; did you mean `America/New_York`?"),
        (
            noon,
            "+02:00",
            "`+02:00` is not a time zone; write a name of the IANA database, like \"Europe/Berlin\" or \"America/New_York\"",
        ),
        ("rate(1 day)", "Europe/Berlin", "a rate() has no time zone; leave it out, or write a cron()"),
        (
            "at(2026-03-29T02:30:00)",
            "Europe/Berlin",
            "`2026-03-29T02:30:00` does not exist in Europe/Berlin; the clocks are put forward over it; write at(2026-03-29T03:30:00)",
        ),
        (
            "cron(30 2 29 3 ? 2026)",
            "Europe/Berlin",
            "cron(30 2 29 3 ? 2026) never fires; the clocks of Europe/Berlin are put forward over it; write another hour",
        ),
    ] {
        let outcome = Schedule::parse(text, Some(zone));
        let outcome =
            outcome.map(|schedule| schedule.time_zone().map(|zone| zone.name().to_owned()).unwrap_or_default());
        assert_eq!(outcome.unwrap_or_else(|error| error.to_string()), expected);
    }
}

#[test]
fn missed_times_of_a_rate_are_skipped() {
    let schedule: Schedule = "rate(10 seconds)".parse().expect("a rate");
    for (last_due, now, next) in
        [(0, 0, 10), (100, 100, 110), (100, 109, 110), (100, 110, 120), (100, 163, 170), (100, 40, 110)]
    {
        let [last_due, now, next] = [last_due, now, next].map(|seconds: u64| Timestamp::from_millis(seconds * 1000));
        assert_eq!(schedule.next_after(last_due, now), Some(next));
    }
    let end = Timestamp::from_millis(u64::MAX);
    assert_eq!(schedule.next_after(end, end), Some(end));
}

#[test]
fn the_calendar_is_kept() {
    for (fields, from, expected) in [
        // The examples of EventBridge's documentation.
        ("0 10 * * ? *", "2026-11-23T10:00", &["2026-11-24T10:00", "2026-11-25T10:00"][..]),
        ("15 12 * * ? *", "2026-11-23T10:00", &["2026-11-23T12:15"]),
        ("0 18 ? * MON-FRI *", "2026-11-27T18:00", &["2026-11-30T18:00"]),
        ("0 8 1 * ? *", "2026-12-01T08:00", &["2027-01-01T08:00"]),
        ("0/15 * * * ? *", "2026-12-31T23:44", &["2026-12-31T23:45", "2027-01-01T00:00"]),
        ("0/5 8-17 ? * MON-FRI *", "2026-11-27T17:54", &["2026-11-27T17:55", "2026-11-30T08:00"]),
        ("0 9 ? * 2#1 *", "2026-11-23T00:00", &["2026-12-07T09:00", "2027-01-04T09:00"]),
        ("15 10 ? * 6L 2022-2023", "2022-12-01T00:00", &["2022-12-30T10:15", "2023-01-27T10:15"]),
        // Leap days, the last days, and the weekdays that are closest.
        ("0 0 29 2 ? *", "2096-02-29T00:00", &["2104-02-29T00:00"]),
        ("0 0 L * ? *", "2027-01-31T00:00", &["2027-02-28T00:00", "2027-03-31T00:00"]),
        ("0 0 31 * ? *", "2027-03-31T00:00", &["2027-05-31T00:00"]),
        ("0 0 LW * ? *", "2026-05-01T00:00", &["2026-05-29T00:00", "2026-06-30T00:00"]),
        ("0 0 15W * ? *", "2026-08-01T00:00", &["2026-08-14T00:00", "2026-09-15T00:00"]),
        ("0 0 1W 8,11 ? 2026", "2026-01-01T00:00", &["2026-08-03T00:00", "2026-11-02T00:00"]),
        ("0 0 31W * ? *", "2026-04-01T00:00", &["2026-05-29T00:00", "2026-07-31T00:00"]),
        ("0 0 ? * L *", "2026-11-23T00:00", &["2026-11-28T00:00"]),
        ("0 0 ? * FRI#5 *", "2026-11-23T00:00", &["2027-01-29T00:00", "2027-04-30T00:00"]),
        ("0 0 1 1 ? 2199", "1970-01-01T00:00", &["2199-01-01T00:00"]),
    ] {
        let schedule: Schedule = format!("cron({fields})").parse().unwrap_or_else(|error| panic!("{error}"));
        let mut time = utc(from);
        for expected in expected {
            let next = schedule.next_after(time, Timestamp::default());
            assert_eq!(next, Some(utc(expected)), "{fields} after {time}");
            time = utc(expected);
        }
    }
    let ended: Schedule = "cron(59 23 31 12 ? 2030)".parse().expect("a schedule");
    assert_eq!(ended.next_after(utc("2030-12-31T23:59"), Timestamp::default()), None);
    assert_eq!(ended.next_after(Timestamp::default(), Timestamp::from_millis(u64::MAX)), None);
}

#[test]
fn a_skipped_time_does_not_fire_and_a_repeated_one_fires_once() {
    let fires = |text: &str, zone: &str, from: &str, expected: &[&str]| {
        let schedule = Schedule::parse(text, Some(zone)).unwrap_or_else(|error| panic!("{error}"));
        let mut time = utc(from);
        for expected in expected {
            let next = schedule.next_after(time, time).expect("a time");
            assert_eq!(next, utc(expected), "{text} in {zone} after {time}");
            time = next;
        }
    };
    // At two the clocks of Berlin are put forward to three on 29 March 2026, and at three back to two on 25 October.
    let half_past_two = "cron(30 2 * * ? *)";
    fires(half_past_two, "Europe/Berlin", "2026-03-27T12:00", &["2026-03-28T01:30", "2026-03-30T00:30"]);
    fires(half_past_two, "Europe/Berlin", "2026-10-24T12:00", &["2026-10-25T00:30", "2026-10-26T01:30"]);
    fires("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-03-29T00:00", &["2026-03-29T00:30", "2026-03-29T01:00"]);
    fires("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-10-25T00:00", &["2026-10-25T00:30", "2026-10-25T02:00"]);
    fires("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-10-25T01:10", &["2026-10-25T02:00"]);
    // In Samoa there was no 30 December 2011.
    fires("cron(0 12 * * ? *)", "Pacific/Apia", "2011-12-29T00:00", &["2011-12-29T22:00", "2011-12-30T22:00"]);

    let at = Schedule::parse("at(2026-10-25T02:30:00)", Some("Europe/Berlin")).expect("a schedule");
    assert_eq!(at.next_after(Timestamp::default(), Timestamp::default()), Some(utc("2026-10-25T00:30")));
    assert_eq!(at.next_after(Timestamp::default(), utc("2026-10-25T00:30")), None);
    assert_eq!(at.next_after(utc("2026-10-25T00:30"), Timestamp::default()), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_minute_agrees(
        cron in any_cron(),
        zone in prop::sample::select(&["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
        // Some days around the changes of the clocks, and any other day.
        day in prop_oneof![
            prop::sample::select(&["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-10-03", "2011-12-29"])
                .prop_map(|day| utc(&format!("{day}T00:00")).as_millis()),
            (0u64..80_000).prop_map(|day| day * 86_400_000),
        ],
        millis in 0u64..86_400_000,
    ) {
        // What never fires is refused, and then there is nothing to compare.
        let Ok(schedule) = Schedule::parse(&cron.text(), Some(zone)) else { return Ok(()) };
        let start = Timestamp::from_millis(day + millis);
        let next = schedule.next_after(start, Timestamp::default());
        let (expected, end) = cron.naive(zone, start);
        match expected {
            Some(expected) => prop_assert_eq!(next, Some(expected), "{} in {} after {}", cron.text(), zone, start),
            None => prop_assert!(next.is_none_or(|next| next > end), "{} in {} after {}", cron.text(), zone, start),
        }
        if let Some(next) = next {
            prop_assert!(next > start);
            // Whoever begins earlier is not told a later time, and whoever begins later not an earlier one.
            let between = Timestamp::from_millis(u64::midpoint(start.as_millis(), next.as_millis()));
            if between < next {
                prop_assert_eq!(schedule.next_after(between, start), Some(next));
            }
            prop_assert!(schedule.next_after(next, start).is_none_or(|later| later > next));
        }
    }
}

/// A cron expression in parts that a naive reader understands.
#[derive(Clone, Debug)]
struct Naive {
    minutes: Item,
    hours: Item,
    day: Day,
    month: Item,
    year: Item,
}

/// A field: `*`, `a`, `a-b`, `a/n`.
#[derive(Clone, Debug)]
enum Item {
    Any,
    One(i64),
    Range(i64, i64),
    Steps(i64, i64),
}

/// The days, in the words of each field.
#[derive(Clone, Debug)]
enum Day {
    OfMonth(Item),
    Last,
    LastWeekday,
    Nearest(i64),
    OfWeek(Item),
    LastOfWeek(i64),
    Nth(i64, i64),
}

impl Naive {
    fn text(&self) -> String {
        let (of_month, of_week) = match &self.day {
            Day::OfMonth(item) => (item.text(), "?".to_owned()),
            Day::Last => ("L".to_owned(), "?".to_owned()),
            Day::LastWeekday => ("LW".to_owned(), "?".to_owned()),
            Day::Nearest(day) => (format!("{day}W"), "?".to_owned()),
            Day::OfWeek(item) => ("?".to_owned(), item.text()),
            Day::LastOfWeek(day) => ("?".to_owned(), format!("{day}L")),
            Day::Nth(day, nth) => ("?".to_owned(), format!("{day}#{nth}")),
        };
        let [minutes, hours, month, year] = [&self.minutes, &self.hours, &self.month, &self.year].map(Item::text);
        format!("cron({minutes} {hours} {of_month} {month} {of_week} {year})")
    }

    fn matches(&self, local: civil::DateTime) -> bool {
        let date = local.date();
        let weekday = |date: civil::Date| i64::from(date.weekday().to_sunday_one_offset());
        let is_weekday = |date: &civil::Date| (2..=6).contains(&weekday(*date));
        let month = || (1..=date.days_in_month()).map(|day| civil::date(date.year(), date.month(), day));
        let day = match &self.day {
            Day::OfMonth(item) => item.matches(date.day().into()),
            Day::Last => date == date.last_of_month(),
            Day::LastWeekday => month().rfind(is_weekday) == Some(date),
            Day::Nearest(wanted) => {
                let exists = month().any(|day| i64::from(day.day()) == *wanted);
                let weekdays = month().filter(is_weekday);
                exists && weekdays.min_by_key(|day| (i64::from(day.day()) - wanted).abs()) == Some(date)
            }
            Day::OfWeek(item) => item.matches(weekday(date)),
            Day::LastOfWeek(day) => month().rfind(|other| weekday(*other) == *day) == Some(date),
            Day::Nth(day, nth) => month().filter(|other| weekday(*other) == *day).nth(*nth as usize - 1) == Some(date),
        };
        let time = self.minutes.matches(local.minute().into()) && self.hours.matches(local.hour().into());
        day && time && self.month.matches(date.month().into()) && self.year.matches(date.year().into())
    }

    /// The first minute after `start` that matches and was not shown by the clocks before, and where the search ended.
    fn naive(&self, zone: &str, start: Timestamp) -> (Option<Timestamp>, Timestamp) {
        const MINUTE: u64 = 60_000;
        let zone: TimeZone = TimeZoneDatabase::bundled().get(zone).expect("a zone");
        let first = start.as_millis() / MINUTE;
        // A day before, because that is longer than clocks are ever put back.
        let minutes = first.saturating_sub(24 * 60)..first + 3 * 24 * 60;
        let end = Timestamp::from_millis((minutes.end - 1) * MINUTE);
        let mut shown = HashSet::new();
        let found = minutes.map(|minute| Timestamp::from_millis(minute * MINUTE)).find(|time| {
            let time_there = jiff::Timestamp::from_millisecond(time.as_millis() as i64).expect("a time");
            let local = zone.to_datetime(time_there);
            shown.insert(local) && *time > start && self.matches(local)
        });
        (found, end)
    }
}

impl Item {
    fn text(&self) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::One(value) => value.to_string(),
            Self::Range(first, last) => format!("{first}-{last}"),
            Self::Steps(first, step) => format!("{first}/{step}"),
        }
    }

    fn matches(&self, value: i64) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => value == *one,
            Self::Range(first, last) => (first..=last).contains(&&value),
            Self::Steps(first, step) => value >= *first && (value - first) % step == 0,
        }
    }
}

fn any_cron() -> impl Strategy<Value = Naive> {
    let day = prop_oneof![
        4 => item(1, 31).prop_map(Day::OfMonth),
        1 => Just(Day::Last),
        1 => Just(Day::LastWeekday),
        2 => (1i64..=31).prop_map(Day::Nearest),
        4 => item(1, 7).prop_map(Day::OfWeek),
        1 => (1i64..=7).prop_map(Day::LastOfWeek),
        1 => (1i64..=7, 1i64..=5).prop_map(|(day, nth)| Day::Nth(day, nth)),
    ];
    let month = prop_oneof![4 => Just(Item::Any), 1 => item(1, 12)];
    let year = prop_oneof![8 => Just(Item::Any), 1 => item(1970, 2199)];
    (item(0, 59), item(0, 23), day, month, year).prop_map(|(minutes, hours, day, month, year)| Naive {
        minutes,
        hours,
        day,
        month,
        year,
    })
}

fn item(least: i64, most: i64) -> impl Strategy<Value = Item> {
    prop_oneof![
        Just(Item::Any),
        (least..=most).prop_map(Item::One),
        (least..=most, least..=most).prop_map(|(one, other)| Item::Range(one.min(other), one.max(other))),
        (least..=most, 1..=most - least).prop_map(|(first, step)| Item::Steps(first, step)),
    ]
}

fn utc(text: &str) -> Timestamp {
    format!("{text}:00Z").parse().expect("a time")
}
