//! Scripts on servers, over SSH.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle, Handler};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, load_secret_key};
use russh::{Channel, ChannelMsg, Disconnect};
use secrecy::{ExposeSecret as _, SecretString};

use crate::machines::{Machine, MachineError, Script};
use crate::provider::at_home;

/// How long a server may take to answer: one that is starting drops what comes.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a script may take. k3s reports when it is ready, which waits for downloads.
const PATIENCE: Duration = Duration::from_mins(10);
const KEEPALIVE: Duration = Duration::from_secs(15);
/// As which the image of Hetzner is entered.
const USER: &str = "root";
/// What is shown of what a failed script complained about.
const SHOWN: usize = 300;

/// Knows the one key that the server must have.
struct Pinned {
    expected: PublicKey,
}

impl Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(
            matches!(shown, PublicKeyOrCertificate::PublicKey { key, .. } if key.key_data() == self.expected.key_data()),
        )
    }
}

/// Runs a script as root, and answers with what it wrote to its output.
pub(crate) async fn run(machine: &Machine, script: &Script) -> Result<SecretString, MachineError> {
    let connected = tokio::time::timeout(CONNECT, connect(machine)).await;
    let session = connected.map_err(|elapsed| silent(machine).caused_by(elapsed))??;
    let ran = tokio::time::timeout(PATIENCE, carry_out(&session, script)).await;
    // Whether the server hears the goodbye does not matter.
    let _ = session.disconnect(Disconnect::ByApplication, "", "").await;
    let ended =
        ran.map_err(|_| MachineError::passing(format!("a script on `{}` did not end", machine.name)))?;
    let ended = ended.map_err(|error| broken(machine, error))?;
    match ended.status {
        Some(0) => Ok(SecretString::from(String::from_utf8_lossy(&ended.output).into_owned())),
        Some(status) => Err(MachineError::lasting(format!(
            "a script on `{}` ended with status {status}: {}",
            machine.name,
            last_words(&ended.complaint)
        ))),
        None => Err(MachineError::passing(format!(
            "the connection to `{}` ended before its script",
            machine.name
        ))),
    }
}

async fn connect(machine: &Machine) -> Result<Handle<Pinned>, MachineError> {
    let expected = PublicKey::from_openssh(&machine.host_key).map_err(|error| {
        MachineError::lasting(format!("the host key of `{}` is none", machine.name)).caused_by(error)
    })?;
    let key = load_secret_key(at_home(&machine.key_file), None).map_err(|error| {
        let what = format!(
            "the private key `{}` cannot be used; keys of RSA or with a passphrase are not",
            machine.key_file
        );
        MachineError::lasting(what).caused_by(error)
    })?;
    let config =
        client::Config { keepalive_interval: Some(KEEPALIVE), nodelay: true, ..client::Config::default() };
    let address = (machine.address, machine.port);
    let connected = client::connect(Arc::new(config), address, Pinned { expected }).await;
    let mut session = connected.map_err(|error| match error {
        russh::Error::UnknownKey => MachineError::lasting(format!(
            "what answers at {} does not have the host key that `{}` was made with",
            machine.address, machine.name
        )),
        error => silent(machine).caused_by(error),
    })?;
    let entered = session.authenticate_publickey(USER, PrivateKeyWithHashAlg::new(Arc::new(key), None)).await;
    if !entered.map_err(|error| broken(machine, error))?.success() {
        let what = format!("`{}` does not let in who has the key `{}`", machine.name, machine.key_file);
        return Err(MachineError::lasting(what));
    }
    Ok(session)
}

/// How a script ended.
#[derive(Default)]
struct Ended {
    output: Vec<u8>,
    complaint: Vec<u8>,
    status: Option<u32>,
}

/// The text goes through standard input: arguments show in the list of processes.
async fn carry_out(session: &Handle<Pinned>, script: &Script) -> Result<Ended, russh::Error> {
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, "sh -s").await?;
    channel.data(script.text.expose_secret().as_bytes()).await?;
    channel.eof().await?;
    Ok(heard(&mut channel).await)
}

async fn heard(channel: &mut Channel<client::Msg>) -> Ended {
    let mut ended = Ended::default();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => ended.output.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => ended.complaint.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => ended.status = Some(exit_status),
            _ => {}
        }
    }
    ended
}

/// The end of what a script complained about. Scripts never write what they hold.
fn last_words(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    line.trim().chars().take(SHOWN).collect()
}

fn silent(machine: &Machine) -> MachineError {
    MachineError::passing(format!(
        "`{}` does not answer at {}, port {}",
        machine.name, machine.address, machine.port
    ))
}

fn broken(machine: &Machine, error: russh::Error) -> MachineError {
    MachineError::passing(format!("the connection to `{}` broke", machine.name)).caused_by(error)
}

#[cfg(test)]
mod tests;
