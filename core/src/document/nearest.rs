//! The known word that someone most likely meant.

/// The candidate nearest to `word` by edits, if it is near enough to be a likely slip of the hand.
///
/// Near enough is one edit per three letters, at least one: `auto_deply` means `auto_deploy`, `dev` does not mean `prod`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insertions, deletions, replacements and swaps of neighbours, ignoring case and taking `-` for `_`.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (letters(left), letters(right));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && *letter == right[column - 1] && left[row - 1] == *other;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

/// At most 64 letters are compared: words are short, and the work grows with the square.
fn letters(word: &str) -> Vec<char> {
    word.chars()
        .take(64)
        .map(|letter| if letter == '-' { '_' } else { letter.to_ascii_lowercase() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Option<&str>) {
        let known = ["auto_deploy", "enabled", "services", "from", "until", "dev", "prod"];
        assert_eq!(nearest(word, known), expected, "{word}");
    }

    #[test]
    fn slips_of_the_hand_find_their_word() {
        check("auto_deply", Some("auto_deploy"));
        check("auto-deploy", Some("auto_deploy"));
        check("autoDeploy", Some("auto_deploy"));
        check("enabeld", Some("enabled"));
        check("form", Some("from"));
    }

    #[test]
    fn other_words_find_nothing() {
        check("replicas", None);
        check("dev2x9", None);
        check("x", None);
    }
}
