//! Logs of the process itself, on stderr: compact lines for people on a terminal, one JSON object a line elsewhere.
//!
//! The level comes from the flag, else from `WEIR_LOG`, else it is `info`. What a field holds may come from an
//! attacker: tracing-subscriber (0.3.23) escapes control characters in the message and in errors, but not in fields
//! that are displayed (`%value`), so on a terminal every value is written here, control characters escaped. JSON
//! escapes them by itself.

use std::{
    fmt::{self, Write as _},
    io::IsTerminal as _,
};

use tracing::field::Field;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt as _,
    fmt::{MakeWriter, format},
    layer::SubscriberExt as _,
};

/// The environment variable that sets the level: `debug`, or `info,runtime=debug`.
pub const LEVEL_VARIABLE: &str = "WEIR_LOG";

const STANDARD_LEVEL: &str = "info";

/// In which shape lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// For people; with colours.
    Terminal,
    /// For machines.
    Json,
}

impl Shape {
    /// That which fits stderr.
    #[must_use]
    pub fn of_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Terminal } else { Self::Json }
    }
}

/// Why there will be no logs.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error("the log level must be error, warn, info, debug, trace or a list of target=level: {0}")]
    Level(String),
    /// Somebody else has set one up.
    #[error("logs are set up already")]
    Twice,
}

/// Sets up the logs of this process; `level` is the flag's.
///
/// # Errors
/// [`TelemetryError`] for a level that is none, or when called twice.
pub fn init(level: Option<&str>) -> Result<(), TelemetryError> {
    let variable = std::env::var(LEVEL_VARIABLE).ok();
    let level = level.or(variable.as_deref().filter(|text| !text.is_empty())).unwrap_or(STANDARD_LEVEL);
    let subscriber = subscriber(level, Shape::of_stderr(), std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)
}

/// What [`init`] sets up, writing elsewhere.
///
/// # Errors
/// [`TelemetryError::Level`].
pub fn subscriber<W>(
    level: &str,
    shape: Shape,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(level).map_err(|error| TelemetryError::Level(error.to_string()))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match shape {
        Shape::Terminal => layer
            .compact()
            .with_ansi(true)
            .fmt_fields(format::debug_fn(write_field).delimited(" "))
            .with_filter(filter)
            .boxed(),
        Shape::Json => layer.json().flatten_event(true).with_ansi(false).with_filter(filter).boxed(),
    };
    Ok(tracing_subscriber::registry().with(layer))
}

fn write_field(to: &mut format::Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(to, "{}=", field.name())?;
    }
    write!(Escaping(to), "{value:?}")
}

/// Writes text with every control character escaped, line breaks too: one event is one line.
struct Escaping<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}
