//! What is said while one stays with runs: lines that stay, and on a terminal one line that is drawn again and again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use windlass_core::name::{EnvironmentName, RunId};
use windlass_core::run::Stage;

use crate::engine::Live;
use crate::printer::{Listener, Printer};
use crate::usual::Usual;
use crate::view::{RunView, StageView, in_words};

/// A line at least this often, so that a log shows that somebody is still there.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(30);

/// How often the last line of a terminal is drawn anew.
pub(super) const FRAME: Duration = Duration::from_millis(120);

/// Quarters of a circle, as the signs of stages are circles.
const SPINNER: [&str; 4] = ["◐", "◓", "◑", "◒"];

/// Where the width of a terminal is not known.
const WIDTH: usize = 80;

/// Says what is new about runs, each thing once.
#[derive(Debug)]
pub(super) struct Talk {
    printer: Printer,
    told: BTreeMap<RunId, usize>,
    /// The line of a provider that was said last, of each attempt at a stage.
    heard: BTreeMap<(RunId, Stage, u32), String>,
    usual: BTreeMap<EnvironmentName, Usual>,
    /// The stage that each run is in.
    current: BTreeMap<RunId, Current>,
    waiting: Option<(RunId, String)>,
    spoke: Instant,
    began: Instant,
    frame: usize,
}

/// A stage that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Current {
    environment: EnvironmentName,
    stage: Stage,
    began_at: Timestamp,
}

impl Talk {
    pub(super) fn new(printer: Printer) -> Self {
        let (spoke, began) = (Instant::now(), Instant::now());
        Self {
            printer,
            told: BTreeMap::new(),
            heard: BTreeMap::new(),
            usual: BTreeMap::new(),
            current: BTreeMap::new(),
            waiting: None,
            spoke,
            began,
            frame: 0,
        }
    }

    /// Whether a line is drawn again and again.
    pub(super) fn draws(&self) -> bool {
        self.printer.listener() == Listener::Terminal
    }

    /// Whether the usual times of an environment are wanted and not known.
    pub(super) fn wants_usual(&self, environment: &EnvironmentName) -> bool {
        self.draws() && !self.usual.contains_key(environment)
    }

    pub(super) fn learn(&mut self, environment: EnvironmentName, usual: Usual) {
        self.usual.insert(environment, usual);
    }

    fn say(&mut self, line: &str) {
        self.spoke = Instant::now();
        if self.draws() {
            self.printer.draw("");
        }
        self.printer.say(line);
    }

    /// Says which stages have ended since the last look, and answers how many.
    pub(super) fn tell(&mut self, view: &RunView) -> usize {
        if let Entry::Vacant(vacant) = self.told.entry(view.id) {
            vacant.insert(0);
            self.say(&view.heading());
        }
        let from = self.told[&view.id];
        let ended: Vec<_> =
            view.stages.iter().skip(from).take_while(|stage| stage.ok.is_some()).cloned().collect();
        for stage in &ended {
            self.tell_progress(view, stage);
            self.tell_stage(view, stage);
        }
        self.told.insert(view.id, from + ended.len());
        if let Some(going) = view.stages.get(from + ended.len()) {
            self.tell_progress(view, going);
        }
        match view.stages.last().filter(|stage| stage.ok.is_none() && view.outcome().is_none()) {
            Some(StageView { stage, began_at, .. }) => {
                let environment = view.environment.clone();
                let current = Current { environment, stage: *stage, began_at: *began_at };
                let before = self.current.insert(view.id, current);
                if *stage == Stage::Rollback && before.is_none_or(|before| before.stage != Stage::Rollback) {
                    self.say("  ◐ going back to the last verified release");
                }
            }
            None => {
                self.current.remove(&view.id);
            }
        }
        ended.len()
    }

    /// Says what a provider has told since the last look. Of very much only the end is kept, so lines are known by what they say.
    fn tell_progress(&mut self, view: &RunView, stage: &StageView) {
        let key = (view.id, stage.stage, stage.attempt);
        let said = self.heard.get(&key);
        let said = stage.progress.iter().rposition(|line| Some(line) == said).map_or(0, |at| at + 1);
        for line in &stage.progress[said..] {
            self.say(&format!("  ◐ {line}"));
        }
        if let Some(last) = stage.progress.last() {
            self.heard.insert(key, last.clone());
        }
    }

    fn tell_stage(&mut self, view: &RunView, stage: &StageView) {
        let shape = if stage.ok == Some(true) { "✓" } else { "✗" };
        let took = stage.took.map(in_words).unwrap_or_default();
        let line =
            format!("  {shape} {:<9}{took:>8}  {}", stage.stage.as_str(), view.stage_note(stage.stage));
        if self.printer.listener() != Listener::Actions {
            return self.say(line.trim_end());
        }
        let details = view.stage_details(stage.stage);
        self.say(&format!("::group::{}", super::actions::escaped(line.trim())));
        for line in details.lines() {
            self.say(&super::actions::harmless(line));
        }
        self.say("::endgroup::");
    }

