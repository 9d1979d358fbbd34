//! Texts for a shell.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A word that the shell takes as it is.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Lines that put a file in place, whole or not at all. Nothing in the content can be read by the shell.
pub(crate) fn put(path: &str, mode: &str, content: &str) -> String {
    let (path, content) = (quoted(path), STANDARD.encode(content));
    format!("put {path} {mode} <<'END'\n{content}\nEND\n")
}

/// The function that [`put`] calls.
pub(crate) const PUT: &str = "\
put() {
  mkdir -p \"$(dirname \"$1\")\"
  base64 -d > \"$1.new\"
  chmod \"$2\" \"$1.new\"
  mv \"$1.new\" \"$1\"
}
";

#[cfg(test)]
mod tests {
    use super::*;

    /// What a real shell makes of it.
    fn run(script: &str) -> String {
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_shell_takes_a_quoted_word_as_it_is() {
        for text in ["plain", "it's", "$HOME `date` \"x\"", "a\nb", ""] {
            assert_eq!(run(&format!("printf %s {}", quoted(text))), text);
        }
    }

    #[test]
    fn a_file_is_put_in_place_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sub/it's");
        let content = "token: $SECRET\nEND\n'quoted'\n";
        run(&format!("set -eu\n{PUT}{}", put(file.to_str().unwrap(), "600", content)));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}
