//! docs/reference/config.md: every key with its variable, default and meaning, from the file that holds the defaults.

use std::fmt::Write as _;

use super::{hold, table};

/// A part of the file: the keys below one heading.
#[derive(Default)]
struct Section {
    heading: String,
    rows: Vec<[String; 3]>,
}

impl Section {
    /// A heading that is commented out is an example: its last part stands for any name.
    fn below(heading: &str, example: bool) -> Self {
        let (group, _) = heading.rsplit_once('.').filter(|_| example).unwrap_or((heading, ""));
        let name = if group == heading { "" } else { ".NAME" };
        Self { heading: format!("{group}{name}"), rows: Vec::new() }
    }
}

/// Reads the file line by line: a comment says what the keys right below it mean, and what has no default is commented out.
fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut meaning = String::new();
    let mut told = false;
    // What the file says of itself ends at its first empty line.
    for line in text.lines().skip_while(|line| !line.is_empty()) {
        let uncommented = line.strip_prefix("# ");
        let setting = uncommented.unwrap_or(line);
        if let Some(heading) = setting.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // What stands before an example is said of its keys.
            if uncommented.is_none() {
                meaning.clear();
            }
            sections.push(Section::below(heading, uncommented.is_some()));
        } else if let Some((key, value)) = key_and_value(setting) {
            let section = sections.last_mut().expect("there is a first section");
            section.rows.push(row(&section.heading, key, value, uncommented.is_some(), &meaning));
            told = true;
        } else if let Some(words) = uncommented {
            if std::mem::take(&mut told) {
                meaning.clear();
            }
            let space = if meaning.is_empty() { "" } else { " " };
            write!(meaning, "{space}{words}").expect("a string takes all");
        } else {
            assert!(line.is_empty(), "`{line}` is neither a key, a heading nor a comment");
        }
    }
    sections.retain(|section| !section.rows.is_empty());
    sections
}

/// `key = value`; a sentence with an equals sign in it is none.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(" = ")?;
    key.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        .then_some((key, value))
}

fn row(heading: &str, key: &str, value: &str, commented: bool, meaning: &str) -> [String; 3] {
    let path = if heading.is_empty() { key.to_owned() } else { format!("{heading}.{key}") };
    let default = if commented { format!("none; such as `{value}`") } else { format!("`{value}`") };
    [format!("`{path}`"), default, meaning.to_owned()]
}

fn page() -> String {
    let mut page = String::from(
        "# Configuration\n\nEvery key of `windlass.toml`. A key can also be given as a variable, which goes before the file: `WINDLASS_` and the key \
         in capitals, with\n`__` for the dot, such as `WINDLASS_VERIFY__SOAK=30s`. Paths in a file are relative to the file, those in variables to \
         where windlass runs.\n`windlass config` prints a file with all of them.\n",
    );
    for section in sections(include_str!("../default.toml")) {
        let heading = if section.heading.is_empty() { "The repository" } else { &section.heading };
        write!(page, "\n## {heading}\n").expect("a string takes all");
        table(&mut page, ["key", "default", ""], &section.rows);
    }
    page
}

#[test]
fn the_page_of_the_configuration_is_what_the_defaults_say() {
    hold("config.md", &page());
}

#[test]
fn no_key_of_the_defaults_is_left_out() {
    let listed: Vec<_> =
        sections(include_str!("../default.toml")).into_iter().flat_map(|section| section.rows).collect();
    let switched_on = |line: &'static str| {
        line.strip_prefix("# ")
            .filter(|rest| key_and_value(rest).is_some() || rest.starts_with('['))
            .unwrap_or(line)
    };
    let uncommented = include_str!("../default.toml").lines().map(switched_on).collect::<Vec<_>>().join("\n");
    let source = config::File::from_str(&uncommented, config::FileFormat::Toml);
    let parsed = config::Config::builder().add_source(source).build();
    let parsed = parsed.expect("with every key switched on it is still TOML");
    assert_eq!(listed.len(), leaves(&parsed.try_deserialize().unwrap()), "{listed:#?}");
    for [key, _, meaning] in listed {
        assert!(!meaning.is_empty(), "{key} says nothing of itself");
    }
}

fn leaves(value: &serde_json::Value) -> usize {
    value.as_object().map_or(1, |object| object.values().map(leaves).sum())
}
