//! Exit codes, as sysexits.h names them: 64 usage, 69 a dependency is missing, 70 our fault, 74 input or output,
//! 75 try again later, 77 refused, 78 wrong configuration. `scan --fail-on` exits with 1.

use std::io::Write as _;
use std::process::ExitCode;

use ingest::IngestError;
use pipeline::LogError;
use pipeline::worker::WorkerError;

/// A finding was as severe as `--fail-on` says.
pub(crate) const FOUND: u8 = 1;
const USAGE: u8 = 64;
const MISSING: u8 = 69;
const OURS: u8 = 70;
const IO: u8 = 74;
const LATER: u8 = 75;
const REFUSED: u8 = 77;
/// The configuration is wrong.
pub(crate) const CONFIG: u8 = 78;

/// Configuration problems: every one, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct WrongConfig(pub(crate) Vec<String>);

/// Help and version go to stdout with 0, wrong usage to stderr with 64.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let failed = error.use_stderr();
    // Nothing can be done when the terminal is gone.
    drop(error.print());
    if failed { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Prints why a command failed, whole chain, and finds the code that tells a script the same.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    // Nothing can be done when the terminal is gone.
    drop(writeln!(stderr, "weir: {error:#}"));
    ExitCode::from(of(error))
}

fn of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<WrongConfig>() {
            return CONFIG;
        }
        if let Some(error) = cause.downcast_ref::<LogError>() {
            return of_log(error);
        }
        if let Some(WorkerError::Log(error)) = cause.downcast_ref::<WorkerError>() {
            return of_log(error);
        }
        match cause.downcast_ref::<IngestError>() {
            Some(IngestError::Log(error)) => return of_log(error),
            Some(IngestError::Paths(_)) => return CONFIG,
            Some(IngestError::Codec(_) | IngestError::Reader) | None => {}
        }
        if cause.is::<std::io::Error>() {
            return IO;
        }
    }
    OURS
}

fn of_log(error: &LogError) -> u8 {
    match error {
        LogError::Missing(_) | LogError::Unusable(_) => MISSING,
        LogError::Refused(_) => REFUSED,
        LogError::Full(_) | LogError::Lost(_) | LogError::Fenced(_) => LATER,
    }
}
