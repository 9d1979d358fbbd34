//! All printing: data to stdout, talk to stderr. Nothing else in the program prints.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::cli::args::Format;
use crate::stop::Cause;

/// The colours, each only ever beside a word that says the same.
pub mod style {
    use super::{AnsiColor, Style};

    /// Went wrong.
    pub const BAD: Style = AnsiColor::Red.on_default();
    /// What to do.
    pub const HINT: Style = AnsiColor::Cyan.on_default();
}

/// Writes what a command has to say.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    format: Format,
}

impl Printer {
    /// A printer for the chosen format. Colour follows the terminal and `NO_COLOR`.
    pub fn new(format: Format) -> Self {
        Self { format }
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
            Format::Text => self.data(&text()),
        }
    }

    /// Text that is the data itself.
    pub fn data(self, text: &str) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()
    }

    /// A line of talk. A closed stderr is nobody's problem.
    pub fn say(self, line: &str) {
        let _ = writeln!(anstream::stderr().lock(), "{line}");
    }

    /// An error, its causes and what to do; as JSON where JSON was asked for.
    pub fn error(self, cause: &Cause) {
        if self.is_json() {
            let body = serde_json::json!({"error": {"code": cause.code, "message": cause.text, "hints": cause.hints}});
            let _ = writeln!(io::stdout().lock(), "{body:#}");
            return;
        }
        let (bad, hint) = (style::BAD, style::HINT);
        self.say(&format!("{bad}error[{}]{bad:#}: {}", cause.code, cause.text));
        if !cause.hints.is_empty() {
            self.say("");
        }
        for line in &cause.hints {
            self.say(&format!("{hint}hint{hint:#}: {line}"));
        }
    }
}
