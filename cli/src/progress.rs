//! The last line of a terminal: a progress bar over the bytes of the files, and log lines that stay above it.
//!
//! Where standard error is no terminal there is no bar, and log lines are all that is written.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ingest::Progress;
use runtime::telemetry::{self, Shape, TelemetryError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(100);
/// The rest of the line is the bar's, so that it fits a narrow terminal too.
const TEMPLATE: &str = "{wide_bar} {percent}%  {msg}  {eta} left";
const STANDARD_LEVEL: &str = "info";

/// What bar and log share: the bar, hidden while there is none.
pub(crate) struct Screen(ProgressBar);

impl Screen {
    /// Without a bar yet.
    pub(crate) fn new() -> Self {
        Self(ProgressBar::hidden())
    }

    /// The last line, for whoever draws it by itself.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.0.clone()
    }

    /// Sets up the log of this process, with `level` as the command line or `WEIR_LOG` gave it.
    ///
    /// # Errors
    /// [`TelemetryError`] for a level that is none.
    pub(crate) fn log(&self, level: Option<&str>) -> Result<(), TelemetryError> {
        let level = level.filter(|level| !level.is_empty()).unwrap_or(STANDARD_LEVEL);
        let bar = self.0.clone();
        let subscriber = telemetry::subscriber(level, Shape::of_stderr(), move || Above(bar.clone()))?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)
    }
}

/// Writes to standard error, above the bar.
struct Above(ProgressBar);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The bar, or nothing where nobody looks.
pub(crate) struct Bar {
    done: CancellationToken,
    drawing: JoinSet<()>,
}

impl Bar {
    /// Starts to draw what the sources fill in, where standard error is a terminal.
    pub(crate) fn start(screen: &Screen, sources: Vec<Arc<Progress>>) -> Self {
        let done = CancellationToken::new();
        let mut drawing = JoinSet::new();
        if io::stderr().is_terminal() && !sources.is_empty() {
            drawing.spawn(draw(screen.0.clone(), sources, done.clone()));
        }
        Self { done, drawing }
    }

    /// Takes the bar away.
    pub(crate) async fn finish(mut self) {
        self.done.cancel();
        while self.drawing.join_next().await.is_some() {}
    }
}

async fn draw(bar: ProgressBar, sources: Vec<Arc<Progress>>, done: CancellationToken) {
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        // Biased: the end must not wait for a tick.
        tokio::select! {
            biased;
            () = done.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let reached = || sources.iter().map(|progress| progress.reached());
        bar.set_message(format!("{} records", reached().map(|reached| reached.records).sum::<u64>()));
        bar.set_length(reached().map(|reached| reached.bytes).sum());
        bar.set_position(reached().map(|reached| reached.bytes_done).sum());
    }
    bar.finish_and_clear();
}
