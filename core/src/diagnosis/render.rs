//! The diagnosis block as plain text.

use std::fmt::Write as _;

use super::diagnosis::{Diagnosis, Exit, LogTail, Proof};

/// The column where text begins.
const INDENT: usize = 12;

impl Diagnosis {
    /// Writes the block, without colour. `subject` says what failed and where: `shop/api 1.9.1 on staging`.
    pub fn render(&self, subject: &str) -> String {
        let mut block = Block(format!("{subject} FAILED: {}\n\n", self.headline));
        block.part("object", &[self.place()]);
        block.part("proof", &proof_lines(&self.proof));
        block.part("events", &self.event_lines());
        if let Some(likely) = &self.likely {
            let source = likely.source.iter().map(|source| format!("changed in this run: {source}"));
            block.part("likely", &[likely.text.clone()].into_iter().chain(source).collect::<Vec<_>>());
        }
        if !self.not_it.is_empty() {
            block.part("not it", &[self.not_it.join(", ")]);
        }
        let unfinished = self.unfinished.iter().map(|other| format!("{}: {}", other.object, other.reason));
        block.part("not ready", &unfinished.collect::<Vec<_>>());
        block.0.push('\n');
        block.part("done", &self.done);
        block.part("next", &self.next_lines());
        block.0
    }

    /// `Deployment/api → pod api-6c9-t4d → container api`.
    fn place(&self) -> String {
        let mut place = self.object.to_string();
        if let Some(at) = &self.at_object {
            let kind = if at.kind == "Pod" { "pod" } else { at.kind.as_str() };
            let _ = write!(place, " → {kind} {}", at.name);
        }
        if let Some(container) = &self.container {
            let _ =
                write!(place, " → {}container {}", if container.init { "init " } else { "" }, container.name);
        }
        place
    }

    fn event_lines(&self) -> Vec<String> {
        let line = |event: &super::EventLine| match event.times {
            0 | 1 => format!("{}: {}", event.reason, event.message),
            times => format!("{}: {} (×{times})", event.reason, event.message),
        };
        self.events.iter().map(line).collect()
    }

    fn next_lines(&self) -> Vec<String> {
        let line = |hint: &super::Hint| match &hint.command {
            Some(command) => vec![format!("{}:", hint.text), format!("  {command}")],
            None => vec![hint.text.clone()],
        };
        self.hints.iter().flat_map(line).collect()
    }
}

fn proof_lines(proof: &Proof) -> Vec<String> {
    let mut lines: Vec<String> = proof.exit.iter().map(|exit| exit_line(exit, proof.restarts)).collect();
    if proof.exit.is_none() && proof.restarts > 0 {
        lines.push(format!("restarts {}", proof.restarts));
    }
    lines.extend(proof.message.clone().filter(|_| proof.exit.is_none()));
    lines.extend(proof.probe.clone());
    lines.extend(proof.image.iter().map(|image| format!("image {image}")));
    for log in &proof.logs {
        lines.push(log_title(log, proof.attempt_ended));
        lines.extend(log.lines.iter().map(|line| format!("  │ {line}")));
    }
    lines
}

/// `exit code 1, 1s after start, restarts 3`.
fn exit_line(exit: &Exit, restarts: u32) -> String {
    let mut line = format!("exit code {}", exit.code);
    if let Some(words) = &exit.words {
        let _ = write!(line, " ({words})");
    }
    if !matches!(exit.reason.as_str(), "" | "Error" | "Completed") {
        let _ = write!(line, ", {}", exit.reason);
    }
    if let Some(seconds) = exit.ran_seconds {
        let _ = write!(line, ", {seconds}s after start");
    }
    if restarts > 0 {
        let _ = write!(line, ", restarts {restarts}");
    }
    line
}

fn log_title(log: &LogTail, attempt_ended: bool) -> String {
    let title = match (log.previous, attempt_ended) {
        (false, true) | (true, false) => "last lines before it stopped:",
        (true, true) => "last lines of the attempt before:",
        (false, false) => "last lines:",
    };
    title.to_owned()
}

struct Block(String);

impl Block {
    /// A titled part; nothing at all for no lines.
    fn part(&mut self, title: &str, lines: &[String]) {
        for (index, line) in lines.iter().flat_map(|line| line.lines()).enumerate() {
            let title = if index == 0 { title } else { "" };
            let padded = format!("  {title:<width$}{line}", width = INDENT - 2);
            self.0.push_str(padded.trim_end());
            self.0.push('\n');
        }
    }
}
