//! The command line. Doc comments are the help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use windlass_core::name::{ClusterName, EnvironmentName, RunId, ServiceName};

use crate::http::access::Role;
use crate::http::config::Listen;
use crate::http::token::TokenName;
use crate::skeleton::Origin;
use crate::telemetry::LogFormat;

/// Deploys what a repository says to Kubernetes, and returns to the last good release when it fails
#[derive(Debug, Parser)]
#[command(
    name = "windlass",
    version,
    max_term_width = 110,
    after_help = "Exit codes: `windlass help-exit-codes`"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Configuration file [default: windlass.toml of the repository, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "WINDLASS_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// The repository [default: the current directory]
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub repository: Option<PathBuf>,
    /// Text for people, or JSON for programs
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Format,
    /// Which log lines go to stderr, in the syntax of `RUST_LOG` [default: warn]
    #[arg(long, global = true, value_name = "FILTER", env = "WINDLASS_LOG", hide_env_values = true)]
    pub log: Option<String>,
    /// Words in the place of signs, and nothing drawn twice
    #[arg(long, global = true, env = "WINDLASS_SCREEN_READER", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub screen_reader: bool,
    /// How log lines look: text for people, or json
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        env = "WINDLASS_LOG_FORMAT",
        hide_env_values = true
    )]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell the whole story on a simulated cluster: a push, an approval, a bad image that is rolled back
    #[command(after_help = "Examples:\n  windlass demo\n  windlass demo --kubeconfig ~/.kube/config")]
    Demo(Demo),
    /// Serve the API of a provider from this process, for trying what speaks to it
    #[command(subcommand)]
    Emulate(Emulate),
    /// Write the beginning of a repository: policy, base, overlays, windlass.toml; never overwrites
    #[command(
        after_help = "Examples:\n  windlass init\n  windlass init --provider hetzner --dry-run\n  windlass init shop"
    )]
    Init(Init),
    /// Check this machine, the repository, every cluster and every secret, each failure with what mends it
    #[command(after_help = "Example:\n  windlass doctor -e dev")]
    Doctor(Doctor),
    /// Show every environment: what is live, since when, what is held or stuck
    #[command(after_help = "Examples:\n  windlass status\n  windlass status -e prod --exit-code")]
    Status(Status),
    /// Check the policy and every overlay; contacts nothing
    #[command(after_help = "Examples:\n  windlass check\n  windlass check --at HEAD")]
    Check(Check),
    /// Print the objects of an overlay as they would be applied, secrets as placeholders
    #[command(after_help = "Examples:\n  windlass render -e dev\n  windlass render infra/k8s/hetzner/dev")]
    Render(Render),
    /// Show what a deploy would change on the cluster, and what the gate would say
    #[command(
        after_help = "Examples:\n  windlass plan -e dev\n  windlass plan -e prod --at v1.4.0 --exit-code"
    )]
    Plan(Plan),
    /// Deploy a commit: gate, render, secrets, apply, wait, verify or roll back
    #[command(
        after_help = "Examples:\n  windlass deploy -e dev\n  windlass deploy api -e prod --at 4e1a9b2\n  windlass deploy -e prod --override 'the fix cannot wait'"
    )]
    Deploy(Deploy),
    /// Return to the last verified release, or to the one named
    #[command(
        after_help = "Examples:\n  windlass rollback -e prod --reason 'checkout is slow'\n  windlass rollback -e prod --to r-12"
    )]
    Rollback(Rollback),
    /// Events: send one, or list what arrived
    #[command(subcommand)]
    Events(Events),
    /// Runs: list, show, watch, explain
    #[command(subcommand)]
    Runs(Runs),
    /// Approve a held run
    #[command(after_help = "Example:\n  windlass approve r-17 --reason 'migration reviewed'")]
    Approve(Decide),
    /// Reject a held run
    #[command(after_help = "Example:\n  windlass reject r-17 --reason 'not before the weekend'")]
    Reject(Decide),
    /// Ask the gate
    #[command(subcommand)]
    Gate(Gate),
    /// Stop automatic runs of an environment
    #[command(
        after_help = "Example:\n  windlass pause -e prod --reason 'audit week' --until 2026-12-28T08:00[Europe/Berlin]"
    )]
    Pause(Pause),
    /// Stop every run of an environment but a rollback, also those that a person asks for
    #[command(after_help = "Example:\n  windlass freeze -e prod --reason 'data centre moves'")]
    Freeze(Pause),
    /// Let an environment go on: lifts a pause, a freeze, bars and the mark of a stuck run
    #[command(after_help = "Example:\n  windlass resume -e prod")]
    Resume(Resume),
    /// Work until stopped: takes events from the queue and over HTTP, and carries runs
    #[command(
        after_help = "Examples:\n  windlass serve\n  windlass serve --listen 127.0.0.1:8080\n  windlass serve --until-idle"
    )]
    Serve(Serve),
    /// Clusters that a provider makes: plan, create, list, delete
    #[command(subcommand)]
    Cluster(Cluster),
    /// Tokens for the HTTP API
    #[command(subcommand)]
    Token(Token),
    /// Print the JSON Schema of an event type, or the OpenAPI document
    #[command(
        after_help = "Examples:\n  windlass schema\n  windlass schema dev.windlass.push\n  windlass schema openapi"
    )]
    Schema(Schema),
    /// Explain an error, a hold, a cause of a failed rollout or a lint
    #[command(after_help = "Examples:\n  windlass explain secret_missing\n  windlass explain WL0511")]
    Explain(Explain),
    /// Print a script that completes commands and flags in a shell
    #[command(
        after_help = "Examples:\n  source <(windlass completions bash)\n  windlass completions fish >~/.config/fish/completions/windlass.fish"
    )]
    Completions(Completions),
    /// Print every key of the configuration with its default and meaning
    #[command(after_help = "Example:\n  windlass config >windlass.toml")]
    Config,
    /// Print the exit codes
    #[command(after_help = "Example:\n  windlass help-exit-codes")]
    HelpExitCodes,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Tell it on the cluster of this kubeconfig instead; what it makes there stays until you remove it
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// APIs that windlass can stand in for.
#[derive(Debug, Subcommand)]
pub enum Emulate {
    /// The Hetzner Cloud API, with servers on which nothing runs; prints what clients need to know
    ///
    /// Faults, shortages of server types, calls and the clock are seen and steered below /_emulator, with the same token.
    #[command(
        after_help = "Examples:\n  windlass emulate hetzner\n  windlass emulate hetzner --listen 127.0.0.1:8090 --token secret"
    )]
    Hetzner(EmulateHetzner),
}

