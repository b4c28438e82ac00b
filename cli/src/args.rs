//! What can be written on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Weir reads what Microsoft 365 and the Power Platform write down about their users, and says what deserves a look.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, max_term_width = 100)]
pub(crate) struct Args {
    /// How much to log: error, warn, info, debug, or a filter such as `info,runtime=debug`.
    #[arg(long, global = true, env = "WEIR_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read exported files, say what was found, keep nothing.
    Scan(ScanArgs),
    /// Run every stage in this process, over the log that the configuration names.
    Run(RunArgs),
    /// Run worker 1: feeds become events.
    Ingest(WorkerArgs),
    /// Run worker 2: events become enriched events.
    Enrich(WorkerArgs),
    /// Run worker 3: enriched events become findings.
    Detect(WorkerArgs),
    /// Run worker 4: findings reach their receivers.
    Sink(SinkArgs),
    /// Look at the rules, test them, check them.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Check a configuration with the code that starts the workers, and open its log and sinks.
    Check(CheckArgs),
    /// See it work: three simulated weeks of a tenant, an attack, findings in a Splunk and a Sentinel.
    Demo(DemoArgs),
    /// Simulate a tenant and the receivers on a port of this machine, for `weir run` to work against.
    Simulate(SimulateArgs),
    /// Show the findings that the log holds.
    Findings(FindingsArgs),
    /// Show what a stage wrote to the log, a JSON line a record.
    Tap(TapArgs),
    /// Look after the topics of a Kafka log.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Look after the schemas in the schema registry of a Kafka log.
    #[command(subcommand)]
    Schema(SchemaCommand),
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON object: the ledger and the findings.
    Json,
    /// One OCSF Detection Finding a line.
    Ocsf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ScanArgs {
    /// Exported files or folders: JSON, JSON lines or CSV with an AuditData column, gzip or not.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Exit with 1 when a finding is at least this severe: info, low, medium, high or critical.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(crate) fail_on: Option<schemas::finding::Severity>,
    /// The tenant of records that do not name one.
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<String>,
    /// Take the `enrich` and `detect` sections of this configuration: working hours, partners, networks, rules.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Add the rules of this folder, in place of the one that the configuration names.
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Option<PathBuf>,
    /// Write what was rejected to this file: JSON lines with the reason and the bytes.
    #[arg(long, value_name = "FILE")]
    pub(crate) dead_letters: Option<PathBuf>,
    /// How many partitions each topic of the memory log has.
    #[arg(long, value_name = "N", default_value_t = 1, hide = true)]
    pub(crate) partitions: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// This replica's name: stable over restarts, and no two living replicas share one.
    #[arg(long, value_name = "NAME", default_value = "0")]
    pub(crate) member: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SinkArgs {
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    /// Run this sink and no other of the configuration: each in a process of its own, so that one cannot stop another.
    #[arg(long, value_name = "SINK")]
    pub(crate) only: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Check the file only, open nothing.
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// List the rules.
    List(RulesArgs),
    /// Run the test cases of the rules.
    Test(RulesArgs),
    /// Check the rules for what would make them useless.
    Lint(RulesArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RulesArgs {
    /// Add the rules of this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Decides who lives in the tenant, what they do, and what is done to them.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Show every revision of every finding as it comes, not only new ones that are high or critical.
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Where everything lies: the configuration for `weir run`, what the receivers accepted. A folder that was used before
    /// goes on where it was left, with what it was begun with.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Decides who lives in the tenant, what they do, and what is done to them. 1 without it.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Where the services listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    pub(crate) listen: std::net::SocketAddr,
    /// How many seconds pass in one; the configuration tells `weir run` the same. 3600 without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: Option<u32>,
    /// At least so many audit records an hour; what people do not make is added as reading. 18000 are five a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) records_per_hour: Option<u32>,
    /// So many days only, the last of them the day of the attack (the Monday after where that is a weekend); once its last
    /// records have come, nothing more happens. Without it: three weeks, the attack, and life goes on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) days: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FindingsArgs {
    /// The configuration; of it only the log is opened, and nothing in it is changed.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// How to print; `json` is a finding a line here.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Go on with every revision as it comes, until stopped.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Only findings at least this severe: info, low, medium, high or critical.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(crate) least: Option<schemas::finding::Severity>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TapArgs {
    /// Whose records.
    #[arg(value_enum, value_name = "STAGE")]
    pub(crate) stage: Tapped,
    /// The configuration; of it only the log is opened, and nothing in it is changed.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Go on with what comes, until stopped.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Only what comes from now on, until stopped.
    #[arg(long)]
    pub(crate) new: bool,
    /// Only records of this tenant.
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<String>,
    /// Only records that name this rule, by its name or id.
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// End after so many records.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// What can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tapped {
    /// Events.
    Ingest,
    /// Enriched events.
    Enrich,
    /// Signals to the stateful rules.
    Match,
    /// Findings, every revision.
    Detect,
    /// Receipts of what was delivered.
    Sink,
    /// Losses that a source inflicted.
    Gaps,
    /// What any stage could not take.
    DeadLetters,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Say what differs from the configuration, change nothing.
    Plan(RunArgs),
    /// Create what is missing; never deletes and never changes a topic whose state is bound to its partitions.
    Apply(RunArgs),
    /// Print the least rights of each worker on the brokers, as commands for `kafka-acls`. Nothing is connected to.
    Rights(RunArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Show what `apply` would do; change nothing.
    Plan(RunArgs),
    /// Register what is missing and hold every subject to full compatibility; never deletes.
    Apply(RunArgs),
    /// Say for each schema whether it is registered, or would be taken.
    Check(RunArgs),
}

fn severity(name: &str) -> Result<schemas::finding::Severity, String> {
    schemas::finding::Severity::named(name)
        .ok_or_else(|| "one of info, low, medium, high, critical".to_owned())
}
