//! Machines behind the servers of the Hetzner emulator: each with a network, a disk and processes of its own, made what it is by the real cloud-init
//! and reached over the real OpenSSH (`tests/testbed/machine`). Needs root, and the Debian packages cloud-init, iproute2 and openssh-server.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use async_trait::async_trait;
use tempfile::TempDir;
use windlass_hetzner_emulator::{Machine, MachineEvent, Machines};

/// The second part of the addresses of one set of machines, 10.N.0.0/16; the parts before are left to those who write tests by hand.
const SETS: std::ops::Range<u8> = 64..128;

/// One set of machines, on a bridge of its own. They end when it is dropped, and nothing of them stays.
#[derive(Debug)]
pub struct RealMachines {
    bridge: String,
    number: u8,
    folder: TempDir,
    /// The release of k3s that machines have.
    k3s: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many addresses were given.
    given: u8,
    /// The folder of each server's machine.
    folders: BTreeMap<u64, PathBuf>,
}

impl RealMachines {
    /// A set without machines. Several may be there at once, also of several processes.
    pub fn new() -> Self {
        Self::with_k3s("v1.34.4+k3s1")
    }

    /// A set whose machines find k3s there, in this release: what stands in for it fetches nothing.
    pub fn with_k3s(release: &str) -> Self {
        let (bridge, number) = SETS
            .map(|number| (format!("windlass{number}"), number))
            // Whoever makes the bridge has the number: that is atomic.
            .find(|(bridge, _)| tool("ip", &["link", "add", bridge, "type", "bridge"]).is_ok())
            .expect("root may make a bridge, and a number is free");
        let machines = Self {
            bridge,
            number,
            folder: TempDir::new().expect("a temporary folder can be made"),
            k3s: release.to_owned(),
            state: Mutex::default(),
        };
        let address = format!("10.{number}.0.1/16");
        tool("ip", &["addr", "add", &address, "dev", &machines.bridge])
            .expect("a new bridge takes an address");
        tool("ip", &["link", "set", &machines.bridge, "up"]).expect("a new bridge goes up");
        machines
    }

    /// A file of a machine's disk, if it was written since the machine was made.
    pub fn file(&self, server: u64, path: &str) -> PathBuf {
        self.folder_of(server).join("upper").join(path.trim_start_matches('/'))
    }

    /// What a machine said while it started.
    pub fn log(&self, server: u64) -> String {
        fs::read_to_string(self.folder_of(server).join("log")).unwrap_or_default()
    }

    fn folder_of(&self, server: u64) -> PathBuf {
        self.folder.path().join(server.to_string())
    }

    fn start(&self, machine: &Machine) {
        let folder = self.folder_of(machine.id);
        fs::create_dir_all(&folder).expect("a machine's folder can be made");
        let nothing = "#cloud-config\n{}\n";
        let user_data = machine.user_data.as_deref().unwrap_or(nothing);
        fs::write(folder.join("user-data"), user_data).expect("user data can be written");
        let keys: String = machine.ssh_keys.iter().flat_map(|key| [key, "\n"]).collect();
        fs::write(folder.join("keys"), keys).expect("keys can be written");
        let mut arguments = vec![text(&folder), machine.name.clone(), self.bridge.clone()];
        arguments.extend(addresses(machine));
        self.script("up", &arguments);
        self.lock().folders.insert(machine.id, folder);
    }

    fn stop(&self, server: u64) {
        if let Some(folder) = self.lock().folders.get(&server).cloned() {
            self.script("down", &[text(&folder)]);
        }
    }

    /// Stops a machine, and throws its disk away.
    fn scrap(&self, server: u64) {
        self.stop(server);
        if let Some(folder) = self.lock().folders.remove(&server) {
            fs::remove_dir_all(folder).expect("a machine that is stopped uses its folder no more");
        }
    }

    fn wire(&self, machine: &Machine) {
        let folder = self.folder_of(machine.id);
        if folder.join("pid").exists() {
            self.script("wire", &[vec![text(&folder)], addresses(machine)].concat());
        }
    }

    fn script(&self, name: &str, arguments: &[String]) {
        let mut command = Command::new(script_path(name));
        command.args(arguments).env("MACHINE_K3S", &self.k3s).stdin(Stdio::null());
        // Not `output`: what a machine leaves running would keep the pipes open.
        let status = command.status();
        assert!(
            status.as_ref().is_ok_and(std::process::ExitStatus::success),
            "{name} {arguments:?}: {status:?}"
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl Default for RealMachines {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Machines for RealMachines {
    fn address(&self, _server: &str) -> Option<Ipv4Addr> {
        let mut state = self.lock();
        state.given += 1;
        // The first is the bridge's own.
        Some(Ipv4Addr::new(10, self.number, 0, state.given + 1))
    }

    async fn follow(&self, event: MachineEvent) {
        // The scripts take less than a second, and the emulator tells one thing after the other anyway.
        match &event {
            MachineEvent::Started(machine) => self.start(machine),
            MachineEvent::Stopped { id } => self.stop(*id),
            MachineEvent::Rebuilt(machine) => self.scrap(machine.id),
            MachineEvent::Rewired(machine) => self.wire(machine),
            MachineEvent::Deleted { id } => self.scrap(*id),
        }
    }
}

impl Drop for RealMachines {
    fn drop(&mut self) {
        let folders: Vec<PathBuf> = self.lock().folders.values().cloned().collect();
        for folder in folders {
            let _ = Command::new(script_path("down")).arg(folder).status();
        }
        let _ = tool("ip", &["link", "del", &self.bridge]);
    }
}

/// Where a machine is reached: on the internet and in private networks, which are one cable here.
fn addresses(machine: &Machine) -> Vec<String> {
    let public = machine.public_ipv4.map(|address| format!("{address}/16"));
    let private = machine.private.iter().map(|interface| {
        let length = interface.range.split_once('/').map_or("32", |(_, length)| length);
        format!("{}/{length}", interface.address)
    });
    public.into_iter().chain(private).collect()
}

fn text(path: &Path) -> String {
    path.to_str().expect("temporary folders have plain names").to_owned()
}

fn script_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed/machine").join(name)
}

fn tool(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
