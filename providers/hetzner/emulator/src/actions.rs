//! Actions: work that takes time, and what it does when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::later;
use crate::faults;
use crate::kind::{Id, Kind};
use crate::project::Project;
use crate::time::written;

/// What an action does to the project when it ends.
type Effect = Box<dyn FnOnce(&mut Project, &Ending) + Send>;

/// How an action ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    /// `error.code` of the action.
    Error(String),
}

/// How long actions take.
#[derive(Debug, Clone)]
pub struct Latencies {
    commands: BTreeMap<String, Duration>,
    others: Duration,
    calls: Duration,
}

impl Latencies {
    /// Every action has ended when the next call comes.
    pub fn none() -> Self {
        Self { commands: BTreeMap::new(), others: Duration::ZERO, calls: Duration::ZERO }
    }

    /// About what is seen of the real API: eleven seconds until a server from a stock image is started.
    pub fn usual() -> Self {
        let seconds = [
            ("create_server", 6.0),
            ("start_server", 5.0),
            ("reboot_server", 8.0),
            ("rebuild_server", 20.0),
            ("change_server_type", 30.0),
            ("create_image", 60.0),
            ("delete_server", 3.0),
            ("attach_to_network", 2.0),
            ("create_load_balancer", 3.0),
            ("issue_certificate", 30.0),
            ("create_volume", 2.0),
            ("attach_volume", 3.0),
            ("detach_volume", 3.0),
        ];
        seconds
            .iter()
            .fold(Self { others: Duration::from_secs(1), ..Self::none() }, |latencies, (command, seconds)| {
                latencies.action(command, faults::duration(*seconds))
            })
    }

    /// How long actions of a command take: `create_server`, `attach_to_network`, ….
    pub fn action(mut self, command: &str, duration: Duration) -> Self {
        self.commands.insert(command.to_owned(), duration);
        self
    }

    /// How long actions of all other commands take.
    pub fn others(mut self, duration: Duration) -> Self {
        self.others = duration;
        self
    }

    /// How long it takes until a call is answered.
    pub fn calls(mut self, duration: Duration) -> Self {
        self.calls = duration;
        self
    }

    pub(crate) fn of_a_call(&self) -> Duration {
        self.calls
    }

    fn of(&self, command: &str) -> Duration {
        self.commands.get(command).copied().unwrap_or(self.others)
    }
}

/// An action that is about to start.
pub(crate) struct Start {
    command: &'static str,
    resources: Vec<(Kind, Id)>,
    locks: bool,
    after: Option<Id>,
    extra: Duration,
    effect: Effect,
}

impl Start {
    /// An action that works on one resource and locks it as long as it runs.
    pub(crate) fn new(command: &'static str, kind: Kind, id: Id) -> Self {
        Self {
            command,
            resources: vec![(kind, id)],
            locks: true,
            after: None,
            extra: Duration::ZERO,
            effect: Box::new(|_, _| {}),
        }
    }

    /// Names another resource that the action is about.
    pub(crate) fn with(mut self, kind: Kind, id: Id) -> Self {
        self.resources.push((kind, id));
        self
    }

    /// Leaves the resource open to other actions.
    pub(crate) fn unlocked(mut self) -> Self {
        self.locks = false;
        self
    }

    /// Waits for another action, and fails if that fails.
    pub(crate) fn after(mut self, other: Id) -> Self {
        self.after = Some(other);
        self
    }

    /// Takes longer than its command usually does.
    pub(crate) fn longer(mut self, extra: Duration) -> Self {
        self.extra = extra;
        self
    }

    /// What it does when it has succeeded.
    pub(crate) fn then(self, effect: impl FnOnce(&mut Project) + Send + 'static) -> Self {
        self.finally(move |project, ending| {
            if *ending == Ending::Success {
                effect(project);
            }
        })
    }

    /// What it does when it ends, well or not.
    pub(crate) fn finally(mut self, effect: impl FnOnce(&mut Project, &Ending) + Send + 'static) -> Self {
        self.effect = Box::new(effect);
        self
    }
}

/// An action that runs or ran.
struct Action {
    command: &'static str,
    resources: Vec<(Kind, Id)>,
    locks: bool,
    after: Option<Id>,
    started: Timestamp,
    ends: Timestamp,
    ending: Ending,
    /// Nothing once it has ended.
    effect: Option<Effect>,
}

