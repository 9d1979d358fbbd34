//! `kustomize build` with its flags, for comparing the output: `kustomize [flags] DIRECTORY`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]

use std::error::Error;
use std::process::ExitCode;

use windlass_kustomize::{Directory, LoadRestrictor, Options, Reorder, build};

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(yaml) => {
            print!("{yaml}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  cause: {error}");
                cause = error.source();
            }
            if let Some(hint) =
                error.downcast_ref::<windlass_kustomize::Error>().and_then(windlass_kustomize::Error::hint)
            {
                eprintln!("\nhint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<String, Box<dyn Error>> {
    let mut options = Options::default();
    let mut target = ".".to_owned();
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), value.to_owned()),
            _ if argument.starts_with("--") => {
                let value = arguments.next().ok_or_else(|| format!("`{argument}` needs a value"))?;
                (argument, value)
            }
            _ => {
                target = argument;
                continue;
            }
        };
        options = match (flag.as_str(), value.as_str()) {
            ("--load-restrictor", "LoadRestrictionsNone") => {
                options.with_load_restrictor(LoadRestrictor::None)
            }
            ("--load-restrictor", "LoadRestrictionsRootOnly") => {
                options.with_load_restrictor(LoadRestrictor::RootOnly)
            }
            ("--reorder", "none") => options.with_reorder(Reorder::None),
            ("--reorder", "legacy") => options.with_reorder(Reorder::Legacy),
            _ => return Err(format!("`{flag} {value}` is unknown").into()),
        };
    }
    // Bases may lie above the working directory, so the tree is the whole file system.
    let target = std::path::absolute(target)?;
    let target = target.to_str().ok_or("the path is not valid UTF-8")?.trim_start_matches('/');
    Ok(build(&Directory::open("/")?, target, &options)?.to_yaml())
}
