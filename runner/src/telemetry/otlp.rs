//! Traces, metrics and logs to a collector, by OTLP over HTTP.
//!
//! On by `telemetry.otlp_endpoint` or by the standard variables `OTEL_EXPORTER_OTLP_ENDPOINT` and its kin, which go before it; off otherwise,
//! and then nothing of it is started. Credentials of a collector are in `OTEL_EXPORTER_OTLP_HEADERS`.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetryLayer;

use super::TelemetryConfig;
use crate::metrics::{ALL, Kind, Metric, Value};
use crate::variables::Variables;

/// How long a collector may take. A command waits for it at its end, so it is not the half minute that a server could spare.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says where to send; any of them turns it on.
const ENDPOINTS: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
];

const SCOPE: &str = "windlass";

static COLLECTOR: OnceLock<Collector> = OnceLock::new();

/// What sends to a collector.
#[derive(Debug)]
pub(super) struct Collector {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
}

/// The collector that is configured, if one is.
pub(super) fn connect(
    config: &TelemetryConfig,
    variables: &Variables,
) -> Option<Result<Collector, ExporterBuildError>> {
    let is_disabled =
        variables.text("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let by_variable = ENDPOINTS.iter().any(|name| variables.text(name).is_some());
    let endpoint = config.otlp_endpoint.as_deref().filter(|_| !by_variable);
    (!is_disabled && (by_variable || endpoint.is_some())).then(|| Collector::new(endpoint, variables))
}

/// Sends what has not been sent yet.
pub(super) fn shut_down() {
    let Some(Collector { traces, metrics, logs }) = COLLECTOR.get() else { return };
    // The process ends, and what a collector that is away would have been told is lost. It is told elsewhere too.
    std::thread::scope(|scope| {
        // Side by side, so that a collector that does not answer is waited for once.
        scope.spawn(|| traces.shutdown());
        scope.spawn(|| metrics.shutdown());
        scope.spawn(|| logs.shutdown());
    });
}

impl Collector {
    fn new(endpoint: Option<&str>, variables: &Variables) -> Result<Self, ExporterBuildError> {
        let resource = resource(variables);
        let traces = to(SpanExporter::builder().with_http(), endpoint, "traces").build()?;
        let metrics = to(MetricExporter::builder().with_http(), endpoint, "metrics").build()?;
        let logs = to(LogExporter::builder().with_http(), endpoint, "logs").build()?;
        let traces = SdkTracerProvider::builder().with_batch_exporter(traces).with_resource(resource.clone());
        let metrics =
            SdkMeterProvider::builder().with_periodic_exporter(metrics).with_resource(resource.clone());
        let logs = SdkLoggerProvider::builder().with_batch_exporter(logs).with_resource(resource);
        Ok(Self { traces: traces.build(), metrics: metrics.build(), logs: logs.build() })
    }

    /// Makes traces of spans.
    pub(super) fn traces<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
    {
        let layer = tracing_opentelemetry::layer().with_tracer(self.traces.tracer(SCOPE));
        layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false)
    }

    /// Makes log records of events.
    pub(super) fn logs(&self) -> OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger> {
        OpenTelemetryTracingBridge::new(&self.logs)
    }

    /// Goes on until the process ends.
    pub(super) fn keep(self) {
        let meter = self.metrics.meter(SCOPE);
        for metric in ALL {
            watch(&meter, metric);
        }
        // A second one would be that of a second call of `init`, which changes nothing.
        let _ = COLLECTOR.set(self);
    }
}

/// One signal's part of a collector; the variables are read by the exporters themselves.
fn to<Builder: WithExportConfig>(builder: Builder, endpoint: Option<&str>, signal: &str) -> Builder {
    let builder = builder.with_protocol(Protocol::HttpBinary).with_timeout(PATIENCE);
    match endpoint {
        Some(base) => builder.with_endpoint(format!("{}/v1/{signal}", base.trim_end_matches('/'))),
        None => builder,
    }
}

/// Who sends: `service.name` by `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES`, else `windlass`.
fn resource(variables: &Variables) -> Resource {
    let attributes = variables.text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = variables.text("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name=");
    let builder = Resource::builder().with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()),
    ]);
    if is_named { builder.build() } else { builder.with_service_name("windlass").build() }
}

/// Shows a metric to the collector: numbers are read when they are sent, durations go there one by one.
fn watch(meter: &Meter, metric: &'static Metric) {
    match metric.kind {
        Kind::Counter => {
            let builder = meter.f64_observable_counter(metric.name);
            let builder = builder.with_unit(metric.unit).with_description(metric.description);
            builder
                .with_callback(move |observer| {
                    numbers(metric, |number, labels| observer.observe(number, labels));
                })
                .build();
        }
        Kind::Gauge => {
            let builder = meter.f64_observable_gauge(metric.name);
            let builder = builder.with_unit(metric.unit).with_description(metric.description);
            builder
                .with_callback(move |observer| {
                    numbers(metric, |number, labels| observer.observe(number, labels));
                })
                .build();
        }
        Kind::Histogram(bounds) => {
            let builder = meter.f64_histogram(metric.name).with_boundaries(bounds.to_vec());
            let histogram = builder.with_unit(metric.unit).with_description(metric.description).build();
            metric.also(Box::new(move |seconds, values| histogram.record(seconds, &labels(metric, values))));
        }
    }
}

fn numbers(metric: &Metric, observe: impl Fn(f64, &[KeyValue])) {
    for (values, value) in metric.series() {
        if let Value::Number(number) = value {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            observe(number, &labels(metric, &values));
        }
    }
}

fn labels(metric: &Metric, values: &[&str]) -> Vec<KeyValue> {
    metric.labels.iter().zip(values).map(|(name, value)| KeyValue::new(*name, (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_on(endpoint: Option<&str>, variables: &[(&str, &str)]) -> bool {
        let config = TelemetryConfig { otlp_endpoint: endpoint.map(str::to_owned) };
        connect(&config, &Variables::fixed(variables.iter().copied())).is_some()
    }

    #[test]
    fn it_is_off_unless_an_endpoint_is_named() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert!(!is_on(None, &[]));
        assert!(is_on(Some("http://127.0.0.1:1"), &[]));
        assert!(!is_on(Some("http://127.0.0.1:1"), &[("OTEL_SDK_DISABLED", "true")]));
        assert!(is_on(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")]));
    }

    #[test]
    fn the_service_is_called_windlass_unless_it_is_named() {
        let name = |variables: &[(&str, &str)]| {
            let resource = resource(&Variables::fixed(variables.iter().copied()));
            resource.get(&"service.name".into()).map(|name| name.to_string())
        };
        assert_eq!(name(&[]).as_deref(), Some("windlass"));
        assert_ne!(name(&[("OTEL_SERVICE_NAME", "shop")]).as_deref(), Some("windlass"));
    }
}
