//! No value of a secret, and no credential of a cluster, is ever written or shown.

use std::collections::BTreeMap;
use std::path::Path;

use windlass_tests::testbed::Bed;
use windlass_tests::world::{CANARIES, Ran, World};

const STATEFUL_SET: &str = "infra/k8s/base/statefulsets/postgres.statefulset.yaml";
const SECRET: &str = "infra/k8s/base/secrets/postgres-passwords.secret.yaml";

/// What must not be seen, by what it is.
struct Forbidden(BTreeMap<String, Vec<u8>>);

impl Forbidden {
    fn new(kubeconfig: &Path) -> Self {
        let mut texts = BTreeMap::new();
        for (name, value) in CANARIES {
            texts.insert(format!("the value of {name}"), value.as_bytes().to_vec());
            texts.insert(format!("the value of {name} in base64"), base64(value.as_bytes()).into_bytes());
        }
        let text = std::fs::read_to_string(kubeconfig).expect("the kubeconfig can be read");
        let word_after = |field: &str| text.split(field).nth(1)?.split_whitespace().next();
        // Of a key a hundred letters from the middle: the beginning of every key in PEM is the same.
        let key = word_after("client-key-data: ").map(|key| &key[200..300]);
        let credential = key.or_else(|| word_after("token: ")).expect("the kubeconfig has a key or a token");
        texts.insert("the client's credential".to_owned(), credential.as_bytes().to_vec());
        Self(texts)
    }

    #[track_caller]
    fn is_absent(&self, place: &str, bytes: &[u8]) {
        for (what, text) in &self.0 {
            let found = bytes.windows(text.len()).position(|window| window == text);
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(80)..(at + text.len() + 80).min(bytes.len())];
                panic!("{what} is in {place}: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

/// A world that is as talkative as it can be, and looked through after each command.
struct Watched {
    world: World,
    forbidden: Forbidden,
}

impl Watched {
    /// Runs a command as text and as JSON.
    #[track_caller]
    fn runs(&self, arguments: &[&str], code: i32) {
        for output in ["text", "json"] {
            self.runs_as(output, arguments, code);
        }
    }

    #[track_caller]
    fn runs_as(&self, output: &str, arguments: &[&str], code: i32) -> Ran {
        let talkative = ["--log", "trace", "--log-format", "json", "-o", output];
        let ran = self.world.windlass(&[&talkative[..], arguments].concat());
        ran.expect(code);
        assert!(
            !reaches_the_cluster(arguments) || ran.stderr.contains("TRACE"),
            "nothing was traced: {}",
            ran.stderr
        );
        self.forbidden.is_absent(&format!("stdout of {arguments:?}"), ran.stdout.as_bytes());
        self.forbidden.is_absent(&format!("stderr of {arguments:?}"), ran.stderr.as_bytes());
        let written = self.world.everything_written();
        assert!(!written.is_empty());
        self.forbidden.is_absent(&format!("the data directory after {arguments:?}"), &written);
        ran
    }

    #[track_caller]
    fn changes(&self, message: &str, code: i32) {
        self.world.commit(message);
        self.runs(&["plan", "-e", "local"], if message.starts_with("Invalid") { 1 } else { 0 });
        self.runs_as("json", &["deploy", "-e", "local"], code);
        self.runs(&["runs", "explain"], 0);
    }
}

#[test]
fn no_secret_is_written_or_shown_whatever_happens() {
    let space = Bed::shared().namespace();
    let world = World::new(space.kubeconfig());
    let forbidden = Forbidden::new(space.kubeconfig());
    let watched = Watched { world, forbidden };
    watched.changes("Start", 0);
    watched.world.replace(
        STATEFUL_SET,
        "image: postgis/postgis",
        "image: registry.example.org/postgres:missing",
    );
    watched.changes("An image that is missing", 6);
    watched.world.replace(STATEFUL_SET, "registry.example.org/postgres:missing", "postgis/postgis");
    watched.world.replace(
        "infra/k8s/base/configmaps/postgres-init.configmap.yaml",
        "\ndata:",
        "\ndata:\n  more.sql: select 1;",
    );
    watched.changes("More data", 0);
    // Once: a second one would find nothing further back.
    watched.runs_as("json", &["rollback", "-e", "local"], 0);
    // The type may not change, and asks for keys that are not there: the server has every reason to quote the object.
    watched.world.replace(SECRET, "type: Opaque", "type: kubernetes.io/tls");
    watched.changes("Invalid type of a Secret", 1);
    watched.world.replace(SECRET, "type: kubernetes.io/tls", "type: 7");
    watched.changes("Invalid form of a Secret", 1);
    for arguments in [&["runs", "list"][..], &["events", "list"], &["render", "-e", "local"], &["check"]] {
        watched.runs(arguments, 0);
    }
}

#[test]
fn no_secret_of_a_first_deployment_is_shown_when_the_server_refuses_it() {
    let space = Bed::shared().namespace();
    let world = World::new(space.kubeconfig());
    let forbidden = Forbidden::new(space.kubeconfig());
    let watched = Watched { world, forbidden };
    watched.world.replace(SECRET, "type: Opaque", "type: kubernetes.io/tls");
    watched.changes("Invalid type of a Secret", 1);
    watched.world.replace(SECRET, "type: kubernetes.io/tls", "type: Opaque\nunknown: field");
    watched.changes("Invalid field of a Secret", 1);
}

/// Whether a command talks to the API server, where values and credentials are at hand.
fn reaches_the_cluster(arguments: &[&str]) -> bool {
    ["plan", "deploy", "rollback"].contains(&arguments[0])
}

/// Base64 as RFC 4648 section 4 has it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[number >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[test]
fn base64_is_that_of_the_rfc() {
    assert_eq!([&b"f"[..], b"fo", b"foo", b"foobar"].map(base64), ["Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]);
}
