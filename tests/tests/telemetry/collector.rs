//! A collector of OTLP over HTTP that keeps what it is sent.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;

/// A collector on loopback.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    logs: Vec<ExportLogsServiceRequest>,
    /// Every body as it came.
    raw: Vec<u8>,
}

/// A span with its attributes as text.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) kind: i32,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Span {
    /// An attribute, or nothing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Received>>::default();
        let keeping = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let keeping = Arc::clone(&keeping);
                std::thread::spawn(move || serve(stream.unwrap(), &keeping));
            }
        });
        Self { endpoint, received }
    }

    /// Every span, and that each is of a service called `windlass`.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let resources = received.traces.iter().flat_map(|request| &request.resource_spans);
        let mut spans = Vec::new();
        for resource in resources {
            let of = texts(&resource.resource.as_ref().unwrap().attributes);
            assert_eq!(of.get("service.name").map(String::as_str), Some("windlass"), "{of:?}");
            for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                spans.push(Span {
                    name: span.name.clone(),
                    kind: span.kind,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    attributes: texts(&span.attributes),
                });
            }
        }
        spans
    }

    /// The series of each metric, as the values of their labels.
    pub(crate) fn metrics(&self) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
        let received = self.received.lock().unwrap();
        let resources = received.metrics.iter().flat_map(|request| &request.resource_metrics);
        let mut found: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for metric in resources.flat_map(|resource| &resource.scope_metrics).flat_map(|scope| &scope.metrics)
        {
            let series: Vec<_> = match metric.data.as_ref().unwrap() {
                Data::Sum(sum) => sum.data_points.iter().map(|point| texts(&point.attributes)).collect(),
                Data::Gauge(gauge) => {
                    gauge.data_points.iter().map(|point| texts(&point.attributes)).collect()
                }
                Data::Histogram(histogram) => {
                    assert_eq!(metric.unit, "s");
                    histogram.data_points.iter().map(|point| texts(&point.attributes)).collect()
                }
                other => panic!("{other:?} was not expected"),
            };
            found.entry(metric.name.clone()).or_default().extend(series);
        }
        found
    }

    /// Each log line with the trace that it belongs to.
    pub(crate) fn logs(&self) -> Vec<(String, String)> {
        let received = self.received.lock().unwrap();
        let resources = received.logs.iter().flat_map(|request| &request.resource_logs);
        let records =
            resources.flat_map(|resource| &resource.scope_logs).flat_map(|scope| &scope.log_records);
        records.map(|record| (text(record.body.as_ref()), hex(&record.trace_id))).collect()
    }

    /// Everything, for a search.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.received.lock().unwrap().raw.clone()
    }
}

/// Answers one connection after the other's requests, until it is closed.
fn serve(stream: TcpStream, received: &Mutex<Received>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_ascii_lowercase());
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.expect("the exporter tells the length")];
        reader.read_exact(&mut body).unwrap();
        assert!(head.contains(&"content-type: application/x-protobuf".to_owned()), "{head:?}");
        received.lock().unwrap().keep(head[0].split(' ').nth(1).unwrap(), body);
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
            )
            .unwrap();
    }
}

impl Received {
    fn keep(&mut self, path: &str, body: Vec<u8>) {
        match path {
            "/v1/traces" => self.traces.push(ExportTraceServiceRequest::decode(body.as_slice()).unwrap()),
            "/v1/metrics" => self.metrics.push(ExportMetricsServiceRequest::decode(body.as_slice()).unwrap()),
            "/v1/logs" => self.logs.push(ExportLogsServiceRequest::decode(body.as_slice()).unwrap()),
            other => panic!("nothing belongs to `{other}`"),
        }
        self.raw.extend(body);
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref()))).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.clone()) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
