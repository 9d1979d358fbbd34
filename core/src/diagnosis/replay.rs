//! Replaying what a real kubelet and the real controllers reported.
//!
//! `tests/testbed/recorded` of the repository holds a file per scene. Each is run through a [`Rollout`] as an update and as a first
//! release; scenes with later steps (a new image, a rollback) are replayed for each step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::object::ObjectView;

const TIMEOUT: Duration = Duration::from_mins(5);

/// Kinds that the scenes apply; everything else that is recorded follows from them.
const APPLIED: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "Service"];

/// A recorded watch report.
#[derive(Debug, Clone)]
struct Line {
    at: f64,
    kind: String,
    object: Value,
}

/// A recorded scene.
struct Scene {
    lines: Vec<Line>,
    zero: Timestamp,
}

/// One run inside a scene: what was applied, what was there before, and the reports that followed.
#[derive(Clone)]
struct Run {
    zero: Timestamp,
    start: f64,
    applied: Value,
    before: Vec<Line>,
    reports: Vec<Line>,
}

fn recorded(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/testbed/recorded").join(file)
}

impl Scene {
    fn read(name: &str) -> Scene {
        let text = std::fs::read_to_string(recorded(&format!("{name}.jsonl"))).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let lines: Vec<Line> = lines
            .filter(|line| line.get("object").is_some())
            .map(|mut line| Line {
                at: line["at"].as_f64().unwrap(),
                kind: line["type"].as_str().unwrap().to_owned(),
                object: line["object"].take(),
            })
            .collect();
        let first = lines.iter().find(|line| line.is_applied()).unwrap();
        let zero = ObjectView::new(&first.object).created_at().unwrap() - seconds(first.at);
        Scene { lines, zero }
    }

    /// The runs: one per generation of the applied object that changes its template.
    fn runs(&self) -> Vec<Run> {
        let mut starts: Vec<(f64, Value)> = Vec::new();
        for line in self.lines.iter().filter(|line| line.is_applied()) {
            let generation = ObjectView::new(&line.object).generation();
            if starts.last().is_none_or(|last| ObjectView::new(&last.1).generation() < generation) {
                starts.push((line.at, line.object.clone()));
            }
        }
        let ends = starts.iter().skip(1).map(|start| start.0).chain([f64::MAX]);
        starts.iter().enumerate().zip(ends).map(|((index, start), end)| self.run(index, start, end)).collect()
    }

    fn run(&self, index: usize, start: &(f64, Value), end: f64) -> Run {
        // The answer to an apply and the first watch reports of it come within milliseconds, in any order.
        let from = if index == 0 { 0.0 } else { start.0 - 0.02 };
        let before = self.lines.iter().filter(|line| line.at < from);
        let reports = self.lines.iter().filter(|line| line.at >= from && line.at < end - 0.02);
        Run {
            zero: self.zero,
            start: from,
            applied: start.1.clone(),
            before: listed(before),
            reports: reports.cloned().collect(),
        }
    }
}

impl Line {
    fn is_applied(&self) -> bool {
        APPLIED.contains(&ObjectView::new(&self.object).kind())
    }

    fn report(&self) -> Report {
        Report::of_watch(&self.kind, self.object.clone()).unwrap()
    }
}

/// The latest state of everything, as a list would answer it.
fn listed<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<Line> {
    let mut latest: BTreeMap<String, Line> = BTreeMap::new();
    for line in lines {
        let uid = ObjectView::new(&line.object).uid().unwrap().to_owned();
        if line.kind == "DELETED" {
            latest.remove(&uid);
        } else {
            latest.insert(uid, Line { kind: "ADDED".to_owned(), ..line.clone() });
        }
    }
    latest.into_values().collect()
}

fn seconds(seconds: f64) -> SignedDuration {
    SignedDuration::from_secs_f64(seconds)
}

impl Run {
    fn time(&self, at: f64) -> Timestamp {
        self.zero + seconds(at)
    }

