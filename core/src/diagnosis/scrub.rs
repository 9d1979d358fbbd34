//! Removing credentials from texts that other programs wrote.

/// What stands in the place of a credential.
const HIDDEN: &str = "***";

/// Parts of a key that make its value a credential.
const SENSITIVE: [&str; 10] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "access_key",
    "credential",
    "signature",
];

/// Replaces credentials by `***`: the user part of URLs, values of sensitive keys (`?token=…`, `PASSWORD=…`, `"secret":"…"`), and what
/// follows `Bearer` or `Basic`.
///
/// This is the last line: the values windlass itself put into Secrets are known to the caller and are replaced there.
pub fn scrub(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(step) = next_step(rest, &clean) {
        clean.push_str(&rest[..step.keep]);
        if step.hide > 0 {
            clean.push_str(HIDDEN);
        }
        rest = &rest[step.keep + step.hide..];
    }
    clean
}

/// How much of the rest is copied, and how much after it is hidden.
struct Step {
    keep: usize,
    hide: usize,
}

fn next_step(rest: &str, before: &str) -> Option<Step> {
    let first = rest.chars().next()?;
    if let Some(authority) = rest.strip_prefix("://") {
        return Some(Step { keep: 3, hide: user_part(authority) });
    }
    if !is_key(first) {
        return Some(Step { keep: first.len_utf8(), hide: 0 });
    }
    let word = rest.find(|c| !is_key(c)).map_or(rest, |end| &rest[..end]);
    let opening =
        if is_sensitive(word) { assignment(&rest[word.len()..], before) } else { scheme_gap(word, rest) };
    let Some(gap) = opening else {
        return Some(Step { keep: word.len(), hide: 0 });
    };
    let keep = word.len() + gap;
    let quote = rest[..keep].chars().next_back().filter(|c| "\"'".contains(*c));
    let hide = quote.map_or_else(|| value_length(&rest[keep..]), |quote| quoted_length(&rest[keep..], quote));
    Some(Step { keep, hide })
}

/// The length of `user:password` before an `@` in the authority of a URL.
fn user_part(authority: &str) -> usize {
    let end = authority.find(|c: char| "/?#\"'`<> \t\r\n".contains(c)).unwrap_or(authority.len());
    authority[..end].rfind('@').unwrap_or(0)
}

fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

fn is_sensitive(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word == "sig" || SENSITIVE.iter().any(|part| word.contains(part))
}

/// The length of what stands between a key and its value: `=`, or `":"` as JSON writes it.
/// A plain colon is prose ("invalid token: expired") and hides nothing.
fn assignment(after: &str, before: &str) -> Option<usize> {
    if let Some(value) = after.strip_prefix('=') {
        return Some(1 + usize::from(value.starts_with(['"', '\''])));
    }
    let colon = after.strip_prefix('"').filter(|_| before.ends_with('"'))?;
    let value = colon.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    Some(after.len() - value.len())
}

/// The gap after an authorization scheme.
fn scheme_gap(word: &str, rest: &str) -> Option<usize> {
    let is_scheme = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
    // Prose has short words after "basic"; credentials are long.
    (is_scheme && rest[word.len()..].starts_with(' ') && value_length(&rest[word.len() + 1..]) >= 12)
        .then_some(1)
}

fn quoted_length(value: &str, quote: char) -> usize {
    value.find(quote).unwrap_or(value.len())
}

fn value_length(value: &str) -> usize {
    value.find(|c: char| c.is_whitespace() || "&\"'`,;)<>".contains(c)).unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(scrub(text), expect);
    }

    #[test]
    fn user_part_of_a_url_is_hidden() {
        check("Head \"https://bob:hunter2@ghcr.io/v2/\": EOF", "Head \"https://***@ghcr.io/v2/\": EOF");
        check("postgres://u:p@ss@db:5432/x", "postgres://***@db:5432/x");
        check("https://ghcr.io/v2/a@sha256:1", "https://ghcr.io/v2/a@sha256:1");
    }

    #[test]
    fn values_of_sensitive_keys_are_hidden() {
        check("GET /x?a=1&access_token=abc&b=2", "GET /x?a=1&access_token=***&b=2");
        check("https://s3/x?X-Amz-Signature=abc: 403", "https://s3/x?X-Amz-Signature=*** 403");
        check("https://s3/x?X-Amz-Signature=abc, 403", "https://s3/x?X-Amz-Signature=***, 403");
        check("POSTGRES_PASSWORD='top secret'", "POSTGRES_PASSWORD='***'");
        check(r#"{"client_secret": "abc", "n": 1}"#, r#"{"client_secret": "***", "n": 1}"#);
        check("blob?sv=1&sig=a%2Bb", "blob?sv=1&sig=***");
    }

    #[test]
    fn authorization_is_hidden() {
        check("Authorization: Bearer eyJhbGciOi.x.y rest", "Authorization: Bearer *** rest");
        check("basic auth credentials", "basic auth credentials");
    }

    #[test]
    fn prose_stays() {
        check("invalid token: expired", "invalid token: expired");
        check("secret \"absent\" not found", "secret \"absent\" not found");
        check("couldn't find key password in Secret shop/s", "couldn't find key password in Secret shop/s");
    }

    proptest! {
        #[test]
        fn any_text_is_scrubbed_without_panic(text in "\\PC*") {
            scrub(&text);
        }

        #[test]
        fn no_password_of_a_url_survives(password in "[a-z0-9]{8,20}", before in "[a-z \"]{0,10}") {
            let clean = scrub(&format!("{before}https://user:{password}@host/path"));
            prop_assert!(!clean.contains(&password));
        }
    }
}
