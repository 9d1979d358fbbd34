//! The queue contract on RabbitMQ, by AMQP 0.9.1.
//!
//! A session is a connection ([`session`]); [`AmqpQueue`] makes a new one when it is lost and never carries anything over: what was in hand comes
//! again, and whoever takes events over recognises it. What is declared at the broker is in [`topology`] and in `deploy/rabbitmq`.
//!
//! | of the contract | here |
//! |---|---|
//! | `publish` is durable | persistent, mandatory, on a quorum queue; answered by the publisher confirm, which RabbitMQ gives after its log is synced |
//! | taken | `basic.ack`, one frame for what was delivered in a row |
//! | released | `basic.nack` with requeue after the delay, which the session keeps: the broker has no delay before 4.3 |
//! | rejected | `basic.reject`, which dead-letters at least once. AMQP has no room for a reason beside it: the broker's own `x-death` header says that, when and from where, the log says why |
//! | attempts | `x-delivery-count`, which a quorum queue counts by its own rules |

mod address;
mod error;
mod hand;
mod outage;
mod queue;
mod session;
mod topology;
mod trace;

pub use address::{Address, AddressError};
pub use error::AmqpError;
pub use queue::{AmqpQueue, Settings};
pub use topology::{DEFAULT_QUEUE, QueueName, QueueNameError, definitions};
