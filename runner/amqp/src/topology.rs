//! What windlass declares at a broker: one queue, and one beside it for what nobody can take over.

use std::fmt;
use std::str::FromStr;

use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

/// The queue where nothing else is configured.
pub const DEFAULT_QUEUE: &str = "windlass.events";

/// How often a message may return before the broker puts it among the dead: its own default since 4.0, which earlier ones do not have.
const DELIVERY_LIMIT: i64 = 20;

/// Where a queue begins to refuse: a broker that runs out of disk stops everybody, and whoever publishes is told in time.
const MAX_BYTES: i64 = 1 << 30;

/// The name of a queue. The dead are in the queue of the same name with `.dead` at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueName(String);

/// Why a text cannot name a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a queue's name has 1 to 200 letters, digits, `.`, `-` and `_`, and does not begin with `amq.`")]
pub struct QueueNameError;

impl QueueName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the queue that keeps the dead.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.0)
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self(DEFAULT_QUEUE.to_owned())
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for QueueName {
    type Err = QueueNameError;

    /// The protocol ends names at 255 bytes and keeps those that begin with `amq.` to the broker.
    fn from_str(text: &str) -> Result<Self, QueueNameError> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let fits = (1..=200).contains(&text.len()) && text.chars().all(is_plain) && !text.starts_with("amq.");
        fits.then(|| Self(text.to_owned())).ok_or(QueueNameError)
    }
}

/// A queue as it is declared.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) name: String,
    arguments: Vec<(&'static str, Argument)>,
}

#[derive(Debug, Clone)]
enum Argument {
    Text(String),
    Number(i64),
}

/// Both queues, the dead first: the other one refers to it.
pub(crate) fn queues(name: &QueueName) -> [Declared; 2] {
    let text = |text: &str| Argument::Text(text.to_owned());
    let both = || {
        vec![
            ("x-queue-type", text("quorum")),
            ("x-max-length-bytes", Argument::Number(MAX_BYTES)),
            // What does not fit is refused, not silently dropped at the other end. Dead-lettering at least once asks for it too.
            ("x-overflow", text("reject-publish")),
        ]
    };
    let mut arguments = both();
    arguments.extend([
        ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
        // The exchange without a name, which leads to each queue by its own: nothing else has to be declared or bound.
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", Argument::Text(name.dead())),
        ("x-dead-letter-strategy", text("at-least-once")),
    ]);
    [
        Declared { name: name.dead(), arguments: both() },
        Declared { name: name.as_str().to_owned(), arguments },
    ]
}

impl Declared {
    pub(crate) fn arguments(&self) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in &self.arguments {
            let value = match value {
                Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
                Argument::Number(number) => AMQPValue::LongLongInt(*number),
            };
            table.insert((*name).into(), value);
        }
        table
    }

    fn definition(&self, vhost: &str) -> Value {
        let value = |value: &Argument| match value {
            Argument::Text(text) => json!(text),
            Argument::Number(number) => json!(number),
        };
        let arguments: serde_json::Map<_, _> =
            self.arguments.iter().map(|(name, argument)| ((*name).to_owned(), value(argument))).collect();
        json!({"name": self.name, "vhost": vhost, "durable": true, "auto_delete": false, "arguments": arguments})
    }
}

/// What windlass declares, in the form that RabbitMQ loads (`rabbitmqctl import_definitions`, `management.load_definitions`): for those
/// whose windlass may not declare anything itself.
pub fn definitions(name: &QueueName, vhost: &str) -> Value {
    let queues: Vec<_> = queues(name).iter().map(|queue| queue.definition(vhost)).collect();
    json!({ "queues": queues })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_definitions_are_what_is_declared() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/rabbitmq/definitions.json");
        let expected = serde_json::to_string_pretty(&definitions(&QueueName::default(), "/")).unwrap() + "\n";
        let committed = std::fs::read_to_string(file).unwrap_or_default();
        assert_eq!(committed, expected, "write this into deploy/rabbitmq/definitions.json");
    }

    #[test]
    fn names_are_those_that_a_broker_takes() {
        for good in ["windlass.events", "a", "team-1_queue"] {
            assert_eq!(good.parse::<QueueName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(201);
        for bad in ["", "amq.mine", "with space", "a/b", "ä", &long] {
            assert_eq!(bad.parse::<QueueName>(), Err(QueueNameError), "{bad}");
        }
    }
}