impl Action {
    fn view(&self, id: Id, now: Timestamp) -> Value {
        let runs = self.effect.is_some();
        let (status, error) = match &self.ending {
            _ if runs => ("running", Value::Null),
            Ending::Success => ("success", Value::Null),
            Ending::Error(code) => ("error", json!({"code": code, "message": "Action failed"})),
        };
        json!({
            "id": id,
            "command": self.command,
            "status": status,
            "progress": if runs { self.progress(now) } else { 100 },
            "started": written(self.started),
            "finished": (!runs).then(|| written(self.ends)),
            "resources": self.resources.iter().map(|(kind, id)| json!({"id": id, "type": kind.singular()})).collect::<Vec<_>>(),
            "error": error,
        })
    }

    /// In percent; below 100 as long as it runs.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=99")]
    fn progress(&self, now: Timestamp) -> u8 {
        let whole = self.ends.duration_since(self.started).as_secs_f64();
        let done = now.duration_since(self.started).as_secs_f64();
        if whole > 0.0 { (done / whole * 100.0).clamp(0.0, 99.0) as u8 } else { 0 }
    }
}

/// What a fault does to the actions that one call starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mood {
    Slow { by: Duration, command: Option<String> },
    Failing { code: String, command: Option<String> },
}

/// All actions of a project.
#[derive(Default)]
pub(crate) struct Actions {
    all: BTreeMap<Id, Action>,
    running: BTreeSet<(Timestamp, Id)>,
    pub(crate) mood: Option<Mood>,
}

impl Actions {
    /// Starts an action. When it ends, and how, is settled now.
    pub(crate) fn start(&mut self, id: Id, start: Start, now: Timestamp, latencies: &Latencies) {
        let begins =
            start.after.and_then(|other| self.all.get(&other)).map_or(now, |other| other.ends.max(now));
        let (mut takes, mut ending) = (latencies.of(start.command) + start.extra, Ending::Success);
        match &self.mood {
            Some(Mood::Slow { by, command }) if concerns(command.as_deref(), start.command) => takes += *by,
            Some(Mood::Failing { code, command }) if concerns(command.as_deref(), start.command) => {
                ending = Ending::Error(code.clone());
            }
            _ => {}
        }
        let ends = later(begins, takes);
        self.running.insert((ends, id));
        let Start { command, resources, locks, after, effect, .. } = start;
        let effect = Some(effect);
        self.all.insert(id, Action { command, resources, locks, after, started: now, ends, ending, effect });
    }

    /// When the next action ends.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.running.first().map(|(ends, _)| *ends)
    }

    /// Ends the first action that is due, and returns when and what is to be done.
    pub(crate) fn end_next(&mut self, now: Timestamp) -> Option<(Timestamp, Ending, Effect)> {
        let (ends, id) = self.running.first().copied().filter(|(ends, _)| *ends <= now)?;
        self.running.remove(&(ends, id));
        let before = self.all.get(&id).and_then(|action| action.after).and_then(|after| self.all.get(&after));
        let inherited =
            before.map(|before| before.ending.clone()).filter(|ending| *ending != Ending::Success);
        let action = self.all.get_mut(&id).expect("what runs is kept");
        if let Some(inherited) = inherited {
            action.ending = inherited;
        }
        let effect = action.effect.take().expect("an action ends once");
        Some((ends, action.ending.clone(), effect))
    }

    /// Whether an action that runs keeps others away from a resource.
    pub(crate) fn locks(&self, kind: Kind, id: Id) -> bool {
        self.running
            .iter()
            .filter_map(|(_, action)| self.all.get(action))
            .any(|action| action.locks && action.resources[0] == (kind, id))
    }

    pub(crate) fn view(&self, id: Id, now: Timestamp) -> Option<Value> {
        self.all.get(&id).map(|action| action.view(id, now))
    }

    /// Views of all actions that are about a kind, and of it about one resource if one is named.
    pub(crate) fn views(&self, kind: Kind, of: Option<Id>, now: Timestamp) -> Vec<Value> {
        let concerns = |action: &Action| {
            action.resources.iter().any(|(other, id)| *other == kind && of.is_none_or(|of| of == *id))
        };
        self.all
            .iter()
            .filter(|(_, action)| concerns(action))
            .map(|(id, action)| action.view(*id, now))
            .collect()
    }

    pub(crate) fn is_about(&self, id: Id, kind: Kind, of: Option<Id>) -> bool {
        self.all.get(&id).is_some_and(|action| {
            action.resources.iter().any(|(other, about)| *other == kind && of.is_none_or(|of| of == *about))
        })
    }
}

fn concerns(wanted: Option<&str>, command: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == command)
}
