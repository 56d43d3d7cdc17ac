//! Times: milliseconds since the epoch, and RFC 3339 as the language wants it.

use jiff::Timestamp;

/// A time in RFC 3339 with a capital `T`, and `Z` or an offset.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let zone = text.get(19..)?;
    let has_zone = zone.ends_with('Z') || zone.contains(['+', '-']);
    (text.as_bytes().get(10) == Some(&b'T') && has_zone).then(|| text.parse().ok())?
}

/// The first millisecond that is not before a time; 0 for what is before the epoch.
pub(crate) fn millis(time: Timestamp) -> u64 {
    let nanos = time.as_nanosecond().max(0);
    u64::try_from(nanos.div_euclid(1_000_000) + i128::from(nanos % 1_000_000 != 0)).unwrap_or(u64::MAX)
}

/// A time in RFC 3339 and UTC, with milliseconds where it has any.
pub(crate) fn format(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_capitals() {
        let read = |text| parse(text).map(millis);
        assert_eq!(read("2020-05-13T14:19:39Z"), Some(1_589_379_579_000));
        assert_eq!(read("2020-05-13T16:19:39.0001+02:00"), Some(1_589_379_579_001));
        assert_eq!(read("1960-05-13T14:19:39Z"), Some(0));
        for text in
            ["2020-05-13 14:19:39Z", "2020-05-13T14:19:39", "2020-05-13t14:19:39z", "2020-13-13T14:19:39Z", "", "é"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(format(1_589_379_579_000), "2020-05-13T14:19:39Z");
        assert_eq!(format(1_589_379_579_250), "2020-05-13T14:19:39.25Z");
    }
}
