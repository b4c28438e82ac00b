//! The commands of `weir`: every worker and every operator command is a subcommand of one binary.
//!
//! This file only composes: arguments in, exit code out. What a command does stands in its own file; [`flow`] is what
//! `scan`, `run` and the tests share.

mod args;
mod check;
mod config;
mod demo;
mod exit;
mod findings;
pub mod flow;
mod follow;
pub mod head;
mod letters;
mod progress;
mod report;
mod rights;
mod rules;
mod run;
mod scan;
mod scene;
mod schema;
mod simulate;
pub mod stages;
mod tap;
mod text;
mod topics;
mod watch;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};
use crate::progress::Screen;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return exit::usage(&error),
    };
    let screen = Screen::new();
    // What goes wrong in a demo is part of it, and is told at its end.
    let standard = matches!(args.command, Command::Demo(_)).then_some("error");
    if let Err(error) = screen.log(args.log.as_deref().or(standard)) {
        return exit::code(&exit::WrongConfig(vec![error.to_string()]).into());
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::code(&anyhow::Error::new(error).context("cannot start the async runtime"));
        }
    };
    match runtime.block_on(dispatch(args.command, &screen)) {
        Ok(code) => code,
        Err(error) => exit::code(&error),
    }
}

async fn dispatch(command: Command, screen: &Screen) -> anyhow::Result<ExitCode> {
    match command {
        Command::Scan(args) => scan::scan(&args, screen).await,
        Command::Run(args) => run::run(&args, screen).await,
        Command::Ingest(args) => worker::ingest(&args).await,
        Command::Enrich(args) => worker::enrich(&args).await,
        Command::Detect(args) => worker::detect(&args).await,
        Command::Sink(args) => worker::sink(&args).await,
        Command::Rules(command) => rules::rules(&command),
        Command::Check(args) => check::check(&args).await,
        Command::Demo(args) => demo::demo(&args, screen).await,
        Command::Simulate(args) => simulate::simulate(&args).await,
        Command::Findings(args) => findings::findings(&args).await,
        Command::Tap(args) => tap::tap(&args).await,
        Command::Topics(command) => topics::topics(&command).await,
        Command::Schema(command) => schema::schema(&command).await,
    }
}
