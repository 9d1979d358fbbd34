//! What can go wrong with a broker, and what to do about it.

use std::fmt;
use std::sync::Arc;

use lapin::ErrorKind;
use windlass_core::failure::FailureClass;

/// The reply codes of AMQP 0.9.1 that are told apart.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a broker did not do what was asked. Addresses in it are shown without passwords.
#[derive(Debug, thiserror::Error)]
pub enum AmqpError {
    /// No connection, or one that is no AMQP.
    #[error("the broker `{address}` cannot be reached")]
    Unreachable {
        /// The broker.
        address: String,
        /// The cause.
        source: Source,
    },
    /// A connection on which nothing was said in time.
    #[error("the broker `{address}` did not answer within {seconds} s")]
    Silent {
        /// The broker.
        address: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The address names a user and nothing proves it.
    #[error("no password is known for the broker `{address}`")]
    NoPassword {
        /// The broker.
        address: String,
    },
    /// User and password do not fit.
    #[error("the broker `{address}` does not let `{user}` in with this password")]
    Credentials {
        /// The broker.
        address: String,
        /// The user.
        user: String,
        /// The cause.
        source: Source,
    },
    /// The virtual host is not there, or not for this user.
    #[error("the broker `{address}` does not open the virtual host `{vhost}`")]
    VirtualHost {
        /// The broker.
        address: String,
        /// The virtual host.
        vhost: String,
        /// The cause.
        source: Source,
    },
    /// The queue was declared by somebody with other properties.
    #[error("the queue `{queue}` exists and is not as windlass declares it")]
    Mismatch {
        /// The queue.
        queue: String,
        /// The first property that differs.
        source: Source,
    },
    /// The user may not.
    #[error("the broker does not let windlass use the queue `{queue}`")]
    Forbidden {
        /// The queue.
        queue: String,
        /// Which right is missing.
        source: Source,
    },
    /// A message found no queue.
    #[error("the broker returned the message: no queue `{queue}` took it")]
    Returned {
        /// The queue.
        queue: String,
    },
    /// A message was refused by the queue.
    #[error("the queue `{queue}` refused the message")]
    Refused {
        /// The queue.
        queue: String,
    },
    /// Nobody knows whether the message is in the queue.
    #[error("the broker did not confirm the message within {seconds} s")]
    Unconfirmed {
        /// How long it was waited for.
        seconds: u64,
        /// The broker said that it takes no messages now.
        blocked: bool,
    },
    /// The connection ended.
    #[error("the connection to the broker was lost")]
    Lost {
        /// The cause.
        source: Source,
    },
}

impl AmqpError {
    /// Whether trying again can help.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::NoPassword { .. }
            | Self::Credentials { .. }
            | Self::VirtualHost { .. }
            | Self::Mismatch { .. }
            | Self::Forbidden { .. } => FailureClass::Permanent,
            Self::Unconfirmed { .. } => FailureClass::UnknownOutcome,
            _ => FailureClass::Transient,
        }
    }

    /// Whether an operator must do something before it can work.
    pub fn is_permanent(&self) -> bool {
        self.class() == FailureClass::Permanent
    }

    /// Whether a new session may do better at once.
    pub(crate) fn is_of_the_session(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Returned { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { source, .. } if is_about_trust(source.as_ref()) => {
                "give the authority that signed it to windlass: SSL_CERT_FILE names a file of certificates".to_owned()
            }
            Self::Unreachable { .. } => "is it running, and is the port the one for AMQP? `rabbitmq-diagnostics listeners` shows it".to_owned(),
            Self::NoPassword { .. } => {
                "set `queue.password_file` in windlass.toml, or WINDLASS_QUEUE_PASSWORD".to_owned()
            }
            Self::Credentials { user, .. } if user == "guest" => {
                "`guest` is let in from the broker's own host only: make a user with `rabbitmqctl add_user`".to_owned()
            }
            Self::Credentials { user, .. } => {
                format!("try it with `rabbitmqctl authenticate_user {user} PASSWORD`")
            }
            Self::VirtualHost { vhost, .. } => format!(
                "see `rabbitmqctl list_vhosts` and `rabbitmqctl list_permissions --vhost {vhost}`; a `/` in a name is written `%2f`"
            ),
            Self::Mismatch { queue, .. } => format!(
                "once it is empty, delete it with `rabbitmqctl delete_queue {queue}`, and windlass declares it anew; or give windlass a queue of its own with `queue.name`"
            ),
            Self::Forbidden { queue, .. } => format!(
                "windlass needs the rights configure, write and read on `{queue}` and `{queue}.dead` (`rabbitmqctl set_permissions`); without configure, load deploy/rabbitmq/definitions.json first"
            ),
            Self::Refused { .. } => "it is full: is a windlass receiving from it? `rabbitmqctl list_queues name messages consumers`".to_owned(),
            Self::Unconfirmed { blocked: true, .. } => {
                "it has run out of memory or disk and takes no messages: `rabbitmq-diagnostics alarms`".to_owned()
            }
            _ => return None,
        })
    }
}

/// Whether TLS did not accept the broker's certificate.
fn is_about_trust(source: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(source);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // An I/O error passes over what it wraps when it is asked for its source.
        let shared = error.downcast_ref::<Arc<std::io::Error>>().map(Arc::as_ref);
        let wrapped = shared.or_else(|| error.downcast_ref()).and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    false
}

/// What a broker answered instead of doing it.
#[derive(Debug)]
struct Refusal {
    code: u16,
    text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (code {})", self.text, self.code)
    }
}

impl std::error::Error for Refusal {}

/// An error without its layers: lapin's own repeats its cause in its text.
pub(crate) fn cause(error: &lapin::Error) -> Source {
    match error.kind() {
        ErrorKind::IOError(error) => Box::new(Arc::clone(error)),
        ErrorKind::ProtocolError(refusal) => {
            Box::new(Refusal { code: refusal.get_id(), text: refusal.get_message().to_string() })
        }
        _ => Box::new(error.clone()),
    }
}

fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(refusal) => Some(refusal.get_id()),
        _ => None,
    }
}

/// The connection ended, for whatever reason.
pub(crate) fn lost(error: &lapin::Error) -> AmqpError {
    AmqpError::Lost { source: cause(error) }
}

/// Why a connection was not opened.
pub(crate) fn not_connected(address: &crate::Address, error: &lapin::Error) -> AmqpError {
    let (shown, source) = (address.to_string(), cause(error));
    match code(error) {
        Some(ACCESS_REFUSED) => AmqpError::Credentials { address: shown, user: address.user.clone(), source },
        Some(NOT_ALLOWED) => AmqpError::VirtualHost { address: shown, vhost: address.vhost.clone(), source },
        _ => AmqpError::Unreachable { address: shown, source },
    }
}

/// Why a queue was not declared, or is not to be used.
pub(crate) fn not_declared(queue: &str, error: &lapin::Error) -> AmqpError {
    let (queue, source) = (queue.to_owned(), cause(error));
    match code(error) {
        Some(PRECONDITION_FAILED) => AmqpError::Mismatch { queue, source },
        Some(ACCESS_REFUSED | NOT_FOUND) => AmqpError::Forbidden { queue, source },
        _ => AmqpError::Lost { source },
    }
}

/// Whether the user may not do it.
pub(crate) fn is_forbidden(error: &lapin::Error) -> bool {
    code(error) == Some(ACCESS_REFUSED)
}
