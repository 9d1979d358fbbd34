//! Metrics: series of the right names and times. What they say is the same for everyone, because nothing runs that could be measured.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::Answer;
use crate::kind::Kind;
use crate::problem::Problem;
use crate::query::Query;
use crate::time::written;

const SERVER: &[(&str, &[&str])] = &[
    ("cpu", &["cpu"]),
    ("disk", &["disk.0.iops.read", "disk.0.iops.write", "disk.0.bandwidth.read", "disk.0.bandwidth.write"]),
    (
        "network",
        &["network.0.pps.in", "network.0.pps.out", "network.0.bandwidth.in", "network.0.bandwidth.out"],
    ),
];

const LOAD_BALANCER: &[(&str, &[&str])] = &[
    ("open_connections", &["open_connections"]),
    ("connections_per_second", &["connections_per_second"]),
    ("requests_per_second", &["requests_per_second"]),
    ("bandwidth", &["bandwidth.in", "bandwidth.out"]),
];

/// No series has more values.
const MOST_VALUES: i64 = 500;

pub(super) fn answer(kind: Kind, query: &Query, now: Timestamp) -> Result<Answer, Problem> {
    let known = if kind == Kind::Server { SERVER } else { LOAD_BALANCER };
    let (start, end) = (time(query, "start")?, time(query, "end")?);
    if start >= end || start > now {
        return Err(Problem::invalid_field("start", "must be before `end` and not in the future"));
    }
    let step = step(query, start, end)?;
    let mut series = Map::new();
    for wanted in query.all("type").flat_map(|types| types.split(',')) {
        let (_, names) = known
            .iter()
            .find(|(name, _)| *name == wanted)
            .ok_or_else(|| Problem::invalid_field("type", format!("there are no metrics `{wanted}`")))?;
        series.extend(
            names.iter().map(|name| ((*name).to_owned(), json!({"values": values(start, end, step)}))),
        );
    }
    if series.is_empty() {
        return Err(Problem::invalid_field("type", "is missing"));
    }
    Ok(Answer::ok(json!({"metrics": {
        "start": written(start), "end": written(end), "step": step, "time_series": series,
    }})))
}

fn time(query: &Query, name: &str) -> Result<Timestamp, Problem> {
    let text = query.get(name).ok_or_else(|| Problem::invalid_field(name, "is missing"))?;
    text.parse().map_err(|_| Problem::invalid_field(name, "must be a time of RFC 3339"))
}

/// In seconds. By default as fine as the number of values allows.
fn step(query: &Query, start: Timestamp, end: Timestamp) -> Result<i64, Problem> {
    let finest = end.duration_since(start).as_secs() / MOST_VALUES + 1;
    match query.get("step") {
        None => Ok(finest),
        Some(text) => text
            .parse()
            .ok()
            .filter(|step| *step > 0)
            .map(|step: i64| step.max(finest))
            .ok_or_else(|| Problem::invalid_field("step", "must be a number of seconds")),
    }
}

fn values(start: Timestamp, end: Timestamp, step: i64) -> Vec<Value> {
    let times = (0..).map_while(|index| {
        let time = start.checked_add(SignedDuration::from_secs(index * step)).ok()?;
        (time <= end).then_some(time)
    });
    times.map(|time| json!([time.as_second(), "1"])).collect()
}
