//! Paths to fields as kustomizations write them.

/// Splits at `delimiter`; a backslash before it keeps it (`a\/b`). A leading delimiter is ignored.
pub(crate) fn split_path(path: &str, delimiter: char) -> Vec<String> {
    let mut parts: Vec<&str> = path.split(delimiter).collect();
    if parts.len() > 1 && parts[0].is_empty() {
        parts.remove(0);
    }
    let mut result: Vec<String> = Vec::with_capacity(parts.len());
    for part in parts {
        match result.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => result.push(part.to_owned()),
        }
    }
    result
}

/// Splits a path that selects elements: `spec.containers.[name=a.b].image` keeps the bracket together with its
/// dots, and `metadata.annotations.[a.b/c]` is one key without its brackets.
pub(crate) fn split_selecting_path(path: &str, delimiter: char) -> Vec<String> {
    let mut result = Vec::new();
    let mut parts = split_path(path, delimiter).into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            result.push(part);
            continue;
        }
        let mut bracketed = part;
        for more in parts.by_ref() {
            bracketed.push(delimiter);
            bracketed.push_str(&more);
            if more.ends_with(']') {
                break;
            }
        }
        if bracketed.contains('=') {
            result.push(bracketed);
        } else {
            result.push(bracketed.trim_matches(['[', ']']).to_owned());
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_keeps_the_delimiter() {
        assert_eq!(split_path("metadata/annotations/a.io\\/b", '/'), ["metadata", "annotations", "a.io/b"]);
        assert_eq!(split_path("/spec/name", '/'), ["spec", "name"]);
    }

    #[test]
    fn brackets_keep_their_dots() {
        assert_eq!(split_selecting_path("spec.[name=a.b].image", '.'), ["spec", "[name=a.b]", "image"]);
        assert_eq!(split_selecting_path("data.[a.b].c", '.'), ["data", "a.b", "c"]);
        assert_eq!(split_selecting_path("data.a\\.b", '.'), ["data", "a.b"]);
    }
}
