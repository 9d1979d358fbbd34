//! Image names as containerd reads them, and what it says when a pull fails.

use crate::fault::Fault;

/// The tag of an image reference, if it has one.
pub(crate) fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?;
    let last = name.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag)
}

/// An image reference taken apart, with the registry and tag that are meant when none is written.
struct Reference {
    host: String,
    repository: String,
    tag: String,
}

impl Reference {
    fn of(image: &str) -> Self {
        let written = tag(image).unwrap_or("latest");
        let name = image.strip_suffix(&format!(":{written}")).unwrap_or(image);
        let (host, repository) = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        Self { host: host.to_owned(), repository, tag: written.to_owned() }
    }

    fn full(&self) -> String {
        format!("{}/{}:{}", self.host, self.repository, self.tag)
    }

    fn manifest_url(&self) -> String {
        // Registries on loopback are spoken to without TLS.
        let scheme = if self.host.starts_with("127.") { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}/manifests/{}", self.host, self.repository, self.tag)
    }
}

/// Why an image's name cannot be understood at all, in the kubelet's words.
pub(crate) fn invalid_name(image: &str) -> Option<String> {
    let name = image.split('@').next().unwrap_or(image);
    let name = tag(name).and_then(|tag| name.strip_suffix(&format!(":{tag}"))).unwrap_or(name);
    // What stands before the first slash may be a host, in capitals or with a port, if it looks like one.
    let (host, path) = match name.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host.chars().any(|c| c.is_ascii_uppercase()) => {
            (host, rest)
        }
        _ => ("", name),
    };
    let is_component = |part: &str| {
        let inner = part.starts_with(|c: char| c.is_ascii_alphanumeric());
        inner && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    if path.split('/').all(is_component) {
        return None;
    }
    let is_lower = path.to_ascii_lowercase() == path && host.is_empty();
    let hint = if is_lower { String::new() } else { format!(": repository name ({path}) must be lowercase") };
    let detail = format!("invalid reference format{hint}");
    Some(format!(
        "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {detail}"
    ))
}

/// Why a pull fails with that fault, in containerd's words; `None` when it does not fail.
pub(crate) fn pull_failure(fault: Fault, image: &str) -> Option<String> {
    let reference = Reference::of(image);
    let full = reference.full();
    let Reference { host, tag, .. } = &reference;
    let unresolved =
        format!("failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\":");
    let answered = |status: &str| {
        format!("{unresolved} pulling from host {host} failed with status code [manifests {tag}]: {status}")
    };
    let unreached = |cause: &str| {
        format!("{unresolved} failed to do request: Head \"{}\": dial tcp{cause}", reference.manifest_url())
    };
    Some(match fault {
        Fault::Missing => format!("rpc error: code = NotFound desc = {unresolved} {full}: not found"),
        Fault::Forbidden => answered("401 Unauthorized"),
        Fault::RateLimited => answered("429 Too Many Requests"),
        Fault::RegistryDown => unreached(&format!(" {}: connect: connection refused", with_port(host))),
        Fault::RegistryUnresolvable => unreached(&format!(": lookup {host} on 192.0.2.53:53: no such host")),
        _ => return None,
    })
}

fn with_port(host: &str) -> String {
    if host.contains(':') { host.to_owned() } else { format!("{host}:443") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(tag("127.0.0.1:5001/tools"), None);
        assert_eq!(tag("127.0.0.1:5001/tools:missing"), Some("missing"));
        assert_eq!(tag("tools:1@sha256:00"), Some("1"));
    }

    #[test]
    fn short_names_mean_the_default_registry() {
        assert_eq!(Reference::of("postgres").full(), "docker.io/library/postgres:latest");
        assert_eq!(Reference::of("postgis/postgis:18-3.4").full(), "docker.io/postgis/postgis:18-3.4");
    }

    #[test]
    fn only_names_that_cannot_be_read_are_invalid() {
        assert_eq!(invalid_name("postgis/postgis:18-3.4"), None);
        assert_eq!(invalid_name("127.0.0.1:5001/tools:1"), None);
        assert!(invalid_name("Bad//Name:1").unwrap().ends_with("repository name (/Name) must be lowercase"));
        assert!(invalid_name("shop//cart:1").is_some());
    }
}
