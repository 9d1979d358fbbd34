//! What containers wrote.

use jiff::Timestamp;

use crate::Moment;
use crate::pod::PodWorker;

/// What a container wrote in one run.
#[derive(Debug)]
pub struct Output {
    pub text: String,
    pub written: Timestamp,
    pub is_over: bool,
}

impl PodWorker {
    /// What a container wrote in its last run, or in the one before.
    ///
    /// # Errors
    /// Why there is nothing, in the kubelet's words.
    pub fn output(&self, container: &str, previous: bool, now: Moment) -> Result<Output, String> {
        let pod = self.pod.metadata.name.as_deref().unwrap_or_default();
        let Some(found) = self.containers.iter().find(|one| one.name() == container) else {
            return Err(format!("container {container} is not valid for pod {pod}"));
        };
        let runs = found.runs_at(now);
        // A container that is kept from restarting has its last run before it.
        let is_waiting = found.waiting.is_some();
        let run = match (runs, previous) {
            ([.., before, _], true) => Some(before),
            ([only], true) if is_waiting => Some(only),
            ([.., last], false) => Some(last),
            _ => None,
        };
        let Some(run) = run else {
            return Err(match (previous, &found.waiting) {
                (true, _) => {
                    format!("previous terminated container \"{container}\" in pod \"{pod}\" not found")
                }
                (false, waiting) => {
                    let reason = waiting.as_ref().map_or("ContainerCreating", |waiting| waiting.reason);
                    format!(
                        "container \"{container}\" in pod \"{pod}\" is waiting to start: {}",
                        words(reason)
                    )
                }
            });
        };
        let written = self.time(run.started.unwrap_or(run.created)).0;
        Ok(Output { text: run.output.clone(), written, is_over: run.end_before(now).is_some() })
    }
}

fn words(reason: &str) -> &str {
    match reason {
        "ErrImagePull" => "trying and failing to pull image",
        "ImagePullBackOff" => "image can't be pulled",
        other => other,
    }
}

/// How much of an output is wanted, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Each line begins with the time of its writing.
    pub timestamps: bool,
    /// Only so many lines from the end.
    pub lines: Option<usize>,
    /// Only so many bytes.
    pub bytes: Option<usize>,
}

impl Output {
    /// The text as it is wanted.
    pub fn shown(&self, wanted: Wanted) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        let stamp = if wanted.timestamps { format!("{} ", self.written) } else { String::new() };
        let last = lines.iter().skip(lines.len().saturating_sub(wanted.lines.unwrap_or(usize::MAX)));
        let text: String = last.flat_map(|line| [&stamp, *line, "\n"]).collect();
        let end = text.floor_char_boundary(wanted.bytes.unwrap_or(usize::MAX));
        text[..end].to_owned()
    }
}
