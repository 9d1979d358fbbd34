//! The pages of `windlass explain`: one for each word that an error, a hold or a cause of a failed rollout has, and one for each lint.
//!
//! They are files of `docs/reference/errors` and `docs/reference/lints`, compiled in. A test holds words and pages together.

use std::fmt::Write as _;

use windlass_core::diagnosis::{Allowance, Cause, Patience};

use crate::lints::{self, LINTS};

macro_rules! pages {
    ($($word:literal,)*) => {
        /// Every word with its page, in the order of the words.
        const PAGES: &[(&str, &str)] =
            &[$(($word, include_str!(concat!("../../docs/reference/errors/", $word, ".md")))),*];
    };
}

pages! {
    "admission_refused",
    "already_serving",
    "already_there",
    "approval_missing",
    "approval_rejected",
    "busy",
    "cancelled",
    "cannot_listen",
    "changed_meanwhile",
    "cluster_auto_deploy_off",
    "cluster_config_invalid",
    "cluster_failed",
    "cluster_not_made",
    "cluster_not_ready",
    "cluster_refused",
    "cluster_unknown",
    "command_cannot_start",
    "commit_barred",
    "config_invalid",
    "configuration_missing",
    "container_not_created",
    "crash",
    "deadline_exceeded",
    "decided",
    "empty_release",
    "environment_auto_deploy_off",
    "environment_disabled",
    "environment_unknown",
    "event_invalid",
    "exits_with_zero",
    "expired",
    "field_conflict",
    "file_unreadable",
    "forbidden",
    "frozen",
    "github_refused",
    "github_token_missing",
    "gone",
    "healthy_then_not",
    "held_too_long",
    "hook_unknown",
    "host_unknown",
    "identity_invalid",
    "image_denied",
    "image_name_invalid",
    "image_never_pulled",
    "image_not_found",
    "image_pull_failed",
    "immutable",
    "init_failed",
    "internal",
    "interrupted",
    "invalid",
    "io",
    "job_failed",
    "kill_switch",
    "limit_range_refused",
    "liveness_kills",
    "media_type",
    "method_unknown",
    "name_of_another",
    "no_release",
    "no_runs",
    "not_found",
    "not_waiting",
    "other_site",
    "out_of_memory",
    "overlay_ambiguous",
    "overlay_missing",
    "path_unknown",
    "paused",
    "pod_refused",
    "pod_security_refused",
    "poison",
    "policy_invalid",
    "policy_missing",
    "probe_never_passes",
    "provider_unreachable",
    "queue",
    "queue_refused",
    "queue_unreachable",
    "quota_exceeded",
    "refused",
    "registry_down",
    "registry_rate_limited",
    "release_unreadable",
    "render_failed",
    "repository_unknown",
    "role_missing",
    "run_unknown",
    "secret_missing",
    "security_context_refused",
    "server_error",
    "service_auto_deploy_off",
    "service_disabled",
    "signature_wrong",
    "source_unusable",
    "stale_approval",
    "stale_write",
    "stalled",
    "startup_kills",
    "store",
    "superseded",
    "throttled",
    "timeout",
    "token_unknown",
    "too_large",
    "too_many_connections",
    "too_many_streams",
    "too_slow",
    "unauthorised",
    "unknown_kind",
    "unreachable",
    "unreadable",
    "unschedulable",
    "untrusted_certificate",
    "usage",
    "volume_mount_failed",
    "volume_pending",
    "webhook_down",
    "window_closed",
    "window_freeze",
}

/// The page of a word, a number such as `WL0511`, or a lint.
pub fn page(name: &str) -> Option<String> {
    if let Some(page) = lints::explain(name) {
        return Some(page.to_owned());
    }
    let cause =
        Cause::ALL.iter().find(|cause| cause.code().eq_ignore_ascii_case(name) || cause.word() == name);
    let word = cause.map_or(name, |cause| cause.word());
    let page = PAGES.iter().find(|(known, _)| *known == word)?.1;
    Some(cause.map_or_else(|| page.to_owned(), |cause| format!("{page}\n{}", patience(*cause))))
}

/// How long a cause is borne, from the very table that rollouts are judged by.
fn patience(cause: Cause) -> String {
    let (update, first) = (Patience::new(false).allowance(cause), Patience::new(true).allowance(cause));
    format!(
        "## How long it is borne\n\n{}; on a first release {}. To change that for a service, in `deploy-control.yaml`: `patience: {{{}: 30s}}`\n",
        in_words(update),
        in_words(first),
        cause.word(),
    )
}

fn in_words(allowance: Allowance) -> String {
    match allowance {
        Allowance::AtOnce => "given up on at once".to_owned(),
        Allowance::For(duration) => format!("given up on after {} s", duration.as_secs()),
        Allowance::Times(times) => format!("given up on at the {times}. time in one container"),
        Allowance::Deadline => "given up on when the time of the object or of the run is over".to_owned(),
    }
}

/// Every word and lint with what it means, a line each.
pub fn index() -> String {
    let mut text = String::from("Errors, holds and causes of failed rollouts:\n");
    for (word, page) in PAGES {
        let number = Cause::ALL.iter().find(|cause| cause.word() == *word).map_or("", |cause| cause.code());
        writeln!(text, "  {word:<28}{number:<8}{}", summary(page)).expect("writing to a string cannot fail");
    }
    text.push_str("\nLints of `windlass check`:\n");
    for lint in LINTS {
        writeln!(text, "  {:<28}{:<8}{}", lint.name, "", lint.summary)
            .expect("writing to a string cannot fail");
    }
    text
}

/// The first sentence of a page, without its full stop.
fn summary(page: &str) -> &str {
    page.lines().nth(2).unwrap_or_default().trim_end_matches('.')
}

/// The name that was probably meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let numbers = Cause::ALL.iter().map(|cause| cause.code());
    let known = PAGES.iter().map(|(word, _)| *word).chain(numbers).chain(LINTS.iter().map(|lint| lint.name));
    let likeness = |known: &'static str| (strsim::normalized_damerau_levenshtein(name, known), known);
    // With less in common it is another word, and naming it would mislead.
    known
        .map(likeness)
        .filter(|(alike, _)| *alike > 0.5)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