#[derive(Debug, Args)]
pub struct EmulateHetzner {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// What clients must show [default: a random one]
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Actions take no time
    #[arg(long)]
    pub instant: bool,
    /// Ignore fields that the API does not have, as the API does, instead of refusing them
    #[arg(long)]
    pub lenient: bool,
    /// A clock that stands until it is moved
    #[arg(long)]
    pub simulated_clock: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Where the clusters come from
    #[arg(long, value_enum, default_value = "kubeconfig")]
    pub provider: Origin,
    /// Only say what would be written
    #[arg(long)]
    pub dry_run: bool,
    /// The folder [default: the current directory]
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Check a commit, branch or tag instead of the files as they are
    #[arg(long, value_name = "COMMIT")]
    pub at: Option<String>,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Only this environment [default: all of the policy]
    #[arg(short, long)]
    pub env: Option<EnvironmentName>,
    /// Exit with 1 for what should be looked at, too
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub struct Render {
    /// A directory with a kustomization [default: the overlay of --env]
    pub target: Option<PathBuf>,
    /// Render the overlay of this environment
    #[arg(short, long, conflicts_with = "target")]
    pub env: Option<EnvironmentName>,
    /// Render a commit, branch or tag instead of the files as they are
    #[arg(long, value_name = "COMMIT", requires = "env")]
    pub at: Option<String>,
    /// As kustomize: `LoadRestrictionsRootOnly` or `LoadRestrictionsNone`
    #[arg(long, value_name = "RULE", default_value = "LoadRestrictionsRootOnly")]
    pub load_restrictor: String,
    /// As kustomize: legacy or none
    #[arg(long, value_name = "ORDER")]
    pub reorder: Option<String>,
}

#[derive(Debug, Args)]
pub struct Plan {
    /// The environment
    #[arg(short, long)]
    pub env: EnvironmentName,
    /// A commit, branch or tag [default: HEAD]
    #[arg(long, value_name = "COMMIT", conflicts_with = "worktree")]
    pub at: Option<String>,
    /// Plan the files as they are, committed or not
    #[arg(long)]
    pub worktree: bool,
    /// Exit with 3 when there are differences
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, Args)]
pub struct Deploy {
    /// Services to deploy [default: all of the environment]
    pub services: Vec<ServiceName>,
    /// The environment
    #[arg(short, long)]
    pub env: EnvironmentName,
    /// A commit, branch or tag [default: HEAD]
    #[arg(long, value_name = "COMMIT", conflicts_with = "worktree")]
    pub at: Option<String>,
    /// Deploy the files as they are, committed or not
    #[arg(long)]
    pub worktree: bool,
    /// Pass a closed window, for this reason; recorded
    #[arg(long = "override", value_name = "REASON")]
    pub window_override: Option<String>,
    #[command(flatten)]
    pub follow: Follow,
}

