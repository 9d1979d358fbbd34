//! A whole windlass in a test: a repository made from `infra/`, a data directory of its own, a namespace of the test bed, and the program
//! itself as a user would start it.

use std::fmt::Write as _;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The values that the sources hold in every world: searched for in whatever must not show them.
pub const CANARIES: [(&str, &str); 4] = [
    ("POSTGRES_SA_PASSWORD", "canary-sa-Aeb3ohth"),
    ("ACCOUNT_SERVICE_DB_USER_PASSWORD", "canary-account-ooT9ieph"),
    ("MESSAGING_SERVICE_DB_USER_PASSWORD", "canary-messaging-Eiy2aeNg"),
    ("PROPERTY_SERVICE_DB_USER_PASSWORD", "canary-property-ahk8Eiqu"),
];

/// A repository, a data directory and a configuration.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
    secrets: Vec<(String, String)>,
    /// The program, where it is another than windlass itself.
    binary: Option<PathBuf>,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit code; 137 where a signal ended the process.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl World {
    /// A world whose environments all live in the namespace that `kubeconfig` names. Pushes to `main` concern every environment, windows are
    /// off, and the soak is a second, so that tests are about one thing at a time.
    pub fn new(kubeconfig: &Path) -> Self {
        let world = Self::without_clusters();
        world.configure(kubeconfig);
        world
    }

    /// The same, and no kubeconfig leads to a cluster: each is its provider's to make.
    pub fn without_clusters() -> Self {
        let world = Self {
            folder: tempfile::tempdir().expect("a folder for the world"),
            secrets: canaries(),
            binary: None,
        };
        copy(&repository_root().join("infra"), &world.repository().join("infra"));
        world.write_configuration("");
        world.edit("infra/deploy-control.yaml", |policy| every_environment_on_main(&policy));
        world.git(&["init", "--quiet", "--initial-branch=main"]);
        world.commit("Start");
        world
    }

    /// Looks at everything through another program that is made of windlass.
    pub fn using(self, binary: PathBuf) -> Self {
        Self { binary: Some(binary), ..self }
    }

    /// Writes windlass.toml, in which one kubeconfig leads to the cluster of every environment.
    pub fn configure(&self, kubeconfig: &Path) {
        let mut text = String::new();
        for environment in ["dev", "test", "prod", "local"] {
            writeln!(text, "[clusters.{environment}]\nkubeconfig = \"{}\"", kubeconfig.display())
                .expect("writing to a string cannot fail");
        }
        self.write_configuration(&text);
    }

    fn write_configuration(&self, sections: &str) {
        let text = format!(
            "data_dir = \"{}\"\n[verify]\nsoak = \"1s\"\n[identity]\nname = \"ada\"\n{sections}",
            self.data_dir().display()
        );
        std::fs::write(self.folder.path().join("windlass.toml"), text).expect("the configuration is written");
    }

    /// Adds sections to windlass.toml.
    pub fn configure_more(&self, sections: &str) {
        let file = self.folder.path().join("windlass.toml");
        let text = std::fs::read_to_string(&file).expect("the configuration can be read");
        std::fs::write(file, format!("{text}{sections}")).expect("the configuration is written");
    }

    /// The repository.
    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// Where windlass keeps its state.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Changes a file of the repository.
    pub fn edit(&self, path: &str, change: impl FnOnce(String) -> String) {
        let path = self.repository().join(path);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder is made");
        std::fs::write(&path, change(text)).expect("the file is written");
    }

    /// Replaces a text in a file, which must be there.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        self.edit(path, |text| {
            assert!(text.contains(from), "`{path}` does not hold `{from}`:\n{text}");
            text.replace(from, to)
        });
    }

    /// Sets, or with `None` takes away, the value of a secret.
    pub fn set_secret(&mut self, key: &str, value: Option<&str>) {
        self.secrets.retain(|(name, _)| name != key);
        self.secrets.extend(value.map(|value| (key.to_owned(), value.to_owned())));
    }

    /// Commits everything and answers with the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in the repository.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(self.repository())
            .args(["-c", "user.name=ada", "-c", "user.email=ada@example.org"])
            .args(arguments);
        let output = git.output().expect("git is there");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A push event of `main`, written to a file.
    pub fn push_event(&self, id: &str, before: &str, after: &str) -> PathBuf {
        self.event(id, "dev.windlass.push", &json!({"repository": "example/shop", "ref": "refs/heads/main", "before": before, "after": after, "author": "ada"}))
    }

    /// An event, written to a file.
    pub fn event(&self, id: &str, event_type: &str, data: &Value) -> PathBuf {
        let event =
            json!({"specversion": "1.0", "id": id, "source": "/test", "type": event_type, "data": data});
        let path = self.folder.path().join(format!("event-{id}.json"));
        std::fs::write(&path, event.to_string()).expect("the event is written");
        path
    }

    /// The program with its configuration and secrets, ready for arguments.
    pub fn program(&self) -> Command {
        self.program_at(&self.binary.clone().unwrap_or_else(windlass))
    }

    /// The program with its data directory on a file system of its own, of sixteen megabytes. Only it sees what is there; others through the `root`
    /// of its folder in `/proc`.
    pub fn program_in_a_small_place(&self) -> Command {
        let (state, script) = (self.data_dir(), self.folder.path().join("in-a-small-place"));
        std::fs::create_dir_all(&state).expect("the folder is made");
        let mount = "mount -t tmpfs -o size=16m windlass \"$0\" && exec \"$@\"";
        let text = format!(
            "#!/bin/sh\nexec unshare --mount --map-root-user sh -c '{mount}' '{}' '{}' \"$@\"\n",
            state.display(),
            windlass().display()
        );
        std::fs::write(&script, text).expect("the script is written");
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("the script may be run");
        self.program_at(&script)
    }

    /// Another build of the program.
    pub fn program_at(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path());
        command
            .arg("--repository")
            .arg(self.repository())
            .arg("--config")
            .arg(self.folder.path().join("windlass.toml"));
        command.envs(self.secrets.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end.
    pub fn windlass(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.program().args(arguments))
    }

    /// Runs the program with `-o json`: its exit code and its answer.
    pub fn windlass_json(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.windlass(&[&["-o", "json"], arguments].concat());
        let answer = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?} printed no JSON ({error}): {ran:?}"));
        (ran.code, answer)
    }

    /// Starts the program and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.program()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("windlass starts")
    }

    /// Every run, newest first, as `runs list` tells it.
    pub fn runs(&self) -> Vec<Value> {
        let (code, runs) = self.windlass_json(&["runs", "list", "--limit", "1000"]);
        assert_eq!(code, 0, "{runs}");
        let mut runs: Vec<Value> = runs.as_array().expect("a list").clone();
        runs.sort_by_key(|run| {
            std::cmp::Reverse(run["id"].as_str().and_then(|id| id[2..].parse::<u64>().ok()))
        });
        runs
    }

    /// A run, whole.
    pub fn run(&self, id: &str) -> Value {
        self.windlass_json(&["runs", "show", id]).1
    }

    /// Everything that windlass has written to disk, for a search.
    pub fn everything_written(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        collect(&self.data_dir(), &mut bytes);
        bytes
    }
}

