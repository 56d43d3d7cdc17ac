//! Durations as operators and callers write them: `500ms`, `30s`, `10m`, `12h`, `14d`.

use std::time::Duration;

use super::Complaint;

/// The units and their milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The longest duration: a hundred years. It keeps sums of times far from overflowing.
const MAX: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);

/// Reads a whole number with a unit, or without one a number of seconds.
///
/// # Errors
///
/// If it is neither, or longer than a hundred years.
///
/// ```
/// # use std::time::Duration;
/// # use trialbridge::config::duration;
/// assert_eq!(duration::parse("14d"), Ok(Duration::from_secs(14 * 24 * 60 * 60)));
/// assert_eq!(duration::parse("90"), Ok(Duration::from_secs(90)));
/// ```
pub fn parse(text: &str) -> Result<Duration, Complaint> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = if unit.is_empty() { "s" } else { unit };
    let millis = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis);
    let Some(millis) = millis.filter(|_| !number.is_empty()) else {
        let help = "write a whole number and a unit, like 500ms, 30s, 10m, 12h or 14d";
        return Err(Complaint::new(format!("`{text}` is not a duration"), help));
    };
    let duration = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis)).map(Duration::from_millis);
    duration
        .filter(|duration| *duration <= MAX)
        .ok_or_else(|| Complaint::new(format!("`{text}` is too long"), "at most a hundred years, 36525d, are allowed"))
}

/// Writes a duration in the longest unit that divides it; what is below a millisecond is dropped.
pub fn format(duration: Duration) -> String {
    let total = duration.as_millis();
    match UNITS.iter().find(|(_, millis)| total > 0 && total.is_multiple_of(u128::from(*millis))) {
        Some((unit, millis)) => format!("{}{unit}", total / u128::from(*millis)),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn durations_are_read_and_written() {
        for (text, expected) in [
            ("500ms", "500ms"),
            ("1500ms", "1500ms"),
            ("30s", "30s"),
            ("90s", "90s"),
            ("120s", "2m"),
            ("24h", "1d"),
            ("14d", "14d"),
            ("0", "0s"),
            ("3600", "1h"),
            ("36525d", "36525d"),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Ok(expected), "{text}");
        }
        for text in
            ["", "s", "-1s", "+1s", "1.5h", "1 h", "1w", "1H", "5m30s", "36526d", "99999999999999999999d", "１s"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
