//! Spans and log lines, and where they go: people on stderr, a collector by OTLP if one is configured, and the metrics, which are read off them.
//!
//! Data goes to stdout, talk to stderr. An event that is planned, a run, each of its stages and each request to an API server is a span.

mod measure;
mod otlp;
pub mod trace;

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing_subscriber::filter::{dynamic_filter_fn, filter_fn};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::variables::Variables;

/// What of windlass is measured and sent to a collector.
const OWN: &str = "windlass";

/// Spans of this crate are measured and not traced: a run has hundreds of them, which say how fast the disk is.
const STORE: &str = "windlass_store";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where traces, metrics and logs are sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The base address of a collector that speaks OTLP over HTTP; nothing is sent where there is none.
    pub otlp_endpoint: Option<String>,
}

impl TelemetryConfig {
    /// What is wrong with the section.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let Some(endpoint) = &self.otlp_endpoint else { return Ok(()) };
        let rest = ["http://", "https://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
        match rest {
            None | Some("") => Err("is not an address such as `http://localhost:4318`"),
            Some(rest) if rest.contains('@') => {
                Err("holds credentials, which belong into the variable OTEL_EXPORTER_OTLP_HEADERS")
            }
            Some(_) => Ok(()),
        }
    }
}

/// Sends spans, log lines and metrics where they belong. `filter` is in the syntax of `RUST_LOG`; an invalid one falls back to warnings.
///
/// Called once, by the binary; a second call changes nothing.
pub fn init(filter: &str, format: LogFormat, config: &TelemetryConfig) {
    let (collector, failed) = match otlp::connect(config, &Variables::Process).transpose() {
        Ok(collector) => (collector, None),
        Err(error) => (None, Some(error)),
    };
    let is_own_line = filter_fn(|metadata| metadata.is_event() && is_own(metadata.target()));
    // Asked at each span, because of where it is; everything that is never traced is settled once.
    let traced = dynamic_filter_fn(is_traced).with_max_level_hint(LevelFilter::DEBUG);
    let traced = traced.with_callsite_filter(|metadata| {
        if may_be_traced(metadata) { Interest::sometimes() } else { Interest::never() }
    });
    let measured = filter_fn(measure::is_measured).with_max_level_hint(LevelFilter::DEBUG);
    let layers = Registry::default()
        .with(lines(format).with_filter(filter_of(filter)))
        .with(measure::Measure.with_filter(measured))
        .with(collector.as_ref().map(|collector| collector.traces().with_filter(traced)))
        .with(
            collector
                .as_ref()
                .map(|collector| collector.logs().with_filter(is_own_line).with_filter(filter_of(filter))),
        );
    let _ = layers.try_init();
    if let Some(error) = failed {
        tracing::warn!(%error, "nothing is sent to the collector");
    }
    if let Some(collector) = collector {
        collector.keep();
    }
}

/// Sends what has not been sent yet; at the end of the process.
pub fn flush() {
    otlp::shut_down();
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_span_events(FmtSpan::CLOSE);
    match format {
        LogFormat::Text => Box::new(lines.with_target(false)),
        LogFormat::Json => Box::new(lines.json()),
    }
}

fn filter_of(filter: &str) -> EnvFilter {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    // lapin logs each frame that it sends, the one with the password among them, and complains of what is an outage and said once already.
    filter.add_directive("lapin=off".parse().expect("a directive"))
}

/// Requests that belong to no run, such as those of a watch that goes on from one stage to the next, would each be a trace of their own.
fn is_traced<S>(metadata: &tracing::Metadata<'_>, context: &Context<'_, S>) -> bool
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    may_be_traced(metadata) && (metadata.name() != "api_call" || context.lookup_current().is_some())
}

fn may_be_traced(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.is_span() && is_own(metadata.target()) && !metadata.target().starts_with(STORE)
}

/// What the crates of others say about themselves is not ours to send; what the exporters say would be sent again, and again.
fn is_own(target: &str) -> bool {
    target.starts_with(OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_without_credentials() {
        let check = |endpoint: &str| TelemetryConfig { otlp_endpoint: Some(endpoint.to_owned()) }.check();
        assert_eq!(check("http://localhost:4318"), Ok(()));
        assert_eq!(check("https://collector.example.org/otlp"), Ok(()));
        assert!(check("localhost:4318").is_err() && check("http://").is_err());
        assert!(check("https://ada:canary@collector").unwrap_err().contains("OTEL_EXPORTER_OTLP_HEADERS"));
    }

    #[test]
    fn frames_are_never_logged() {
        assert!(filter_of("trace").to_string().contains("lapin=off"));
        assert!(filter_of("lapin=trace").to_string().contains("lapin=off"));
    }
}
