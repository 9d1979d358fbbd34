//! The command line: one file for each family of commands. A command asks the engine and prints what it answers; it decides nothing.

mod actions;
pub mod args;
mod cluster;
mod command;
mod deliver;
mod demo;
mod emulate;
mod follow;
mod init;
mod inspect;
mod runs;
mod serve;
mod signals;
mod status;
mod talk;
#[cfg(test)]
pub(crate) mod words;

use std::time::Duration;

use jiff::{Timestamp, Zoned};
use windlass_core::policy::gate::HoldKind;
use windlass_store::Decision;

use self::args::{Cli, Cluster, Command, Emulate, Events, Gate, Global, Runs, Token};
use self::command::Context;
use crate::builder::Plugins;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::stop::Cause;

/// Does what the command line says.
pub async fn run(cli: Cli, plugins: Plugins) -> Exit {
    let printer = Printer::new(cli.global.output, cli.global.screen_reader);
    let done = match cli.command {
        // These are for where there is no configuration yet, and read none.
        Some(Command::Emulate(Emulate::Hetzner(args))) => emulate::hetzner(printer, args).await,
        Some(Command::Demo(args)) => demo::demo(printer, &plugins, args).await,
        Some(Command::Init(args)) => init::init(printer, &cli.global, &args),
        command => within(&cli.global, plugins, command).await,
    };
    done.unwrap_or_else(|cause| {
        printer.error(&cause);
        cause.exit()
    })
}

/// Does what needs a configuration.
async fn within(global: &Global, plugins: Plugins, command: Option<Command>) -> Result<Exit, Cause> {
    let context = Context::new(global, plugins)?;
    let filter = global.log.as_deref().unwrap_or("warn");
    crate::telemetry::init(filter, global.log_format, &context.config.telemetry);
    match command {
        Some(command) => dispatch(&context, command).await,
        None => status::here(&context).await,
    }
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit, Cause> {
    match command {
        Command::Demo(_) | Command::Emulate(_) | Command::Init(_) => {
            unreachable!("they need no configuration and went their way")
        }
        Command::Doctor(args) => inspect::doctor(context, &args).await,
        Command::Status(args) => status::status(context, &args).await,
        Command::Completions(args) => status::completions(context, &args),
        Command::Check(args) => inspect::check(context, &args),
        Command::Explain(args) => inspect::explain(context, &args),
        Command::Render(args) => inspect::render(context, args).await,
        Command::Plan(args) => inspect::plan(context, args).await,
        Command::Deploy(args) => deliver::deploy(context, args).await,
        Command::Rollback(args) => deliver::rollback(context, args).await,
        Command::Events(Events::Send(args)) => deliver::send_event(context, args).await,
        Command::Events(Events::List(args)) => runs::events(context, args).await,
        Command::Runs(Runs::List(args)) => runs::list(context, args).await,
        Command::Runs(Runs::Show(args)) => runs::show(context, args, false).await,
        Command::Runs(Runs::Explain(args)) => runs::show(context, args, true).await,
        Command::Runs(Runs::Watch(args)) => runs::watch(context, args).await,
        Command::Runs(Runs::Cancel(args)) => runs::cancel(context, args).await,
        Command::Approve(args) => runs::decide(context, args, Decision::Approved).await,
        Command::Reject(args) => runs::decide(context, args, Decision::Rejected).await,
        Command::Gate(Gate::Check(args)) => inspect::gate(context, args).await,
        Command::Pause(args) => runs::stand_still(context, args, HoldKind::Pause).await,
        Command::Freeze(args) => runs::stand_still(context, args, HoldKind::Freeze).await,
        Command::Resume(args) => runs::resume(context, args).await,
        Command::Serve(args) => serve::serve(context, &args).await,
        Command::Cluster(Cluster::Plan(args)) => cluster::plan(context, &args).await,
        Command::Cluster(Cluster::Create(args)) => cluster::create(context, args).await,
        Command::Cluster(Cluster::Delete(args)) => cluster::delete(context, args).await,
        Command::Cluster(Cluster::List) => cluster::list(context).await,
        Command::Cluster(Cluster::Kubeconfig(args)) => cluster::kubeconfig(context, &args).await,
        Command::Token(Token::New(args)) => serve::new_token(context, &args),
        Command::Schema(args) => inspect::print_schema(context, &args),
        Command::Config => {
            context.printer.data(crate::config::DEFAULTS)?;
            Ok(Exit::Ok)
        }
        Command::HelpExitCodes => {
            let rows: Vec<_> = Exit::TABLE
                .iter()
                .map(|(_, code, name, meaning)| format!("{code:>3}  {name:<12} {meaning}"))
                .collect();
            context.printer.data(&rows.join("\n"))?;
            Ok(Exit::Ok)
        }
    }
}

/// A time as RFC 3339 writes it, or as a clock of a zone shows it: `2026-12-24T18:00[Europe/Berlin]`.
fn time(text: &str) -> Result<Timestamp, Cause> {
    text.parse::<Timestamp>().or_else(|_| text.parse::<Zoned>().map(|zoned| zoned.timestamp())).map_err(
        |error| {
            Cause::new("usage", format!("`{text}` is not a time: {error}"))
                .with_hint("write 2026-12-24T18:00:00Z or 2026-12-24T18:00[Europe/Berlin]")
        },
    )
}

/// A duration as people write it in deploy-control.yaml too: `30s`, `10m`, `2h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write `30s`, `10m` or `2h`");
    let (digits, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?);
    let amount: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    seconds.and_then(|unit| amount.checked_mul(unit)).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_hours(2)));
        for wrong in ["", "5", "s", "1d", "-1s", "99999999999999999999s", "9999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
