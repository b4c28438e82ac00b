//! A handle that notes when it was given its partitions and when each of its steps was committed, and stops the worker
//! once so many records are.

use std::pin::Pin;

use pipeline::{Clock, Log, LogError, Next, Step};
use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

/// A time, and what the process had used of its CPU by then; both in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) micros: i64,
    cpu: i64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self { micros: Clock::machine().now().0, cpu: cpu.tv_sec * 1_000_000 + cpu.tv_nsec / 1000 }
    }

    /// What has happened since, as JSON.
    pub(crate) fn line(self, events: usize, steps: usize) -> String {
        self.line_until(Self::now(), events, steps)
    }

    /// The same until another moment.
    pub(crate) fn line_until(self, end: Self, events: usize, steps: usize) -> String {
        let (wall, cpu) = (end.micros - self.micros, end.cpu - self.cpu);
        format!("{{\"events\": {events}, \"steps\": {steps}, \"wall_us\": {wall}, \"cpu_us\": {cpu}}}")
    }
}

/// A step that was committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    pub(crate) moment: Moment,
    /// Records committed by now, all in all.
    pub(crate) events: usize,
    /// From the call to its answer.
    pub(crate) took_micros: i64,
}

pub(crate) struct Timed {
    inner: Box<dyn Log>,
    until: usize,
    stop: CancellationToken,
    start: Option<Moment>,
    /// Handed out, and not yet committed.
    open: usize,
    commits: Vec<Commit>,
}

impl Timed {
    /// Cancels `stop` once `until` records are committed.
    pub(crate) fn new(inner: Box<dyn Log>, until: usize, stop: CancellationToken) -> Self {
        Self { inner, until, stop, start: None, open: 0, commits: Vec::new() }
    }

    /// When it began, and every commit.
    pub(crate) fn times(&self) -> Result<(Moment, &[Commit]), &'static str> {
        Ok((self.start.ok_or("nothing was assigned")?, &self.commits))
    }
}

impl Log for Timed {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Next, LogError>> + Send + '_>> {
        Box::pin(async move {
            let next = self.inner.next().await?;
            match &next {
                Next::Assigned(_) => {
                    self.start.get_or_insert_with(Moment::now);
                }
                Next::Batch(batch) => self.open = batch.records.len(),
                Next::Revoking { .. } | Next::Missed { .. } | Next::Idle => {}
            }
            Ok(next)
        })
    }

    fn commit(&mut self, step: Step) -> Pin<Box<dyn Future<Output = Result<(), LogError>> + Send + '_>> {
        Box::pin(async move {
            let before = Moment::now();
            self.inner.commit(step).await?;
            let moment = Moment::now();
            let events =
                self.commits.last().map_or(0, |commit| commit.events) + std::mem::take(&mut self.open);
            self.commits.push(Commit { moment, events, took_micros: moment.micros - before.micros });
            if events >= self.until {
                self.stop.cancel();
            }
            Ok(())
        })
    }

    fn take_back(&mut self) -> Option<Step> {
        self.inner.take_back()
    }

    fn leave(&mut self) -> Pin<Box<dyn Future<Output = Result<(), LogError>> + Send + '_>> {
        self.inner.leave()
    }
}
