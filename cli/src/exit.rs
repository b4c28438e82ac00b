//! Exit codes, as sysexits.h names them: 64 usage, 69 a dependency is missing, 70 our fault, 74 input or output,
//! 75 try again later, 77 refused, 78 wrong configuration. `scan --fail-on` exits with 1.

use std::io::Write as _;
use std::process::ExitCode;

use ingest::IngestError;
use pipeline::Halt;
use pipeline::LogError;
use pipeline::worker::WorkerError;
use runtime::admin::AdminError;
use runtime::registry::RegistryError;
use sink::SinkError;

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

/// A scan has nothing to show before its end.
#[derive(Debug, thiserror::Error)]
#[error("stopped before the end: what was found so far is not printed")]
pub(crate) struct Stopped;

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
    drop(writeln!(stderr, "weir: {}", shown(&format!("{error:#}"))));
    ExitCode::from(of(error))
}

/// File names may hold what a terminal obeys.
fn shown(text: &str) -> String {
    let escape = |char: char| char != '\n' && sink::table::is_invisible(char);
    text.chars()
        .map(|char| if escape(char) { char.escape_unicode().to_string() } else { char.into() })
        .collect()
}

fn of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<SinkError>() {
            return of_sink(error);
        }
        if cause.is::<WrongConfig>() {
            return CONFIG;
        }
        if cause.is::<AdminError>() {
            return MISSING;
        }
        if let Some(error) = cause.downcast_ref::<RegistryError>() {
            return of_registry(error);
        }
        if cause.is::<Stopped>() {
            return LATER;
        }
        if let Some(error) = cause.downcast_ref::<LogError>() {
            return of_log(error);
        }
        match cause.downcast_ref::<WorkerError>() {
            Some(WorkerError::Log(error) | WorkerError::Stage { halt: Halt::Log(error), .. }) => {
                return of_log(error);
            }
            Some(WorkerError::Stage { .. }) | None => {}
        }
        match cause.downcast_ref::<IngestError>() {
            Some(IngestError::Log(error)) => return of_log(error),
            Some(IngestError::Paths(_) | IngestError::Settings { .. }) => return CONFIG,
            Some(IngestError::Refused { .. }) => return REFUSED,
            Some(IngestError::Away { .. }) => return MISSING,
            Some(IngestError::Codec(_) | IngestError::Damaged { .. } | IngestError::Reader) | None => {}
        }
        if cause.is::<std::io::Error>() {
            return IO;
        }
    }
    OURS
}

fn of_sink(error: &SinkError) -> u8 {
    match error {
        // Another process has the file.
        SinkError::Open { cause, .. } if cause.kind() == std::io::ErrorKind::WouldBlock => LATER,
        SinkError::Open { .. } | SinkError::Client { .. } => CONFIG,
        SinkError::Refused { .. } => REFUSED,
        SinkError::Away { .. } => MISSING,
    }
}

fn of_registry(error: &RegistryError) -> u8 {
    match error {
        RegistryError::Away(_) | RegistryError::Missing(_) | RegistryError::NoRegistry(_) => MISSING,
        RegistryError::Refused(_) => REFUSED,
        RegistryError::Incompatible(_) | RegistryError::Invalid(_) | RegistryError::Settings(_) => CONFIG,
    }
}

fn of_log(error: &LogError) -> u8 {
    match error {
        LogError::Missing(_) | LogError::Unusable(_) | LogError::TooLarge(_) => MISSING,
        LogError::Refused(_) => REFUSED,
        LogError::Full(_) | LogError::Lost(_) | LogError::Fenced(_) => LATER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_lines_and_moves_no_cursor() {
        assert_eq!(shown("a\u{1b}[2J.json: no\nb: ö\u{202e}"), "a\\u{1b}[2J.json: no\nb: ö\\u{202e}");
    }

    #[test]
    fn what_stopped_a_command_is_found_under_every_context() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let sink = |cause| SinkError::Open { sink: "archive".to_owned(), path: "x".into(), cause };
        let name = || "siem".to_owned();
        let cases: [(anyhow::Error, u8); 14] = [
            (Stopped.into(), 75),
            (sink(full()).into(), 78),
            (sink(std::io::ErrorKind::WouldBlock.into()).into(), 75),
            (SinkError::Refused { sink: name(), what: String::new() }.into(), 77),
            (SinkError::Away { sink: name(), cause: String::new() }.into(), 69),
            (WrongConfig(Vec::new()).into(), 78),
            (RegistryError::Away(String::new()).into(), 69),
            (RegistryError::Missing(vec![name()]).into(), 69),
            (RegistryError::Refused(401).into(), 77),
            (RegistryError::Incompatible(name()).into(), 78),
            (full().into(), 74),
            (WorkerError::Log(LogError::Full("the disk".to_owned())).into(), 75),
            (WorkerError::Stage { stage: "match", halt: Halt::Log(LogError::Refused(name())) }.into(), 77),
            (anyhow::anyhow!("something else"), 70),
        ];
        for (error, expected) in cases {
            let error = error.context("a stage");
            assert_eq!(of(&error), expected, "{error:#}");
        }
    }
}
