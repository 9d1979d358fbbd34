//! Every visit of a kill point: found out by a run that nobody disturbs, then visited one by one.

#![expect(clippy::unwrap_used, reason = "a suite fails as tests do")]

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;

use crate::world::Ran;
use windlass_core::run::Stage;

/// Cases side by side: most of a case is waiting for a cluster.
const WIDTH: usize = 4;

/// A moment at which the process is killed: one visit of a point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visit {
    /// The point's name.
    pub point: String,
    /// Which visit of it, from one.
    nth: usize,
}

impl fmt::Display for Visit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.point, self.nth)
    }
}

/// Runs a program with kill points to its end and answers with everywhere that it could have been killed, in order.
pub fn visits(program: &mut Command) -> (Ran, Vec<Visit>) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let ran = Ran::of(program.env("WINDLASS_KILL_VISITS", log.path()));
    let mut counts = BTreeMap::new();
    let mut visits = Vec::new();
    for point in std::fs::read_to_string(log.path()).unwrap().lines() {
        let nth: &mut usize = counts.entry(point.to_owned()).or_default();
        *nth += 1;
        visits.push(Visit { point: point.to_owned(), nth: *nth });
    }
    (ran, visits)
}

/// Runs the program until it is killed there: whether it came to that.
pub fn is_killed_at(program: &mut Command, visit: &Visit, otherwise: i32) -> bool {
    let ran = Ran::of(program.env("WINDLASS_KILL_AT", visit.to_string()));
    assert!([137, otherwise].contains(&ran.code), "exit {}: {}", ran.code, ran.text());
    ran.code == 137
}

/// Visits every point in a place that `prepare` makes, several side by side. A case answers whether the process was killed.
///
/// Fails with every case that failed, and when a point that the undisturbed run came to was never reached: then nothing was shown of it. What
/// only the clock brings is excepted.
pub fn visit_all<Place>(
    visits: &[Visit],
    prepare: impl Fn() -> Place + Sync,
    case: impl Fn(&mut Place, &Visit) -> bool + Sync,
) {
    let (next, reached, failed) =
        (Mutex::new(visits.iter()), Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WIDTH {
            scope.spawn(|| {
                let mut place = None;
                while let Some(visit) = { next.lock().unwrap().next() } {
                    let outcome =
                        catch_unwind(AssertUnwindSafe(|| case(place.get_or_insert_with(&prepare), visit)));
                    match outcome {
                        Ok(true) => drop(reached.lock().unwrap().insert(&visit.point)),
                        Ok(false) => {}
                        Err(panic) => {
                            // What a failed case left behind must not fail the next.
                            place = None;
                            failed.lock().unwrap().push(format!("{visit}: {}", words(&*panic)));
                        }
                    }
                }
            });
        }
    });
    let (reached, failed) = (reached.into_inner().unwrap(), failed.into_inner().unwrap());
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), visits.len(), failed.join("\n"));
    let missed: BTreeSet<_> = visits.iter().map(|visit| &visit.point).collect();
    let missed: Vec<_> = missed.difference(&reached).filter(|point| !comes_by_the_clock(point)).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

/// Fails unless the visits hold the beginning and the end of each of these stages, and writes to the cluster.
pub fn expect_boundaries(visits: &[Visit], stages: &[Stage], ends: &str) {
    let points: BTreeSet<_> = visits.iter().map(|visit| visit.point.as_str()).collect();
    let boundaries =
        stages.iter().flat_map(|stage| ["begin_stage", ends].map(|write| format!("store.{write}.{stage}")));
    for point in boundaries.flat_map(|write| ["before", "after"].map(|moment| format!("{write}.{moment}"))) {
        assert!(points.contains(point.as_str()), "`{point}` is not among {points:?}");
    }
    assert!(points.contains("apply.write.before") && points.contains("apply.write.after"), "{points:?}");
}

fn comes_by_the_clock(point: &str) -> bool {
    ["store.renew", "store.wake"].iter().any(|clock| point.starts_with(clock))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
