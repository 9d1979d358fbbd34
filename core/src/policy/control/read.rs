//! From the tree of the file to the typed policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::{
    ApprovalPolicy, Conflicts, DEFAULT_PROD_TIMEOUT, DEFAULT_TIMEOUT, DeployControl, EnvironmentPolicy,
    GlobalPolicy, PROTECTED_KINDS, Protected, Recreate, ServicePolicy, parity, windows,
};
use crate::diagnosis::Cause;
use crate::document::Node;
use crate::document::section::{Reader, Section};
use crate::name::{EnvironmentName, ServiceName};
use crate::policy::problem::{Placed, Problems};
use crate::policy::window::DeploymentWindows;

const ENVIRONMENT_KEYS: [&str; 9] = [
    "enabled",
    "auto_deploy",
    "require_manual_approval",
    "deployment_windows",
    "services",
    "provider",
    "branch",
    "timeout",
    "approval",
];

const SERVICE_KEYS: [&str; 9] = [
    "enabled",
    "auto_deploy",
    "require_approval",
    "rollback_on_failure",
    "conflicts",
    "prune",
    "protect",
    "recreate",
    "patience",
];

pub(super) fn deploy_control(file: &str, text: &str) -> Result<DeployControl, Problems> {
    let (mut reader, root) = Reader::open(file, text);
    let control = root.and_then(|root| {
        let control = reader.deploy_control(file, &root);
        parity::check(&mut reader, &root);
        control
    });
    reader.close(control)
}

