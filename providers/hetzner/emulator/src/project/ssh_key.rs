//! SSH keys.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::table::{Meta, Resource as _, resource};
use super::{Answer, Project, new_name};
use crate::form::{self, Body, Reference};
use crate::kind::{Id, Kind};
use crate::problem::Problem;
use crate::time::written;

/// A public key that servers can be made with.
#[derive(Debug)]
pub(crate) struct SshKey {
    meta: Meta,
    public_key: String,
    fingerprint: String,
}

resource!(SshKey, SshKey, view);

fn view(key: &SshKey, _project: &Project) -> Value {
    json!({
        "id": key.meta.id,
        "name": key.meta.name,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
        "labels": key.meta.labels,
        "created": written(key.meta.created),
    })
}

impl Project {
    pub(super) fn create_ssh_key(&mut self, body: &Body) -> Result<Answer, Problem> {
        let (name, public_key, fingerprint, labels) = form::read(body, |form| {
            let name = new_name(form);
            let public_key = form.text("public_key").trim().to_owned();
            let fingerprint = fingerprint(&public_key);
            if fingerprint.is_none() && !public_key.is_empty() {
                form.problem("public_key", "is not an OpenSSH public key");
            }
            (name, public_key, fingerprint.unwrap_or_default(), form.labels())
        })?;
        self.ssh_keys.refuse_name(&name, None)?;
        if self.ssh_keys.iter().any(|other| other.fingerprint == fingerprint) {
            return Err(Problem::not_unique(Kind::SshKey, "public_key"));
        }
        let meta = self.meta(name, labels);
        let id = self.ssh_keys.insert(SshKey { meta, public_key, fingerprint });
        Ok(Answer::created(json!({"ssh_key": self.view(Kind::SshKey, id)?})))
    }

    /// Servers keep the keys that they were made with.
    pub(super) fn delete_ssh_key(&mut self, id: Id) -> Result<Answer, Problem> {
        self.ssh_keys.get(id)?;
        self.ssh_keys.remove(id);
        Ok(Answer::empty())
    }

    /// The public keys that a request names.
    pub(super) fn public_keys(&self, references: &[Reference]) -> Result<Vec<String>, Problem> {
        let find = |reference: &Reference| {
            let named = self.ssh_keys.iter().find(|key| match reference {
                Reference::Id(id) => key.id() == *id,
                Reference::Name(name) => key.meta.name == *name,
            });
            named
                .map(|key| key.public_key.clone())
                .ok_or_else(|| Problem::invalid_field("ssh_keys", "names an SSH key that does not exist"))
        };
        references.iter().map(find).collect()
    }
}

/// The MD5 sum of the key, as OpenSSH wrote fingerprints once. Nothing if it is no key.
fn fingerprint(public_key: &str) -> Option<String> {
    let mut words = public_key.split_ascii_whitespace();
    let (kind, encoded) = (words.next()?, words.next()?);
    let blob = BASE64_STANDARD.decode(encoded).ok()?;
    // The blob begins with the length and the text of the kind (RFC 4253, 6.6).
    let length = u32::from_be_bytes(blob.get(..4)?.try_into().ok()?);
    let named = blob.get(4..)?.get(..usize::try_from(length).ok()?)?;
    let sum = Md5::digest(&blob);
    let pairs: Vec<String> = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    (named == kind.as_bytes()).then(|| pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_openssh() {
        // ssh-keygen -E md5 -l
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJRPT6Ef8hherv5tNaS1Yp8LQY9sdM27EndeSVN5JIaq me@host";
        assert_eq!(fingerprint(key).as_deref(), Some("2b:28:be:f6:c8:9a:e3:66:00:2f:84:4a:52:00:d9:b8"));
        for wrong in ["", "ssh-rsa", "ssh-rsa AAAAC3NzaC1lZDI1NTE5", "ssh-ed25519 %%%", "ssh-ed25519 AAAA"] {
            assert_eq!(fingerprint(wrong), None, "{wrong}");
        }
    }
}
