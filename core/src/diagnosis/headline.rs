//! The sentence that says what happened.

use super::Cause;
use super::container::Container;
use super::diagnosis::Proof;
use super::evidence::Trouble;
use super::message::missing;
use crate::object::ObjectRef;

/// A container that ran no longer than this is said to stop "right after start".
const RIGHT_AFTER_START: i64 = 10;

pub(super) fn headline(
    trouble: &Trouble<'_>,
    object: &ObjectRef,
    container: Option<&Container<'_>>,
    proof: &Proof,
) -> String {
    if trouble.cause == Cause::HealthyThenNot {
        let told = what_happened(trouble, trouble.telling(), object, container, proof);
        return match trouble.underlying {
            Some(_) => format!("it was ready, and then {told}"),
            None => format!("it was ready and is not any more: {}", trouble.message),
        };
    }
    what_happened(trouble, trouble.cause, object, container, proof)
}

fn what_happened(
    trouble: &Trouble<'_>,
    cause: Cause,
    object: &ObjectRef,
    container: Option<&Container<'_>>,
    proof: &Proof,
) -> String {
    let plain = cause.headline();
    let said = proof.message.as_deref().unwrap_or_default();
    match cause {
        Cause::Crash => format!("{}{}", crash(proof), times(trouble.times)),
        Cause::InitFailed => format!("init container `{}` fails{}", name(container), times(trouble.times)),
        Cause::OutOfMemory => format!("{plain}{}", memory_limit(container)),
        Cause::ImageNotFound => image(proof, "the image", "does not exist", plain),
        Cause::ImageNameInvalid => image(proof, "the image name", "is not valid", plain),
        Cause::ImageDenied => image(proof, "the registry refuses access to", "", plain),
        Cause::ImageNeverPulled
        | Cause::RegistryDown
        | Cause::RegistryRateLimited
        | Cause::ImagePullFailed => image(proof, &format!("{plain}:"), "", plain),
        Cause::ConfigurationMissing => missing_words(trouble.message).unwrap_or_else(|| with(plain, said)),
        Cause::Gone | Cause::Timeout | Cause::DeadlineExceeded | Cause::JobFailed | Cause::Stalled => {
            with(&format!("{object}: {plain}"), said)
        }
        Cause::ExitsWithZero | Cause::LivenessKills | Cause::StartupKills => {
            format!("{plain}{}", times(trouble.times))
        }
        _ => with(plain, said),
    }
}

fn crash(proof: &Proof) -> String {
    match proof.exit.as_ref().and_then(|exit| exit.ran_seconds) {
        Some(seconds) if seconds > RIGHT_AFTER_START => format!("the container stops after {seconds}s"),
        _ => Cause::Crash.headline().to_owned(),
    }
}

fn times(times: u32) -> String {
    if times > 1 { format!(" ({times} times)") } else { String::new() }
}

fn with(words: &str, said: &str) -> String {
    if said.is_empty() { words.to_owned() } else { format!("{words}: {said}") }
}

fn name<'a>(container: Option<&Container<'a>>) -> &'a str {
    container.map_or("?", |container| container.name)
}

fn image(proof: &Proof, before: &str, after: &str, otherwise: &str) -> String {
    match &proof.image {
        Some(image) => format!("{before} `{image}` {after}").trim_end().to_owned(),
        None => otherwise.to_owned(),
    }
}

fn memory_limit(container: Option<&Container<'_>>) -> String {
    let limit = container.and_then(|container| container.spec.text("/resources/limits/memory"));
    limit.map_or_else(String::new, |limit| format!(" (its limit is {limit})"))
}

fn missing_words(message: &str) -> Option<String> {
    let missing = missing(message)?;
    Some(match missing.key {
        Some(key) => format!("{} `{}` has no key `{key}`", missing.kind, missing.name),
        None => format!("{} `{}` does not exist", missing.kind, missing.name),
    })
}