    fn at(&self, time: Timestamp) -> f64 {
        time.duration_since(self.zero).as_secs_f64()
    }

    fn rollout(&self, first_release: bool) -> Rollout {
        let settings = Settings { first_release, ..Settings::new(self.time(self.start), TIMEOUT) };
        Rollout::new(vec![self.applied.clone()], settings).unwrap()
    }

    /// Feeds everything, letting time pass in between as a watcher would, until there is a verdict.
    fn replay(&self, first_release: bool) -> (Rollout, Vec<Line>) {
        let mut rollout = self.rollout(first_release);
        for line in &self.before {
            rollout.observe(self.time(self.start), line.report());
        }
        for (index, line) in self.reports.iter().enumerate() {
            Run::pass_time(&mut rollout, self.time(line.at));
            if !matches!(rollout.observe(self.time(line.at), line.report()), Verdict::Waiting { .. }) {
                return (rollout, self.reports[index + 1..].to_vec());
            }
        }
        Run::pass_time(&mut rollout, Timestamp::MAX);
        (rollout, Vec::new())
    }

    fn pass_time(rollout: &mut Rollout, to: Timestamp) {
        while let Verdict::Waiting { until } = *rollout.verdict() {
            if until >= to {
                return;
            }
            rollout.tick(until);
        }
    }

    /// How the run ends: `settled 2.30`, or `gave up 2.88 image_not_found`, with the soak that follows.
    fn ending(&self, first_release: bool) -> String {
        let (rollout, rest) = self.replay(first_release);
        match rollout.verdict().clone() {
            Verdict::GaveUp(diagnosis) => {
                format!("gave up {:.2} {}", self.at(diagnosis.gave_up_at), diagnosis.cause)
            }
            Verdict::Settled => {
                let settled = self.reports.len() - rest.len();
                let at = self.reports[settled.saturating_sub(1)].at;
                format!("settled {at:.2}{}", self.soaked(rollout, at, &rest))
            }
            Verdict::Waiting { .. } => "waits for ever".to_owned(),
        }
    }

    fn soaked(&self, rollout: Rollout, at: f64, rest: &[Line]) -> String {
        let mut soak = rollout.soak(self.time(at), Duration::from_secs(20));
        for line in rest {
            soak.observe(self.time(line.at), line.report());
        }
        match soak.tick(Timestamp::MAX) {
            SoakVerdict::Failed(diagnosis) => {
                let underlying = diagnosis.underlying.map(|cause| format!(" {cause}")).unwrap_or_default();
                format!(", then failed {:.2}{underlying}", self.at(diagnosis.gave_up_at))
            }
            _ => String::new(),
        }
    }

    /// What was named first, and when: `image_not_found 2.88`.
    fn first_named(&self) -> String {
        let (rollout, _) = self.replay(true);
        rollout
            .named()
            .first()
            .map_or("-".to_owned(), |named| format!("{} {:.2}", named.cause, self.at(named.since)))
    }
}

/// Scene, number of the run in it, what is named first and when, the end as an update, the end as a first release.
const TABLE: &str = include_str!("replay.txt");

fn rows() -> Vec<[&'static str; 5]> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            cells.try_into().unwrap_or_else(|cells| panic!("a row has five cells: {cells:?}"))
        })
        .collect()
}

#[test]
fn every_scene_ends_as_the_table_says() {
    let mut wrong = Vec::new();
    for [scene, number, named, update, first] in rows() {
        let run = &Scene::read(scene).runs()[number.parse::<usize>().unwrap()];
        let got = [run.first_named(), run.ending(false), run.ending(true)];
        if got != [named, update, first] {
            wrong.push(format!("{scene} | {number} | {}", got.join(" | ")));
        }
    }
    assert!(wrong.is_empty(), "these rows came out differently:\n{}", wrong.join("\n"));
}

