//! A field of `cron()`: a list of values, ranges and steps, read into a set.

use super::ScheduleError;

/// A field, as it is written.
pub(super) struct Field {
    /// What errors call it.
    pub(super) name: &'static str,
    /// The smallest value.
    pub(super) least: u16,
    /// The largest value.
    pub(super) most: u16,
    /// What the values are called, from the smallest on; empty if they are only numbers.
    pub(super) names: &'static [&'static str],
}

/// Values of one field, at most 256 from the field's smallest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    least: u16,
    bits: [u64; 4],
}

impl Field {
    /// No value yet.
    pub(super) const fn nothing(&self) -> Set {
        Set { least: self.least, bits: [0; 4] }
    }

    /// Reads a whole field: `0,30`, `9-17`, `*/15`, `MON-FRI`.
    pub(super) fn set(&self, text: &str) -> Result<Set, ScheduleError> {
        let mut set = self.nothing();
        for item in text.split(',') {
            self.insert(item, &mut set)?;
        }
        Ok(set)
    }

    /// Reads one item of a list: `*`, `5`, `1-5`, and each of them with a step: `*/15`, `5/15`, `9-17/2`.
    pub(super) fn insert(&self, item: &str, set: &mut Set) -> Result<(), ScheduleError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(item, step)?)),
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            // A value with a step goes on to the end.
            None => (self.value(range)?, if step.is_some() { self.most } else { self.value(range)? }),
        };
        if first > last {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let step = step.map_or_else(String::new, |step| format!("/{step}"));
            let help = format!("write {from}-{}{step},{}-{to}{step}", self.spell(self.most), self.spell(self.least));
            return Err(self.error(format!("`{item}` runs backwards"), help));
        }
        for value in (first..=last).step_by(step.unwrap_or(1)) {
            set.insert(value);
        }
        Ok(())
    }

    /// Reads one value, as a number or by its name.
    pub(super) fn value(&self, text: &str) -> Result<u16, ScheduleError> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(place) => Some(self.least + place as u16),
            None => digits(text).filter(|value| (self.least..=self.most).contains(value)),
        };
        value.ok_or_else(|| match text {
            "?" => {
                let help = "only day-of-month and day-of-week can be `?`; write * for every value".to_owned();
                self.error("`?` is not possible here".to_owned(), help)
            }
            "" => self.error("a value is missing".to_owned(), self.possible()),
            _ => self.error(format!("`{text}` is not possible"), self.possible()),
        })
    }

    /// An error of this field.
    pub(super) fn error(&self, message: String, help: String) -> ScheduleError {
        ScheduleError::in_expression(format!("{}: {message}", self.name), help)
    }

    /// How a value is written: by its name where it has one.
    fn spell(&self, value: u16) -> String {
        let name = self.names.get(usize::from(value - self.least));
        name.map_or_else(|| value.to_string(), |name| (*name).to_owned())
    }

    /// What can be written, in words.
    fn possible(&self) -> String {
        match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!("write {} to {}, or {first} to {last}", self.least, self.most),
            _ => format!("write {} to {}, or * for every value", self.least, self.most),
        }
    }

    fn step(&self, item: &str, text: &str) -> Result<usize, ScheduleError> {
        let longest = self.most - self.least;
        let step = digits(text).filter(|step| (1..=longest).contains(step)).map(usize::from);
        step.ok_or_else(|| {
            let help = format!("write a step of 1 to {longest}");
            self.error(format!("`{text}` is not a step in `{item}`"), help)
        })
    }
}

impl Set {
    /// Adds a value.
    pub(super) fn insert(&mut self, value: u16) {
        let place = usize::from(value - self.least);
        self.bits[place / 64] |= 1 << (place % 64);
    }

    /// Whether it has a value.
    pub(super) fn contains(&self, value: u16) -> bool {
        self.from(value) == Some(value)
    }

    /// The smallest value that is not below `value`.
    pub(super) fn from(&self, value: u16) -> Option<u16> {
        let place = usize::from(value.saturating_sub(self.least));
        let mut word = place / 64;
        let mut bits = self.bits.get(word)? & (u64::MAX << (place % 64));
        while bits == 0 {
            word += 1;
            bits = *self.bits.get(word)?;
        }
        Some(self.least + (word * 64) as u16 + bits.trailing_zeros() as u16)
    }

    /// All values from `value` on, ascending.
    pub(super) fn all_from(&self, value: u16) -> impl Iterator<Item = u16> + '_ {
        std::iter::successors(self.from(value), |before| self.from(before + 1))
    }
}

/// A number of up to four digits, and nothing else.
pub(super) fn digits(text: &str) -> Option<u16> {
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}
