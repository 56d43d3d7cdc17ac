//! Sizes in memory: `64KiB`, `64MiB`, `1GiB`.

use super::Complaint;

/// The units and their bytes, the largest first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a whole number with a unit, or without one a number of bytes.
///
/// # Errors
///
/// If it is neither, or more than 64 bits hold.
pub fn parse(text: &str) -> Result<u64, Complaint> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = if unit.is_empty() { "B" } else { unit };
    let bytes = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
    bytes.and_then(|bytes| number.parse::<u64>().ok()?.checked_mul(bytes)).ok_or_else(|| {
        Complaint::new(format!("`{text}` is not a size"), "write a whole number and a unit, like 64KiB, 64MiB or 1GiB")
    })
}

/// Writes a size in the largest unit that divides it.
pub fn format(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => "0B".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn sizes_are_read_and_written() {
        for (text, expected) in
            [("64KiB", "64KiB"), ("2048KiB", "2MiB"), ("1GiB", "1GiB"), ("1000", "1000B"), ("0", "0B"), ("7B", "7B")]
        {
            assert_eq!(parse(text).map(format).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "MiB", "64MB", "64 MiB", "64mib", "-1", "1.5GiB", "99999999999999999999GiB"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