impl Ran {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().expect("windlass starts");
        Self {
            code: output.status.code().unwrap_or(137),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Both streams, as a person would see them.
    pub fn text(&self) -> String {
        format!("{}{}", self.stderr, self.stdout)
    }

    /// Fails unless the command ended so.
    #[track_caller]
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}", self.text());
        self
    }

    /// Fails unless the command said this.
    #[track_caller]
    pub fn says(&self, words: &str) -> &Self {
        assert!(self.text().contains(words), "nothing says `{words}`:\n{}", self.text());
        self
    }
}

/// Takes all the room that is left where a folder is, with a file.
pub fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut filler = File::create(&path).expect("there is room for a name");
    for size in [65536, 4096, 1] {
        while filler.write(&vec![0; size]).is_ok_and(|written| written == size) {}
    }
    path
}

/// The program that is tested: `WINDLASS_BIN`, or the one that was built beside this test.
pub fn windlass() -> PathBuf {
    std::env::var_os("WINDLASS_BIN").map_or_else(|| beside("windlass"), PathBuf::from)
}

/// A program in the folder of the build that this test is of.
pub fn beside(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.ancestors().nth(2).expect("a test is two folders below its build");
    let program = folder.join(name);
    let how = "`cargo build --package windlass --package windlass-provider-sandbox --bins --examples`";
    assert!(program.is_file(), "`{}` is missing: {how}", program.display());
    program
}

fn canaries() -> Vec<(String, String)> {
    CANARIES.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every environment follows `main`, and none has windows: what the clock says must not decide a test.
fn every_environment_on_main(policy: &str) -> String {
    policy
        .replace("    enabled: true\n    auto_deploy", "    branch: main\n    enabled: true\n    auto_deploy")
        .replace("      enabled: true\n      timezone", "      enabled: false\n      timezone")
        .replace("    enabled: true\n    # A push", "    branch: main\n    enabled: true\n    # A push")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder is made");
    for entry in std::fs::read_dir(from).expect("the folder can be read") {
        let entry = entry.expect("an entry can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a file can be copied");
        }
    }
}

fn collect(folder: &Path, bytes: &mut Vec<u8>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), bytes);
        } else {
            bytes.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
}
