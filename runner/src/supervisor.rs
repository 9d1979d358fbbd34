//! Telling the process's supervisor how it is: systemd's `sd_notify` protocol, a datagram to the socket that `$NOTIFY_SOCKET` names.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::variables::Variables;

/// Says `state`, such as `READY=1`, to whoever listens. Nobody need.
pub fn notify(state: &str) {
    let Some(socket) = Variables::Process.get("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, "the supervisor cannot be told `{state}`");
    }
}

/// A name that begins with `@` is one of the abstract name space, as `sd_notify(3)` writes it.
fn send(socket: &OsStr, state: &str) -> std::io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &OsStr, listener: &UnixDatagram) {
        send(name, "READY=1").unwrap();
        let mut heard = [0; 16];
        let length = listener.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
    }

    #[test]
    fn a_supervisor_hears_it_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        check(path.as_os_str(), &UnixDatagram::bind(&path).unwrap());
        let name = format!("windlass-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        check(OsStr::new(&format!("@{name}")), &UnixDatagram::bind_addr(&address).unwrap());
    }

    #[test]
    fn nobody_listening_is_an_error_to_tell_and_no_more() {
        assert!(send(OsStr::new("/nowhere/notify"), "READY=1").is_err());
    }
}
