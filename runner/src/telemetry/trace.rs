//! One trace from the sender of an event to the last request of its runs, however many processes carry them.
//!
//! An event brings W3C trace context or gets that of whoever sends it. Planning it is a span; its runs keep that span's context in the store, so that
//! whoever takes a run up, the first time or after a pause or a crash, goes on in the same trace. No span is held open while a run is parked.

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use windlass_core::event::{Event, Extension};
use windlass_core::queue::{Queue, QueueError};
use windlass_core::run::{Outcome, Stage};
use windlass_store::{InboxEvent, RunRow};

use crate::variables::Variables;

/// The extension of an event, and by common use the variable of a process, that hold trace context.
const EXTENSION: &str = "traceparent";
const VARIABLE: &str = "TRACEPARENT";

/// Publishes an event, as a span in the trace of whoever called this process.
pub async fn send(queue: &dyn Queue, event: &Event) -> Result<(), QueueError> {
    let variables = Variables::Process;
    let span = send_span(event, &variables);
    async { queue.publish(&carry(event, &variables).to_message()).await }.instrument(span).await
}

/// The event as it is sent: with the context of this span, unless it brings its own. Where nothing is traced here, that of the process's caller.
fn carry(event: &Event, variables: &Variables) -> Event {
    let mut event = event.clone();
    let own = || {
        context_of(&Span::current()).or_else(|| variables.text(VARIABLE).filter(|text| parse(text).is_some()))
    };
    if event.traceparent().is_none()
        && let Some(context) = own()
    {
        event.extensions.insert(EXTENSION.to_owned(), Extension::Text(context));
    }
    event
}

/// The span of sending an event, in the trace of the process's caller.
fn send_span(event: &Event, variables: &Variables) -> Span {
    let span = tracing::info_span!(
        "send",
        otel.kind = "producer",
        otel.name = format!("send {}", event.event_type())
    );
    follow(&span, event.traceparent().map(str::to_owned).or_else(|| variables.text(VARIABLE)).as_deref());
    span.set_attribute("messaging.operation.type", "send");
    describe(&span, event);
    span
}

/// The span of planning an event, in the trace of its sender.
pub fn plan_span(inbox: &InboxEvent) -> Span {
    let kind = inbox.event_type.clone().unwrap_or_default();
    let span = tracing::info_span!("event", otel.kind = "consumer", otel.name = format!("process {kind}"), inbox = %inbox.inbox);
    follow(&span, inbox.traceparent.as_deref());
    span.set_attribute("messaging.operation.type", "process");
    let attributes = [
        ("cloudevents.event_id", &inbox.id),
        ("cloudevents.event_source", &inbox.source),
        ("cloudevents.event_type", &inbox.event_type),
        ("cloudevents.event_subject", &inbox.subject),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            span.set_attribute(name, value.clone());
        }
    }
    span
}

/// The span of carrying a run as far as it goes this time, in the trace of its event.
pub fn run_span(run: &RunRow) -> Span {
    let span = tracing::info_span!(
        "run", otel.kind = "server", otel.name = format!("RUN {}", run.environment),
        run = %run.id, environment = %run.environment, commit = %run.commit
    );
    follow(&span, run.traceparent.as_deref());
    span.set_attribute("cicd.pipeline.name", run.kind.as_str());
    span.set_attribute("cicd.pipeline.action.name", "RUN");
    span.set_attribute("cicd.pipeline.run.id", run.id.to_string());
    span.set_attribute("deployment.environment.name", run.environment.to_string());
    span.set_attribute("vcs.ref.head.revision", run.commit.to_string());
    span
}

/// Says on a run's span how it ended.
pub fn end_run(span: &Span, outcome: Outcome, code: &str) {
    let result = result_of(outcome.as_str());
    span.set_attribute("cicd.pipeline.result", result);
    span.set_attribute("windlass.outcome", outcome.as_str());
    if ["failure", "error"].contains(&result) {
        span.set_attribute("error.type", code.to_owned());
        span.set_status(Status::error(code.to_owned()));
    }
}

