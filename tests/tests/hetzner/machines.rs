//! Servers with machines behind them: what the API says of a server is what its machine is.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use windlass_hetzner_emulator::{Emulator, Machines};
use windlass_tests::machines::RealMachines;

/// A project with machines, and a key that opens them.
struct Site {
    folder: TempDir,
    machines: Arc<RealMachines>,
    emulator: Emulator,
    _runtime: Runtime,
}

impl Site {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let machines = Arc::new(RealMachines::new());
        let behind: Arc<dyn Machines> = Arc::clone(&machines) as _;
        let emulator = runtime.block_on(Emulator::builder().machines(behind).start()).unwrap();
        let folder = TempDir::new().unwrap();
        for key in ["key", "host"] {
            keygen(folder.path(), key);
        }
        let site = Self { folder, machines, emulator, _runtime: runtime };
        site.ask("POST", "/ssh_keys", json!({"name": "me", "public_key": site.read("key.pub")}));
        site
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap().trim_end().to_owned()
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "bodies are written in place")]
    fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.emulator.ask(method, path, &body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// A server whose machine shows the host key that its user data brings.
    fn server(&self, name: &str, network: u64) -> (u64, String) {
        let user_data = json!({
            "ssh_keys": {"ed25519_private": self.read("host") + "\n", "ed25519_public": self.read("host.pub")},
            "write_files": [{"path": "/etc/rancher/k3s/config.yaml", "permissions": "0600", "content": "token: secret\n"}],
            "runcmd": ["hostname >/root/hostname"],
        });
        let user_data = format!("#cloud-config\n{user_data}\n");
        self.check_user_data(&user_data);
        let body = json!({
            "name": name, "server_type": "cx23", "image": "debian-12", "ssh_keys": ["me"], "networks": [network],
            "user_data": user_data,
        });
        let made = self.ask("POST", "/servers", body);
        let address = made["server"]["public_net"]["ipv4"]["ip"].as_str().unwrap().to_owned();
        (made["server"]["id"].as_u64().unwrap(), address)
    }

    /// What cloud-init says of it before it is used.
    fn check_user_data(&self, user_data: &str) {
        let file = self.folder.path().join("user-data");
        std::fs::write(&file, user_data).unwrap();
        let output = Command::new("cloud-init").args(["schema", "--config-file"]).arg(file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Runs a command on a machine, which must show the host key.
    fn ssh(&self, address: &str, command: &str) -> Output {
        let known = self.folder.path().join("known_hosts");
        std::fs::write(&known, format!("{address} {}\n", self.read("host.pub"))).unwrap();
        let key = self.folder.path().join("key");
        Command::new("ssh")
            .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectionAttempts=60"])
            .args([
                "-o",
                &format!("UserKnownHostsFile={}", known.display()),
                "-i",
                &key.display().to_string(),
            ])
            .args([&format!("root@{address}"), command])
            .output()
            .unwrap()
    }

    #[track_caller]
    fn says(&self, address: &str, command: &str) -> String {
        let output = self.ssh(address, command);
        let machines: Vec<String> = self
            .emulator
            .resources("servers")
            .iter()
            .map(|server| self.machines.log(server["id"].as_u64().unwrap()))
            .collect();
        assert!(output.status.success(), "{command}: {output:?}\n{}", machines.join("\n"));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn a_server_is_a_machine_that_cloud_init_made() {
    let site = Site::new();
    let subnets = json!([{"type": "cloud", "network_zone": "eu-central", "ip_range": "10.0.0.0/24"}]);
    let network = json!({"name": "private", "ip_range": "10.0.0.0/16", "subnets": subnets});
    let network = site.ask("POST", "/networks", network)["network"]["id"].as_u64().unwrap();
    let (first, address) = site.server("first", network);
    let (_, other) = site.server("second", network);

    // sshd listens before the last stage of cloud-init.
    let booted = site.says(&address, "cloud-init status --wait && hostname && cat /root/hostname");
    assert!(booted.ends_with("status: done\nfirst\nfirst\n"), "{booted}");
    assert_eq!(site.says(&address, "cat /etc/rancher/k3s/config.yaml"), "token: secret\n");
    site.says(&other, "true");
    // The private network leads to the other machine.
    let banner = site.says(&address, "timeout 10 bash -c 'head -c 4 </dev/tcp/10.0.0.3/22'");
    assert_eq!(banner, "SSH-");
    assert!(site.machines.file(first, "/root/hostname").exists());

    // A machine that is switched off keeps its disk, and nothing else.
    let server = format!("/servers/{first}");
    site.says(&address, "touch /run/before");
    site.ask("POST", &format!("{server}/actions/poweroff"), Value::Null);
    site.ask("POST", &format!("{server}/actions/poweron"), Value::Null);
    // The machine follows its server in its own time.
    let is_back = (0..60).any(|_| site.ssh(&address, "test ! -e /run/before").status.success());
    assert!(is_back, "{}", site.machines.log(first));
    assert_eq!(site.says(&address, "cat /root/hostname"), "first\n");

    site.ask("DELETE", &server, Value::Null);
    let gone = "until ! timeout 1 bash -c '</dev/tcp/10.0.0.2/22' 2>/dev/null; do :; done";
    site.says(&other, gone);
}

fn keygen(folder: &Path, name: &str) {
    let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name];
    let output = Command::new("ssh-keygen").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
