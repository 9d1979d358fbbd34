//! The columns of each kind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{age, age_of, duration};
use crate::api::served::Served;
use crate::objects::meta;

/// A column: how it is called, and what an object has in it.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: &'static str,
    /// 0 is always shown, 1 with `-o wide`.
    pub(super) priority: u8,
    pub(super) cell: Box<dyn Fn(&Value) -> Value + Send>,
}

fn column(name: &str, priority: u8, cell: impl Fn(&Value) -> Value + Send + 'static) -> Column {
    Column { name: name.to_owned(), kind: "string", priority, cell: Box::new(cell) }
}

fn shown(name: &str, cell: impl Fn(&Value) -> String + Send + 'static) -> Column {
    column(name, 0, move |object| cell(object).into())
}

fn wide(name: &str, cell: impl Fn(&Value) -> String + Send + 'static) -> Column {
    column(name, 1, move |object| cell(object).into())
}

fn number(name: &str, pointer: &'static str) -> Column {
    let cell = move |object: &Value| object.pointer(pointer).cloned().unwrap_or_else(|| json!(0));
    Column { name: name.to_owned(), kind: "integer", priority: 0, cell: Box::new(cell) }
}

/// What stands at a place; `<none>` where nothing does.
fn place(name: &str, pointer: &'static str) -> Column {
    shown(name, move |object| at(object, pointer))
}

fn at(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        None | Some(Value::Null) => "<none>".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "<none>".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

fn list<'o>(object: &'o Value, pointer: &str) -> &'o [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[expect(clippy::needless_pass_by_value, reason = "callers collect the parts for it")]
fn joined(parts: Vec<String>) -> String {
    if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") }
}

/// The columns of a kind.
#[expect(clippy::too_many_lines, reason = "a table: one entry for each kind")]
pub(super) fn columns(served: &Served) -> Vec<Column> {
    let name = column("Name", 0, |object| object["metadata"]["name"].clone());
    let own = match (served.kind.group.as_ref(), served.kind.kind.as_ref()) {
        ("", "Event") => return events(),
        ("", "Pod") => pods(),
        ("", "Service") => services(),
        ("", "Node") => nodes(),
        ("", "Namespace") => vec![place("Status", "/status/phase"), shown("Age", age_of)],
        ("", "ConfigMap") => vec![
            column("Data", 0, |object| json!(size(object, "data") + size(object, "binaryData"))),
            shown("Age", age_of),
        ],
        ("", "Secret") => {
            vec![
                place("Type", "/type"),
                column("Data", 0, |object| json!(size(object, "data"))),
                shown("Age", age_of),
            ]
        }
        ("", "ServiceAccount") => {
            vec![column("Secrets", 0, |object| json!(list(object, "/secrets").len())), shown("Age", age_of)]
        }
        ("", "PersistentVolume") => volumes(),
        ("", "PersistentVolumeClaim") => claims(),
        ("", "Endpoints") => vec![shown("Endpoints", endpoints), shown("Age", age_of)],
        ("", "ResourceQuota") => {
            vec![shown("Request", quota), shown("Limit", |_| String::new()), shown("Age", age_of)]
        }
        ("apps", "Deployment") => deployments(),
        ("apps", "ReplicaSet") => replica_sets(),
        ("apps", "StatefulSet") => {
            [vec![shown("Ready", ready), shown("Age", age_of)], containers()].concat_columns()
        }
        ("apps", "DaemonSet") => daemon_sets(),
        ("apps", "ControllerRevision") => revisions(),
        ("batch", "Job") => jobs(),
        ("batch", "CronJob") => cron_jobs(),
        ("storage.k8s.io", "StorageClass") => return classes(),
        ("policy", "PodDisruptionBudget") => vec![
            shown("Min Available", |object| at(object, "/spec/minAvailable").replace("<none>", "N/A")),
            shown("Max Unavailable", |object| at(object, "/spec/maxUnavailable").replace("<none>", "N/A")),
            number("Allowed Disruptions", "/status/disruptionsAllowed"),
            shown("Age", age_of),
        ],
        ("networking.k8s.io", "Ingress") => ingresses(),
        ("networking.k8s.io", "NetworkPolicy") => {
            vec![
                shown("Pod-Selector", |object| labels(&object["spec"]["podSelector"]["matchLabels"])),
                shown("Age", age_of),
            ]
        }
        ("autoscaling", "HorizontalPodAutoscaler") => vec![
            shown("Reference", |object| {
                format!(
                    "{}/{}",
                    at(object, "/spec/scaleTargetRef/kind"),
                    at(object, "/spec/scaleTargetRef/name")
                )
            }),
            shown("Targets", |_| "<unknown>".to_owned()),
            place("MinPods", "/spec/minReplicas"),
            place("MaxPods", "/spec/maxReplicas"),
            number("Replicas", "/status/currentReplicas"),
            shown("Age", age_of),
        ],
        ("coordination.k8s.io", "Lease") => {
            vec![place("Holder", "/spec/holderIdentity"), shown("Age", age_of)]
        }
        ("discovery.k8s.io", "EndpointSlice") => {
            vec![
                place("AddressType", "/addressType"),
                shown("Ports", slice_ports),
                shown("Endpoints", slice_addresses),
                shown("Age", age_of),
            ]
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => vec![
            shown("Role", |object| {
                format!("{}/{}", at(object, "/roleRef/kind"), at(object, "/roleRef/name"))
            }),
            shown("Age", age_of),
        ],
        _ => return [vec![name], own_columns(&served.columns)].concat_columns(),
    };
    [vec![name], own].concat_columns()
}

trait Concat {
    fn concat_columns(self) -> Vec<Column>;
}

impl<const COUNT: usize> Concat for [Vec<Column>; COUNT] {
    fn concat_columns(self) -> Vec<Column> {
        self.into_iter().flatten().collect()
    }
}

/// The columns that a definition names; without any, the age.
fn own_columns(defined: &Value) -> Vec<Column> {
    let defined = defined.as_array().map_or(&[][..], Vec::as_slice);
    if defined.is_empty() {
        return vec![shown("Age", age_of)];
    }
    let named = |one: &Value| {
        let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        let pointer = text("jsonPath").replace('.', "/");
        let is_date = one["type"] == "date";
        let priority = u8::from(one["priority"].as_i64().unwrap_or_default() > 0);
        column(&text("name"), priority, move |object| match object.pointer(&pointer) {
            Some(Value::String(moment)) if is_date => age(moment).into(),
            Some(value) => value.clone(),
            None => Value::Null,
        })
    };
    defined.iter().map(named).collect()
}

fn size(object: &Value, field: &str) -> usize {
    object[field].as_object().map_or(0, serde_json::Map::len)
}

fn labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    joined(pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect())
}

