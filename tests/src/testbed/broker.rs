//! A RabbitMQ for tests, from Debian's package: `tests/testbed/rabbitmq`, driven from Rust.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Answer, script};

/// A running broker. It stops when the value goes, or with this process.
#[derive(Debug)]
pub struct Broker {
    folder: PathBuf,
    /// Its address, user and password included.
    pub amqp: String,
    /// The same with TLS; its certificate is signed by [`Broker::authority`].
    pub amqps: String,
}

impl Broker {
    /// One that several tests share, which therefore must leave it alone.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of the caller's own, to be killed at will.
    pub fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("windlass-broker-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let said = up(&folder);
        let addresses: Vec<_> = said.split_whitespace().map(str::to_owned).collect();
        let [amqp, amqps, _management] = addresses.try_into().expect("three addresses");
        Self { folder, amqp, amqps }
    }

    /// Ends it without a word.
    pub fn kill(&self) {
        self.ask("kill", &[]).expect_success();
    }

    /// Starts it again after [`Broker::kill`], with what it had on disk.
    pub fn revive(&self) {
        up(&self.folder);
    }

    /// Runs `rabbitmqctl`.
    pub fn ctl(&self, arguments: &[&str]) -> Answer {
        self.ask("ctl", arguments)
    }

    /// The certificate authority of its TLS.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The address with another user, password or virtual host in place of `guest:guest` and `/`.
    pub fn address_of(&self, user: &str, password: &str, vhost: &str) -> String {
        format!("{}/{vhost}", self.amqp.replace("guest:guest", &format!("{user}:{password}")))
    }

    fn ask(&self, what: &str, arguments: &[&str]) -> Answer {
        let asked = Command::new(script("rabbitmq")).arg(what).arg(&self.folder).args(arguments).output();
        Answer::of(&format!("rabbitmq {what} {}", arguments.join(" ")), asked)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.ask("down", &[]);
        // What stays is in the folder of temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn up(folder: &Path) -> String {
    let mut up = Command::new(script("rabbitmq"));
    up.arg("up").arg(folder).env("TESTBED_OWNER", std::process::id().to_string());
    Answer::of("rabbitmq up", up.output()).expect_success()
}
