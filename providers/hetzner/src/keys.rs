//! The secrets of a cluster: one that is kept, and all others made from it.
//!
//! What is derived needs no place of its own and is the same after a crash: a server that is made anew has the host key of the one before, and a
//! bootstrap that is taken up again uses the tokens that it began with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::Sha256;

const LENGTH: usize = 32;

/// The one secret of a cluster from which the others are made.
#[derive(Debug)]
pub(crate) struct ClusterSecret(SecretBox<[u8; LENGTH]>);

/// The key by which a server proves that it is the one that was made.
#[derive(Debug)]
pub(crate) struct HostKey {
    /// In OpenSSH's own format.
    pub(crate) private: SecretString,
    /// `ssh-ed25519 AAAA…`
    pub(crate) public: String,
}

impl ClusterSecret {
    /// A new one.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes)?;
        Ok(Self(SecretBox::new(Box::new(bytes))))
    }

    /// One that was kept.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = STANDARD.decode(text.trim()).ok()?.try_into().ok()?;
        Some(Self(SecretBox::new(Box::new(bytes))))
    }

    /// As it is kept.
    pub(crate) fn text(&self) -> SecretString {
        SecretString::from(STANDARD.encode(self.0.expose_secret()))
    }

    /// By which masters join. It also seals what k3s keeps of its authorities in etcd.
    pub(crate) fn server_token(&self) -> SecretString {
        SecretString::from(hex(&self.derive("k3s-server-token")))
    }

    /// By which workers join, and with which nobody becomes a master.
    pub(crate) fn agent_token(&self) -> SecretString {
        SecretString::from(hex(&self.derive("k3s-agent-token")))
    }

    /// The host key of a server.
    pub(crate) fn host_key(&self, server: &str) -> HostKey {
        let seed = self.derive(&format!("ssh-host-key/{server}"));
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&seed).expect("the seed of an Ed25519 key is any 32 bytes");
        let public = pair.public_key().as_ref();
        let line = format!("ssh-ed25519 {}", STANDARD.encode(public_blob(public)));
        HostKey { private: SecretString::from(private_file(&seed, public)), public: line }
    }

    fn derive(&self, what: &str) -> [u8; LENGTH] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes a key of any length");
        mac.update(what.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A length and as many bytes: how SSH writes everything (RFC 4251, section 5).
fn field(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("no field of a key is that long");
    [&length.to_be_bytes(), bytes].concat()
}

fn public_blob(public: &[u8]) -> Vec<u8> {
    [field(b"ssh-ed25519"), field(public)].concat()
}

/// The file as `ssh-keygen` writes it without a passphrase (OpenSSH, PROTOCOL.key).
fn private_file(seed: &[u8], public: &[u8]) -> String {
    // Two equal numbers by which a reader sees that it decrypted rightly; there is nothing to decrypt.
    let check = [0x57, 0x4c, 0x41, 0x53];
    let pair = [seed, public].concat();
    let mut section = [&check[..], &check[..], &public_blob(public), &field(&pair), &field(b"")].concat();
    for padding in 1_u8..=8 {
        if section.len() % 8 == 0 {
            break;
        }
        section.push(padding);
    }
    let one = 1_u32.to_be_bytes();
    let parts = [
        b"openssh-key-v1\0".to_vec(),
        field(b"none"),
        field(b"none"),
        field(b""),
        one.to_vec(),
        field(&public_blob(public)),
        field(&section),
    ];
    let text = STANDARD.encode(parts.concat());
    let lines: Vec<&str> = (0..text.len()).step_by(70).map(|at| &text[at..text.len().min(at + 70)]).collect();
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> ClusterSecret {
        ClusterSecret::parse(&STANDARD.encode([7; LENGTH])).unwrap()
    }

    #[test]
    fn a_secret_is_kept_and_read_again() {
        let made = ClusterSecret::generate().unwrap();
        let again = ClusterSecret::parse(made.text().expose_secret()).unwrap();
        assert_eq!(made.server_token().expose_secret(), again.server_token().expose_secret());
        assert_ne!(made.text().expose_secret(), ClusterSecret::generate().unwrap().text().expose_secret());
    }

    #[test]
    fn no_two_derived_secrets_are_alike() {
        let secret = secret();
        let (server, agent) = (secret.server_token(), secret.agent_token());
        assert_ne!(server.expose_secret(), agent.expose_secret());
        assert_ne!(secret.host_key("a").public, secret.host_key("b").public);
        assert_eq!(secret.host_key("a").public, secret.host_key("a").public);
    }

    /// OpenSSH itself derives the public key from the file, where it is installed.
    #[test]
    fn openssh_reads_the_host_key() {
        let folder = tempfile::tempdir().unwrap();
        let (file, key) = (folder.path().join("key"), secret().host_key("dev-master1"));
        std::fs::write(&file, key.private.expose_secret()).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, mode).unwrap();
        let output = std::process::Command::new("ssh-keygen").arg("-yf").arg(&file).output();
        let output = output.expect("`ssh-keygen` is part of the test bed: `apt-get install openssh-client`");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            key.public,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[test]
    fn what_is_no_secret_is_not_read() {
        for text in ["", "AAAA", "not base64!"] {
            assert!(ClusterSecret::parse(text).is_none(), "{text}");
        }
    }
}
