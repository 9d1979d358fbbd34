//! Addresses on the internet that the emulator gives away. They are reserved for documentation and for measurements: nobody has them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// RFC 2544, for measurements: room for 131,070 servers.
const PUBLIC_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);

/// RFC 3849, for documentation: each server gets a /64.
const PUBLIC_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);

/// Which addresses are taken.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    given: u32,
    taken: BTreeSet<Ipv4Addr>,
}

impl Addresses {
    /// A free IPv4 address; the one that is wished for, if it is free.
    pub(crate) fn ipv4(&mut self, wish: Option<Ipv4Addr>) -> Ipv4Addr {
        if let Some(wish) = wish.filter(|wish| self.taken.insert(*wish)) {
            return wish;
        }
        loop {
            self.given += 1;
            let size = u32::MAX >> PUBLIC_IPV4.prefix_len();
            let address = Ipv4Addr::from_bits(PUBLIC_IPV4.network().to_bits() + self.given % size);
            if self.taken.insert(address) {
                return address;
            }
        }
    }

    /// A free network of IPv6 addresses.
    pub(crate) fn ipv6(&mut self) -> Ipv6Net {
        self.given += 1;
        let network = PUBLIC_IPV6.to_bits() + (u128::from(self.given) << 64);
        Ipv6Net::new(Ipv6Addr::from_bits(network), 64).expect("64 is a length")
    }

    pub(crate) fn release(&mut self, address: Ipv4Addr) {
        self.taken.remove(&address);
    }
}

/// The name that an address has when nobody gave it one.
pub(crate) fn usual_name(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("static.{d}.{c}.{b}.{a}.clients.your-server.de")
}

/// Whether an address range is written by its first address, as the API demands.
pub(crate) fn is_range(text: &str) -> bool {
    text.parse::<ipnet::IpNet>().is_ok_and(|net| net.addr() == net.network())
}

/// A range of IPv4 addresses, written by its first.
pub(crate) fn ipv4_range(text: &str) -> Option<Ipv4Net> {
    text.parse::<Ipv4Net>().ok().filter(|net| net.addr() == net.network())
}

/// Whether a range lies in those of RFC 1918.
pub(crate) fn is_private(range: Ipv4Net) -> bool {
    [(Ipv4Addr::new(10, 0, 0, 0), 8), (Ipv4Addr::new(172, 16, 0, 0), 12), (Ipv4Addr::new(192, 168, 0, 0), 16)]
        .iter()
        .any(|(address, length)| Ipv4Net::new_assert(*address, *length).contains(&range))
}

pub(crate) fn overlap(left: Ipv4Net, right: Ipv4Net) -> bool {
    left.contains(&right) || right.contains(&left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_given_twice() {
        let mut addresses = Addresses::default();
        let wish = Ipv4Addr::new(10, 9, 0, 1);
        assert_eq!(addresses.ipv4(Some(wish)), wish);
        let given: BTreeSet<Ipv4Addr> = (0..1000).map(|_| addresses.ipv4(Some(wish))).collect();
        assert_eq!(given.len(), 1000);
        assert!(given.iter().all(|address| PUBLIC_IPV4.contains(address)));
        assert_ne!(addresses.ipv6(), addresses.ipv6());
    }

    #[test]
    fn ranges_begin_with_their_first_address() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "192.0.2.7/32", "2001:db8::/32"] {
            assert!(is_range(good), "{good}");
        }
        for bad in ["10.0.0.1/8", "10.0.0.0", "10.0.0.0/33", "x", "2001:db8::1/32"] {
            assert!(!is_range(bad), "{bad}");
        }
    }

    #[test]
    fn private_ranges_are_those_of_rfc_1918() {
        let private = |text: &str| is_private(text.parse().unwrap());
        assert!(private("10.0.0.0/16") && private("172.16.0.0/12") && private("192.168.1.0/24"));
        assert!(!private("11.0.0.0/16") && !private("172.0.0.0/8") && !private("0.0.0.0/0"));
    }
}
