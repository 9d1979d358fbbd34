//! What windlass counts and measures: each metric once, with its name, unit and meaning. `/metrics` and OTLP both read these.
//!
//! Names are those of OpenTelemetry's semantic conventions where they have one (`cicd.*`, `http.*`, `messaging.*`) and `windlass.*` otherwise.
//! Prometheus gets them by OpenTelemetry's own rules of translation: `windlass.stage.duration` in seconds is `windlass_stage_duration_seconds`.
//! No label holds what grows without bound: no run, no commit, no object.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use windlass_core::queue::{Depth, Queue as _};
use windlass_core::run::RunState;
use windlass_store::StoreError;

use crate::engine::Engine;

/// Calls and commits: from a tenth of a millisecond to half a minute.
const SHORT: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Runs and stages: from a tenth of a second to an hour.
const LONG: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0];

/// A run that ended.
pub static RUNS: Metric = Metric::counter(
    "windlass.runs",
    "{run}",
    "Runs that ended, by outcome",
    &["deployment.environment.name", "windlass.outcome"],
);

/// From the planning of a run to its end.
pub static RUN_DURATION: Metric = Metric::histogram(
    "cicd.pipeline.run.duration",
    LONG,
    "How long runs took, from planned to ended, time in which they were held included",
    &["deployment.environment.name", "cicd.pipeline.result"],
);

/// Runs that have not ended.
pub static RUNS_ACTIVE: Metric = Metric::gauge(
    "cicd.pipeline.run.active",
    "{run}",
    "Runs that have not ended: `pending` ones are queued or held, `executing` ones carried",
    &["deployment.environment.name", "cicd.pipeline.run.state"],
);

/// Runs that wait for somebody.
pub static RUNS_HELD: Metric = Metric::gauge(
    "windlass.runs.held",
    "{run}",
    "Runs that are held now, by the rule that holds them",
    &["deployment.environment.name", "windlass.hold.code"],
);

/// A run that was parked.
pub static HOLDS: Metric = Metric::counter(
    "windlass.holds",
    "{hold}",
    "How often runs were held, by the rule that held them",
    &["deployment.environment.name", "windlass.hold.code"],
);

/// One attempt at a stage.
pub static STAGE_DURATION: Metric = Metric::histogram(
    "windlass.stage.duration",
    LONG,
    "How long stages took; `success` is false where the stage failed, refused or is tried later",
    &["deployment.environment.name", "cicd.pipeline.task.name", "windlass.stage.success"],
);

/// A rollback that was carried.
pub static ROLLBACKS: Metric = Metric::counter(
    "windlass.rollbacks",
    "{rollback}",
    "Rollbacks, by whether the environment serves its earlier release again",
    &["deployment.environment.name", "windlass.stage.success"],
);

/// Environments that a person must look at.
pub static ENVIRONMENTS_STUCK: Metric = Metric::gauge(
    "windlass.environments.stuck",
    "{environment}",
    "Whether the environment's last rollback failed: 1 until somebody has looked",
    &["deployment.environment.name"],
);

/// A delivery that was taken over.
pub static INTAKE: Metric = Metric::counter(
    "messaging.client.consumed.messages",
    "{message}",
    "Deliveries taken over, by what they were: new, duplicate or dead",
    &["messaging.system", "windlass.intake.result"],
);

/// What waits in a queue.
pub static QUEUE_DEPTH: Metric = Metric::gauge(
    "windlass.queue.depth",
    "{message}",
    "Messages in the queue: waiting, unsettled or dead",
    &["messaging.system", "windlass.queue.state"],
);

/// A request to an API server.
pub static API_CALLS: Metric = Metric::histogram(
    "http.client.request.duration",
    SHORT,
    "Requests to Kubernetes API servers, one for each try; the status is `0` where none came",
    &["http.request.method", "http.response.status_code"],
);

/// A transaction of the store.
pub static STORE_COMMITS: Metric = Metric::histogram(
    "windlass.store.commit.duration",
    SHORT,
    "Commits of the store, which wait for the disk, by what was written",
    &["db.operation.name"],
);

/// Everything that is measured, in the order in which it is shown.
pub static ALL: [&Metric; 12] = [
    &RUNS,
    &RUN_DURATION,
    &RUNS_ACTIVE,
    &RUNS_HELD,
    &HOLDS,
    &STAGE_DURATION,
    &ROLLBACKS,
    &ENVIRONMENTS_STUCK,
    &INTAKE,
    &QUEUE_DEPTH,
    &API_CALLS,
    &STORE_COMMITS,
];

