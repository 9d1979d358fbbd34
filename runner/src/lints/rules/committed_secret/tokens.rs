//! Tokens by the shapes that their issuers gave them, so that they can be found.

/// A shape: what it is, how it begins, which letters follow and how many at least.
struct Shape {
    what: &'static str,
    prefixes: &'static [&'static str],
    letters: Letters,
    least: usize,
}

#[derive(Clone, Copy)]
enum Letters {
    /// A to Z and digits.
    Upper,
    /// Letters and digits.
    Alphanumeric,
    /// Letters, digits, `-`, `_` and `.`.
    Url,
}

impl Letters {
    fn contain(self, letter: char) -> bool {
        match self {
            Self::Upper => letter.is_ascii_uppercase() || letter.is_ascii_digit(),
            Self::Alphanumeric => letter.is_ascii_alphanumeric(),
            Self::Url => letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'),
        }
    }
}

/// The published shapes. Lengths are those of the random part, the shortest that the issuer documents or hands out.
const SHAPES: [Shape; 14] = [
    shape("a GitHub token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], Letters::Alphanumeric, 36),
    shape("a GitHub token", &["github_pat_"], Letters::Url, 60),
    shape("a GitLab token", &["glpat-", "gldt-", "glrt-"], Letters::Url, 20),
    shape("a Slack token", &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"], Letters::Url, 20),
    shape("an AWS access key", &["AKIA", "ASIA"], Letters::Upper, 16),
    shape("a Stripe key", &["sk_live_", "rk_live_"], Letters::Alphanumeric, 24),
    shape("a Google API key", &["AIza"], Letters::Url, 35),
    shape("an npm token", &["npm_"], Letters::Alphanumeric, 36),
    shape("a Docker Hub token", &["dckr_pat_", "dckr_oat_"], Letters::Url, 27),
    shape("a PyPI token", &["pypi-AgE"], Letters::Url, 50),
    shape("a Vault token", &["hvs.", "hvb.", "hvr."], Letters::Url, 24),
    shape("an age key", &["AGE-SECRET-KEY-1"], Letters::Upper, 58),
    shape("an Anthropic key", &["sk-ant-"], Letters::Url, 40),
    shape("an OpenAI key", &["sk-proj-"], Letters::Url, 40),
];

const fn shape(
    what: &'static str,
    prefixes: &'static [&'static str],
    letters: Letters,
    least: usize,
) -> Shape {
    Shape { what, prefixes, letters, least }
}

/// The length of a token of Hetzner's API, which has no prefix.
const HETZNER_LENGTH: usize = 64;

/// Bits for each letter. Random text of 16 letters or more has over 3; `xxxx` and `your-token-here` of a documentation mostly have less.
const LEAST_ENTROPY: f64 = 3.0;

/// What kind of token a line holds, with its article; none if it holds none.
pub(super) fn kind_in(line: &str) -> Option<&'static str> {
    let shaped = SHAPES.iter().find(|shape| shape.prefixes.iter().any(|prefix| shape.is_in(line, prefix)));
    shaped.map(|shape| shape.what).or_else(|| signed(line)).or_else(|| hetzner(line))
}

impl Shape {
    fn is_in(&self, line: &str, prefix: &str) -> bool {
        line.match_indices(prefix).any(|(at, _)| {
            let begins = !line[..at].ends_with(|letter: char| letter.is_ascii_alphanumeric());
            let rest = &line[at + prefix.len()..];
            let end = rest.find(|letter| !self.letters.contain(letter)).unwrap_or(rest.len());
            begins && end >= self.least && entropy(&rest[..end]) >= LEAST_ENTROPY
        })
    }
}

/// A JSON Web Token (RFC 7519): header and claims are JSON, so both begin with the Base64 of `{"`.
fn signed(line: &str) -> Option<&'static str> {
    let words = line.split(|letter| !Letters::Url.contain(letter));
    let is_token = |word: &str| {
        let parts: Vec<_> = word.split('.').collect();
        matches!(parts.as_slice(), [header, claims, signature]
            if header.starts_with("eyJ") && claims.starts_with("eyJ") && header.len() > 15 && signature.len() >= 40)
    };
    words.into_iter().any(is_token).then_some("a signed token")
}

fn hetzner(line: &str) -> Option<&'static str> {
    let lower = line.to_ascii_lowercase();
    let is_about = lower.contains("hcloud") || lower.contains("hetzner");
    let mut words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_token = |word: &str| word.len() == HETZNER_LENGTH && entropy(word) > 4.0;
    (is_about && words.any(is_token)).then_some("a token of Hetzner's API")
}

/// Bits for each letter, after Shannon.
#[expect(clippy::cast_precision_loss, reason = "counts of letters in a line are small")]
fn entropy(text: &str) -> f64 {
    let mut counts = [0_usize; 128];
    for byte in text.bytes().filter(u8::is_ascii) {
        counts[usize::from(byte)] += 1;
    }
    let total = text.len().max(1) as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / total);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Put together here, so that no file of this repository holds the shape of a token.
    fn token(prefix: &str, random: &str) -> String {
        format!("{prefix}{random}")
    }

    const RANDOM: &str = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2dD3fG5hJ7kL9nM0qP2sR4uT6wV8y";

    #[test]
    fn every_shape_is_found_in_the_middle_of_a_line() {
        for shape in SHAPES {
            for prefix in shape.prefixes {
                let random = match shape.letters {
                    Letters::Upper => RANDOM.to_ascii_uppercase(),
                    Letters::Alphanumeric | Letters::Url => RANDOM.to_owned(),
                };
                let line = format!("export TOKEN=\"{}\" # why", token(prefix, &random[..shape.least]));
                assert_eq!(kind_in(&line), Some(shape.what), "{prefix}");
                let short = format!("TOKEN={}", token(prefix, &random[..shape.least - 1]));
                assert_eq!(kind_in(&short), None, "{prefix}");
            }
        }
    }

    #[test]
    fn examples_in_a_documentation_are_not_tokens() {
        assert_eq!(kind_in(&token("ghp_", &"x".repeat(36))), None);
        assert_eq!(kind_in("export GITHUB_TOKEN=ghp_…"), None);
        assert_eq!(kind_in(&format!("not{}", token("ghp_", &RANDOM[..36]))), None);
    }

    #[test]
    fn signed_tokens_and_those_of_hetzner_have_no_prefix() {
        let jwt =
            format!("{}.{}.{}", token("eyJ", &RANDOM[..20]), token("eyJ", &RANDOM[..20]), &RANDOM[..43]);
        assert_eq!(kind_in(&format!("Authorization: Bearer {jwt}")), Some("a signed token"));
        assert_eq!(kind_in(&format!("hetzner_token: {RANDOM}")), Some("a token of Hetzner's API"));
        assert_eq!(kind_in(&format!("digest: {RANDOM}")), None);
    }

    proptest! {
        #[test]
        fn any_line_can_be_searched(line in "\\PC{0,60}") {
            let _ = kind_in(&line);
        }
    }
}
