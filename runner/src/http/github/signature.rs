//! The signature of a delivery: HMAC-SHA256 over the bytes of its body, in `X-Hub-Signature-256` (GitHub's "Validating webhook deliveries").

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::super::problem::Problem;

const HEADER: &str = "x-hub-signature-256";

/// What a client would have to show, for `WWW-Authenticate`.
const CHALLENGE: &str = "X-Hub-Signature-256 realm=\"windlass\"";

/// A shorter secret could be found by trying. In characters.
const SHORTEST: usize = 16;

/// The most secrets at a time: one, and the one that takes its place.
const MOST: usize = 2;

/// What GitHub may have signed with.
#[derive(Debug)]
pub(super) struct Secrets(Vec<SecretString>);

/// Why a text holds no secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretsError {
    #[error("is nowhere: anybody could say what was pushed")]
    None,
    #[error("is shorter than {SHORTEST} characters")]
    Short,
    #[error("has more than {MOST} lines: one secret, and while it is exchanged two")]
    Many,
}

/// A signature as it was sent: 32 bytes, right or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature([u8; 32]);

impl Secrets {
    /// Reads one for each line that is not blank.
    pub(super) fn parse(text: &str) -> Result<Self, SecretsError> {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.len() {
            0 => Err(SecretsError::None),
            _ if lines.iter().any(|line| line.chars().count() < SHORTEST) => Err(SecretsError::Short),
            count if count > MOST => Err(SecretsError::Many),
            _ => Ok(Self(lines.into_iter().map(SecretString::from).collect())),
        }
    }

    /// Whether one of them made this signature. Every one is asked, and bytes are compared in a time that does not tell where they differ.
    pub(super) fn have_signed(&self, body: &[u8], signature: &Signature) -> bool {
        let mut is_right = false;
        for secret in &self.0 {
            let mut code = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
                .expect("a key may have any length");
            code.update(body);
            is_right |= code.verify_slice(&signature.0).is_ok();
        }
        is_right
    }
}

/// The signature that a request carries.
pub(super) fn of(headers: &HeaderMap) -> Result<Signature, Problem> {
    let mut given = headers.get_all(HEADER).iter();
    match (given.next(), given.next()) {
        (None, _) => Err(refused("there is no `X-Hub-Signature-256`: the webhook needs a secret")),
        (Some(value), None) => value.to_str().ok().and_then(parse).ok_or_else(wrong),
        (Some(_), Some(_)) => Err(refused("`X-Hub-Signature-256` is there more than once")),
    }
}

/// What is signed otherwise, or not at all.
pub(super) fn wrong() -> Problem {
    refused("the signature is not one of this body with a secret that is known here")
        .with_hint("the webhook's secret and the one of `[http.github]` must be the same")
}

fn refused(detail: &str) -> Problem {
    Problem::unauthorised_by(CHALLENGE, "signature_wrong", detail)
}

fn parse(text: &str) -> Option<Signature> {
    let digits = text.strip_prefix("sha256=")?.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).expect("two digits are a byte");
    }
    Some(Signature(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn the_signature_of_the_documentation_holds_and_no_other() {
        let (secrets, signature) = (Secrets::parse(SECRET).unwrap(), parse(SIGNATURE).unwrap());
        assert!(secrets.have_signed(BODY, &signature));
        assert!(!secrets.have_signed(b"Hello, World?", &signature));
        assert!(!secrets.have_signed(b"", &signature));
        for bit in 0..256 {
            let mut other = signature.clone();
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!secrets.have_signed(BODY, &other), "bit {bit}");
        }
        assert!(!Secrets::parse("It's a Secret to everybody").unwrap().have_signed(BODY, &signature));
    }

    #[test]
    fn two_secrets_hold_while_one_is_exchanged() {
        let both = Secrets::parse(&format!("the one that comes next\n{SECRET}\n")).unwrap();
        assert!(both.have_signed(BODY, &parse(SIGNATURE).unwrap()));
        assert_eq!(Secrets::parse(&"sixteen letters!\n".repeat(3)).unwrap_err(), SecretsError::Many);
        assert_eq!(Secrets::parse(&format!("{SECRET}\nshort")).unwrap_err(), SecretsError::Short);
    }

    #[test]
    fn what_is_no_signature_is_none() {
        assert!(parse(&SIGNATURE.to_uppercase().replace("SHA", "sha")).is_some());
        let longer = format!("{SIGNATURE}00");
        for wrong in [
            "",
            "sha256=",
            &SIGNATURE[7..],
            &SIGNATURE.replace("sha256", "sha1"),
            &SIGNATURE.replace("75", "+5"),
            &SIGNATURE[..70],
            &longer,
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let shown = format!("{:?}", Secrets::parse(SECRET).unwrap());
        assert!(!shown.contains("Everybody"), "{shown}");
    }
}