/// Something that is counted or measured in this process.
#[derive(Debug)]
pub struct Metric {
    /// Its name as OpenTelemetry has it.
    pub name: &'static str,
    /// How its values are kept.
    pub kind: Kind,
    /// Its unit, as UCUM writes it; what is counted is in braces.
    pub unit: &'static str,
    /// What it says.
    pub description: &'static str,
    /// What its values are told apart by.
    pub labels: &'static [&'static str],
    series: Mutex<BTreeMap<Vec<String>, Value>>,
    also: OnceLock<Also>,
}

/// Hears each duration as it is measured, in seconds, with the values of its labels.
type Listener = dyn Fn(f64, &[&str]) + Send + Sync;

struct Also(Box<Listener>);

impl fmt::Debug for Also {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Also")
    }
}

/// How values are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// The latest value.
    Gauge,
    /// How many values were at most each of these, in seconds.
    Histogram(&'static [f64]),
}

/// The value of one series.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of a histogram.
    Distribution {
        /// How many values fell into each bucket; one more than there are bounds.
        counts: Vec<u64>,
        /// Their sum.
        sum: f64,
    },
}

impl Metric {
    const fn new(
        name: &'static str,
        kind: Kind,
        unit: &'static str,
        description: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            kind,
            unit,
            description,
            labels,
            series: Mutex::new(BTreeMap::new()),
            also: OnceLock::new(),
        }
    }

    const fn counter(
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self::new(name, Kind::Counter, unit, description, labels)
    }

    const fn gauge(
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self::new(name, Kind::Gauge, unit, description, labels)
    }

    /// Durations, in seconds.
    const fn histogram(
        name: &'static str,
        bounds: &'static [f64],
        description: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self::new(name, Kind::Histogram(bounds), "s", description, labels)
    }

    /// Counts. The values stand in the order of the labels.
    pub fn add(&self, count: u64, values: &[&str]) {
        debug_assert_eq!(self.kind, Kind::Counter);
        self.change(values, |value| {
            let Value::Number(number) = value else { unreachable!("a counter is a number") };
            *number += crate::metrics::number(count);
        });
    }

    /// Measures a duration in seconds.
    pub fn record(&self, seconds: f64, values: &[&str]) {
        let Kind::Histogram(bounds) = self.kind else { unreachable!("durations go into histograms") };
        self.change(values, |value| {
            let Value::Distribution { counts, sum } = value else { unreachable!("a histogram has counts") };
            counts[bounds.partition_point(|bound| *bound < seconds)] += 1;
            *sum += seconds;
        });
        if let Some(Also(also)) = self.also.get() {
            also(seconds, values);
        }
    }

    /// Tells somebody else of each duration too: who keeps distributions of their own cannot take these over.
    pub fn also(&self, also: Box<Listener>) {
        // The first stays, as it is the one that runs.
        let _ = self.also.set(Also(also));
    }

    /// Replaces one series of a gauge.
    pub fn set(&self, number: f64, values: &[&str]) {
        debug_assert_eq!(self.kind, Kind::Gauge);
        self.change(values, |value| *value = Value::Number(number));
    }

    /// Replaces all series of a gauge: what is not among them is no more.
    pub fn replace(&self, series: Vec<(Vec<String>, f64)>) {
        debug_assert_eq!(self.kind, Kind::Gauge);
        *self.lock() = series.into_iter().map(|(values, number)| (values, Value::Number(number))).collect();
    }

    /// What was counted until now, by the labels' values.
    pub fn series(&self) -> Vec<(Vec<String>, Value)> {
        self.lock().iter().map(|(values, value)| (values.clone(), value.clone())).collect()
    }

    /// Its name for Prometheus, by OpenTelemetry's rules: dots become underscores, the unit and for counters `total` go to the end.
    pub fn prometheus_name(&self) -> String {
        let name = underscored(self.name);
        match self.kind {
            Kind::Counter => format!("{name}_total"),
            Kind::Gauge => name,
            Kind::Histogram(_) => format!("{name}_seconds"),
        }
    }

    fn change(&self, values: &[&str], change: impl FnOnce(&mut Value)) {
        assert_eq!(values.len(), self.labels.len(), "`{}` has other labels", self.name);
        let key = values.iter().map(|value| (*value).to_owned()).collect();
        change(self.lock().entry(key).or_insert_with(|| self.kind.zero()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<String>, Value>> {
        // What was counted is right whatever happened to the one who counted last.
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    fn zero(self) -> Value {
        match self {
            Self::Counter | Self::Gauge => Value::Number(0.0),
            Self::Histogram(bounds) => Value::Distribution { counts: vec![0; bounds.len() + 1], sum: 0.0 },
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Brings what is not counted as it happens, but looked at, up to date.
pub async fn refresh(engine: &Engine) -> Result<(), StoreError> {
    let census = engine.store.census().await?;
    let mut active: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    let mut held: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for group in &census.runs {
        let environment = group.environment.as_str();
        let count = number(group.count);
        let state = if matches!(group.state, RunState::At(_)) { "executing" } else { "pending" };
        *active.entry((environment, state)).or_default() += count;
        if let Some(code) = &group.hold_code {
            *held.entry((environment, code)).or_default() += count;
        }
    }
    let pairs = |series: BTreeMap<(&'_ str, &'_ str), f64>| {
        series
            .into_iter()
            .map(|((one, two), number)| (vec![one.to_owned(), two.to_owned()], number))
            .collect()
    };
    RUNS_ACTIVE.replace(pairs(active));
    RUNS_HELD.replace(pairs(held));
    let stuck =
        census.environments.iter().map(|(name, stuck)| (vec![name.to_string()], f64::from(u8::from(*stuck))));
    ENVIRONMENTS_STUCK.replace(stuck.collect());
    if let Ok(depth) = engine.queue.depth().await {
        measure_queue("windlass", depth);
    }
    Ok(())
}

/// What waits in a queue: `windlass` for the embedded one, `rabbitmq` for a broker.
pub fn measure_queue(system: &str, depth: Depth) {
    for (state, count) in [("waiting", depth.waiting), ("unsettled", depth.unsettled), ("dead", depth.dead)] {
        QUEUE_DEPTH.set(number(count), &[system, state]);
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and both formats want floats")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Everything in Prometheus' text format, version 0.0.4.
pub fn render() -> String {
    render_all(&ALL)
}

fn render_all(metrics: &[&Metric]) -> String {
    let mut text = String::new();
    for metric in metrics {
        let name = metric.prometheus_name();
        line(&mut text, format_args!("# HELP {name} {}", metric.description));
        line(&mut text, format_args!("# TYPE {name} {}", metric.kind.word()));
        for (values, value) in metric.series() {
            render_series(&mut text, metric, &name, &values, &value);
        }
    }
    text
}

fn render_series(text: &mut String, metric: &Metric, name: &str, values: &[String], value: &Value) {
    let labels = labels(metric.labels, values);
    match (value, metric.kind) {
        (Value::Distribution { counts, sum }, Kind::Histogram(bounds)) => {
            let mut below = 0;
            let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            for (count, bound) in counts.iter().zip(bounds) {
                below += count;
                line(text, format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {below}"));
            }
            line(text, format_args!("{name}_sum{{{labels}}} {sum}"));
            line(text, format_args!("{name}_count{{{labels}}} {below}"));
        }
        (Value::Number(number), _) => line(text, format_args!("{name}{{{labels}}} {number}")),
        (Value::Distribution { .. }, _) => unreachable!("only histograms have distributions"),
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

fn labels(names: &[&str], values: &[String]) -> String {
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs =
        names.iter().zip(values).map(|(name, value)| format!("{}=\"{}\"", underscored(name), escape(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn underscored(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    static COUNTED: Metric = Metric::counter("test.counted", "{thing}", "Things", &["thing.kind"]);
    static MEASURED: Metric = Metric::histogram("test.measured", &[0.1, 1.0], "Durations", &["of"]);
    static LATEST: Metric = Metric::gauge("test.latest", "{thing}", "Now", &["of"]);

    #[test]
    fn metrics_are_rendered_as_prometheus_reads_them() {
        COUNTED.add(2, &["plain"]);
        COUNTED.add(1, &["with \"quotes\"\n"]);
        for seconds in [0.05, 0.1, 0.7, 20.0] {
            MEASURED.record(seconds, &["it"]);
        }
        LATEST.set(1.0, &["gone"]);
        LATEST.replace(vec![(vec!["here".to_owned()], 2.0)]);
        LATEST.set(3.0, &["here"]);
        insta::assert_snapshot!(render_all(&[&COUNTED, &MEASURED, &LATEST]), @r#"
        # HELP test_counted_total Things
        # TYPE test_counted_total counter
        test_counted_total{thing_kind="plain"} 2
        test_counted_total{thing_kind="with \"quotes\"\n"} 1
        # HELP test_measured_seconds Durations
        # TYPE test_measured_seconds histogram
        test_measured_seconds_bucket{of="it",le="0.1"} 2
        test_measured_seconds_bucket{of="it",le="1"} 3
        test_measured_seconds_bucket{of="it",le="+Inf"} 4
        test_measured_seconds_sum{of="it"} 20.85
        test_measured_seconds_count{of="it"} 4
        # HELP test_latest Now
        # TYPE test_latest gauge
        test_latest{of="here"} 3
        "#);
    }

    #[test]
    fn every_metric_is_named_once_and_says_what_it_is() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.prometheus_name()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let is_plain =
                |name: &str| name.chars().all(|letter| letter.is_ascii_lowercase() || "._".contains(letter));
            assert!(
                is_plain(metric.name) && metric.labels.iter().all(|label| is_plain(label)),
                "{}",
                metric.name
            );
            assert!(!metric.description.is_empty() && !metric.description.contains('\n'), "{}", metric.name);
            let families = ["windlass.", "cicd.", "http.", "messaging."];
            assert!(families.iter().any(|family| metric.name.starts_with(family)), "{}", metric.name);
        }
    }

    /// The words of a text that can only be metrics, without what histograms add to their names.
    fn metrics_in(text: &str) -> std::collections::BTreeSet<String> {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words = text.split(|letter| !is_word(letter));
        let families = ["windlass_", "cicd_", "http_", "messaging_"];
        let words = words.filter(|word| families.iter().any(|family| word.starts_with(family)));
        let ends = ["_bucket", "_count", "_sum"];
        words
            .map(|word| ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned())
            .collect()
    }

    #[test]
    fn dashboard_and_alerts_use_metrics_that_exist() {
        let names = ALL.iter().map(|metric| metric.prometheus_name());
        let labels = ALL.iter().flat_map(|metric| metric.labels).map(|label| underscored(label));
        let known: std::collections::BTreeSet<_> = names.chain(labels).collect();
        let dashboard = include_str!("../../deploy/monitoring/dashboard.json");
        let alerts = include_str!("../../deploy/monitoring/alerts.yaml");
        for text in [dashboard, alerts] {
            let used = metrics_in(text);
            assert!(used.len() > 10, "{used:?}");
            assert_eq!(used.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
        }
        let shown = metrics_in(dashboard);
        let unseen: Vec<_> =
            ALL.iter().map(|metric| metric.prometheus_name()).filter(|name| !shown.contains(name)).collect();
        assert_eq!(unseen, Vec::<String>::new(), "the dashboard leaves these out");
        serde_json::from_str::<serde_json::Value>(dashboard).expect("the dashboard is JSON");
    }

    /// docs/reference/metrics.md.
    fn page() -> String {
        let mut page = String::from(
            "# Metrics\n\nWhat windlass counts and measures, at `/metrics` of `windlass serve` for Prometheus and by OTLP for a collector, which gets \
             the names\nwith dots. No label holds what grows without bound: no run, no commit, no object.\n\n\
             | Prometheus | OpenTelemetry | kind, unit | labels | |\n|---|---|---|---|---|\n",
        );
        for metric in ALL {
            let labels: Vec<_> =
                metric.labels.iter().map(|label| format!("`{}`", underscored(label))).collect();
            let (name, kind) = (metric.prometheus_name(), metric.kind.word());
            let unit = metric.unit.trim_matches(['{', '}']);
            writeln!(
                page,
                "| `{name}` | `{}` | {kind}, {unit} | {} | {} |",
                metric.name,
                labels.join(", "),
                metric.description
            )
            .unwrap();
        }
        page
    }

    #[test]
    fn the_page_of_metrics_is_what_they_say_of_themselves() {
        crate::reference::hold("metrics.md", &page());
    }
}
