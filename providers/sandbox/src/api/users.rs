//! Who asks, and what they may do.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::problem::Problem;
use crate::objects::kinds::{CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING};
use crate::objects::{Objects, Resource, meta};

/// Somebody whose token is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum User {
    /// May do everything: whose token the kubeconfig has.
    Administrator,
    /// May do what roles allow.
    ServiceAccount { namespace: String, name: String },
}

/// What somebody wants to do.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) verb: &'a str,
    /// Group and plural.
    pub(crate) resource: Resource,
    pub(crate) subresource: Option<&'a str>,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

/// The tokens of a cluster.
pub(crate) struct Users {
    administrator: SecretString,
    issued: Mutex<HashMap<String, User>>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}

/// 256 random bits, as text.
pub(crate) fn new_token() -> SecretString {
    let bytes: [u8; 32] = meta::random();
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")).into()
}

impl Users {
    pub(crate) fn new(administrator: SecretString) -> Self {
        Self { administrator, issued: Mutex::default() }
    }

    /// Whose token this is.
    pub(crate) fn find(&self, token: &str) -> Option<User> {
        if is_same(token, self.administrator.expose_secret()) {
            return Some(User::Administrator);
        }
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// A token for a service account.
    pub(crate) fn issue(&self, namespace: &str, name: &str) -> SecretString {
        let token = new_token();
        let user = User::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() };
        self.issued
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.expose_secret().to_owned(), user);
        token
    }
}

/// Compares without telling by the time it takes where two texts differ.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && differences == 0
}

impl User {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Administrator => "sandbox-administrator".to_owned(),
            Self::ServiceAccount { namespace, name } => format!("system:serviceaccount:{namespace}:{name}"),
        }
    }

    /// The groups it belongs to.
    pub(crate) fn groups(&self) -> Vec<String> {
        let own = match self {
            Self::Administrator => vec!["system:masters".to_owned()],
            Self::ServiceAccount { namespace, .. } => {
                vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
            }
        };
        own.into_iter().chain(["system:authenticated".to_owned()]).collect()
    }

    /// Fails unless roles allow it (RBAC: what no rule allows is forbidden).
    pub(crate) fn check(&self, objects: &Objects, attempt: &Attempt<'_>) -> Result<(), Problem> {
        let Self::ServiceAccount { .. } = self else { return Ok(()) };
        if self.rules(objects, attempt.namespace).iter().any(|rule| allows(rule, attempt)) {
            return Ok(());
        }
        let scope = match attempt.namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let why = format!(
            "User {:?} cannot {} resource {:?} in API group {:?} {scope}",
            self.name(),
            attempt.verb,
            resource(attempt),
            attempt.resource.group
        );
        Err(Problem::forbidden(&attempt.resource, attempt.name.unwrap_or_default(), &why))
    }

    /// The rules of every role that is bound to this user, in a namespace and for the whole cluster.
    pub(crate) fn rules(&self, objects: &Objects, namespace: Option<&str>) -> Vec<Value> {
        if *self == Self::Administrator {
            return vec![json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})];
        }
        let everywhere = objects.list(&CLUSTER_ROLE_BINDING, None).items;
        let here =
            namespace.map_or_else(Vec::new, |namespace| objects.list(&ROLE_BINDING, Some(namespace)).items);
        let bindings = everywhere.iter().chain(&here).filter(|binding| self.is_subject_of(binding));
        let roles = bindings.filter_map(|binding| {
            let role = binding["roleRef"]["name"].as_str()?;
            match binding["roleRef"]["kind"].as_str()? {
                "ClusterRole" => objects.get(&CLUSTER_ROLE, None, role),
                _ => objects.get(&ROLE, namespace, role),
            }
        });
        roles.flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default()).collect()
    }

    fn is_subject_of(&self, binding: &Value) -> bool {
        let Self::ServiceAccount { namespace, name } = self else { return false };
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        subjects.into_iter().any(|subject| match subject["kind"].as_str() {
            Some("ServiceAccount") => {
                subject["name"] == name.as_str() && subject["namespace"] == namespace.as_str()
            }
            Some("User") => subject["name"] == self.name(),
            Some("Group") => self.groups().iter().any(|group| subject["name"] == group.as_str()),
            _ => false,
        })
    }
}

fn resource(attempt: &Attempt<'_>) -> String {
    match attempt.subresource {
        Some(subresource) => format!("{}/{subresource}", attempt.resource.plural),
        None => attempt.resource.plural.to_string(),
    }
}

fn allows(rule: &Value, attempt: &Attempt<'_>) -> bool {
    let lists = |field: &str, wanted: &str| {
        rule[field].as_array().is_some_and(|list| list.iter().any(|one| one == wanted || one == "*"))
    };
    // `*/scale`: that part of every kind.
    let everywhere = attempt.subresource.map(|part| format!("*/{part}")).unwrap_or_default();
    let names = rule["resourceNames"].as_array();
    let is_named =
        names.is_none_or(|names| attempt.name.is_some_and(|name| names.iter().any(|one| one == name)));
    lists("verbs", attempt.verb)
        && lists("apiGroups", &attempt.resource.group)
        && (lists("resources", &resource(attempt)) || lists("resources", &everywhere))
        && is_named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kinds::{CONFIG_MAP, NAMESPACE};

    #[test]
    fn a_service_account_may_do_what_roles_allow() {
        let objects = Objects::new();
        objects.create(&NAMESPACE, json!({"metadata": {"name": "shop"}})).unwrap();
        let role = json!({"metadata": {"name": "r", "namespace": "shop"},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]});
        objects.create(&ROLE, role).unwrap();
        let binding = json!({"metadata": {"name": "b", "namespace": "shop"}, "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "shop"}]});
        objects.create(&ROLE_BINDING, binding).unwrap();
        let robot = User::ServiceAccount { namespace: "shop".to_owned(), name: "robot".to_owned() };
        let check = |verb, namespace| {
            let resource = CONFIG_MAP.resource();
            let attempt = Attempt { verb, resource, subresource: None, namespace, name: Some("c") };
            robot.check(&objects, &attempt).map_err(|problem| problem.message)
        };
        assert_eq!(check("get", Some("shop")), Ok(()));
        let words = "configmaps \"c\" is forbidden: User \"system:serviceaccount:shop:robot\" cannot delete resource \"configmaps\" \
                     in API group \"\" in the namespace \"shop\"";
        assert_eq!(check("delete", Some("shop")), Err(words.to_owned()));
        assert!(check("get", None).is_err());
    }
}
