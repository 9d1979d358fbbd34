//! `init`: the beginning of a repository, written into a folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{Global, Init};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::skeleton::{self, Files, Origin};
use crate::stop::Cause;

/// What was written, or would be.
#[derive(Debug, Serialize)]
struct Written {
    provider: &'static str,
    folder: PathBuf,
    files: Vec<String>,
    dry_run: bool,
}

/// `windlass init`: reads no configuration, because there is none yet.
pub(super) fn init(printer: Printer, global: &Global, args: &Init) -> Result<Exit, Cause> {
    let folder = args.folder.clone().or_else(|| global.repository.clone()).unwrap_or_else(|| ".".into());
    let files = skeleton::files(args.provider);
    let in_the_way: Vec<_> =
        files.keys().filter(|path| folder.join(path).symlink_metadata().is_ok()).cloned().collect();
    if !in_the_way.is_empty() {
        return Err(refusal(&folder, &in_the_way));
    }
    if !args.dry_run {
        write(&folder, &files)?;
    }
    let written = Written {
        provider: args.provider.provider(),
        folder,
        files: files.into_keys().collect(),
        dry_run: args.dry_run,
    };
    printer.answer(&written, || in_words(&written, args.provider))?;
    Ok(Exit::Ok)
}

fn refusal(folder: &Path, in_the_way: &[String]) -> Cause {
    let text = format!("nothing is written to `{}`: {} there already", folder.display(), listed(in_the_way));
    Cause::new("already_there", text).with_hint(
        "nothing is ever overwritten: name another folder, such as `windlass init shop`, or move these away",
    )
}

/// The first few by name: a repository that has one of them mostly has them all.
fn listed(paths: &[String]) -> String {
    let named: Vec<_> = paths.iter().take(3).map(|path| format!("`{path}`")).collect();
    match paths.len() {
        1 => format!("{} is", named[0]),
        2 | 3 => format!("{} are", named.join(", ")),
        more => format!("{} and {} more are", named.join(", "), more - named.len()),
    }
}

fn write(folder: &Path, files: &Files) -> Result<(), Cause> {
    for (path, text) in files {
        let path = folder.join(path);
        let parent = path.parent().expect("a file is in a folder");
        // `create_new`, so that a file that came into being meanwhile is left alone too.
        let written = std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::File::create_new(&path))
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written
            .map_err(|error| Cause::new("io", format!("`{}` cannot be written: {error}", path.display())))?;
    }
    Ok(())
}

fn in_words(written: &Written, origin: Origin) -> String {
    let (verb, first) = (if written.dry_run { "would write" } else { "wrote" }, origin.environments()[0]);
    let folder = written.folder.display();
    let files: Vec<_> = written.files.iter().map(|path| format!("  {path}")).collect();
    let mut text = format!("{verb} {} files to `{folder}`\n{}\n", files.len(), files.join("\n"));
    if written.dry_run {
        return text;
    }
    let go = if written.folder == Path::new(".") { String::new() } else { format!("  cd {folder}\n") };
    let steps = [
        ("windlass check".to_owned(), "policy, overlays and conventions"),
        (format!("windlass render -e {first}"), "what would be applied"),
        ("windlass doctor".to_owned(), "this machine, the clusters, the secrets"),
        (format!("windlass plan -e {first} --worktree"), "what it would change"),
        (format!("windlass deploy -e {first} --worktree"), ""),
    ];
    let steps: Vec<_> =
        steps.iter().map(|(command, what)| format!("  {command:<36}{what}").trim_end().to_owned()).collect();
    writeln!(
        text,
        "\nNext: name your clusters in `windlass.toml`, give values for the secrets, and\n{go}{}",
        steps.join("\n")
    )
    .expect("writing to a string cannot fail");
    text
}