#[test]
fn every_recorded_scene_is_in_the_table() {
    let mut scenes: Vec<String> = std::fs::read_dir(recorded(""))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".jsonl").map(str::to_owned))
        .collect();
    scenes.sort();
    assert_eq!(scenes.len(), 42);
    for scene in scenes {
        let runs = Scene::read(&scene).runs().len();
        let listed = rows().iter().filter(|row| row[0] == scene).count();
        assert_eq!(listed, runs, "rows of {scene}");
    }
}

/// The first warning event and the first telling status of a scene, in seconds after the object appeared, from the table of the
/// recordings' README.
fn first_tellings() -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(recorded("README.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, scene, event, status, ..] = cells[..] else { return None };
        let second = |cell: &str| cell.split(' ').next()?.parse::<f64>().ok();
        let first = [second(event), second(status)].into_iter().flatten().fold(f64::MAX, f64::min);
        (first < f64::MAX).then(|| (scene.to_owned(), first))
    });
    rows.collect()
}

#[test]
fn causes_are_named_at_the_first_report_that_tells() {
    let tellings = first_tellings();
    let mut checked = 0;
    for [scene, _, named, ..] in rows() {
        let (Some(telling), Some((_, at))) = (tellings.get(scene), named.split_once(' ')) else { continue };
        if scene == "statefulset-trap" {
            continue; // its first failed status is that of an old pod, which is being deleted
        }
        let appeared = Scene::read(scene).lines.iter().find(|line| line.is_applied()).unwrap().at;
        let after = at.parse::<f64>().unwrap() - appeared;
        // The README rounds to tenths of a second.
        assert!(
            after <= telling + 0.1,
            "{scene}: named {after:.2}s after the object appeared, told after {telling}s"
        );
        checked += 1;
    }
    assert!(checked >= 30, "only {checked} scenes were compared");
}

#[test]
fn sound_scenes_name_nothing() {
    for [scene, _, named, update, first] in rows() {
        if scene.starts_with("ok-") || ["init-slow", "job-completes", "slow-termination"].contains(&scene) {
            assert_eq!(named, "-", "{scene}");
            assert!(update.starts_with("settled") && first.starts_with("settled"), "{scene}");
            assert!(!update.contains("failed"), "{scene}");
        }
    }
}

/// The update of a scene as the table has it: its last run but for the rollbacks, which are the runs after the failing one.
fn diagnosis(scene: &str, run: usize) -> Diagnosis {
    let (rollout, _) = Scene::read(scene).runs()[run].replay(false);
    match rollout.verdict().clone() {
        Verdict::GaveUp(diagnosis) => *diagnosis,
        other => panic!("{scene} did not give up: {other:?}"),
    }
}

#[test]
fn diagnosis_block_of_a_crash() {
    let mut diagnosis = diagnosis("crash", 0);
    let requests = diagnosis.wants_logs();
    assert_eq!(requests.iter().map(|request| request.previous).collect::<Vec<_>>(), [false, true]);
    diagnosis.add_log(&requests[0], "starting\nfatal: no database at DB_URL\n");
    diagnosis.add_log(&requests[1], "starting\nfatal: no database at DB_URL\n");
    let changed = |path: &str, to: &str| ChangedField {
        object: diagnosis.object.clone(),
        path: path.to_owned(),
        from: Some("a".to_owned()),
        to: Some(to.to_owned()),
        source: Some("overlays/dev/web.yaml:31, commit 77ab0c3".to_owned()),
    };
    let env = "spec.template.spec.containers[main].env";
    let run = [changed(&format!("{env}[LOG]"), "b"), changed(&format!("{env}[DB_URL]"), "c")];
    diagnosis.tie(&run);
    diagnosis.add_done("rolled back to 1.9.0 (r-1040); 1 of 1 ready after 9s");
    insta::assert_snapshot!(diagnosis.render("shop/web 1.9.1 on dev"));
}

