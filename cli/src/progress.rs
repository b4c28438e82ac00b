//! A progress bar over the bytes of the files, on a terminal only.

use std::io::IsTerminal as _;
use std::path::PathBuf;
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
    progress: Arc<Progress>,
    done: CancellationToken,
    drawing: JoinSet<()>,
}

impl Bar {
    /// Starts to draw over the sizes of `files`, where standard error is a terminal.
    pub(crate) fn start(files: &[PathBuf]) -> Self {
        let progress = Arc::new(Progress::default());
        let done = CancellationToken::new();
        let mut drawing = JoinSet::new();
        if std::io::stderr().is_terminal() {
            let total = files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum();
            drawing.spawn(draw(Arc::clone(&progress), total, done.clone()));
        }
        Self { progress, done, drawing }
    }

    /// What worker 1 fills.
    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Takes the bar away.
    pub(crate) async fn finish(mut self) {
        self.done.cancel();
        while self.drawing.join_next().await.is_some() {}
    }
}

async fn draw(progress: Arc<Progress>, total: u64, done: CancellationToken) {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {msg} records  {eta} left") {
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
        bar.set_position(progress.bytes());
        bar.set_message(progress.records().to_string());
    }
    bar.finish_and_clear();
}
