//! Colour on what people read: signs, and the words that they stand for. It is put on last, so that what is composed is plain text,
//! and nothing is said by colour alone.

use anstyle::{AnsiColor, Style};

/// Went well.
const GOOD: Style = AnsiColor::Green.on_default();
/// Went wrong.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Somebody must do something.
const WAITS: Style = AnsiColor::Yellow.on_default();
/// What to do.
pub const HINT: Style = AnsiColor::Cyan.on_default();
/// What is typed, and headings.
const STRONG: Style = Style::new().bold();

/// The signs of `view::shape` and their like, wherever they stand before a word.
const SIGNS: [(&str, Style); 6] =
    [("✓", GOOD), ("✗", BAD), ("×", BAD), ("↩", BAD), ("⏸", WAITS), ("‼", WAITS)];

/// Words that are put in capitals or stand for an end; coloured in a line that begins with a sign, and in any line if in capitals.
const WORDS: [(&str, Style); 9] = [
    ("verified", GOOD),
    ("rolled_back", BAD),
    ("refused", BAD),
    ("failed", BAD),
    ("stuck", BAD),
    ("held", WAITS),
    ("cancelled", WAITS),
    ("HELD", WAITS),
    ("FAILED:", BAD),
];

/// What stands at the beginning of the lines of a plan.
const VERBS: [(&str, Style); 3] = [("+ create ", GOOD), ("~ change ", WAITS), ("- delete ", BAD)];

/// The text with its colours.
pub fn paint(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let words = line.trim_start();
    let indentation = &line[..line.len() - words.len()];
    if indentation.is_empty() && words.starts_with("$ ") {
        let (typed, end) = words.split_at(words.trim_end().len());
        return format!("{}{end}", dressed(STRONG, typed));
    }
    if let Some((verb, style)) = VERBS.iter().find(|(verb, _)| words.starts_with(verb)) {
        let verb = verb.trim_end();
        return format!("{indentation}{}{}", dressed(*style, verb), &words[verb.len()..]);
    }
    let has_sign = SIGNS.iter().any(|(sign, _)| words.starts_with(sign));
    line.split_inclusive(' ').map(|word| piece(word, has_sign)).collect()
}

/// A word with the space or the end of the line behind it.
fn piece(piece: &str, in_line_of_a_sign: bool) -> String {
    let (word, end) = piece.split_at(piece.trim_end().len());
    let of_word = |(known, _): &&(&str, Style)| *known == word;
    let style = SIGNS.iter().find(of_word).or_else(|| {
        let is_loud = word.trim_end_matches(':').chars().all(char::is_uppercase);
        WORDS.iter().find(of_word).filter(|_| in_line_of_a_sign || is_loud)
    });
    style.map_or_else(|| piece.to_owned(), |(_, style)| format!("{}{end}", dressed(*style, word)))
}

fn dressed(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows colours as `<green|…>`.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut shown = paint(text);
        for (style, name) in [(GOOD, "good"), (BAD, "bad"), (WAITS, "waits"), (STRONG, "strong")] {
            shown = shown.replace(&style.to_string(), &format!("<{name}|"));
        }
        assert_eq!(shown.replace("\x1b[0m", ">"), expected);
        assert_eq!(anstream::adapter::strip_str(&paint(text)).to_string(), text, "only colour is added");
    }

    #[test]
    fn signs_and_the_ends_they_stand_for_have_a_colour() {
        check("✓ r-2  verified → prod\n", "<good|✓> r-2  <good|verified> → prod\n");
        check("↩ r-3  rolled_back → dev", "<bad|↩> r-3  <bad|rolled_back> → dev");
        check("⏸ r-2  held → prod", "<waits|⏸> r-2  <waits|held> → prod");
        check(
            "  stages       ✓ gate 0.0s  ✗ wait 0.5s",
            "  stages       <good|✓> gate 0.0s  <bad|✗> wait 0.5s",
        );
        check("12b66f5 on dev FAILED: no such image", "12b66f5 on dev <bad|FAILED:> no such image");
        check("  HELD    approval", "  <waits|HELD>    approval");
    }

    #[test]
    fn changes_and_what_is_typed_have_one_too() {
        check("  + create Service/web", "  <good|+ create> Service/web");
        check("$ windlass deploy -e dev\n", "<strong|$ windlass deploy -e dev>\n");
        check("    $ no prompt", "    $ no prompt");
    }

    #[test]
    fn sentences_are_left_as_they_are() {
        check(
            "a push was verified, and the other was held back\n",
            "a push was verified, and the other was held back\n",
        );
        check("", "");
    }
}
