//! Metrics that are read off spans and events: whoever does the work names it, and need not know that it is measured.

use std::fmt::Debug;
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::metrics::{API_CALLS, HOLDS, ROLLBACKS, RUN_DURATION, RUNS, STAGE_DURATION, STORE_COMMITS};

/// The spans and events that are measured, by crate and name.
const MEASURED: [(&str, &str); 5] = [
    ("windlass_cluster", "api_call"),
    ("windlass_store", "commit"),
    ("windlass_store", "run_ended"),
    ("windlass_store", "run_held"),
    ("windlass", "stage"),
];

/// Whether something is measured.
pub(super) fn is_measured(metadata: &Metadata<'_>) -> bool {
    let crate_name = metadata.target().split("::").next().unwrap_or_default();
    MEASURED.contains(&(crate_name, metadata.name()))
}

/// Measures.
#[derive(Debug)]
pub(super) struct Measure;

/// A span that is going on.
struct Going {
    since: Instant,
    fields: Fields,
}

/// What a span or event says of itself.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn get(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Measure {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut going = Going { since: Instant::now(), fields: Fields::default() };
        attributes.record(&mut going.fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(going);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(going) = span.extensions_mut().get_mut::<Going>() {
            values.record(&mut going.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let Some(Going { since, fields }) = span.extensions_mut().remove::<Going>() {
            span_ended(span.name(), since.elapsed().as_secs_f64(), &fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        happened(event.metadata().name(), &fields);
    }
}

fn span_ended(name: &str, seconds: f64, fields: &Fields) {
    match name {
        "api_call" => {
            let status = Some(fields.get("http.response.status_code")).filter(|status| !status.is_empty());
            API_CALLS.record(seconds, &[fields.get("http.request.method"), status.unwrap_or("0")]);
        }
        "commit" => STORE_COMMITS.record(seconds, &[fields.get("db.operation.name")]),
        "stage" => {
            let (environment, stage) = (fields.get("environment"), fields.get("stage"));
            // A stage that was cut off by the loss of its run has not ended.
            let success = fields.get("success");
            if success.is_empty() {
                return;
            }
            STAGE_DURATION.record(seconds, &[environment, stage, success]);
            if stage == "rollback" {
                ROLLBACKS.add(1, &[environment, success]);
            }
        }
        _ => {}
    }
}

fn happened(name: &str, fields: &Fields) {
    let environment = fields.get("environment");
    match name {
        "run_ended" => {
            let outcome = fields.get("outcome");
            RUNS.add(1, &[environment, outcome]);
            let seconds = fields.get("seconds").parse().unwrap_or_default();
            RUN_DURATION.record(seconds, &[environment, super::trace::result_of(outcome)]);
        }
        "run_held" => HOLDS.add(1, &[environment, fields.get("code")]),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::metrics::{Metric, Value};

    fn of(metric: &Metric, values: &[&str]) -> Option<Value> {
        metric.series().into_iter().find(|(found, _)| found == values).map(|(_, value)| value)
    }

    fn count(metric: &Metric, values: &[&str]) -> u64 {
        match of(metric, values) {
            Some(Value::Distribution { counts, .. }) => counts.iter().sum(),
            _ => 0,
        }
    }

    #[test]
    fn spans_and_events_become_metrics() {
        let layers = tracing_subscriber::registry().with(Measure.with_filter(filter_fn(is_measured)));
        tracing::subscriber::with_default(layers, || {
            let stage = tracing::info_span!(target: "windlass::run", "stage", stage = "rollback", environment = "measured", success = tracing::field::Empty);
            stage.record("success", true);
            drop(stage);
            let cut_off = tracing::info_span!(target: "windlass::run", "stage", stage = "wait", environment = "measured", success = tracing::field::Empty);
            drop(cut_off);
            let call = tracing::debug_span!(target: "windlass_cluster::transport", "api_call", http.request.method = "MEASURED", http.response.status_code = tracing::field::Empty);
            call.record("http.response.status_code", 409);
            drop(call);
            tracing::debug!(name: "run_ended", target: "windlass_store::edit", environment = "measured", outcome = "rolled_back", seconds = 2.5);
            tracing::debug!(name: "run_held", target: "windlass_store::edit", environment = "measured", code = "approval");
            tracing::debug!(name: "run_held", target: "another::edit", environment = "measured", code = "approval");
        });
        assert_eq!(count(&STAGE_DURATION, &["measured", "rollback", "true"]), 1);
        assert!(STAGE_DURATION.series().iter().all(|(values, _)| values[..2] != ["measured", "wait"]));
        assert_eq!(of(&ROLLBACKS, &["measured", "true"]), Some(Value::Number(1.0)));
        assert_eq!(count(&API_CALLS, &["MEASURED", "409"]), 1);
        assert_eq!(of(&RUNS, &["measured", "rolled_back"]), Some(Value::Number(1.0)));
        assert_eq!(count(&RUN_DURATION, &["measured", "failure"]), 1);
        assert_eq!(of(&HOLDS, &["measured", "approval"]), Some(Value::Number(1.0)));
    }
}