fn of_template(object: &Value, field: &str) -> String {
    let containers = list(object, "/spec/template/spec/containers");
    joined(containers.iter().filter_map(|one| one[field].as_str()).map(str::to_owned).collect())
}

fn containers() -> Vec<Column> {
    vec![
        wide("Containers", |object| of_template(object, "name")),
        wide("Images", |object| of_template(object, "image")),
    ]
}

fn selector() -> Column {
    wide("Selector", |object| labels(&object["spec"]["selector"]["matchLabels"]))
}

fn ready(object: &Value) -> String {
    format!("{}/{}", count(object, "/status/readyReplicas"), count(object, "/spec/replicas"))
}

fn deployments() -> Vec<Column> {
    let own = vec![
        shown("Ready", ready),
        shown("Up-to-date", |object| count(object, "/status/updatedReplicas").to_string()),
        shown("Available", |object| count(object, "/status/availableReplicas").to_string()),
        shown("Age", age_of),
    ];
    [own, containers(), vec![selector()]].concat_columns()
}

fn replica_sets() -> Vec<Column> {
    let own = vec![
        number("Desired", "/spec/replicas"),
        number("Current", "/status/replicas"),
        number("Ready", "/status/readyReplicas"),
        shown("Age", age_of),
    ];
    [own, containers(), vec![selector()]].concat_columns()
}

fn daemon_sets() -> Vec<Column> {
    let own = vec![
        number("Desired", "/status/desiredNumberScheduled"),
        number("Current", "/status/currentNumberScheduled"),
        number("Ready", "/status/numberReady"),
        number("Up-to-date", "/status/updatedNumberScheduled"),
        number("Available", "/status/numberAvailable"),
        shown("Node Selector", |object| labels(&object["spec"]["template"]["spec"]["nodeSelector"])),
        shown("Age", age_of),
    ];
    [own, containers(), vec![selector()]].concat_columns()
}

fn revisions() -> Vec<Column> {
    let owner = |object: &Value| match list(object, "/metadata/ownerReferences").first() {
        Some(owner) => format!("{}.apps/{}", at(owner, "/kind").to_lowercase(), at(owner, "/name")),
        None => "<none>".to_owned(),
    };
    vec![shown("Controller", owner), place("Revision", "/revision"), shown("Age", age_of)]
}

