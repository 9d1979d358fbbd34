//! What is wrong in a file, where, and what to do about it.

use std::fmt;

/// A place in a text file. Lines and columns count from 1, columns in characters, as editors do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A value together with the place where the file states it.
///
/// A value that the file leaves out carries the place of the mapping that could state it.
#[derive(Debug, Clone, Copy)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it is stated.
    pub place: Place,
}

/// Two placed values are equal when the values are: moving a line changes no policy.
impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Placed<T> {}

impl<T> Placed<T> {
    /// Puts a value at a place.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file, as it was named to the reader.
    pub file: String,
    /// Where.
    pub place: Place,
    /// How many characters the caret underlines, at least 1.
    pub length: usize,
    /// What is wrong: lower case, names in backticks, no final full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line itself, without its end; empty when the place lies behind the end of the file.
    pub excerpt: String,
}

/// No line of an excerpt is shown wider than this: a hostile file must not flood a terminal.
const WIDEST_EXCERPT: usize = 160;

impl fmt::Display for Problem {
    /// Writes the problem as plain text of several lines: place and message, the line with a caret, the hint.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(formatter, "{}:{line}:{column}: {}", self.file, self.message)?;
        if let Some((shown, indent)) = self.shown_excerpt() {
            let margin = " ".repeat(line.to_string().len());
            let caret = "^".repeat(self.length.clamp(1, WIDEST_EXCERPT.saturating_sub(indent).max(1)));
            write!(formatter, "\n{margin} |\n{line} | {shown}\n{margin} | {}{caret}", " ".repeat(indent))?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl Problem {
    /// The excerpt fit for a terminal and the column of the caret within it, if there is something to show.
    fn shown_excerpt(&self) -> Option<(String, usize)> {
        if self.excerpt.trim().is_empty() || self.place.column > WIDEST_EXCERPT {
            return None;
        }
        let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
        let mut shown: String = self.excerpt.chars().take(WIDEST_EXCERPT).map(printable).collect();
        if self.excerpt.chars().nth(WIDEST_EXCERPT).is_some() {
            shown.push('…');
        }
        Some((shown.trim_end().to_owned(), self.place.column - 1))
    }
}

/// Everything that is wrong in a file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// All problems as plain text for a terminal, a blank line between two of them.
    pub fn render(&self) -> String {
        self.0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n\n")
    }
}

impl fmt::Display for Problems {
    /// One line: how many there are and the first of them. [`Problems::render`] shows them all.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.0.first() else { return formatter.write_str("no problem") };
        let Place { line, column } = first.place;
        write!(formatter, "{}:{line}:{column}: {}", first.file, first.message)?;
        match self.0.len() {
            1 => Ok(()),
            2 => formatter.write_str(", and 1 more problem"),
            count => write!(formatter, ", and {} more problems", count - 1),
        }
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem {
            file: "deploy-control.yaml".to_owned(),
            place: Place { line: 12, column: 5 },
            length: 10,
            message: "unknown key `auto_deply` in environment `dev`".to_owned(),
            hint: Some("did you mean `auto_deploy`?".to_owned()),
            excerpt: "    auto_deply: true".to_owned(),
        }
    }

    #[test]
    fn a_problem_shows_its_line_with_a_caret_and_the_hint() {
        let expected = "\
deploy-control.yaml:12:5: unknown key `auto_deply` in environment `dev`
   |
12 |     auto_deply: true
   |     ^^^^^^^^^^
hint: did you mean `auto_deploy`?";
        assert_eq!(problem().to_string(), expected);
    }

    #[test]
    fn a_problem_without_a_line_shows_only_place_and_message() {
        let behind_the_end = Problem { excerpt: String::new(), hint: None, ..problem() };
        assert_eq!(
            behind_the_end.to_string(),
            "deploy-control.yaml:12:5: unknown key `auto_deply` in environment `dev`"
        );
    }

    #[test]
    fn hostile_lines_cannot_flood_or_steer_a_terminal() {
        let hostile = Problem { excerpt: format!("a\u{1b}[2J{}", "x".repeat(10_000)), ..problem() };
        let shown = hostile.to_string();
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 200), "{shown}");
    }

    #[test]
    fn problems_sum_themselves_up_in_one_line() {
        let both = Problems(vec![problem(), problem()]);
        assert_eq!(
            both.to_string(),
            "deploy-control.yaml:12:5: unknown key `auto_deply` in environment `dev`, and 1 more problem"
        );
        assert_eq!(both.render().matches("hint:").count(), 2);
    }
}
