//! Ranges of IP addresses: `10.0.0.5`, `10.0.0.0/8`, `fd00::/8`.

use std::net::IpAddr;
use std::str::FromStr;

use super::Complaint;

/// A range of IP addresses: those that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    /// How many bits count.
    length: u32,
}

impl AddressRange {
    /// Whether an address is one of them. An IPv4 address written as IPv6 is not an IPv4 address here: what is meant must be said.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                u32::from(first).checked_shr(32 - self.length) == u32::from(address).checked_shr(32 - self.length)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                u128::from(first).checked_shr(128 - self.length) == u128::from(address).checked_shr(128 - self.length)
            }
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = Complaint;

    fn from_str(text: &str) -> Result<Self, Complaint> {
        let help = "write an address or a range, like 10.0.0.5, 10.0.0.0/24 or fd00::/8";
        let malformed = || Complaint::new(format!("`{text}` is not an IP address, nor a range of them"), help);
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let first: IpAddr = address.parse().map_err(|_| malformed())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= most).ok_or_else(malformed)?
            }
            Some(_) => return Err(malformed()),
            None => most,
        };
        Ok(Self { first, length })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::AddressRange;

    #[test]
    fn ranges_contain_what_they_say() {
        for (range, address, contained) in [
            ("10.0.0.5", "10.0.0.5", true),
            ("10.0.0.5", "10.0.0.4", false),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", false),
            ("0.0.0.0/0", "127.0.0.1", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "::1", true),
        ] {
            let parsed: AddressRange = range.parse().expect("a range");
            assert_eq!(
                parsed.contains(address.parse::<IpAddr>().expect("an address")),
                contained,
                "{address} in {range}"
            );
        }
        for text in
            ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "localhost", "[::1]", "010.0.0.1"]
        {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
    }
}