/// Says on a run's span that it was parked.
pub fn hold_run(span: &Span, code: &str) {
    span.set_attribute("cicd.pipeline.run.state", "pending");
    span.set_attribute("windlass.hold.code", code.to_owned());
}

/// The span of one attempt at a stage.
pub fn stage_span(stage: Stage, run: &RunRow) -> Span {
    let span = tracing::info_span!(
        "stage", otel.name = stage.as_str(), stage = stage.as_str(), run = %run.id, environment = %run.environment,
        success = tracing::field::Empty
    );
    span.set_attribute("cicd.pipeline.task.name", stage.as_str());
    span.set_attribute("cicd.pipeline.task.type", "deploy");
    span.set_attribute("cicd.pipeline.run.id", run.id.to_string());
    span
}

/// Says on a stage's span how it ended: well, or for which cause not.
pub fn end_stage(span: &Span, failed: Option<&str>) {
    span.record("success", failed.is_none());
    span.set_attribute("cicd.pipeline.task.run.result", if failed.is_none() { "success" } else { "failure" });
    if let Some(code) = failed {
        span.set_attribute("error.type", code.to_owned());
        span.set_status(Status::error(code.to_owned()));
    }
}

/// The outcome in the words of `cicd.pipeline.result`.
pub(super) fn result_of(outcome: &str) -> &'static str {
    match outcome {
        "verified" => "success",
        "refused" | "rolled_back" | "failed" => "failure",
        "superseded" => "skip",
        "cancelled" => "cancellation",
        _ => "error",
    }
}

/// W3C trace context of a span, if it is traced.
pub fn context_of(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    let flags = context.trace_flags().to_u8();
    context.is_valid().then(|| format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id()))
}

fn describe(span: &Span, event: &Event) {
    span.set_attribute("cloudevents.event_id", event.identity.id.clone());
    span.set_attribute("cloudevents.event_source", event.identity.source.clone());
    span.set_attribute("cloudevents.event_type", event.event_type().to_string());
}

fn follow(span: &Span, traceparent: Option<&str>) {
    if let Some(parent) = traceparent.and_then(parse) {
        // Fails only for a span that has begun to be traced already, which a new one has not.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// `version-trace-parent-flags` (W3C Trace Context, section 3.2.2). A later version may have more parts.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_plain = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !is_plain(version, 2)
        || version == "ff"
        || !is_plain(trace, 32)
        || !is_plain(span, 16)
        || !is_plain(flags, 2)
    {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn event(traceparent: Option<&str>) -> Event {
        let mut event = serde_json::json!({
            "specversion": "1.0", "id": "1", "source": "/test", "type": "dev.windlass.deploy.requested",
            "data": {"environment": "dev", "requester": "ada"},
        });
        if let Some(traceparent) = traceparent {
            event["traceparent"] = traceparent.into();
        }
        Event::parse(event.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn an_event_goes_on_in_the_trace_of_its_caller_unless_it_has_its_own() {
        let other = PARENT.replace("0af7", "1bf8");
        let called = Variables::fixed([(VARIABLE, other.as_str())]);
        assert_eq!(carry(&event(None), &called).traceparent(), Some(other.as_str()));
        assert_eq!(carry(&event(Some(PARENT)), &called).traceparent(), Some(PARENT));
        assert_eq!(carry(&event(None), &Variables::fixed([(VARIABLE, "nonsense")])).traceparent(), None);
        assert_eq!(carry(&event(None), &Variables::fixed([])).traceparent(), None);
    }

    #[test]
    fn trace_context_is_read_as_the_standard_says() {
        assert!(parse(PARENT).is_some_and(|context| context.is_sampled() && context.is_remote()));
        assert!(parse(&PARENT.replace("00-0af7", "cc-0af7")).is_some());
        for wrong in [
            "",
            "00",
            &PARENT.replace("00-0af7", "ff-0af7"),
            &PARENT.to_uppercase(),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn every_outcome_has_a_result() {
        let results = ["verified", "rolled_back", "refused", "failed", "superseded", "cancelled", "stuck"]
            .map(result_of);
        assert_eq!(results, ["success", "failure", "failure", "failure", "skip", "cancellation", "error"]);
    }
}
