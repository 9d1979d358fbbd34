//! Scripts on a real sshd on loopback.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::*;
use crate::keys::{ClusterSecret, HostKey};
use crate::machines::Purpose;

/// An sshd of its own, which goes with the test. Root's account is used: it must be run by root, as the test bed is.
struct Server {
    child: Child,
    folder: TempDir,
    port: u16,
    host: HostKey,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is waited for, so that no process is left.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn secret() -> ClusterSecret {
    ClusterSecret::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap()
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (host, user) = (secret().host_key("shop-master1"), secret().host_key("user"));
        private(&at("host"), host.private.expose_secret());
        private(&at("user"), user.private.expose_secret());
        private(&at("authorized"), &format!("{}\n", user.public));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             PermitRootLogin prohibit-password\n",
            at("host").display(),
            at("authorized").display()
        );
        private(&at("settings"), &settings);
        std::fs::create_dir_all("/run/sshd").expect("sshd separates its rights in this folder");
        let sshd = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(at("settings"))
            .stderr(Stdio::null())
            .spawn();
        let child = sshd.expect("`sshd` is part of the test bed: `apt-get install openssh-server`");
        let server = Self { child, folder, port, host };
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
        server
    }

    fn machine(&self) -> Machine {
        Machine {
            name: "shop-master1".to_owned(),
            address: "127.0.0.1".parse().unwrap(),
            port: self.port,
            key_file: self.folder.path().join("user").display().to_string(),
            host_key: self.host.public.clone(),
        }
    }
}

fn script(text: &str) -> Script {
    Script { purpose: Purpose::Kubeconfig, text: SecretString::from(text) }
}

#[tokio::test]
async fn a_script_is_carried_out_and_answers_with_its_output() {
    let server = Server::start().await;
    let said = run(&server.machine(), &script("set -eu\ncat <<'END'\nit's $HOME\nEND\necho noise >&2\n"))
        .await
        .unwrap();
    assert_eq!(said.expose_secret(), "it's $HOME\n");
}

#[tokio::test]
async fn a_script_longer_than_any_window_arrives_whole() {
    let server = Server::start().await;
    let long = "x".repeat(5_000_000);
    let said = run(&server.machine(), &script(&format!("wc -c <<'END'\n{long}\nEND\n"))).await.unwrap();
    assert_eq!(said.expose_secret().trim(), "5000001");
}

#[tokio::test]
async fn a_script_that_fails_says_why() {
    let server = Server::start().await;
    let error = run(&server.machine(), &script("echo 'no space left' >&2\nexit 3\n")).await.unwrap_err();
    assert_eq!(error.to_string(), "a script on `shop-master1` ended with status 3: no space left");
    assert!(!error.passing);
}

#[tokio::test]
async fn what_has_another_host_key_is_told_nothing() {
    let server = Server::start().await;
    let machine = Machine { host_key: secret().host_key("another").public, ..server.machine() };
    let error = run(&machine, &script("touch /nowhere/canary")).await.unwrap_err();
    assert!(error.to_string().contains("does not have the host key"), "{error}");
    assert!(!error.passing);
}

#[tokio::test]
async fn a_key_that_does_not_open_is_said_to_be_one() {
    let server = Server::start().await;
    let other = server.folder.path().join("other");
    private(&other, secret().host_key("stranger").private.expose_secret());
    let machine = Machine { key_file: other.display().to_string(), ..server.machine() };
    let error = run(&machine, &script("true")).await.unwrap_err();
    assert!(error.to_string().contains("does not let in who has the key"), "{error}");
}

#[tokio::test]
async fn a_machine_that_does_not_answer_may_yet() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::start().await;
    let error = run(&Machine { port, ..server.machine() }, &script("true")).await.unwrap_err();
    assert!(error.passing, "{error}");
}
