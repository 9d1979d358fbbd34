//! Command lines as texts hold them, for the tests that hold texts to the command line.

/// The words of a command line, as a shell would see them, up to a pipe or a redirection; without variables that are set before it.
pub(crate) fn words_of(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.chars().chain([' ']) {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, '|' | '>' | '<' | ';' | '&') => break,
            (None, ' ') if !word.is_empty() => words.push(std::mem::take(&mut word)),
            (None, ' ') => {}
            (_, letter) => word.push(letter),
        }
    }
    let begin = words.iter().position(|word| word == "windlass");
    begin.map(|begin| words.split_off(begin)).unwrap_or_default()
}
