//! What `baseline` forbids: reaching for the node.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Violation, containers, plural, quoted, setters, those, values};

/// What container runtimes give anyway.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The types of `SELinux` that contain a process.
const TYPES: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// What of the kernel each pod has its own of.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// Everything that it forbids, in the order in which it is told.
pub(super) fn violations(spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(app_armor(spec));
    found.extend(capabilities(spec));
    found.extend(reaching_for_the_node(spec));
    found.extend(se_linux(spec));
    found.extend(seccomp(spec));
    found.extend([sysctls(spec), windows_host_process(spec)].into_iter().flatten());
    found
}

/// The same without what `restricted` has stricter rules for.
pub(super) fn violations_beside_restricted(spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(app_armor(spec));
    found.extend(reaching_for_the_node(spec));
    found.extend([se_linux(spec), sysctls(spec), windows_host_process(spec)].into_iter().flatten());
    found
}

fn reaching_for_the_node(spec: &Value) -> impl Iterator<Item = String> {
    let (namespaces, paths, ports) = (host_namespaces(spec), host_paths(spec), host_ports(spec));
    let found = [namespaces, paths, ports, hosts_of_probes(spec), privileged(spec), proc_mount(spec)];
    found.into_iter().flatten()
}

fn app_armor(spec: &Value) -> Violation {
    fn other(context: &Value) -> Option<&str> {
        context["appArmorProfile"]["type"]
            .as_str()
            .filter(|name| !["RuntimeDefault", "Localhost"].contains(name))
    }
    let who = setters(spec, |context| other(context).is_some())?;
    let found = values(spec, other);
    let reason = plural("forbidden AppArmor profile", found.len());
    Some(format!("{reason} ({who} must not set AppArmor profile type to {})", quoted(&found)))
}

fn capabilities(spec: &Value) -> Violation {
    let (who, added) = added_besides(spec, &CAPABILITIES)?;
    Some(format!(
        "non-default capabilities ({who} must not include {added} in securityContext.capabilities.add)"
    ))
}

/// Which containers add other capabilities than these, and which ones.
pub(super) fn added_besides(spec: &Value, allowed: &[&str]) -> Option<(String, String)> {
    let others = |one: &Value| -> BTreeSet<String> {
        let added = one["securityContext"]["capabilities"]["add"].as_array().into_iter().flatten();
        added.filter_map(Value::as_str).filter(|name| !allowed.contains(name)).map(str::to_owned).collect()
    };
    let who = those(spec, |one| !others(one).is_empty())?;
    let all: BTreeSet<String> = containers(spec).flat_map(others).collect();
    Some((who, quoted(&all)))
}

fn host_namespaces(spec: &Value) -> Violation {
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| spec[*field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    (!shared.is_empty()).then(|| format!("host namespaces ({})", shared.join(", ")))
}

fn host_paths(spec: &Value) -> Violation {
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let names: Vec<&str> = volumes
        .filter(|volume| volume.get("hostPath").is_some())
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    (!names.is_empty())
        .then(|| format!("hostPath volumes ({} {})", plural("volume", names.len()), quoted(&names)))
}

fn host_ports(spec: &Value) -> Violation {
    let ports = |one: &Value| -> BTreeSet<String> {
        let ports = one["ports"].as_array().into_iter().flatten();
        ports
            .filter_map(|port| port["hostPort"].as_i64().filter(|port| *port != 0))
            .map(|port| port.to_string())
            .collect()
    };
    let who = those(spec, |one| !ports(one).is_empty())?;
    let all: Vec<String> = containers(spec).flat_map(ports).collect::<BTreeSet<_>>().into_iter().collect();
    Some(format!("hostPort ({who} {} {} {})", uses(&who), plural("hostPort", all.len()), all.join(", ")))
}

fn uses(who: &str) -> &'static str {
    if who.starts_with("containers") { "use" } else { "uses" }
}

/// A probe of another host would let the kubelet ask on the pod's behalf.
fn hosts_of_probes(spec: &Value) -> Violation {
    let hosts = |one: &Value| -> BTreeSet<String> {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|field| &one[field]);
        let handlers = ["postStart", "preStop"].map(|field| &one["lifecycle"][field]);
        let asked = probes
            .into_iter()
            .chain(handlers)
            .flat_map(|one| [&one["httpGet"]["host"], &one["tcpSocket"]["host"]]);
        asked.filter_map(Value::as_str).filter(|host| !host.is_empty()).map(str::to_owned).collect()
    };
    let who = those(spec, |one| !hosts(one).is_empty())?;
    let all: BTreeSet<String> = containers(spec).flat_map(hosts).collect();
    let what = plural("probe or lifecycle host", all.len());
    Some(format!("probe or lifecycle host ({who} {} {what} {})", uses(&who), quoted(&all)))
}

fn privileged(spec: &Value) -> Violation {
    let who = those(spec, |one| one["securityContext"]["privileged"] == true)?;
    Some(format!("privileged ({who} must not set securityContext.privileged=true)"))
}

fn proc_mount(spec: &Value) -> Violation {
    fn other(context: &Value) -> Option<&str> {
        context["procMount"].as_str().filter(|name| *name != "Default")
    }
    let who = those(spec, |one| other(&one["securityContext"]).is_some())?;
    Some(format!(
        "procMount ({who} must not set securityContext.procMount to {})",
        quoted(&values(spec, other))
    ))
}

fn se_linux(spec: &Value) -> Violation {
    fn other_type(context: &Value) -> Option<&str> {
        let options = context.get("seLinuxOptions")?;
        Some(options["type"].as_str().unwrap_or_default()).filter(|name| !TYPES.contains(name))
    }
    let names = |context: &Value, field: &str| {
        context["seLinuxOptions"][field].as_str().is_some_and(|name| !name.is_empty())
    };
    let who = setters(spec, |context| {
        other_type(context).is_some() || names(context, "user") || names(context, "role")
    })?;
    let types = values(spec, other_type);
    let mut found = Vec::new();
    if !types.is_empty() {
        found.push(format!("{} {}", plural("type", types.len()), quoted(&types)));
    }
    for field in ["user", "role"] {
        if setters(spec, |context| names(context, field)).is_some() {
            found.push(format!("{field} may not be set"));
        }
    }
    Some(format!("seLinuxOptions ({who} set forbidden securityContext.seLinuxOptions: {})", found.join("; ")))
}

fn seccomp(spec: &Value) -> Violation {
    fn other(context: &Value) -> Option<&str> {
        context["seccompProfile"]["type"]
            .as_str()
            .filter(|name| !["RuntimeDefault", "Localhost"].contains(name))
    }
    let who = setters(spec, |context| other(context).is_some())?;
    let found = quoted(&values(spec, other));
    Some(format!("seccompProfile ({who} must not set securityContext.seccompProfile.type to {found})"))
}

fn sysctls(spec: &Value) -> Violation {
    let set = spec["securityContext"]["sysctls"].as_array().into_iter().flatten();
    let others: Vec<&str> =
        set.filter_map(|one| one["name"].as_str()).filter(|name| !SYSCTLS.contains(name)).collect();
    (!others.is_empty()).then(|| format!("forbidden sysctls ({})", others.join(", ")))
}

fn windows_host_process(spec: &Value) -> Violation {
    let who = setters(spec, |context| context["windowsOptions"]["hostProcess"] == true)?;
    Some(format!("hostProcess ({who} must not set securityContext.windowsOptions.hostProcess=true)"))
}