fn jobs() -> Vec<Column> {
    let has = |object: &Value, kind: &str| {
        list(object, "/status/conditions").iter().any(|one| one["type"] == kind && one["status"] == "True")
    };
    let status = move |object: &Value| {
        let conditions = [
            ("Complete", "Complete"),
            ("Failed", "Failed"),
            ("Suspended", "Suspended"),
            ("FailureTarget", "FailureTarget"),
        ];
        let found = conditions.iter().find(|(kind, _)| has(object, kind));
        found.map_or("Running", |(_, shown)| shown).to_owned()
    };
    let took = |object: &Value| {
        let moment = |pointer: &str| object.pointer(pointer)?.as_str()?.parse::<jiff::Timestamp>().ok();
        let Some(from) = moment("/status/startTime") else { return String::new() };
        let to = moment("/status/completionTime").unwrap_or_else(jiff::Timestamp::now);
        duration(to.as_second() - from.as_second())
    };
    let completions = |object: &Value| {
        let wanted = object["spec"]["completions"].as_i64().unwrap_or(1);
        format!("{}/{wanted}", count(object, "/status/succeeded"))
    };
    let own = vec![
        shown("Status", status),
        shown("Completions", completions),
        shown("Duration", took),
        shown("Age", age_of),
    ];
    [own, containers(), vec![selector()]].concat_columns()
}

fn cron_jobs() -> Vec<Column> {
    vec![
        place("Schedule", "/spec/schedule"),
        place("Timezone", "/spec/timeZone"),
        shown("Suspend", |object| {
            if object["spec"]["suspend"] == true { "True".to_owned() } else { "False".to_owned() }
        }),
        column("Active", 0, |object| json!(list(object, "/status/active").len())),
        shown("Last Schedule", |object| {
            object["status"]["lastScheduleTime"].as_str().map_or_else(|| "<none>".to_owned(), age)
        }),
        shown("Age", age_of),
    ]
}

fn pods() -> Vec<Column> {
    let readiness = |object: &Value| {
        let statuses = list(object, "/status/containerStatuses");
        let ready = statuses.iter().filter(|one| one["ready"] == true).count();
        format!("{ready}/{}", list(object, "/spec/containers").len())
    };
    vec![
        shown("Ready", readiness),
        shown("Status", pod_status),
        shown("Restarts", restarts),
        shown("Age", age_of),
        wide("IP", |object| at(object, "/status/podIP")),
        wide("Node", |object| at(object, "/spec/nodeName")),
        wide("Nominated Node", |object| at(object, "/status/nominatedNodeName")),
        wide("Readiness Gates", |_| "<none>".to_owned()),
    ]
}

/// What `kubectl get pods` says in its column `STATUS`: the reason that tells most.
fn pod_status(pod: &Value) -> String {
    let mut status = at(pod, "/status/reason").replace("<none>", "");
    if status.is_empty() {
        status = at(pod, "/status/phase");
    }
    let wanted = list(pod, "/spec/initContainers").len();
    for (index, container) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
        let state = &container["state"];
        let ended = &state["terminated"];
        if ended["exitCode"] == 0 || container["started"] == true {
            continue;
        }
        let why = reason(ended).or_else(|| waiting(state).filter(|reason| reason != "PodInitializing"));
        return deleted(
            pod,
            &why.map_or_else(|| format!("Init:{index}/{wanted}"), |why| format!("Init:{why}")),
        );
    }
    for container in list(pod, "/status/containerStatuses").iter().rev() {
        let state = &container["state"];
        if let Some(why) = waiting(state).or_else(|| reason(&state["terminated"])) {
            status = why;
        }
    }
    let has_running = list(pod, "/status/containerStatuses").iter().any(|one| one["ready"] == true);
    if status == "Completed" && has_running {
        "Running".clone_into(&mut status);
    }
    deleted(pod, &status)
}

fn deleted(pod: &Value, status: &str) -> String {
    if meta::text(pod, "deletionTimestamp").is_empty() { status.to_owned() } else { "Terminating".to_owned() }
}

fn waiting(state: &Value) -> Option<String> {
    state["waiting"]["reason"].as_str().filter(|reason| !reason.is_empty()).map(str::to_owned)
}

