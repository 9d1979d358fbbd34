//! Certificates of load balancers: uploaded, or asked of an authority.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::table::{Meta, resource};
use super::{Answer, Project, new_name};
use crate::actions::{Ending, Start};
use crate::clock::later;
use crate::form::{self, Body};
use crate::kind::{Id, Kind};
use crate::problem::Problem;
use crate::time::written;
use crate::x509;

/// How long an issued certificate is valid, as Let's Encrypt has it.
const VALIDITY: Duration = Duration::from_hours(90 * 24);

/// A certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    meta: Meta,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Uploaded { pem: String, read: x509::Certificate },
    Managed { names: Vec<String>, issuance: Issuance },
}

#[derive(Debug)]
enum Issuance {
    Pending,
    Completed(Timestamp),
    Failed(String),
}

resource!(Certificate, Certificate, view);

fn view(certificate: &Certificate, project: &Project) -> Value {
    let id = certificate.meta.id;
    let used_by: Vec<Value> = project
        .balancers_with(id)
        .into_iter()
        .map(|balancer| json!({"id": balancer, "type": "load_balancer"}))
        .collect();
    let mut view = json!({
        "id": id,
        "name": certificate.meta.name,
        "labels": certificate.meta.labels,
        "created": written(certificate.meta.created),
        "used_by": used_by,
    });
    let of_origin = match &certificate.origin {
        Origin::Uploaded { pem, read } => json!({
            "type": "uploaded",
            "certificate": pem,
            "not_valid_before": written(read.not_before),
            "not_valid_after": written(read.not_after),
            "domain_names": read.names,
            "fingerprint": read.fingerprint,
            "status": null,
        }),
        Origin::Managed { names, issuance } => managed(names, issuance),
    };
    for (key, value) in of_origin.as_object().into_iter().flatten() {
        view[key] = value.clone();
    }
    view
}

fn managed(names: &[String], issuance: &Issuance) -> Value {
    let (word, renewal, issued, error) = match issuance {
        Issuance::Pending => ("pending", "unavailable", None, None),
        Issuance::Completed(at) => ("completed", "scheduled", Some(*at), None),
        Issuance::Failed(code) => {
            ("failed", "unavailable", None, Some(json!({"code": code, "message": "the authority refused"})))
        }
    };
    json!({
        "type": "managed",
        // There is no authority behind the emulator: nothing could be done with what it would issue.
        "certificate": issued.map(|_| "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
        "not_valid_before": issued.map(written),
        "not_valid_after": issued.map(|at| written(later(at, VALIDITY))),
        "domain_names": names,
        "fingerprint": issued.map(|_| vec!["00"; 20].join(":")),
        "status": {"issuance": word, "renewal": renewal, "error": error},
    })
}

/// What `POST /certificates` asks for.
enum Wish {
    Uploaded { pem: String, read: Option<x509::Certificate> },
    Managed { names: Vec<String> },
}

impl Wish {
    fn read(form: &mut form::Form<'_>) -> Self {
        let managed = form.word_or_none("type", &[("uploaded", false), ("managed", true)]).unwrap_or(false);
        let (names, pem, key) =
            (form.texts("domain_names"), form.text_or_none("certificate"), form.text_or_none("private_key"));
        if managed {
            if pem.is_some() || key.is_some() {
                form.problem("certificate", "belongs to uploaded certificates, and so does `private_key`");
            }
            return Self::Managed { names: form.required("domain_names", names).unwrap_or_default() };
        }
        if names.is_some() {
            form.problem("domain_names", "belongs to managed certificates");
        }
        let key = form.required("private_key", key).unwrap_or_default();
        if !key.is_empty() && !key.contains("PRIVATE KEY-----") {
            form.problem("private_key", "is not a private key in PEM");
        }
        let pem = form.required("certificate", pem).unwrap_or_default();
        let read = x509::Certificate::parse(&pem);
        if read.is_none() && !pem.is_empty() {
            form.problem("certificate", "is not a certificate in PEM");
        }
        Self::Uploaded { pem, read }
    }
}

impl Project {
    pub(super) fn create_certificate(&mut self, body: &Body) -> Result<Answer, Problem> {
        let (name, labels, wish) =
            form::read(body, |form| (new_name(form), form.labels(), Wish::read(form)))?;
        self.certificates.refuse_name(&name, None)?;
        let meta = self.meta(name, labels);
        let (origin, is_managed) = match wish {
            Wish::Uploaded { pem, read } => {
                (Origin::Uploaded { pem, read: read.expect("a form without it was refused") }, false)
            }
            Wish::Managed { names } => (Origin::Managed { names, issuance: Issuance::Pending }, true),
        };
        let id = self.certificates.insert(Certificate { meta, origin });
        let action = is_managed.then(|| self.start(issuing("create_certificate", id)));
        Ok(Answer::created(json!({
            "certificate": self.view(Kind::Certificate, id)?,
            "action": action.map(|action| self.action_view(action)),
        })))
    }

    pub(super) fn delete_certificate(&mut self, id: Id) -> Result<Answer, Problem> {
        self.certificates.get(id)?;
        if !self.balancers_with(id).is_empty() {
            return Err(Problem::refused("resource_in_use", "the certificate is used by a load balancer"));
        }
        self.certificates.remove(id);
        Ok(Answer::empty())
    }

    pub(super) fn command_certificate(
        &mut self,
        id: Id,
        command: &str,
        body: &Body,
    ) -> Result<Answer, Problem> {
        if command != "retry" {
            return Err(Problem::no_such_path());
        }
        form::read(body, |_| ())?;
        let certificate = self.certificates.get_mut(id)?;
        match &mut certificate.origin {
            Origin::Managed { issuance: issuance @ Issuance::Failed(_), .. } => *issuance = Issuance::Pending,
            _ => return Err(Problem::refused("unsupported_error", "the certificate has not failed")),
        }
        Ok(self.started(issuing("issue_certificate", id)))
    }
}

fn issuing(command: &'static str, id: Id) -> Start {
    Start::new(command, Kind::Certificate, id).finally(move |project, ending| {
        let now = project.now;
        project.certificates.change(id, |certificate| {
            if let Origin::Managed { issuance, .. } = &mut certificate.origin {
                *issuance = match ending {
                    Ending::Success => Issuance::Completed(now),
                    Ending::Error(code) => Issuance::Failed(code.clone()),
                };
            }
        });
    })
}
