//! Addresses on the internet, and the names that they have in the DNS.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use serde_json::{Value, json};

use crate::address::{Addresses, usual_name};
use crate::form::Form;
use crate::problem::Problem;

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

pub(super) const FAMILIES: &[(&str, Family)] = &[("ipv4", Family::V4), ("ipv6", Family::V6)];

/// One IPv4 address, or a network of IPv6 addresses.
#[derive(Debug, Clone)]
pub(super) struct PublicAddress {
    net: Net,
    /// Names that were given. An IPv4 address has one also when nobody gave it one.
    names: BTreeMap<IpAddr, String>,
}

#[derive(Debug, Clone, Copy)]
enum Net {
    V4(Ipv4Addr),
    V6(Ipv6Net),
}

impl PublicAddress {
    pub(super) fn new(addresses: &mut Addresses, family: Family, wish: Option<Ipv4Addr>) -> Self {
        let net = match family {
            Family::V4 => Net::V4(addresses.ipv4(wish)),
            Family::V6 => Net::V6(addresses.ipv6()),
        };
        Self { net, names: BTreeMap::new() }
    }

    pub(super) fn release(&self, addresses: &mut Addresses) {
        if let Net::V4(address) = self.net {
            addresses.release(address);
        }
    }

    pub(super) fn family(&self) -> Family {
        match self.net {
            Net::V4(_) => Family::V4,
            Net::V6(_) => Family::V6,
        }
    }

    pub(super) fn ipv4(&self) -> Option<Ipv4Addr> {
        match self.net {
            Net::V4(address) => Some(address),
            Net::V6(_) => None,
        }
    }

    /// `ipv4` or `ipv6`
    pub(super) fn word(&self) -> &'static str {
        match self.net {
            Net::V4(_) => "ipv4",
            Net::V6(_) => "ipv6",
        }
    }

    /// The address, or the network with its length.
    pub(super) fn text(&self) -> String {
        match self.net {
            Net::V4(address) => address.to_string(),
            Net::V6(net) => net.to_string(),
        }
    }

    /// The first address.
    pub(super) fn first(&self) -> IpAddr {
        match self.net {
            Net::V4(address) => address.into(),
            Net::V6(net) => Ipv6Addr::from_bits(net.network().to_bits() + 1).into(),
        }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.net, address) {
            (Net::V4(own), IpAddr::V4(address)) => own == address,
            (Net::V6(net), IpAddr::V6(address)) => net.contains(&address),
            _ => false,
        }
    }

    /// The name of the first address; nothing for an IPv6 address that was given none.
    pub(super) fn name(&self) -> Option<String> {
        let usual = || self.ipv4().map(usual_name);
        self.names.get(&self.first()).cloned().or_else(usual)
    }

    /// All names: `[{"ip", "dns_ptr"}]`
    pub(super) fn names(&self) -> Vec<Value> {
        if let Net::V4(address) = self.net {
            return vec![json!({"ip": address, "dns_ptr": self.name()})];
        }
        self.names.iter().map(|(ip, name)| json!({"ip": ip, "dns_ptr": name})).collect()
    }

    /// Gives an address a name; without one it goes back to its usual one.
    pub(super) fn set_name(&mut self, naming: &Naming) {
        match &naming.name {
            Some(name) => self.names.insert(naming.address, name.clone()),
            None => self.names.remove(&naming.address),
        };
    }
}

/// What `change_dns_ptr` asks for.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    pub(super) address: IpAddr,
    name: Option<String>,
}

impl Naming {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        let ip = form.text("ip");
        let address = ip.parse().unwrap_or_else(|_| {
            if !ip.is_empty() {
                form.problem("ip", "must be an address");
            }
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        });
        if !form.has("dns_ptr") {
            form.problem("dns_ptr", "is missing");
        }
        Self { address, name: form.text_or_none("dns_ptr") }
    }

    /// The one of several addresses that is meant.
    pub(super) fn find<'a>(
        &self,
        mut addresses: impl Iterator<Item = &'a PublicAddress>,
    ) -> Result<Family, Problem> {
        addresses
            .find(|own| own.contains(self.address))
            .map(PublicAddress::family)
            .ok_or_else(|| Problem::invalid_field("ip", "is not an address of this resource"))
    }
}
