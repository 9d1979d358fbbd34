//! Where a broker is: an `amqp` or `amqps` URL, whose password is never shown.

use std::fmt;

use secrecy::SecretString;
use url::{Host, Url};

/// The user and the password that RabbitMQ creates at its first start. It lets them in from its own host only.
const GUEST: &str = "guest";

/// Where a broker is and who asks: `amqps://user:password@host:port/vhost`, as RabbitMQ's URI specification has it.
///
/// Shown without the password.
#[derive(Debug, Clone)]
pub struct Address {
    pub(crate) tls: bool,
    pub(crate) user: String,
    pub(crate) password: Option<SecretString>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) vhost: String,
}

/// Why a text is not the address of a broker. The text is not repeated: there may be a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL at all.
    #[error("it is not a URL such as `amqps://user@broker.example.org/vhost`")]
    NotUrl,
    /// A URL of something else.
    #[error("it begins with `{0}:` and not with `amqp:` or `amqps:`")]
    Scheme(String),
    /// A URL without a host.
    #[error("it names no host")]
    NoHost,
    /// The virtual host has more than one part, or what is escaped in it is not text.
    #[error("its path is not one virtual host; a `/` in its name is written `%2f`")]
    VirtualHost,
    /// What is escaped in the user or the password is not text.
    #[error("its user or password is not UTF-8")]
    Credentials,
    /// Parameters, which other clients take.
    #[error("it has parameters behind `?`, and none is known")]
    Parameters,
}

impl Address {
    /// Reads a URL. Without a user it is RabbitMQ's `guest`; without a path the virtual host is `/`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::NotUrl)?;
        let tls = match url.scheme() {
            "amqp" => false,
            "amqps" => true,
            other => return Err(AddressError::Scheme(other.to_owned())),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Parameters);
        }
        let unescape = |text| unescape(text).ok_or(AddressError::Credentials);
        let password = url.password().map(unescape).transpose()?;
        let (user, password) = match url.username() {
            "" => (GUEST.to_owned(), password.or_else(|| Some(GUEST.to_owned()))),
            user => (unescape(user)?, password),
        };
        Ok(Self {
            tls,
            user,
            password: password.map(SecretString::from),
            host: host(&url)?,
            port: url.port().unwrap_or(if tls { 5671 } else { 5672 }),
            vhost: virtual_host(url.path())?,
        })
    }

    /// Whether the address brings what proves the user.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(self, password: SecretString) -> Self {
        Self { password: Some(password), ..self }
    }

    /// The virtual host.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let password = if self.has_password() { ":***" } else { "" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let vhost = self.vhost.replace('%', "%25").replace('/', "%2f");
        write!(formatter, "{scheme}://{}{password}@{host}:{}/{vhost}", self.user, self.port)
    }
}

fn host(url: &Url) -> Result<String, AddressError> {
    match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => unescape(name).ok_or(AddressError::NoHost),
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        _ => Err(AddressError::NoHost),
    }
}

/// RabbitMQ's specification makes `amqp://host/` the virtual host without a name, which nobody has and many write: here it is `/` too.
fn virtual_host(path: &str) -> Result<String, AddressError> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => Ok("/".to_owned()),
        several if several.contains('/') => Err(AddressError::VirtualHost),
        one => unescape(one).ok_or(AddressError::VirtualHost),
    }
}

/// Undoes percent-encoding, which must give UTF-8.
fn unescape(text: &str) -> Option<String> {
    let (bytes, mut plain, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn check(text: &str, shown: &str, password: Option<&str>) {
        let address = Address::parse(text).unwrap();
        assert_eq!(address.to_string(), shown, "{text}");
        let found = address.password.as_ref().map(|password| password.expose_secret().to_owned());
        assert_eq!(found.as_deref(), password, "{text}");
    }

    #[test]
    fn an_address_is_read_and_shown_without_its_password() {
        check("amqp://localhost", "amqp://guest:***@localhost:5672/%2f", Some("guest"));
        check("amqp://127.0.0.1:18001/", "amqp://guest:***@127.0.0.1:18001/%2f", Some("guest"));
        check("amqps://ada@broker.example.org/shop", "amqps://ada@broker.example.org:5671/shop", None);
        check("amqp://ada:p%40ss%2Fword@host/%2Fshop", "amqp://ada:***@host:5672/%2fshop", Some("p@ss/word"));
        check("amqp://ada:x@[::1]:5673/shop", "amqp://ada:***@[::1]:5673/shop", Some("x"));
        check("amqp://ada:100%25@host/a", "amqp://ada:***@host:5672/a", Some("100%"));
    }

    #[test]
    fn what_is_no_address_says_why() {
        let refused = |text: &str| Address::parse(text).unwrap_err();
        assert_eq!(refused("broker"), AddressError::NotUrl);
        assert_eq!(refused("https://broker"), AddressError::Scheme("https".to_owned()));
        assert_eq!(refused("amqp:///vhost"), AddressError::NoHost);
        assert_eq!(refused("amqp://host/a/b"), AddressError::VirtualHost);
        assert_eq!(refused("amqp://host/%ff"), AddressError::VirtualHost);
        assert_eq!(refused("amqp://ada:%ff@host"), AddressError::Credentials);
        assert_eq!(refused("amqp://host?heartbeat=5"), AddressError::Parameters);
    }

    proptest! {
        #[test]
        fn no_form_of_it_shows_a_password(password in "[A-Za-z0-9]{9,20}", text in "\\PC{0,40}") {
            let address = Address::parse(&format!("amqp://ada:{password}@host/shop")).unwrap();
            let shown = format!("{address} {address:?}");
            prop_assert!(!shown.contains(&password), "{}", shown);
            if let Err(error) = Address::parse(&format!("amqp://ada:{password}@{text}")) {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains(&password), "{}", shown);
            }
        }
    }
}
