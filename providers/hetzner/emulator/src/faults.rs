//! What goes wrong on purpose: which calls it befalls, how often, and what happens to them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that goes wrong. The first fault that fits a call befalls it, no other.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only calls of this method; all if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only calls of this path, below `/v1`. A `*` stands for anything within a segment. All if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// So many fitting calls are spared first.
    #[serde(default)]
    pub after: u32,
    /// So many calls it befalls; all that fit if it is missing.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// What happens.
    pub effect: Effect,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u32> {
    Some(1)
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Answered with an error; nothing is done.
    Refuse {
        /// HTTP status.
        status: u16,
        /// `error.code`
        code: String,
    },
    /// Done, and answered with an error: a gateway gave up before the answer came.
    RefuseAfter {
        /// HTTP status.
        status: u16,
        /// `error.code`
        code: String,
    },
    /// The connection ends without an answer; nothing is done.
    LoseRequest,
    /// Done; the connection ends without an answer.
    LoseAnswer,
    /// Nothing is done, nothing is answered, and the connection stays open.
    HangBefore,
    /// Done; nothing is answered, and the connection stays open.
    HangAfter,
    /// Answered later than usual.
    Delay {
        /// By how much, in seconds.
        seconds: f64,
    },
    /// The bucket of requests is empty from now on: this call is answered with 429.
    DrainBucket,
    /// Actions that the call starts take longer.
    SlowActions {
        /// By how much, in seconds.
        seconds: f64,
        /// Only actions of this command; all if it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
    },
    /// Actions that the call starts end in an error.
    FailActions {
        /// `error.code` of the action.
        code: String,
        /// Only actions of this command; all if it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
    },
}

impl Fault {
    /// One call, the next.
    pub fn new(effect: Effect) -> Self {
        Self { method: None, path: None, after: 0, times: Some(1), effect }
    }

    /// Only of that method and path: `("POST", "/servers")`, `("DELETE", "/servers/*")`.
    pub fn of(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// Spares so many fitting calls first.
    pub fn after(mut self, calls: u32) -> Self {
        self.after = calls;
        self
    }

    /// Befalls so many calls.
    pub fn times(mut self, calls: u32) -> Self {
        self.times = Some(calls);
        self
    }

    /// Befalls all calls that fit.
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|pattern| path_fits(pattern, path))
    }
}

impl Effect {
    /// Answered with an error that the API documents for this status.
    pub fn refuse(status: u16) -> Self {
        Self::Refuse { status, code: usual_code(status).to_owned() }
    }

    /// Done, and answered with an error that the API documents for this status.
    pub fn refuse_after(status: u16) -> Self {
        Self::RefuseAfter { status, code: usual_code(status).to_owned() }
    }

    /// By how much an answer is late.
    pub(crate) fn delay(&self) -> Duration {
        match self {
            Self::Delay { seconds } => duration(*seconds),
            _ => Duration::ZERO,
        }
    }
}

/// A duration from outside: what is none of it, is none.
pub(crate) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn usual_code(status: u16) -> &'static str {
    match status {
        400 => "json_error",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        405 => "method_not_allowed",
        409 => "conflict",
        410 => "deprecated_api_endpoint",
        412 => "resource_unavailable",
        422 => "service_error",
        423 => "locked",
        429 => "rate_limit_exceeded",
        502 => "bad_gateway",
        503 => "unavailable",
        504 => "timeout",
        _ => "server_error",
    }
}

/// Whether each segment of the path is as the pattern has it.
fn path_fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(pattern, segment)| match pattern.split_once('*') {
            None => pattern == segment,
            Some((before, after)) => {
                segment.len() >= before.len() + after.len()
                    && segment.starts_with(before)
                    && segment.ends_with(after)
            }
        })
}

/// The faults that are in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn all(&self) -> &[Fault] {
        &self.0
    }

    /// What befalls this call. Faults that have spent themselves go.
    pub(crate) fn befalling(&mut self, method: &str, path: &str) -> Option<Effect> {
        let mut found = None;
        for fault in self.0.iter_mut().filter(|fault| fault.fits(method, path)) {
            if fault.after > 0 {
                fault.after -= 1;
            } else if found.is_none() {
                found = Some(fault.effect.clone());
                fault.times = fault.times.map(|times| times - 1);
            }
        }
        self.0.retain(|fault| fault.times != Some(0));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_befalls_the_calls_that_it_names() {
        let mut faults = Faults::default();
        faults.add(Fault::new(Effect::refuse(503)).of("POST", "/servers").after(1).times(2));
        let posts: Vec<bool> = (0..5).map(|_| faults.befalling("POST", "/servers").is_some()).collect();
        assert_eq!(posts, [false, true, true, false, false]);
        assert!(faults.all().is_empty(), "a spent fault goes");
    }

    #[test]
    fn another_call_is_spared_and_not_counted() {
        let mut faults = Faults::default();
        faults.add(Fault::new(Effect::LoseAnswer).of("POST", "/servers/*/actions/poweron").after(1));
        assert_eq!(faults.befalling("GET", "/servers/1/actions/poweron"), None);
        assert_eq!(faults.befalling("POST", "/servers/1/actions/poweroff"), None);
        assert_eq!(faults.befalling("POST", "/servers/1/actions/poweron"), None);
        assert_eq!(faults.befalling("POST", "/servers/2/actions/poweron"), Some(Effect::LoseAnswer));
    }

    #[test]
    fn counting_goes_on_while_another_fault_strikes() {
        let mut faults = Faults::default();
        faults.add(Fault::new(Effect::refuse(500)));
        faults.add(Fault::new(Effect::refuse(409)).after(1));
        assert_eq!(faults.befalling("GET", "/a"), Some(Effect::refuse(500)));
        assert_eq!(faults.befalling("GET", "/b"), Some(Effect::refuse(409)));
    }

    #[test]
    fn patterns_stand_for_single_segments() {
        assert!(path_fits("/servers/*", "/servers/17"));
        assert!(!path_fits("/servers/*", "/servers/17/actions"));
        assert!(path_fits("/*s/1*", "/servers/17"));
        assert!(!path_fits("/servers", "/servers/17"));
    }

    #[test]
    fn faults_are_written_as_json() {
        let text = r#"{"method": "POST", "path": "/servers", "effect": {"refuse": {"status": 412, "code": "resource_unavailable"}}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault, Fault::new(Effect::refuse(412)).of("POST", "/servers"));
        assert!(serde_json::from_str::<Fault>(r#"{"effect": "lose_answer", "time": 3}"#).is_err());
    }
}