#[test]
fn headlines_say_what_happened() {
    let lines = rows().into_iter().filter(|row| row[3].starts_with("gave up")).map(|row| {
        let diagnosis = diagnosis(row[0], row[1].parse().unwrap());
        let place = diagnosis.render("").lines().nth(2).unwrap().trim().to_owned();
        let not_it = diagnosis.not_it.join(", ");
        format!("{}\n  {}\n  {place}\n  not it    {not_it}", row[0], diagnosis.headline)
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

/// What docs/explanation/failures.md says before the blocks.
const PREFACE: &str = "# What failures look like\n\nEach failure below was recorded from a real kubelet, registry and API server \
    (`tests/testbed/recorded`). What follows a name is what a person reads\nwhen a run ends with it. `windlass explain` has a \
    page for each code.\n";

/// With `WINDLASS_WRITE_REFERENCE=1` in the environment the page is written first.
#[test]
fn the_page_of_failures_shows_each_as_people_read_it() {
    let failed = rows().into_iter().filter(|row| row[3].starts_with("gave up"));
    let blocks = failed.map(|row| {
        let diagnosis = diagnosis(row[0], row[1].parse().unwrap());
        assert!(diagnosis.render("").contains("\n  next  "), "{} says what to do", row[0]);
        format!("\n## {}\n\n```text\n{}\n```\n", row[0], diagnosis.render("4e1a9b2 on dev").trim_end())
    });
    let expected = format!("{PREFACE}{}", blocks.collect::<String>());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/explanation/failures.md");
    if std::env::var_os("WINDLASS_WRITE_REFERENCE").is_some() {
        std::fs::write(&file, &expected).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        committed, expected,
        "write docs/explanation/failures.md anew with WINDLASS_WRITE_REFERENCE=1"
    );
}

#[test]
fn diagnosis_survives_json() {
    let diagnosis = diagnosis("readiness-never", 0);
    let text = serde_json::to_string(&diagnosis).unwrap();
    assert_eq!(serde_json::from_str::<Diagnosis>(&text).unwrap(), diagnosis);
    assert!(text.contains(r#""cause":"probe_never_passes""#), "{text}");
}

#[test]
fn trap_is_found_only_after_the_revert_was_seen() {
    let trapped_at = |until: f64| {
        let lines = Scene::read("statefulset-trap").lines;
        let state = listed(lines.iter().filter(|line| line.at <= until));
        let of = |kind: &str| {
            let objects = state.iter().map(|line| line.object.clone());
            objects.filter(|object| ObjectView::new(object).kind() == kind).collect::<Vec<Value>>()
        };
        let trapped = trapped_pods(&of("StatefulSet")[0], &of("Pod"));
        trapped.into_iter().map(|trapped| trapped.pod.name).collect::<Vec<_>>()
    };
    assert!(trapped_at(5.0).is_empty(), "all is well");
    assert!(trapped_at(15.0).is_empty(), "the bad release is still wanted");
    assert_eq!(trapped_at(20.0), ["db-2"], "reverted");
    assert!(trapped_at(30.64).is_empty(), "it is being deleted");
    assert!(trapped_at(40.0).is_empty(), "free");
}

#[test]
fn patience_that_a_service_sets_is_kept() {
    let run = &Scene::read("config-map-missing").runs()[0];
    let overrides = BTreeMap::from([(Cause::ConfigurationMissing, Duration::from_secs(1))]);
    let patience = BTreeMap::from([("web".parse().unwrap(), overrides)]);
    let settings = Settings { patience, ..Settings::new(run.time(0.0), TIMEOUT) };
    let mut rollout = Rollout::new(vec![run.applied.clone()], settings).unwrap();
    for line in &run.reports {
        Run::pass_time(&mut rollout, run.time(line.at));
        rollout.observe(run.time(line.at), line.report());
    }
    let Verdict::GaveUp(diagnosis) = rollout.verdict() else { panic!("still waiting") };
    assert_eq!(diagnosis.gave_up_at - diagnosis.named_at, jiff::Span::new().seconds(1).fieldwise());
}

#[test]
fn progress_names_the_one_thing_that_is_waited_for() {
    let run = &Scene::read("readiness-never").runs()[0];
    let mut rollout = run.rollout(false);
    for line in run.reports.iter().take_while(|line| line.at < 5.0) {
        rollout.observe(run.time(line.at), line.report());
    }
    let progress = rollout.progress();
    assert_eq!(progress.objects[0].pods.len(), 1);
    let waiting = progress.waiting_on.unwrap();
    assert_eq!(waiting.cause, Some(Cause::ProbeNeverPasses));
    assert_eq!(waiting.container.as_deref(), Some("main"));
    assert!(waiting.reason.contains("connection refused"), "{}", waiting.reason);
}

/// Reports within this many seconds of one another may arrive in any order: they come by different watches.
const SIMULTANEOUS: f64 = 0.05;

/// Shuffles reports that are simultaneous, keeping the order of each object's own.
fn shuffled(lines: &[Line], seed: &[u64]) -> Vec<Line> {
    let mut shuffled: Vec<Line> = Vec::new();
    let mut rest = lines;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|line| line.at - first.at <= SIMULTANEOUS).count();
        let (group, after) = rest.split_at(length);
        // Streams are merged by a key per kind, so that what one watch sends stays in order.
        let mut group = group.to_vec();
        let key = |line: &Line| {
            let kind = ObjectView::new(&line.object).kind();
            let hash = kind.bytes().fold(0usize, |hash, byte| hash * 31 + usize::from(byte));
            seed[(shuffled.len() + hash) % seed.len()]
        };
        group.sort_by_key(key);
        // All of a group are taken at its last moment.
        let last = group.iter().map(|line| line.at).fold(0.0, f64::max);
        shuffled.extend(group.into_iter().map(|line| Line { at: last, ..line }));
        rest = after;
    }
    shuffled
}

fn ending_without_time(run: &Run) -> String {
    let ending = run.ending(false);
    ending
        .split(' ')
        .filter(|word| word.trim_end_matches(',').parse::<f64>().is_err())
        .collect::<Vec<_>>()
        .join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn order_of_simultaneous_reports_does_not_change_the_end(
        row in prop::sample::select(rows()),
        seed in prop::collection::vec(any::<u64>(), 7..31),
    ) {
        let run = Scene::read(row[0]).runs()[row[1].parse::<usize>().unwrap()].clone();
        let other = Run { reports: shuffled(&run.reports, &seed), ..run.clone() };
        prop_assert_eq!(ending_without_time(&run), ending_without_time(&other));
    }

    #[test]
    fn damaged_reports_never_panic(
        row in prop::sample::select(rows()),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4u8), 1..40),
    ) {
        let mut run = Scene::read(row[0]).runs()[row[1].parse::<usize>().unwrap()].clone();
        for (line, place, how) in cuts {
            let line = line.get(&run.reports).clone();
            let mut damaged = line.object.clone();
            damage(&mut damaged, place.index(usize::MAX), how);
            run.reports.push(Line { object: damaged, ..line });
        }
        run.reports.sort_by(|one, two| one.at.total_cmp(&two.at));
        let (rollout, _) = run.replay(false);
        rollout.progress();
        if let Verdict::GaveUp(diagnosis) = rollout.verdict() {
            diagnosis.render("it");
        }
        run.ending(true);
    }
}

/// Walks into a value by the digits of a number, and removes or replaces what it finds.
fn damage(value: &mut Value, place: usize, how: u8) {
    let (digit, rest) = (place % 16, place / 16);
    match value {
        Value::Object(map) if !map.is_empty() && rest > 0 => {
            let length = map.len();
            let inner = map.values_mut().nth(digit % length).expect("the index is below the length");
            damage(inner, rest, how);
        }
        Value::Array(list) if !list.is_empty() && rest > 0 => {
            let length = list.len();
            damage(&mut list[digit % length], rest, how);
        }
        other => {
            *other = match how {
                0 => Value::Null,
                1 => Value::from(i64::MIN),
                2 => Value::from("\u{1f680}: : ://@"),
                _ => Value::from(vec![Value::Null]),
            }
        }
    }
}
