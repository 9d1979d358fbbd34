//! Clients of others against the emulator of the Hetzner Cloud API: what they send and what they are answered is as the official document says, and
//! they can do all that they do at Hetzner's.
#![expect(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

mod command;
mod machines;
mod oracle;

use std::path::PathBuf;

use oracle::Oracle;
use windlass_hetzner_emulator::Emulator;

/// The library `hcloud` for Python: `HCLOUD_PYTHON` is a Python that has it.
#[test]
fn the_python_library_does_everything() {
    let python =
        std::env::var_os("HCLOUD_PYTHON").expect("HCLOUD_PYTHON names a Python with the library `hcloud`");
    let oracle = Oracle::start(Emulator::builder());
    let certificate = oracle.read("certificate.pem");
    let (public_key, private_key) = (oracle.read("key.pub"), oracle.read("certificate.key"));
    let script = file("everything.py");
    oracle.run(
        python.as_ref(),
        &[script.as_ref(), public_key.as_ref(), certificate.as_ref(), private_key.as_ref()],
    );
    oracle.expect_agreement(150, &[]);
}

/// What `hcloud` 1.30, of 2022, sends beside what the document has. Hetzner's API pays no heed, and so does a lenient emulator.
const SENT_IN_VAIN: [&str; 2] = ["('ID' was unexpected)", "\"health_check\" is a required property"];

/// The program `hcloud`.
#[test]
fn the_command_line_does_everything() {
    let oracle = Oracle::start(Emulator::builder().lenient());
    oracle.run(file("everything.sh").as_ref(), &[oracle.folder().as_ref()]);
    oracle.expect_agreement(200, &SENT_IN_VAIN);
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hetzner").join(name)
}
