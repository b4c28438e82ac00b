//! A progress bar over the bytes of the files, on a terminal only.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ingest::Progress;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// The bar, or nothing where nobody looks.
pub(crate) struct Bar {
    done: CancellationToken,
    drawing: JoinSet<()>,
}

impl Bar {
    /// Starts to draw what the sources fill in, where standard error is a terminal.
    pub(crate) fn start(sources: Vec<Arc<Progress>>) -> Self {
        let done = CancellationToken::new();
        let mut drawing = JoinSet::new();
        if std::io::stderr().is_terminal() {
            drawing.spawn(draw(sources, done.clone()));
        }
        Self { done, drawing }
    }

    /// Takes the bar away.
    pub(crate) async fn finish(mut self) {
        self.done.cancel();
        while self.drawing.join_next().await.is_some() {}
    }
}

async fn draw(sources: Vec<Arc<Progress>>, done: CancellationToken) {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {msg} records  {eta} left")
    {
        bar.set_style(style);
    }
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        // Biased: the end must not wait for a tick.
        tokio::select! {
            biased;
            () = done.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let reached = || sources.iter().map(|progress| progress.reached());
        bar.set_length(reached().map(|reached| reached.bytes).sum());
        bar.set_position(reached().map(|reached| reached.bytes_done).sum());
        bar.set_message(reached().map(|reached| reached.records).sum::<u64>().to_string());
    }
    bar.finish_and_clear();
}