fn reason(ended: &Value) -> Option<String> {
    if ended.is_null() {
        return None;
    }
    let named = ended["reason"].as_str().filter(|reason| !reason.is_empty()).map(str::to_owned);
    Some(named.unwrap_or_else(|| format!("ExitCode:{}", ended["exitCode"])))
}

fn restarts(pod: &Value) -> String {
    let statuses = list(pod, "/status/containerStatuses");
    let total: i64 = statuses.iter().map(|one| count(one, "/restartCount")).sum();
    let ends = statuses.iter().filter_map(|one| one["lastState"]["terminated"]["finishedAt"].as_str());
    match ends.max().filter(|_| total > 0) {
        Some(last) => format!("{total} ({} ago)", age(last)),
        None => total.to_string(),
    }
}

fn services() -> Vec<Column> {
    let ports = |object: &Value| {
        let port = |port: &Value| match port["nodePort"].as_u64() {
            Some(node) => format!("{}:{node}/{}", port["port"], at(port, "/protocol")),
            None => format!("{}/{}", port["port"], at(port, "/protocol")),
        };
        joined(list(object, "/spec/ports").iter().map(port).collect())
    };
    let external = |object: &Value| match object["spec"]["type"].as_str() {
        Some("ExternalName") => at(object, "/spec/externalName"),
        Some("LoadBalancer") => {
            let addresses = list(object, "/status/loadBalancer/ingress").iter();
            let shown: Vec<String> = addresses
                .filter_map(|one| one["ip"].as_str().or(one["hostname"].as_str()))
                .map(str::to_owned)
                .collect();
            if shown.is_empty() { "<pending>".to_owned() } else { shown.join(",") }
        }
        _ => "<none>".to_owned(),
    };
    vec![
        place("Type", "/spec/type"),
        place("Cluster-IP", "/spec/clusterIP"),
        shown("External-IP", external),
        shown("Port(s)", ports),
        shown("Age", age_of),
        wide("Selector", |object| labels(&object["spec"]["selector"])),
    ]
}

fn nodes() -> Vec<Column> {
    let status = |object: &Value| {
        let ready = list(object, "/status/conditions").iter().find(|one| one["type"] == "Ready");
        let ready = match ready.and_then(|one| one["status"].as_str()) {
            Some("True") => "Ready",
            Some("False") => "NotReady",
            _ => "Unknown",
        };
        if object["spec"]["unschedulable"] == true {
            format!("{ready},SchedulingDisabled")
        } else {
            ready.to_owned()
        }
    };
    let address = |object: &Value| {
        let addresses = list(object, "/status/addresses").iter();
        addresses
            .filter(|one| one["type"] == "InternalIP")
            .map(|one| at(one, "/address"))
            .next()
            .unwrap_or_default()
    };
    vec![
        shown("Status", status),
        shown("Roles", |_| "<none>".to_owned()),
        shown("Age", age_of),
        place("Version", "/status/nodeInfo/kubeletVersion"),
        wide("Internal-IP", address),
    ]
}

fn modes(object: &Value) -> String {
    let modes: BTreeSet<&str> = list(object, "/spec/accessModes").iter().filter_map(Value::as_str).collect();
    let short = |mode: &str| match mode {
        "ReadWriteOnce" => "RWO".to_owned(),
        "ReadOnlyMany" => "ROX".to_owned(),
        "ReadWriteMany" => "RWX".to_owned(),
        "ReadWriteOncePod" => "RWOP".to_owned(),
        other => other.to_owned(),
    };
    modes.into_iter().map(short).collect::<Vec<_>>().join(",")
}

/// What stands at a place, or nothing.
fn or_nothing(name: &str, pointer: &'static str) -> Column {
    shown(name, move |object| at(object, pointer).replace("<none>", ""))
}

fn volumes() -> Vec<Column> {
    let claim = |object: &Value| match object["spec"]["claimRef"]["name"].as_str() {
        Some(name) => format!("{}/{name}", at(object, "/spec/claimRef/namespace")),
        None => String::new(),
    };
    vec![
        or_nothing("Capacity", "/spec/capacity/storage"),
        shown("Access Modes", modes),
        or_nothing("Reclaim Policy", "/spec/persistentVolumeReclaimPolicy"),
        or_nothing("Status", "/status/phase"),
        shown("Claim", claim),
        or_nothing("StorageClass", "/spec/storageClassName"),
        shown("VolumeAttributesClass", |_| "<unset>".to_owned()),
        or_nothing("Reason", "/status/reason"),
        shown("Age", age_of),
    ]
}

