//! Ranges of IP addresses.

use core::net::IpAddr;
use std::fmt;

/// A range of IP addresses: those whose first bits are these. An IPv4 address written as IPv6, `::ffff:10.0.0.1`, is an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network {
    /// Which of the two kinds of addresses.
    pub(super) v6: bool,
    /// The first bits, moved to the top; the others are zero.
    pub(super) bits: u128,
    /// How many bits count.
    pub(super) length: u8,
}

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// There is no `/` with something behind it.
    Length,
    /// What stands before the `/` is no address.
    Address,
    /// The length is not a number from 0 to this.
    Range(u8),
}

impl Network {
    /// Reads `10.0.0.0/8` or `2001:db8::/32`. As in EventBridge a network of a single address is none.
    pub(super) fn new(text: &str) -> Result<Self, Malformed> {
        let (address, length) = text.split_once('/').ok_or(Malformed::Length)?;
        let written: IpAddr = address.parse().map_err(|_| Malformed::Address)?;
        let (v6, bits) = place(written);
        let most = if written.is_ipv6() && v6 { 127 } else { 31 };
        let length = length.parse().ok().filter(|length| *length <= most).ok_or(Malformed::Range(most))?;
        Ok(Self { v6, bits: masked(bits, length), length })
    }

    /// Whether a text is an address of this network.
    pub(super) fn accepts(&self, value: &[u8]) -> bool {
        address(value).is_some_and(|(v6, bits)| v6 == self.v6 && masked(bits, self.length) == self.bits)
    }
}

/// The address that a text is: whether it is an IPv6 address, and its bits, moved to the top.
pub(super) fn address(value: &[u8]) -> Option<(bool, u128)> {
    // Nothing longer is an address: eight groups, or six and four numbers.
    if value.len() > 45 {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok().map(place)
}

/// The first bits alone.
pub(super) fn masked(bits: u128, length: u8) -> u128 {
    bits.checked_shr(128 - u32::from(length)).map_or(0, |kept| kept << (128 - u32::from(length)))
}

fn place(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u128::from(u32::from(address)) << 96),
        IpAddr::V6(address) => (true, u128::from(address)),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address: IpAddr = if self.v6 {
            core::net::Ipv6Addr::from(self.bits).into()
        } else {
            core::net::Ipv4Addr::from((self.bits >> 96) as u32).into()
        };
        write!(f, "{address}/{}", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::{Malformed, Network};

    #[test]
    fn networks_hold_addresses_of_their_kind() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", &["10.0.0.1", "10.255.255.255", "::ffff:10.1.2.3"][..], &["11.0.0.0", "a00::1", "10"][..]),
            ("10.1.2.3/8", &["10.0.0.1"], &["11.0.0.0"]),
            ("0.0.0.0/0", &["255.255.255.255"], &["::1", "5", "x"]),
            ("2001:db8::/32", &["2001:db8::1", "2001:DB8:0:0::5"], &["2001:db9::1", "32.1.13.184"]),
            ("::/0", &["::1"], &["200.1.161.0"]),
        ] {
            let network = Network::new(text).expect("a network");
            assert!(inside.iter().all(|value| network.accepts(value.as_bytes())), "{text}");
            assert!(!outside.iter().any(|value| network.accepts(value.as_bytes())), "{text}");
        }
        assert_eq!(Network::new("10.1.2.3/8").expect("a network").to_string(), "10.0.0.0/8");
    }

    #[test]
    fn malformed_ones_are_refused() {
        for (text, expected) in [
            ("10.0.0.0", Malformed::Length),
            ("localhost/8", Malformed::Address),
            ("10.0.0.0/32", Malformed::Range(31)),
            ("::1/128", Malformed::Range(127)),
            ("10.0.0.0/-1", Malformed::Range(31)),
            ("10.0.0.0/8/8", Malformed::Range(31)),
        ] {
            assert_eq!(Network::new(text), Err(expected), "{text}");
        }
    }
}
