//! Logs of the process itself, on stderr: compact lines for people on a terminal, one JSON object a line elsewhere.
//!
//! What a field holds may come from an attacker: tracing-subscriber (0.3.23) escapes control characters in the message
//! and in errors, but not in fields that are displayed (`%value`), so on a terminal every value is written here, control
//! characters escaped. JSON escapes them by itself.

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

/// Log lines of this level and shape, written there.
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
            .with_ansi(std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty()))
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