fn claims() -> Vec<Column> {
    let status = |object: &Value| {
        if meta::text(object, "deletionTimestamp").is_empty() {
            at(object, "/status/phase")
        } else {
            "Terminating".to_owned()
        }
    };
    vec![
        shown("Status", status),
        or_nothing("Volume", "/spec/volumeName"),
        or_nothing("Capacity", "/status/capacity/storage"),
        shown("Access Modes", |object| {
            if object["spec"].get("volumeName").is_some() { modes(object) } else { String::new() }
        }),
        or_nothing("StorageClass", "/spec/storageClassName"),
        shown("VolumeAttributesClass", |_| "<unset>".to_owned()),
        shown("Age", age_of),
        wide("VolumeMode", |object| at(object, "/spec/volumeMode")),
    ]
}

fn quota(object: &Value) -> String {
    let hard = object["spec"]["hard"].as_object().into_iter().flatten();
    let line = |(name, limit): (&String, &Value)| {
        let used = object["status"]["used"].get(name).and_then(Value::as_str).unwrap_or("0");
        format!("{name}: {used}/{}", limit.as_str().map_or_else(|| limit.to_string(), str::to_owned))
    };
    hard.map(line).collect::<Vec<_>>().join(", ")
}

fn endpoints(object: &Value) -> String {
    let subset = |subset: &Value| -> Vec<String> {
        let ports: Vec<String> = list(subset, "/ports").iter().map(|port| port["port"].to_string()).collect();
        let addresses = list(subset, "/addresses").iter();
        addresses.flat_map(|one| ports.iter().map(move |port| format!("{}:{port}", at(one, "/ip")))).collect()
    };
    joined(list(object, "/subsets").iter().flat_map(subset).collect())
}

fn slice_ports(object: &Value) -> String {
    joined(list(object, "/ports").iter().map(|port| port["port"].to_string()).collect())
        .replace("<none>", "<unset>")
}

fn slice_addresses(object: &Value) -> String {
    let addresses = list(object, "/endpoints").iter().flat_map(|one| list(one, "/addresses"));
    joined(addresses.filter_map(Value::as_str).map(str::to_owned).collect()).replace("<none>", "<unset>")
}

fn classes() -> Vec<Column> {
    let name = |object: &Value| {
        let is_default =
            object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
        format!("{}{}", meta::text(object, "name"), if is_default { " (default)" } else { "" })
    };
    vec![
        shown("Name", name),
        place("Provisioner", "/provisioner"),
        place("ReclaimPolicy", "/reclaimPolicy"),
        place("VolumeBindingMode", "/volumeBindingMode"),
        column("AllowVolumeExpansion", 0, |object| json!(object["allowVolumeExpansion"] == true)),
        shown("Age", age_of),
    ]
}

fn ingresses() -> Vec<Column> {
    let hosts = |object: &Value| {
        let hosts =
            list(object, "/spec/rules").iter().filter_map(|rule| rule["host"].as_str()).map(str::to_owned);
        let hosts: Vec<String> = hosts.collect();
        if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") }
    };
    let ports = |object: &Value| {
        if object["spec"].get("tls").is_some() { "80, 443".to_owned() } else { "80".to_owned() }
    };
    vec![
        place("Class", "/spec/ingressClassName"),
        shown("Hosts", hosts),
        or_nothing("Address", "/status/loadBalancer/ingress/0/ip"),
        shown("Ports", ports),
        shown("Age", age_of),
    ]
}

fn events() -> Vec<Column> {
    let moment = |object: &Value, field: &str| {
        let text = object[field].as_str().or(object["eventTime"].as_str());
        text.map_or_else(|| age_of(object), age)
    };
    let about = |object: &Value| {
        format!(
            "{}/{}",
            at(object, "/involvedObject/kind").to_lowercase(),
            at(object, "/involvedObject/name")
        )
    };
    vec![
        shown("Last Seen", move |object| moment(object, "lastTimestamp")),
        or_nothing("Type", "/type"),
        or_nothing("Reason", "/reason"),
        shown("Object", about),
        wide("Source", |object| at(object, "/source/component")),
        shown("Message", |object| object["message"].as_str().unwrap_or_default().trim().to_owned()),
        wide("First Seen", move |object| moment(object, "firstTimestamp")),
        column("Count", 1, |object| object.get("count").cloned().unwrap_or_else(|| json!(1))),
        column("Name", 1, |object| object["metadata"]["name"].clone()),
    ]
}