/// How long a command stays with a run.
#[derive(Debug, Args)]
pub struct Follow {
    /// Stop waiting after this time; the run goes on
    #[arg(long, value_name = "TIME", value_parser = crate::cli::duration)]
    pub timeout: Option<std::time::Duration>,
    /// Only ask for it; a worker carries it
    #[arg(long)]
    pub detach: bool,
}

#[derive(Debug, Args)]
pub struct Rollback {
    /// The environment
    #[arg(short, long)]
    pub env: EnvironmentName,
    /// A verified release by run, commit or digest [default: the last verified one that is not live]
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// Why; recorded
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub follow: Follow,
}

#[derive(Debug, Subcommand)]
pub enum Events {
    /// Send an event: a file, or - for stdin
    #[command(
        after_help = "Examples:\n  windlass events send push.json\n  windlass events send - <push.json"
    )]
    Send(SendEvent),
    /// List what arrived and what became of it
    #[command(after_help = "Example:\n  windlass events list --limit 50")]
    List(Limit),
}

#[derive(Debug, Args)]
pub struct SendEvent {
    /// A cloud event as JSON, - for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Publish it to this RabbitMQ instead, as `amqp://user@host/vhost`; the password is `$WINDLASS_QUEUE_PASSWORD` or in `queue.password_file`
    #[arg(long, value_name = "URL", conflicts_with_all = ["timeout", "detach"])]
    pub queue: Option<String>,
    #[command(flatten)]
    pub follow: Follow,
}

#[derive(Debug, Args)]
pub struct Limit {
    /// How many, newest first
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
}

#[derive(Debug, Subcommand)]
pub enum Runs {
    /// List runs; those that need someone first
    #[command(after_help = "Examples:\n  windlass runs list -e prod\n  windlass -o json runs list --limit 5")]
    List(ListRuns),
    /// Show a run: stages, gate, changes, end
    #[command(after_help = "Example:\n  windlass runs show r-17")]
    Show(OneRun),
    /// Follow a run to its end; the exit code is the run's
    #[command(after_help = "Example:\n  windlass runs watch r-17 --timeout 10m")]
    Watch(WatchRun),
    /// Explain how a run was decided and why it ended as it did
    #[command(after_help = "Examples:\n  windlass runs explain\n  windlass runs explain r-17")]
    Explain(OneRun),
    /// Stop a run that has not touched the cluster yet
    #[command(after_help = "Example:\n  windlass runs cancel r-17")]
    Cancel(OneRun),
}

#[derive(Debug, Args)]
pub struct ListRuns {
    /// Only this environment
    #[arg(short, long)]
    pub env: Option<EnvironmentName>,
    #[command(flatten)]
    pub limit: Limit,
}

#[derive(Debug, Args)]
pub struct OneRun {
    /// The run, such as r-17 [default: the newest]
    pub run: Option<RunId>,
}

#[derive(Debug, Args)]
pub struct WatchRun {
    /// The run, such as r-17 [default: the newest]
    pub run: Option<RunId>,
    /// Stop waiting after this time; the run goes on
    #[arg(long, value_name = "TIME", value_parser = crate::cli::duration)]
    pub timeout: Option<std::time::Duration>,
}

#[derive(Debug, Args)]
pub struct Decide {
    /// The run, such as r-17
    pub run: RunId,
    /// Why; recorded
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub follow: Follow,
}

#[derive(Debug, Subcommand)]
pub enum Gate {
    /// Would a deploy pass, now or at a given time?
    #[command(after_help = "Example:\n  windlass gate check -e prod --time 2026-12-24T18:00[Europe/Berlin]")]
    Check(CheckGate),
}

#[derive(Debug, Args)]
pub struct CheckGate {
    /// The environment
    #[arg(short, long)]
    pub env: EnvironmentName,
    /// At this time, RFC 3339 or with a zone in brackets [default: now]
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// As an automatic run (a push) would be judged, not one by hand
    #[arg(long)]
    pub automatic: bool,
    /// A commit, branch or tag [default: the files as they are]
    #[arg(long, value_name = "COMMIT")]
    pub at: Option<String>,
}

