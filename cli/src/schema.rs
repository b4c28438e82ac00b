//! `weir schema plan|apply|check`: our schemas in the schema registry of a Kafka log.
//!
//! `plan` shows what differs and changes nothing. `apply` sets levels, registers what is missing, and says what it did,
//! also when it ends with an error. `check` exits with 0 when every schema is registered, 69 when one is missing, 78 when one
//! is incompatible with what is registered: for a release that must not be rolled out before its schemas.

use std::process::ExitCode;

use crate::args::{RunArgs, SchemaCommand};
use crate::config::Config;
use crate::exit::{self, WrongConfig};
use runtime::registry::{Book, Change, RegistryError, Standing, State};

/// Looks after the schemas.
pub(crate) async fn schema(command: &SchemaCommand) -> anyhow::Result<ExitCode> {
    match command {
        SchemaCommand::Plan(args) => {
            let changes = book(args)?.plan().await?;
            told(&changes)
        }
        SchemaCommand::Apply(args) => {
            let mut changes = Vec::new();
            let applied = book(args)?.apply(&mut changes).await;
            // Nothing done and an error is not "every schema is registered".
            if let (Err(error), true) = (&applied, changes.is_empty()) {
                return Err(error.clone().into());
            }
            let code = told(&changes)?;
            applied?;
            Ok(code)
        }
        SchemaCommand::Check(args) => check(&book(args)?).await,
    }
}

fn book(args: &RunArgs) -> anyhow::Result<Book> {
    let config = Config::read(&args.config)?;
    config.log.book()?.ok_or_else(|| {
        let message =
            "no schema registry is configured: log.kafka.registry names one; without it schema ids are fixed";
        WrongConfig(vec![format!("{}: {message}", args.config.display())]).into()
    })
}

/// Shows the differences there were; one that is left to an operator is an exit code.
fn told(changes: &[Change]) -> anyhow::Result<ExitCode> {
    let mut text: String = changes.iter().map(|change| format!("{change}\n")).collect();
    if changes.is_empty() {
        text.push_str("every schema is registered\n");
    }
    crate::text::print(&text)?;
    Ok(if changes.iter().all(Change::is_applied) { ExitCode::SUCCESS } else { ExitCode::from(exit::CONFIG) })
}

async fn check(book: &Book) -> anyhow::Result<ExitCode> {
    let standings = book.check().await?;
    crate::text::print(&standings.iter().map(line).collect::<String>())?;
    if standings.iter().any(|standing| standing.state == State::Incompatible) {
        return Ok(ExitCode::from(exit::CONFIG));
    }
    let missing = standings.into_iter().filter(|standing| standing.state == State::Missing);
    let missing: Vec<String> = missing.map(|standing| standing.subject).collect();
    if missing.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(RegistryError::Missing(missing).into()) }
}

fn line(standing: &Standing) -> String {
    let state = match standing.state {
        State::Registered => "registered  ",
        State::Missing => "missing     ",
        State::Incompatible => "incompatible",
    };
    let held = standing.level.as_ref().map(|level| format!("  (held to {level})")).unwrap_or_default();
    format!("{state}  {}{held}\n", standing.subject)
}
