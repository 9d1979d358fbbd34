//! Reads of an X.509 certificate what answers show: names, validity, fingerprint (RFC 5280). Signatures are not checked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha1::{Digest as _, Sha1};

/// What a certificate says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Certificate {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// Names of hosts, from its alternative names.
    pub(crate) names: Vec<String>,
    /// SHA-1, in pairs of digits.
    pub(crate) fingerprint: String,
}

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `[0]`, the version.
const VERSION: u8 = 0xa0;
/// `[3]`, the extensions.
const EXTENSIONS: u8 = 0xa3;
/// `[2]`, a host's name among alternative names.
const DNS_NAME: u8 = 0x82;
/// 2.5.29.17, alternative names of the subject.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

impl Certificate {
    /// The first certificate of a PEM text.
    pub(crate) fn parse(pem: &str) -> Option<Self> {
        let der = decode(pem)?;
        let whole = Reader(&der).next(SEQUENCE)?;
        let mut fields = Reader(Reader(whole).next(SEQUENCE)?);
        fields.skip_if(VERSION);
        // Serial number, signature, issuer.
        for _ in 0..3 {
            fields.any()?;
        }
        let mut validity = Reader(fields.next(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let mut names = Vec::new();
        while let Some((tag, content)) = fields.any() {
            if tag == EXTENSIONS {
                names = alternative_names(content).unwrap_or_default();
            }
        }
        let fingerprint: Vec<String> = Sha1::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self { not_before, not_after, names, fingerprint: fingerprint.join(":") })
    }
}

fn decode(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
    BASE64_STANDARD.decode(body).ok()
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut all = Reader(Reader(extensions).next(SEQUENCE)?);
    while let Some(extension) = all.next(SEQUENCE) {
        let mut parts = Reader(extension);
        if parts.next(OBJECT_IDENTIFIER)? != ALTERNATIVE_NAMES {
            continue;
        }
        // Whether it is critical may stand between.
        let value = loop {
            let (tag, content) = parts.any()?;
            if tag == OCTET_STRING {
                break content;
            }
        };
        let mut names = Reader(Reader(value).next(SEQUENCE)?);
        let names = std::iter::from_fn(|| names.any()).filter(|(tag, _)| *tag == DNS_NAME);
        return Some(names.map(|(_, name)| String::from_utf8_lossy(name).into_owned()).collect());
    }
    None
}

/// Reads DER: tag, length, content, one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if length >= 0x80 {
            let (digits, after) = rest.split_at_checked(length - 0x80)?;
            length = digits
                .iter()
                .try_fold(0_usize, |sum, digit| sum.checked_mul(256)?.checked_add(usize::from(*digit)))?;
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((*tag, content))
    }

    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    fn skip_if(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.any();
        }
    }

    /// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`
    fn time(&mut self) -> Option<Timestamp> {
        let (tag, content) = self.any()?;
        let text = std::str::from_utf8(content).ok()?;
        let text = match tag {
            // RFC 5280, 4.1.2.5.1: years from 50 on are of the last century.
            UTC_TIME if text < "50" => format!("20{text}"),
            UTC_TIME => format!("19{text}"),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
        time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// openssl req -x509 -newkey ed25519 -nodes -subj /CN=x -addext subjectAltName=DNS:example.com,DNS:www.example.com
    const PEM: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBWDCCAQqgAwIBAgIUMFa1ZJmLLFEpt/2OeVOAHjyTMfcwBQYDK2VwMAwxCjAI\n\
        BgNVBAMMAXgwIBcNMjYxMTI0MDMxMzUzWhgPMjEyNjEwMzEwMzEzNTNaMAwxCjAI\n\
        BgNVBAMMAXgwKjAFBgMrZXADIQDCxMTgJSAEW5OL7GLoIspmM00WUcXwDFhXvgx9\n\
        cQD2QqN8MHowHQYDVR0OBBYEFIGs11KvFhVqlSzDY3fyd7E8HjJxMB8GA1UdIwQY\n\
        MBaAFIGs11KvFhVqlSzDY3fyd7E8HjJxMA8GA1UdEwEB/wQFMAMBAf8wJwYDVR0R\n\
        BCAwHoILZXhhbXBsZS5jb22CD3d3dy5leGFtcGxlLmNvbTAFBgMrZXADQQDjrHat\n\
        eKaFsDCfyjKTMCMsnsb5xuvhP7IgRbpS49wBhOuFhvbZem4iEML0dc5jMjw7grFw\n\
        cY9lPbATBSxGBIIJ\n\
        -----END CERTIFICATE-----";

    #[test]
    fn names_validity_and_fingerprint_are_read() {
        let read = Certificate::parse(PEM).unwrap();
        assert_eq!(read.names, ["example.com", "www.example.com"]);
        assert_eq!(read.not_before.to_string(), "2026-11-24T03:13:53Z");
        assert_eq!(read.not_after.to_string(), "2126-10-31T03:13:53Z");
        assert_eq!(read.fingerprint, "6e:1c:0b:a0:43:7b:b4:2d:9e:1a:96:20:79:77:42:7f:ee:84:ca:a4");
    }

    #[test]
    fn what_is_no_certificate_is_nothing() {
        let cut = PEM.replace("MII", "MIA");
        for wrong in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", &cut] {
            assert_eq!(Certificate::parse(wrong), None, "{wrong}");
        }
    }
}