#[derive(Debug, Args)]
pub struct Pause {
    /// The environment
    #[arg(short, long)]
    pub env: EnvironmentName,
    /// Why; shown wherever the environment is
    #[arg(long)]
    pub reason: String,
    /// Until this time, RFC 3339 or with a zone in brackets [default: until resumed]
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

#[derive(Debug, Args)]
pub struct Resume {
    /// The environment
    #[arg(short, long)]
    pub env: EnvironmentName,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Stop when nothing is left to do; nothing is taken over HTTP
    #[arg(long, conflicts_with = "listen")]
    pub until_idle: bool,
    /// Listen for HTTP at this address, port 0 for a free one, or at `none` [default: `http.listen`, 127.0.0.1:7878]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<Listen>,
}

#[derive(Debug, Subcommand)]
pub enum Cluster {
    /// Show what the provider would create, change and remove, and the monthly price; changes nothing
    #[command(
        after_help = "Examples:\n  windlass cluster plan dev\n  windlass cluster plan prod --at v1.4.0 --exit-code"
    )]
    Plan(PlanCluster),
    /// Create an environment's cluster, or bring it up to date, then deploy to it; goes on where an earlier run stopped
    #[command(
        after_help = "Examples:\n  windlass cluster create dev\n  windlass cluster create prod --at v1.4.0"
    )]
    Create(CreateCluster),
    /// Remove an environment's cluster and everything that the provider made for it
    #[command(
        after_help = "Examples:\n  windlass cluster delete dev --dry-run\n  windlass cluster delete dev --yes hetzner-dev-cluster"
    )]
    Delete(DeleteCluster),
    /// List the clusters that runs have made
    #[command(after_help = "Example:\n  windlass cluster list")]
    List,
    /// Print the kubeconfig of a cluster that a run has made: a credential
    #[command(after_help = "Example:\n  windlass cluster kubeconfig dev >dev.kubeconfig")]
    Kubeconfig(OneCluster),
}

#[derive(Debug, Args)]
pub struct PlanCluster {
    /// The environment
    pub env: EnvironmentName,
    /// A commit, branch or tag [default: HEAD]
    #[arg(long, value_name = "COMMIT", conflicts_with = "worktree")]
    pub at: Option<String>,
    /// Plan the configuration as it is, committed or not
    #[arg(long)]
    pub worktree: bool,
    /// Exit with 3 when there are differences
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, Args)]
pub struct CreateCluster {
    /// The environment
    pub env: EnvironmentName,
    /// A commit, branch or tag [default: HEAD]
    #[arg(long, value_name = "COMMIT")]
    pub at: Option<String>,
    #[command(flatten)]
    pub follow: Follow,
}

#[derive(Debug, Args)]
pub struct DeleteCluster {
    /// The environment
    pub env: EnvironmentName,
    /// The cluster's name, typed once more: nothing is removed without it
    #[arg(long, value_name = "NAME")]
    pub yes: Option<ClusterName>,
    /// Only say what would be removed, and what would be left
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    #[command(flatten)]
    pub follow: Follow,
}

#[derive(Debug, Args)]
pub struct OneCluster {
    /// The environment
    pub env: EnvironmentName,
}

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Draw a token: printed once, with what to write in windlass.toml
    #[command(after_help = "Example:\n  windlass token new ci --role deployer")]
    New(NewToken),
}

#[derive(Debug, Args)]
pub struct NewToken {
    /// Who its holder is in runs, approvals and the audit log
    pub name: TokenName,
    /// What its holder may do
    #[arg(long, value_enum)]
    pub role: Role,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// The word beside `error`, a number such as WL0511, or a lint [default: list them]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Status {
    /// Only this environment
    #[arg(short, long)]
    pub env: Option<EnvironmentName>,
    /// Exit with 3 when something is held, stuck or not verified
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Schema {
    /// An event type such as dev.windlass.push, or `openapi` for the HTTP API; without it, all are listed
    pub event_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::words::words_of;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command that does something, with the words that lead to it.
    fn leaves(command: &clap::Command, above: &str) -> Vec<(String, clap::Command)> {
        let path = format!("{above} {}", command.get_name()).trim().to_owned();
        let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
        if below.is_empty() {
            return vec![(path, command.clone())];
        }
        below.into_iter().flat_map(|below| leaves(below, &path)).collect()
    }

    #[test]
    fn every_command_has_an_example_that_can_be_typed() {
        let commands = leaves(&Cli::command(), "");
        assert!(commands.len() > 20, "only {} commands were found", commands.len());
        for (path, command) in commands {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<_> = help.lines().filter(|line| line.starts_with("  ")).collect();
            assert!(!examples.is_empty(), "`{path}` has no example");
            for example in examples {
                let own: Vec<_> = example
                    .trim()
                    .split("<(")
                    .last()
                    .into_iter()
                    .map(|line| line.trim_end_matches(')'))
                    .collect();
                let words = words_of(own[0]);
                let parsed = Cli::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "`{example}` of `{path}`: {}", parsed.unwrap_err());
                let plain = words.join(" ").replace("-o json ", "");
                assert!(plain.starts_with(&path), "`{example}` is no example of `{path}`");
            }
        }
    }

    #[test]
    fn every_command_says_what_it_does() {
        for (path, command) in leaves(&Cli::command(), "") {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(about.len() > 10 && !about.ends_with('.'), "`{path}`: {about}");
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(
                    argument.get_help().is_some(),
                    "`{path}` does not say what `{}` is",
                    argument.get_id()
                );
            }
        }
    }
}
