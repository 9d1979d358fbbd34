//! All printing: data to stdout, talk to stderr. Nothing else in the program prints.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::cli::args::Format;
use crate::paint::{self, paint};
use crate::stop::Cause;
use crate::variables::Variables;
use crate::wrap::wrap;

/// How talk reaches whoever listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// A file, a pipe, a terminal that cannot do more: a line for each piece of news.
    Lines,
    /// A terminal: a line at its end is drawn again and again.
    Terminal,
    /// A screen reader: words in the place of signs, and nothing is drawn twice.
    ScreenReader,
    /// GitHub Actions: stages fold, failed objects are annotations.
    Actions,
}

impl Listener {
    /// Who listens, by the process's variables and by whether standard error is a terminal.
    pub fn find(format: Format, screen_reader: bool, is_terminal: bool, variables: &Variables) -> Self {
        let is_dumb = variables.text("TERM").is_none_or(|terminal| terminal == "dumb");
        if screen_reader {
            Self::ScreenReader
        } else if format == Format::Json {
            Self::Lines
        } else if variables.text("GITHUB_ACTIONS").as_deref() == Some("true") {
            Self::Actions
        } else if is_terminal && !is_dumb && variables.text("WINDLASS_NO_PROGRESS").is_none() {
            Self::Terminal
        } else {
            Self::Lines
        }
    }
}

/// The signs that stand beside words, and what a screen reader is given in their place. A sign that only repeats its word is left out.
const SPOKEN: [(&str, &str); 13] = [
    ("✓ ", "good: "),
    ("✗ ", "failed: "),
    ("× ", "failed: "),
    ("‼ ", "warning: "),
    ("◐ ", ""),
    ("⏸ ", ""),
    ("○ ", ""),
    ("↩ ", ""),
    ("⇥ ", ""),
    (" → ", " to "),
    ("…", "..."),
    (" — ", ", "),
    ("│ ", ""),
];

/// Without signs.
fn spoken(text: &str) -> String {
    SPOKEN.iter().fold(text.to_owned(), |text, (sign, words)| text.replace(sign, words))
}

/// Writes what a command has to say.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    format: Format,
    listener: Listener,
}

impl Printer {
    /// A printer for the chosen format. Colour follows the terminal and `NO_COLOR`.
    pub fn new(format: Format, screen_reader: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { format, listener: Listener::find(format, screen_reader, is_terminal, &Variables::Process) }
    }

    /// Who listens to talk.
    pub fn listener(self) -> Listener {
        self.listener
    }

    /// Whether stdout carries JSON.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// The answer of a command: JSON of `view`, or the text.
    pub fn answer(self, view: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        match self.format {
            Format::Json => {
                let mut stdout = io::stdout().lock();
                serde_json::to_writer_pretty(&mut stdout, view)?;
                writeln!(stdout)
            }
            Format::Text => self.tell(&text()),
        }
    }

    /// Text for people.
    pub fn tell(self, text: &str) -> io::Result<()> {
        let text = self.heard(text);
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        self.data(&paint(&width.map_or_else(|| text.to_string(), |width| wrap(&text, width))))
    }

    /// Text that is the data itself.
    pub fn data(self, text: &str) -> io::Result<()> {
        let text = &self.heard(text);
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()
    }

    /// A line of talk. A closed stderr is nobody's problem.
    pub fn say(self, line: &str) {
        let line = self.heard(line);
        let line = if self.is_json() { line } else { paint(&line).into() };
        let _ = writeln!(anstream::stderr().lock(), "{line}");
    }

    /// Puts a line in the place of the one that was drawn last, and leaves the cursor at its end; an empty one takes it away.
    pub fn draw(self, line: &str) {
        // Not through what strips colours: that the line is erased is no matter of colour.
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
    }

    fn heard(self, text: &str) -> Cow<'_, str> {
        if self.listener == Listener::ScreenReader { spoken(text).into() } else { text.into() }
    }

    /// An error, its causes and what to do; as JSON where JSON was asked for.
    pub fn error(self, cause: &Cause) {
        if self.is_json() {
            let body = serde_json::json!({"error": {"code": cause.code, "message": cause.text, "hints": cause.hints}});
            let _ = writeln!(io::stdout().lock(), "{body:#}");
            return;
        }
        let (bad, hint) = (paint::BAD, paint::HINT);
        self.say(&format!("{bad}error[{}]{bad:#}: {}", cause.code, cause.text));
        if !cause.hints.is_empty() {
            self.say("");
        }
        for line in &cause.hints {
            self.say(&format!("{hint}hint{hint:#}: {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], is_terminal: bool, expected: Listener) {
        let variables = Variables::fixed(variables.iter().copied());
        assert_eq!(Listener::find(Format::Text, false, is_terminal, &variables), expected);
        assert_eq!(Listener::find(Format::Text, true, is_terminal, &variables), Listener::ScreenReader);
        assert_eq!(Listener::find(Format::Json, false, is_terminal, &variables), Listener::Lines);
    }

    #[test]
    fn only_a_terminal_that_can_is_drawn_on() {
        check(&[("TERM", "xterm-256color")], true, Listener::Terminal);
        check(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], true, Listener::Terminal);
        check(&[("TERM", "xterm-256color")], false, Listener::Lines);
        check(&[("TERM", "dumb")], true, Listener::Lines);
        check(&[], true, Listener::Lines);
        check(&[("TERM", "xterm"), ("WINDLASS_NO_PROGRESS", "1")], true, Listener::Lines);
        check(&[("GITHUB_ACTIONS", "true")], false, Listener::Actions);
        check(&[("GITHUB_ACTIONS", "false")], false, Listener::Lines);
    }

    #[test]
    fn a_screen_reader_hears_words() {
        assert_eq!(spoken("✓ r-1  verified → dev"), "good: r-1  verified to dev");
        assert_eq!(spoken("  ◐ waiting on pod"), "  waiting on pod");
    }
}
