//! Credentials that are recognised wherever they stand: keys, kubeconfigs, tokens.

use super::tokens;
use crate::lints::files::SourceFile;
use crate::lints::yaml;

/// Something that gives access, and its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) line: usize,
    /// What it is, with its article.
    pub(super) what: &'static str,
}

/// A key has many lines of 64 letters; a heading with less below it is an example in a text.
const SHORTEST_KEY_LINE: usize = 40;

/// Everything in a file that gives access.
pub(super) fn find(file: &SourceFile) -> Vec<Credential> {
    let Some(text) = file.text.as_deref() else { return Vec::new() };
    let mut found = private_keys(text);
    found.extend(kubeconfig(text));
    for (number, line) in file.lines() {
        found.extend(tokens::kind_in(line).map(|what| Credential { line: number, what }));
    }
    found.sort_by_key(|credential| credential.line);
    found
}

fn private_keys(text: &str) -> Vec<Credential> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((_, behind)) = line.split_once("-----BEGIN ") else { continue };
        let Some((_, rest)) = behind.split_once("PRIVATE KEY-----") else { continue };
        let following = lines.iter().skip(at + 1).take(3);
        if is_key(rest) || following.into_iter().any(|line| is_key(line)) {
            found.push(Credential { line: at + 1, what: "a private key" });
        }
    }
    found
}

fn is_key(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=');
    text.split(|letter| !is_letter(letter)).any(|word| word.len() >= SHORTEST_KEY_LINE)
}

/// The credentials of a kubeconfig. A certificate alone gives no access.
fn kubeconfig(text: &str) -> Vec<Credential> {
    // Reading every large text as YAML would take its time.
    if !text.contains("Config") || !text.contains("users") {
        return Vec::new();
    }
    let documents = yaml::documents(text).unwrap_or_default();
    let configs = documents.iter().filter(|document| document.text_at(&["kind"]) == Some("Config"));
    let users = configs.filter_map(|document| document.get("users")).flat_map(yaml::Node::items);
    let entries = users.filter_map(|user| user.get("user")).flat_map(yaml::Node::entries);
    let is_credential = |key: &str| matches!(key, "client-key-data" | "token" | "password");
    let given = entries.filter(|entry| is_credential(&entry.key) && entry.value.text().is_some());
    given.map(|entry| Credential { line: entry.line, what: "the credential of a kubeconfig" }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &'static str)]) {
        let file = SourceFile { path: "x".to_owned(), text: Some(text.to_owned()), yaml: None };
        let expected: Vec<_> = expected.iter().map(|&(line, what)| Credential { line, what }).collect();
        assert_eq!(find(&file), expected, "{text}");
    }

    fn heading(kind: &str) -> String {
        format!("-----BEGIN {kind} KEY-----")
    }

    #[test]
    fn private_keys_are_found_in_any_wrapping() {
        let body = "MC4CAQAwBQYDK2VwBCIEIGQ5eW1wb3NzaWJseUxvbmdLZXlMaW5l";
        check(&format!("{}\n{body}\n", heading("PRIVATE")), &[(1, "a private key")]);
        check(&format!("key: |\n  {}\n  {body}\n", heading("RSA PRIVATE")), &[(2, "a private key")]);
        check(&format!("{{\"key\": \"{}\\n{body}\\n\"}}", heading("EC PRIVATE")), &[(1, "a private key")]);
    }

    #[test]
    fn public_keys_and_examples_are_not() {
        check(&format!("{}\nMC4CAQAwBQYDK2VwBCIEIGQ5eW1wb3NzaWJseUxvbmdLZXlMaW5l\n", heading("PUBLIC")), &[]);
        check(&format!("{}\n…\n", heading("PRIVATE")), &[]);
    }

    #[test]
    fn a_kubeconfig_is_found_by_its_credentials() {
        let config =
            "kind: Config\nusers:\n  - name: admin\n    user:\n      client-certificate-data: QUJD\n";
        check(config, &[]);
        check(&format!("{config}      client-key-data: QUJD\n"), &[(6, "the credential of a kubeconfig")]);
        check(&format!("{config}      token: abc\n"), &[(6, "the credential of a kubeconfig")]);
        check(
            "{\"kind\": \"Config\",\n\"users\": [{\"user\": {\"password\": \"x\"}}]}",
            &[(2, "the credential of a kubeconfig")],
        );
    }
}
