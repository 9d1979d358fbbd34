//! What every node has: the program of k3s, its unit, and what only the server itself knows.

use std::fmt::Write as _;

use ipnet::IpNet;

use crate::bootstrap::script::quoted;
use crate::bootstrap::versions::K3S;
use crate::plan::blueprint::Role;

/// Where the script is that prepares a node.
pub(crate) const PREPARE: &str = "/usr/local/sbin/windlass-node";
/// Where k3s reads its settings.
pub(crate) const SETTINGS: &str = "/etc/rancher/k3s/config.yaml";
/// Where k3s reads which registries are mirrored.
pub(crate) const REGISTRIES: &str = "/etc/rancher/k3s/registries.yaml";

/// The unit of a node.
pub(crate) fn unit(role: Role) -> &'static str {
    match role {
        Role::Master => "k3s",
        Role::Worker => "k3s-agent",
    }
}

/// The text of the unit, as k3s' own installer writes it: it reports when it is ready, and its processes may outlive a restart.
pub(crate) fn unit_text(role: Role) -> String {
    let command = match role {
        Role::Master => "server",
        Role::Worker => "agent",
    };
    format!(
        "[Unit]\nDescription=k3s {command}\nWants=network-online.target\nAfter=network-online.target\n\n\
         [Install]\nWantedBy=multi-user.target\n\n\
         [Service]\nType=notify\nExecStartPre=-/sbin/modprobe br_netfilter\nExecStartPre=-/sbin/modprobe overlay\n\
         ExecStart=/usr/local/bin/k3s {command}\nKillMode=process\nDelegate=yes\nLimitNOFILE=1048576\nLimitNPROC=infinity\n\
         LimitCORE=infinity\nTasksMax=infinity\nTimeoutStartSec=0\nRestart=always\nRestartSec=5s\n"
    )
}

/// A script that brings the release of k3s, if it is not there, and tells k3s the node's private address. What was fetched is compared with the
/// sums of the release before it is used.
pub(crate) fn prepare(release: &str, private: IpNet, role: Role) -> String {
    let advertise = if role == Role::Master { "printf 'advertise-address: %s\\n' \"$address\"" } else { ":" };
    let (release, base) = (quoted(release), quoted(&format!("{K3S}/{}", release.replace('+', "%2B"))));
    let mut script = format!("#!/bin/sh\nset -eu\numask 077\nrelease={release}\nbase={base}\n");
    script.push_str(FETCH);
    let _ =
        write!(script, "{}", FIND.replace("PRIVATE", &private.to_string()).replace("ADVERTISE", advertise));
    script
}

const FETCH: &str = r#"
case "$(uname -m)" in
  x86_64) file=k3s sums=sha256sum-amd64.txt ;;
  aarch64) file=k3s-arm64 sums=sha256sum-arm64.txt ;;
  *) echo "k3s is not made for $(uname -m)" >&2; exit 1 ;;
esac
if ! /usr/local/bin/k3s --version 2>/dev/null | grep -qF " $release "; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  for name in "$file" "$sums"; do
    curl -fsSL --retry 10 --retry-all-errors --connect-timeout 10 -o "$work/$name" "$base/$name"
  done
  (cd "$work" && grep " $file\$" "$sums" | sha256sum -c --quiet -)
  install -m 0755 "$work/$file" /usr/local/bin/k3s.new
  mv /usr/local/bin/k3s.new /usr/local/bin/k3s
  for name in kubectl crictl ctr; do
    ln -sf k3s "/usr/local/bin/$name"
  done
fi
"#;

/// The network's interface appears a while after the server starts, under a name that depends on its type.
const FIND: &str = r#"
tries=0
until found=$(ip -4 -o addr show to PRIVATE 2>/dev/null | awk 'NR == 1 { sub("/.*", "", $4); print $2, $4 }') && [ -n "$found" ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 150 ]; then
    echo "no address in PRIVATE after five minutes" >&2
    exit 1
  fi
  sleep 2
done
interface=${found% *}
address=${found#* }
mkdir -p /etc/rancher/k3s/config.yaml.d
{
  printf 'node-ip: %s\n' "$address"
  printf 'flannel-iface: %s\n' "$interface"
  ADVERTISE
} > /etc/rancher/k3s/config.yaml.d/10-node.yaml.new
mv /etc/rancher/k3s/config.yaml.d/10-node.yaml.new /etc/rancher/k3s/config.yaml.d/10-node.yaml
"#;
