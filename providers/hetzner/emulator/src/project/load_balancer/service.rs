//! Services of load balancers: ports, checks, HTTP. They are kept as answers show them.

use serde_json::{Map, Value, json};

use super::LoadBalancer;
use crate::form::Form;
use crate::problem::Problem;
use crate::project::Project;

const PROTOCOLS: &[(&str, &str)] = &[("tcp", "tcp"), ("http", "http"), ("https", "https")];
const CHECKS: &[(&str, &str)] = &[("tcp", "tcp"), ("http", "http")];

/// A service that is whole. What is left out is as the API has it by default.
pub(super) fn read(form: &mut Form<'_>) -> (u64, Value) {
    let (port, changes) = read_changes(form);
    let protocol = changes.get("protocol").and_then(Value::as_str).unwrap_or_default().to_owned();
    if protocol.is_empty() {
        form.problem("protocol", "is missing");
    }
    let usual = if protocol == "https" { 443 } else { 80 };
    let destination = changes.get("destination_port").and_then(Value::as_u64).unwrap_or(usual);
    let mut service = json!({
        "protocol": protocol,
        "listen_port": port,
        "destination_port": destination,
        "proxyprotocol": false,
        "health_check": {"protocol": "tcp", "port": destination, "interval": 15, "timeout": 10, "retries": 3},
    });
    if protocol != "tcp" {
        service["http"] = json!({
            "cookie_name": "HCLBSTICKY",
            "cookie_lifetime": 300,
            "certificates": [],
            "redirect_http": false,
            "sticky_sessions": false,
            "timeout_idle": 60,
        });
    } else if changes.contains_key("http") {
        form.problem("http", "belongs to services for http and https");
    }
    merge(&mut service, changes);
    (port, service)
}

/// What is said of a service: the port by which it is known, and what it is to have.
pub(super) fn read_changes(form: &mut Form<'_>) -> (u64, Map<String, Value>) {
    let mut changes = Map::new();
    if let Some(protocol) = form.word_or_none("protocol", PROTOCOLS) {
        changes.insert("protocol".to_owned(), protocol.into());
    }
    // Without a port, http listens on 80 and https on 443.
    let usual = match changes.get("protocol").and_then(Value::as_str) {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    let port = port(form, "listen_port").or(usual);
    let port = form.required("listen_port", port).unwrap_or_default();
    put(&mut changes, "destination_port", self::port(form, "destination_port"));
    put(&mut changes, "proxyprotocol", form.flag_or_none("proxyprotocol"));
    put(&mut changes, "health_check", form.within("health_check", health_check));
    put(&mut changes, "http", form.within("http", http));
    (port, changes)
}

fn health_check(form: &mut Form<'_>) -> Value {
    let mut check = Map::new();
    put(&mut check, "protocol", form.word_or_none("protocol", CHECKS));
    put(&mut check, "port", port(form, "port"));
    for (name, most) in [("interval", 60), ("timeout", 60), ("retries", 5)] {
        let number = form.number_or_none(name);
        if number.is_some_and(|number| number > most) {
            form.problem(name, format!("must be at most {most}"));
        }
        put(&mut check, name, number);
    }
    put(&mut check, "http", form.within("http", check_http));
    check.into()
}

fn check_http(form: &mut Form<'_>) -> Value {
    let mut http = Map::new();
    for name in ["domain", "path", "response"] {
        put(&mut http, name, form.text_or_none(name));
    }
    put(&mut http, "status_codes", form.texts("status_codes"));
    put(&mut http, "tls", form.flag_or_none("tls"));
    http.into()
}

fn http(form: &mut Form<'_>) -> Value {
    let mut http = Map::new();
    put(&mut http, "cookie_name", form.text_or_none("cookie_name"));
    put(&mut http, "cookie_lifetime", form.number_or_none("cookie_lifetime"));
    if form.has("certificates") {
        put(&mut http, "certificates", Some(form.ids("certificates")));
    }
    put(&mut http, "timeout_idle", form.number_or_none("timeout_idle"));
    put(&mut http, "redirect_http", form.flag_or_none("redirect_http"));
    put(&mut http, "sticky_sessions", form.flag_or_none("sticky_sessions"));
    http.into()
}

fn port<'a>(form: &mut Form<'a>, name: &'a str) -> Option<u64> {
    let port = form.number_or_none(name)?;
    if !(1..=65_535).contains(&port) {
        form.problem(name, "must be a port");
    }
    Some(port)
}

fn put<T: Into<Value>>(map: &mut Map<String, Value>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value.into());
    }
}

/// Writes changes into a service.
pub(super) fn merge(service: &mut Value, changes: Map<String, Value>) {
    overwrite(service, changes);
    let check = &mut service["health_check"];
    let given = check.as_object_mut().and_then(|check| check.remove("http"));
    if check["protocol"] == "http" {
        // An HTTP check asks for a path and knows which answers are well.
        let mut http = json!({
            "domain": null, "path": "/", "response": "", "status_codes": ["2??", "3??"], "tls": false
        });
        if let Some(Value::Object(given)) = given {
            overwrite(&mut http, given);
        }
        check["http"] = http;
    }
}

/// Writes fields over those that are there; of objects, those that are named.
fn overwrite(object: &mut Value, fields: Map<String, Value>) {
    for (name, value) in fields {
        match value {
            Value::Object(inner) if object[&name].is_object() => overwrite(&mut object[&name], inner),
            value => object[&name] = value,
        }
    }
}

impl Project {
    /// Refuses a service that a load balancer cannot have beside its others.
    pub(super) fn refuse_service(
        &self,
        balancer: &LoadBalancer,
        port: u64,
        service: &Value,
    ) -> Result<(), Problem> {
        if balancer.services.contains_key(&port) {
            let message = format!("source port {port} is already in use");
            return Err(Problem::precondition("source_port_already_used", message));
        }
        if balancer.services.len() >= balancer.kind.services {
            return Err(Problem::limit("load_balancer_service_limit", "no more services fit the type"));
        }
        self.refuse_certificates(service)
    }

    /// Refuses a service for https without a certificate, or with one that does not exist.
    pub(super) fn refuse_certificates(&self, service: &Value) -> Result<(), Problem> {
        let certificates: Vec<u64> = service["http"]["certificates"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect();
        if service["protocol"] == "https" && certificates.is_empty() {
            return Err(Problem::invalid_field("http.certificates", "is missing"));
        }
        certificates.iter().try_for_each(|id| self.certificates.get(*id).map(drop))
    }
}