impl Reader<'_> {
    fn deploy_control(&mut self, file: &str, root: &Node) -> Option<DeployControl> {
        let section = self.section(root, "the file", &["global", "environments"])?;
        let global = self.required(&section, "global").and_then(|node| self.global(node));
        let environments = self.required(&section, "environments").and_then(|node| self.environments(node));
        Some(DeployControl { file: file.to_owned(), global: global?, environments: environments? })
    }

    fn global(&mut self, node: &Node) -> Option<GlobalPolicy> {
        let section = self.section(node, "`global`", &["auto_deploy"])?;
        Some(GlobalPolicy { auto_deploy: self.needed(&section, "auto_deploy", Self::truth)? })
    }

    fn environments(&mut self, node: &Node) -> Option<BTreeMap<EnvironmentName, EnvironmentPolicy>> {
        let section = self.names(node, "`environments`")?;
        if section.entries().is_empty() {
            return self.refuse(node, "`environments`", "one environment or more", "add one, such as `dev:`");
        }
        self.named(&section, |reader, name: &EnvironmentName, node| reader.environment(name, node))
    }

    /// Every entry of a section whose keys are names; `None` if one of them has a problem.
    fn named<'n, N: FromStr<Err: Display> + Ord, T>(
        &mut self,
        section: &Section<'n>,
        mut read: impl FnMut(&mut Self, &N, &'n Node) -> Option<T>,
    ) -> Option<BTreeMap<N, T>> {
        let mut entries = Vec::new();
        for entry in section.entries() {
            let key = &entry.key;
            let name: Option<N> = key
                .value
                .parse()
                .map_err(|error: N::Err| {
                    self.report(key.place, key.value.chars().count(), error.to_string(), None);
                })
                .ok();
            entries.push(name.and_then(|name| read(self, &name, &entry.value).map(|value| (name, value))));
        }
        entries.into_iter().collect()
    }

    fn environment(&mut self, name: &EnvironmentName, node: &Node) -> Option<EnvironmentPolicy> {
        let section = self.section(node, &format!("environment `{name}`"), &ENVIRONMENT_KEYS)?;
        let is_prod = name.as_str() == "prod";
        let branch = if is_prod { "main" } else { name.as_str() }.to_owned();
        let timeout = if is_prod { DEFAULT_PROD_TIMEOUT } else { DEFAULT_TIMEOUT };

        let provider = self
            .optional(&section, "provider", None, |reader, node, what| reader.parsed(node, what).map(Some));
        let branch = self.optional(&section, "branch", branch, Self::branch);
        let timeout = self.optional(&section, "timeout", timeout, Self::duration);
        let enabled = self.needed(&section, "enabled", Self::truth);
        let auto_deploy = self.needed(&section, "auto_deploy", Self::truth);
        let require_manual_approval = self.needed(&section, "require_manual_approval", Self::truth);
        let deployment_windows = self.windows(&section);
        let approval = self.approval(&section);
        let services = self.services(&section);
        Some(EnvironmentPolicy {
            provider: provider.map(|Placed { value, place }| value.map(|name| Placed::new(name, place)))?,
            branch: branch?,
            timeout: timeout?,
            enabled: enabled?,
            auto_deploy: auto_deploy?,
            require_manual_approval: require_manual_approval?,
            deployment_windows: deployment_windows?,
            approval: approval?,
            services: services?,
        })
    }

    /// A branch by its short name. Only what could never be one is refused; Git says the rest.
    fn branch(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        if text.contains(char::is_whitespace) || text.starts_with("refs/") {
            return self.refuse(node, what, "the short name of a branch", "write it as in `main`");
        }
        Some(text.to_owned())
    }

    fn windows(&mut self, environment: &Section<'_>) -> Option<DeploymentWindows> {
        let node = self.required(environment, "deployment_windows")?;
        windows::read(self, node, &environment.key("deployment_windows"))
    }

    fn approval(&mut self, environment: &Section<'_>) -> Option<ApprovalPolicy> {
        let Some(node) = environment.get("approval") else {
            let place = environment.place;
            return Some(ApprovalPolicy {
                approvers: Placed::new(BTreeSet::new(), place),
                count: Placed::new(1, place),
                allow_self: Placed::new(false, place),
            });
        };
        let known = ["approvers", "count", "allow_self"];
        let section = self.section(node, &environment.key("approval"), &known)?;
        let approvers = self.optional(&section, "approvers", BTreeSet::new(), Self::approvers);
        let count = self.optional(&section, "count", 1, Self::count);
        let allow_self = self.optional(&section, "allow_self", false, Self::truth);
        let approval = ApprovalPolicy { approvers: approvers?, count: count?, allow_self: allow_self? };
        let (count, listed) = (approval.count.value, approval.approvers.value.len());
        if listed > 0 && listed < count {
            let message = format!("{} asks for {count} approvals of {listed} approvers", section.what);
            self.report(
                approval.count.place,
                1,
                message,
                Some("name more approvers, or lower `count`".to_owned()),
            );
        }
        Some(approval)
    }

    fn approvers(&mut self, node: &Node, what: &str) -> Option<BTreeSet<String>> {
        let names = self
            .list(node, what, 100, |reader, item, what| reader.text(item, &format!("an entry of {what}")))?;
        if names.is_empty() {
            let hint = "leave the key out, and everyone with the approver's role may approve";
            return self.refuse(node, what, "one name or more", hint);
        }
        Some(names.into_iter().map(str::to_owned).collect())
    }

    fn services(&mut self, environment: &Section<'_>) -> Option<BTreeMap<ServiceName, ServicePolicy>> {
        let node = self.required(environment, "services")?;
        let section = self.names(node, &environment.key("services"))?;
        self.named(&section, |reader, name: &ServiceName, node| {
            reader.service(node, &format!("service `{name}` of {}", environment.what))
        })
    }

    fn service(&mut self, node: &Node, what: &str) -> Option<ServicePolicy> {
        const CONFLICTS: [(&str, Conflicts); 2] = [("take", Conflicts::Take), ("refuse", Conflicts::Refuse)];
        const RECREATE: [(&str, Recreate); 2] = [("refuse", Recreate::Refuse), ("allow", Recreate::Allow)];
        let section = self.section(node, what, &SERVICE_KEYS)?;
        let enabled = self.needed(&section, "enabled", Self::truth);
        let auto_deploy = self.needed(&section, "auto_deploy", Self::truth);
        let require_approval = self.needed(&section, "require_approval", Self::truth);
        let rollback_on_failure = self.needed(&section, "rollback_on_failure", Self::truth);
        let conflicts = self.optional(&section, "conflicts", Conflicts::Take, |reader, node, what| {
            reader.choice(node, what, &CONFLICTS)
        });
        let prune = self.optional(&section, "prune", true, Self::truth);
        let protect = self.optional(&section, "protect", protected_by_default(), Self::protect);
        let recreate = self.optional(&section, "recreate", Recreate::Refuse, |reader, node, what| {
            reader.choice(node, what, &RECREATE)
        });
        let patience = self.patience(&section);
        Some(ServicePolicy {
            enabled: enabled?,
            auto_deploy: auto_deploy?,
            require_approval: require_approval?,
            rollback_on_failure: rollback_on_failure?,
            conflicts: conflicts?,
            prune: prune?,
            protect: protect?,
            recreate: recreate?,
            patience: patience?,
        })
    }

    fn protect(&mut self, node: &Node, what: &str) -> Option<BTreeSet<Protected>> {
        let entries = self.list(node, what, 100, |reader, item, what| {
            let what = format!("an entry of {what}");
            let text = reader.text(item, &what)?;
            match protected(text) {
                Some(protected) => Some(protected),
                None => reader.refuse(
                    item,
                    &what,
                    "a kind, or a kind and a name",
                    "write it as in `Secret` or `Secret/licence`",
                ),
            }
        })?;
        Some(entries.into_iter().collect())
    }

    fn patience(&mut self, service: &Section<'_>) -> Option<BTreeMap<Cause, Placed<Duration>>> {
        let Some(node) = service.get("patience") else { return Some(BTreeMap::new()) };
        let causes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.word()).collect();
        let section = self.section(node, &service.key("patience"), &causes)?;
        let durations =
            section.entries().iter().filter_map(|entry| Some((entry.key.value.parse().ok()?, &entry.value)));
        let entries: Vec<_> = durations
            .map(|(cause, node): (Cause, _)| {
                let duration = self.duration(node, &section.key(cause.word()))?;
                Some((cause, Placed::new(duration, node.place)))
            })
            .collect();
        entries.into_iter().collect()
    }
}

fn protected_by_default() -> BTreeSet<Protected> {
    PROTECTED_KINDS.iter().map(|kind| Protected { kind: (*kind).to_owned(), name: None }).collect()
}

fn protected(text: &str) -> Option<Protected> {
    let (kind, name) = text.split_once('/').map_or((text, None), |(kind, name)| (kind, Some(name)));
    let is_kind = kind.starts_with(|first: char| first.is_ascii_uppercase())
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    (is_kind && name.is_none_or(is_name))
        .then(|| Protected { kind: kind.to_owned(), name: name.map(str::to_owned) })
}
