//! Long lines of people's text on a terminal: what stands behind a label goes on below where it began. Other lines, commands and proof
//! among them, are left to the terminal, so that they can be copied whole.

/// Narrower than this a terminal breaks lines as well as we would.
const NARROWEST: usize = 40;

/// The text with no labelled line longer than `width` characters, as far as words allow.
pub fn wrap(text: &str, width: usize) -> String {
    if width < NARROWEST {
        return text.to_owned();
    }
    text.split_inclusive('\n').map(|line| wrapped(line, width)).collect()
}

fn wrapped(line: &str, width: usize) -> String {
    let Some(column) =
        label(line).filter(|column| column * 2 < width && line.trim_end().chars().count() > width)
    else {
        return line.to_owned();
    };
    let (mut text, mut at) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if at > column && at + length > width {
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', column));
            at = column;
        }
        text.push_str(word);
        at += word.chars().count();
    }
    text
}

/// Where the text behind a label such as `  because      ` begins, in characters.
fn label(line: &str) -> Option<usize> {
    let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?;
    let end = name.find("  ")?;
    let text = name[end..].trim_start();
    Some(2 + name[..name.len() - text.len()].chars().count()).filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(wrap(text, 44), expected);
    }

    #[test]
    fn what_is_behind_a_label_goes_on_below_its_beginning() {
        check(
            "  because      the image does not exist: there is no such tag\n",
            "  because      the image does not exist:\n               there is no such tag\n",
        );
        check("  because      short enough\n", "  because      short enough\n");
    }

    #[test]
    fn lines_without_a_label_are_the_terminals() {
        let command = "              kubectl get statefulset postgres -o yaml --namespace shop\n";
        check(command, command);
        let sentence = "told in four seconds: a push was verified, and a bad image was not\n";
        check(sentence, sentence);
    }

    #[test]
    fn a_long_word_is_not_broken() {
        let proof = "  proof        docker.io/a/very/long/name/of/an/image/that/does/not/exist\n";
        check(proof, proof);
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "( {0,6}[a-zé:]{1,12} {1,4}){0,30}\n?", width in 0_usize..120) {
            let wrapped = wrap(&text, width);
            prop_assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        }
    }
}
