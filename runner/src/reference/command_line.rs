//! docs/reference/cli.md: every command with its arguments and examples, from what `--help` is made of.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use super::{hold, table};
use crate::cli::args::Cli;

fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = String::from(
        "# The command line\n\nEvery command, as its `--help` tells it. [Exit codes](../../README.md#exit-codes) are the same for all.\n\n\
         ## Options of every command\n",
    );
    arguments(&mut page, root.get_arguments().filter(|argument| argument.is_global_set()));
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        describe(&mut page, command);
    }
    page
}

/// A command's section; one that only groups others has theirs instead.
fn describe(page: &mut String, command: &Command) {
    let mut below = command.get_subcommands().filter(|command| command.get_name() != "help").peekable();
    if below.peek().is_some() {
        return below.for_each(|command| describe(page, command));
    }
    let name = command.get_bin_name().expect("`build` names every command");
    let about = command.get_about().expect("every command says what it does");
    write!(page, "\n## {name}\n\n{about}.\n").expect("a string takes all");
    arguments(page, command.get_arguments().filter(|argument| !argument.is_global_set()));
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        let lines = examples.lines().skip(1).map(str::trim).collect::<Vec<_>>();
        write!(page, "\n```sh\n{}\n```\n", lines.join("\n")).expect("a string takes all");
    }
}

fn arguments<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let shown = arguments.filter(|argument| !argument.is_hide_set() && argument.get_id() != "help");
    let rows: Vec<_> = shown.map(|argument| [usage(argument), meaning(argument)]).collect();
    table(page, ["", ""], &rows);
}

/// Such as `-e, --env <ENV>`, or `<RUN>`.
fn usage(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let value = if argument.get_action().takes_values() {
        values.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" ")
    } else {
        String::new()
    };
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flags = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    format!("`{}`", format!("{flags} {value}").trim())
}

/// What it is for, and what `--help` adds in brackets.
fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().expect("every argument says what it is for").to_string();
    let possible: Vec<_> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !possible.is_empty() && argument.get_action().takes_values() {
        write!(text, ": {}", possible.join(", ")).expect("a string takes all");
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        write!(text, " [default: {}]", defaults.join(", ")).expect("a string takes all");
    }
    if let Some(variable) = argument.get_env() {
        write!(text, " [variable: `{}`]", variable.to_string_lossy()).expect("a string takes all");
    }
    text
}

#[test]
fn the_page_of_the_command_line_is_what_help_says() {
    hold("cli.md", &page());
}
