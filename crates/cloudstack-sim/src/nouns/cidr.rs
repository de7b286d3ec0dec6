//! Ranges of IPv4 addresses as people write them: an address and how many of its bits count.

use std::net::Ipv4Addr;

/// The bits of an address.
const BITS: u32 = 32;

/// A range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    first: u32,
    bits: u32,
}

impl Cidr {
    /// Reads `10.1.0.0/16`. Bits of the address beyond the range are ignored.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|bits| *bits <= BITS)?;
        Some(Self::around(u32::from(address.parse::<Ipv4Addr>().ok()?), bits))
    }

    /// Reads a gateway and a netmask.
    pub(super) fn of_gateway(gateway: &str, netmask: &str) -> Option<Self> {
        let bits = u32::from(netmask.parse::<Ipv4Addr>().ok()?).leading_ones();
        Some(Self::around(u32::from(gateway.parse::<Ipv4Addr>().ok()?), bits))
    }

    fn around(address: u32, bits: u32) -> Self {
        Self { first: address & Self::mask(bits), bits }
    }

    /// Its netmask.
    pub(super) fn netmask(self) -> String {
        Ipv4Addr::from(Self::mask(self.bits)).to_string()
    }

    /// Whether an address is one of a machine in it: neither its first nor its last.
    pub(super) fn is_host(self, address: &str) -> bool {
        let Ok(address) = address.parse::<Ipv4Addr>().map(u32::from) else { return false };
        let last = self.first | !Self::mask(self.bits);
        Self::around(address, self.bits) == self && address != self.first && address != last
    }

    /// Whether it lies in the ranges that belong to nobody (RFC 1918 and 6598).
    pub(super) fn is_private(self) -> bool {
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].iter().filter_map(|range| Self::parse(range)).any(|range| self.is_within(range))
    }

    fn mask(bits: u32) -> u32 {
        u32::MAX.checked_shl(BITS - bits).unwrap_or(0)
    }

    /// Whether an address is in it.
    pub(super) fn holds(self, address: Ipv4Addr) -> bool {
        Self::around(u32::from(address), self.bits) == self
    }

    /// Its last address that a machine can have: the one before that of all machines.
    pub(super) fn last(self) -> Ipv4Addr {
        let size = 1u32.checked_shl(BITS - self.bits).unwrap_or(0);
        Ipv4Addr::from(self.first.wrapping_add(size.wrapping_sub(2)))
    }

    /// How many bits of the address count.
    pub(super) fn bits(self) -> u32 {
        self.bits
    }

    /// Whether it lies within another or is the same.
    pub(super) fn is_within(self, other: Self) -> bool {
        self.bits >= other.bits && Self::around(self.first, other.bits) == other
    }

    /// Whether they have an address in common.
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.is_within(other) || other.is_within(self)
    }

    /// The ranges of a size within it, in order.
    pub(super) fn parts(self, bits: u32) -> impl Iterator<Item = Self> {
        let count = if bits >= self.bits && bits <= BITS { 1u64 << (bits - self.bits) } else { 0 };
        let step = 1u64 << (BITS - bits.min(BITS));
        (0..count).filter_map(move |at| u32::try_from(u64::from(self.first) + at * step).ok()).map(move |first| Self { first, bits })
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from(self.first), self.bits)
    }
}

/// All addresses from one to another, both included; none if they are no addresses.
pub(super) fn addresses(first: &str, last: &str) -> Vec<String> {
    /// No range that people type has more.
    const ADDRESSES_MAX: u32 = 65_536;
    let parsed = first.parse::<Ipv4Addr>().ok().map(u32::from).zip(last.parse::<Ipv4Addr>().ok().map(u32::from));
    let Some((first, last)) = parsed.filter(|(first, last)| last.wrapping_sub(*first) < ADDRESSES_MAX) else { return Vec::new() };
    (first..=last).map(|address| Ipv4Addr::from(address).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_knows_what_lies_in_it() {
        let vpc = Cidr::parse("10.50.0.0/16").unwrap();
        assert!(Cidr::of_gateway("10.50.1.1", "255.255.255.0").unwrap().is_within(vpc));
        assert!(!Cidr::parse("10.99.1.0/24").unwrap().is_within(vpc));
        assert!(vpc.overlaps(Cidr::parse("10.50.1.128/25").unwrap()));
        assert_eq!(Cidr::parse("10.50.0.0/99"), None);
        let parts: Vec<String> = Cidr::parse("10.222.0.0/24").unwrap().parts(26).map(|part| part.to_string()).collect();
        assert_eq!(parts, ["10.222.0.0/26", "10.222.0.64/26", "10.222.0.128/26", "10.222.0.192/26"]);
        assert_eq!(addresses("198.51.100.9", "198.51.100.11").len(), 3);
    }
}
