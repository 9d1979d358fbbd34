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

    fn network(&self) -> u64 {
        let subnets = json!([{"type": "cloud", "network_zone": "eu-central", "ip_range": "10.0.0.0/24"}]);
        let network = json!({"name": "private", "ip_range": "10.0.0.0/16", "subnets": subnets});
        self.ask("POST", "/networks", network)["network"]["id"].as_u64().unwrap()
    }

    /// A server that is told by its user data what its machine is to be. The machine shows the host key of this test.
    fn server(&self, name: &str, network: u64, mut user_data: Value) -> (u64, String) {
        user_data["ssh_keys"] =
            json!({"ed25519_private": self.read("host") + "\n", "ed25519_public": self.read("host.pub")});
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
    let network = site.network();
    let user_data = json!({
        "write_files": [{"path": "/etc/rancher/k3s/config.yaml", "permissions": "0600", "content": "token: secret\n"}],
        "runcmd": ["hostname >/root/hostname"],
    });
    let (first, address) = site.server("first", network, user_data.clone());
    let (_, other) = site.server("second", network, user_data);

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

/// User data of a node: the settings of k3s, its unit, and that it is started.
fn node(role: &str, command: &str, settings: &Value) -> Value {
    let unit = format!("[Service]\nType=notify\nExecStart=/usr/local/bin/k3s {command}\n");
    json!({
        "write_files": [
            {"path": "/etc/rancher/k3s/config.yaml", "permissions": "0600", "content": settings.to_string()},
            {"path": format!("/etc/systemd/system/{role}.service"), "content": unit},
        ],
        "runcmd": [format!("systemctl enable --now {role}")],
    })
}

#[test]
fn machines_become_a_cluster_when_k3s_is_told_to() {
    let site = Site::new();
    let network = site.network();
    // The first address of the network is its gateway's.
    let (master, worker) = ("10.0.0.2", "10.0.0.3");
    let founding = json!({
        "token": "servers", "agent-token": "agents", "node-name": "master", "node-ip": master, "cluster-init": true,
        "tls-san": ["api.example.com"],
    });
    let joining = json!({
        "token": "agents", "node-name": "worker", "node-ip": worker, "server": format!("https://{master}:6443")
    });
    let (_, address) = site.server("master", network, node("k3s", "server", &founding));
    let (_, other) = site.server("worker", network, node("k3s-agent", "agent", &joining));
    for node in [&address, &other] {
        site.says(node, "cloud-init status --wait");
    }
    let kubectl = "source /etc/k3s-stand-in && $bin/kubectl --kubeconfig /etc/rancher/k3s/k3s.yaml";
    let ready =
        format!("bash -c '{kubectl} wait --for condition=Ready node/master node/worker --timeout 60s'");
    let said = site.says(&address, &ready);
    assert_eq!(said, "node/master condition met\nnode/worker condition met\n");
    assert!(site.says(&address, "k3s --version").contains(" v1.34.4+k3s1 "));
    let names = "openssl x509 -in /var/lib/rancher/k3s/server/tls/server.crt -noout -ext subjectAltName";
    assert!(site.says(&address, names).contains("DNS:api.example.com"));
}

fn keygen(folder: &Path, name: &str) {
    let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name];
    let output = Command::new("ssh-keygen").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
