//! The story as data: what happens in each scene, the command by which a person would let it happen, and how it must end.

use serde::Serialize;
use serde_json::json;
use windlass_core::event::Event;
use windlass_core::name::Commit;
use windlass_core::run::{Outcome, RunState};

use crate::view::RunView;

/// Who approves what Ada pushed.
pub const APPROVER: &str = "grace";

/// A scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// A push to dev.
    Push,
    /// The same commit on main, which prod follows.
    Hold,
    /// Somebody else approves.
    Approve,
    /// A push whose image does not exist.
    BadImage,
}

impl Scene {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Push, Self::Hold, Self::Approve, Self::BadImage];

    /// What happens.
    pub fn title(self) -> &'static str {
        match self {
            Self::Push => "A push to `dev` is deployed and verified",
            Self::Hold => "The same commit on `main`: prod waits for somebody else's approval",
            Self::Approve => "Grace approves: prod is deployed, three replicas",
            Self::BadImage => "A push with an image that does not exist: explained and rolled back",
        }
    }

    /// The command that a person would type, where the run is the one that is spoken of.
    pub fn command(self, run: Option<&str>) -> String {
        match self {
            Self::Push => "windlass events send push-dev.json".to_owned(),
            Self::Hold => "windlass events send push-main.json".to_owned(),
            Self::Approve => format!(
                "WINDLASS_IDENTITY__NAME={APPROVER} windlass approve {} --reason 'read the plan'",
                run.unwrap_or("RUN")
            ),
            Self::BadImage => "windlass events send push-dev-again.json".to_owned(),
        }
    }

    /// How its run must stand at the end of it.
    pub fn expected(self) -> RunState {
        match self {
            Self::Push | Self::Approve => RunState::Ended(Outcome::Verified),
            Self::Hold => RunState::Held,
            Self::BadImage => RunState::Ended(Outcome::RolledBack),
        }
    }
}

/// A scene as it went.
#[derive(Debug, Serialize)]
pub struct Told {
    /// What should have happened.
    pub title: &'static str,
    /// The command.
    pub command: String,
    /// How its run had to stand.
    pub expected: String,
    /// How it stands, or why there is none.
    pub found: String,
    /// Whether they agree.
    pub ok: bool,
    /// The run.
    pub run: Option<RunView>,
}

impl Told {
    /// Compares what came of a scene with what had to.
    pub fn of(scene: Scene, command: String, run: Result<RunView, String>) -> Self {
        let ok = run.as_ref().is_ok_and(|run| run.state == scene.expected());
        let (found, run) = match run {
            Ok(run) => (run.state.to_string(), Some(run)),
            Err(reason) => (reason, None),
        };
        Self { title: scene.title(), command, expected: scene.expected().to_string(), found, ok, run }
    }
}

/// The whole story, as it went.
#[derive(Debug, Serialize)]
pub struct Telling {
    /// The cluster, in words.
    pub cluster: String,
    /// What was told, in order; a scene that went wrong is the last.
    pub scenes: Vec<Told>,
    /// Whether each scene was told and ended as it had to.
    pub ok: bool,
    /// The command that removes what is left on the cluster; none if nothing is.
    pub remove: Option<String>,
}

impl Telling {
    /// The story so far.
    pub fn of(cluster: String, scenes: Vec<Told>, remove: Option<String>) -> Self {
        let ok = scenes.len() == Scene::ALL.len() && scenes.iter().all(|told| told.ok);
        Self { cluster, scenes, ok, remove }
    }
}

/// The event by which a forge would tell that a branch has a new commit.
pub fn push(id: &str, branch: &str, before: Option<&Commit>, after: &Commit) -> Event {
    let nothing = "0".repeat(40);
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/windlass/demo", "type": "dev.windlass.push",
        "data": {
            "repository": "demo/shop", "ref": format!("refs/heads/{branch}"), "author": "ada",
            "before": before.map_or(nothing.as_str(), Commit::as_str), "after": after.as_str(),
        },
    });
    Event::parse(event.to_string().as_bytes()).expect("it is an event as the schema wants it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_without_a_run_went_wrong() {
        let told = Told::of(Scene::Push, String::new(), Err("no environment follows `dev`".to_owned()));
        assert!(!told.ok);
        assert_eq!(told.found, "no environment follows `dev`");
    }

    #[test]
    fn a_story_that_breaks_off_is_not_well() {
        assert!(!Telling::of(String::new(), Vec::new(), None).ok);
    }

    #[test]
    fn a_push_names_both_commits() {
        let (before, after) = (Commit::new("1".repeat(40)), Commit::new("2".repeat(40)));
        let event = push("one", "dev", Some(&before), &after).to_json().to_string();
        assert!(event.contains(before.as_str()) && event.contains(after.as_str()), "{event}");
    }
}
