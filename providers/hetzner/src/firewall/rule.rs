//! One rule of a Hetzner firewall.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

/// One rule. What no rule lets in stays out; what no rule lets out stays in as soon as there is one outbound rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Which way it lets traffic through.
    pub direction: Direction,
    /// Of which protocol.
    pub protocol: Protocol,
    /// To which ports; none where the protocol has no ports (the API refuses a port for anything but TCP and UDP).
    pub ports: Option<Ports>,
    /// From where (in) or to where (out), without duplicates, sorted, host bits cleared.
    pub networks: Vec<IpNet>,
    /// What people see; at most 255 characters.
    pub description: Option<String>,
}

/// Which way a rule lets traffic through, as seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the server; the rule has sources.
    In,
    /// From the server; the rule has destinations.
    Out,
}

impl Direction {
    /// As the API and the file write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A protocol that Hetzner's firewall knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6.
    Icmp,
    /// The payload of `IPsec`.
    Esp,
    /// Generic routing encapsulation.
    Gre,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::Icmp, Self::Esp, Self::Gre];

    /// As the API and the file write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Esp => "esp",
            Self::Gre => "gre",
        }
    }

    /// Whether it has ports.
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A range of ports, both ends included, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    from: u16,
    to: u16,
}

/// The text is no port, no range of ports and not `any`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortsError;

impl fmt::Display for PortsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ports are written as `80`, `8000-8100` or `any`, from 1 to 65535")
    }
}

impl std::error::Error for PortsError {}

impl Ports {
    /// Every port.
    pub const ANY: Self = Self { from: 1, to: u16::MAX };

    /// One port. Port 0 cannot be addressed; it is taken for port 1.
    pub const fn one(port: u16) -> Self {
        let port = if port == 0 { 1 } else { port };
        Self { from: port, to: port }
    }

    /// A range, if it is one: the first port at least 1 and not behind the last.
    pub fn range(from: u16, to: u16) -> Option<Self> {
        (from >= 1 && from <= to).then_some(Self { from, to })
    }

    /// The first port.
    pub fn from(self) -> u16 {
        self.from
    }

    /// The last port.
    pub fn to(self) -> u16 {
        self.to
    }

    /// Whether a port is among them.
    pub fn contains(self, port: u16) -> bool {
        (self.from..=self.to).contains(&port)
    }

    /// Whether all of `other` are among them.
    pub fn covers(self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        if text == "any" {
            return Ok(Self::ANY);
        }
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| {
            let text = text.trim();
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|_| is_number).ok_or(PortsError)
        };
        Self::range(port(from)?, port(to)?).ok_or(PortsError)
    }
}

impl fmt::Display for Ports {
    /// As the API writes it: one port, a range, or `any` for all of them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ANY => formatter.write_str("any"),
            Self { from, to } if from == to => write!(formatter, "{from}"),
            Self { from, to } => write!(formatter, "{from}-{to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let read = text.parse::<Ports>().ok().map(|ports| ports.to_string());
        assert_eq!(read.as_deref(), expected, "{text}");
    }

    #[test]
    fn ports_are_one_a_range_or_any() {
        check("80", Some("80"));
        check("8000-8100", Some("8000-8100"));
        check("443-443", Some("443"));
        check("any", Some("any"));
        check("1-65535", Some("any"));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in ["", "0", "65536", "90-80", "0-10", "http", "-1", "1-", "+1", "1-2-3"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_range_covers_what_lies_within() {
        let range: Ports = "8000-8100".parse().unwrap();
        assert!(range.contains(8000) && range.contains(8100) && !range.contains(8101));
        assert!(Ports::ANY.covers(range) && !range.covers(Ports::ANY));
    }
}
