//! Exit codes in words.

/// What an exit code usually means; `None` where it means what the program says it means.
///
/// Codes above 128 are signals by the convention of shells and container runtimes.
pub fn exit_words(code: i64) -> Option<String> {
    Some(match code {
        126 => "the command cannot be executed".to_owned(),
        127 => "command not found".to_owned(),
        128 => "the container could not be started".to_owned(),
        137 => "killed (SIGKILL), usually for memory or after a failed probe".to_owned(),
        143 => "asked to end (SIGTERM)".to_owned(),
        255 => "the program ended with -1, or the node lost the container".to_owned(),
        129..=159 => format!("ended by {}", signal(code - 128)),
        _ => return None,
    })
}

/// The name of a signal of Linux on x86-64 and arm64.
fn signal(number: i64) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_codes_have_words() {
        let check = |code, expect: Option<&str>| assert_eq!(exit_words(code).as_deref(), expect);
        check(0, None);
        check(1, None);
        check(127, Some("command not found"));
        check(139, Some("ended by SIGSEGV"));
        check(134, Some("ended by SIGABRT"));
        check(158, Some("ended by signal 30"));
    }
}