    pub(super) fn waiting(&mut self, news: &Live) {
        let Some(reason) = &news.waiting_on else { return };
        let is_new = self.waiting.as_ref().is_none_or(|(run, told)| *run != news.run || told != reason);
        self.waiting = Some((news.run, reason.clone()));
        if self.draws() {
            self.draw();
        } else if is_new {
            self.say(&format!("  ◐ waiting on {reason}"));
        }
    }

    pub(super) fn heartbeat(&mut self) {
        if !self.draws() && self.spoke.elapsed() >= HEARTBEAT {
            let on = self.waiting.as_ref().map_or_else(String::new, |(_, reason)| format!(", on {reason}"));
            self.say(&format!("  ◐ still waiting after {}{on}", in_words(self.began.elapsed())));
        }
    }

    /// Draws the last line once more.
    pub(super) fn draw(&mut self) {
        self.frame += 1;
        let width = terminal_size::terminal_size_of(std::io::stderr())
            .map_or(WIDTH, |(width, _)| usize::from(width.0));
        let line = self.line(Timestamp::now(), width);
        self.printer.draw(&line);
    }

    /// What the last line says: one stage, how long it lasts and usually takes, and the one thing that is waited for.
    fn line(&self, now: Timestamp, width: usize) -> String {
        let waited_for = self.waiting.as_ref().map(|(run, _)| run);
        let current =
            waited_for.and_then(|run| self.current.get_key_value(run)).or(self.current.iter().next());
        let Some((run, current)) = current else { return String::new() };
        let spinner = SPINNER[self.frame % SPINNER.len()];
        let lasts = Duration::try_from(now.duration_since(current.began_at)).unwrap_or_default();
        let usual = self.usual.get(&current.environment).map(|usual| usual.in_words(current.stage));
        let usual = usual.map_or_else(String::new, |usual| format!(", {usual}"));
        let blocker = match &self.waiting {
            Some((of, reason)) if of == run && current.stage == Stage::Wait => format!("  {reason}"),
            _ => String::new(),
        };
        let more = match self.current.len() {
            0 | 1 => String::new(),
            several => format!("  (and {} more runs)", several - 1),
        };
        let line =
            format!("  {spinner} {:<9}{:>8}{usual}{more}{blocker}", current.stage.as_str(), in_words(lasts));
        cut(&line, width.saturating_sub(1))
    }
}

/// Takes the last line away.
impl Drop for Talk {
    fn drop(&mut self) {
        if self.draws() {
            self.printer.draw("");
        }
    }
}

/// At most `width` characters, so that a terminal does not wrap the line: what is wrapped cannot be drawn over.
fn cut(line: &str, width: usize) -> String {
    let printable: String =
        line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if printable.chars().count() <= width {
        return printable;
    }
    let kept: String = printable.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Format;

    fn talk(reason: Option<&str>) -> Talk {
        let mut talk = Talk::new(Printer::new(Format::Text, false));
        let environment: EnvironmentName = "dev".parse().unwrap();
        let current =
            Current { environment: environment.clone(), stage: Stage::Wait, began_at: Timestamp::UNIX_EPOCH };
        talk.current.insert(RunId(1), current);
        talk.learn(environment, Usual::default());
        talk.waiting = reason.map(|reason| (RunId(1), reason.to_owned()));
        talk
    }

    #[track_caller]
    fn check(reason: Option<&str>, width: usize, expected: &str) {
        let now = Timestamp::from_second(18).unwrap();
        assert_eq!(talk(reason).line(now, width), expected);
    }

    #[test]
    fn the_last_line_names_one_blocker() {
        let reason = "StatefulSet/postgres Pod/postgres-0: pulling the image";
        let usual = "too few runs yet to say how long";
        check(Some(reason), 200, &format!("  ◐ wait          18s, {usual}  {reason}"));
        check(None, 200, &format!("  ◐ wait          18s, {usual}"));
    }

    #[test]
    fn the_last_line_fits_the_terminal() {
        let reason = "StatefulSet/postgres\x1b[2J: a very long reason that goes on and on";
        for width in [60, 40, 20, 2, 0] {
            let line = talk(Some(reason)).line(Timestamp::from_second(18).unwrap(), width);
            assert!(line.chars().count() < width.max(2), "{width}: {line}");
            assert!(!line.contains('\x1b'), "{line}");
        }
        let expected = "  ◐ wait          18s, too few runs yet to say how long  St…";
        check(Some("StatefulSet/postgres: pulling"), 61, expected);
    }

    #[test]
    fn nothing_is_drawn_where_no_stage_is_under_way() {
        let mut talk = talk(Some("a pod"));
        talk.current.clear();
        assert_eq!(talk.line(Timestamp::from_second(18).unwrap(), 80), "");
    }
}
