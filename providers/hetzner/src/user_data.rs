//! What a server is told at its first boot, within what the API takes.

use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The most that the API takes: 32 KiB, by its description.
pub const MOST_BYTES: usize = 32 * 1024;

/// It does not fit, even compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "what a server is told at its first boot has {plain} bytes, compressed {packed}; at most {MOST_BYTES} are taken"
)]
pub struct TooLarge {
    /// Its size as it is.
    pub plain: usize,
    /// Its size as it would be sent.
    pub packed: usize,
}

/// The text as it is sent: as it is where it fits, else compressed.
///
/// The API takes text only, so what is compressed is written in Base64; cloud-init reads both on Hetzner's servers. The bytes depend on nothing but
/// the text.
pub fn packed(text: &str) -> Result<String, TooLarge> {
    if text.len() <= MOST_BYTES {
        return Ok(text.to_owned());
    }
    let packed = BASE64_STANDARD.encode(compressed(text.as_bytes()));
    match packed.len() {
        size if size <= MOST_BYTES => Ok(packed),
        size => Err(TooLarge { plain: text.len(), packed: size }),
    }
}

/// How many bytes of a text are sent, if more than `most` of them are compressed.
pub fn size(text: &str, most: usize) -> usize {
    if text.len() <= most { text.len() } else { compressed(text.as_bytes()).len().div_ceil(3) * 4 }
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes every write")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Text that does not compress.
    fn noise(bytes: usize) -> String {
        let mut state = 1_u64;
        let letter = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + u8::try_from((state >> 33) % 95).unwrap())
        };
        (0..bytes).map(letter).collect()
    }

    #[test]
    fn what_fits_is_sent_as_it_is() {
        let text = noise(MOST_BYTES);
        assert_eq!(packed(&text), Ok(text));
    }

    #[test]
    fn what_does_not_fit_is_compressed_and_can_be_read_again() {
        let text = "write_files: []\n".repeat(10_000);
        let sent = packed(&text).unwrap();
        assert!(sent.len() <= MOST_BYTES, "{}", sent.len());
        let bytes = BASE64_STANDARD.decode(&sent).unwrap();
        let mut read = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        assert_eq!(packed(&text), Ok(sent));
    }

    #[test]
    fn what_never_fits_is_refused_with_its_size() {
        let refused = packed(&noise(60_000)).unwrap_err();
        assert!(refused.plain == 60_000 && refused.packed > MOST_BYTES, "{refused}");
    }
}
