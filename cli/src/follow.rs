//! Reading topics from outside the flow: what is there, and then what comes. Nobody who works on the log is disturbed.

use std::time::Duration;

use pipeline::log::From;
use pipeline::{Clock, Incoming, Reader};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

/// How often a log is asked for more once nothing was new.
const EVERY: Duration = Duration::from_secs(1);

/// Some topics, and how far each has been read. A stop ends every call at once.
pub(crate) struct Following {
    reader: Box<dyn Reader>,
    topics: Vec<(Topic, From)>,
    stop: CancellationToken,
}

/// How reading came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything that was there has been read.
    CaughtUp,
    /// Nobody wants more.
    Enough,
    /// It was told to stop.
    Stopped,
}

impl Following {
    /// These topics, from their first record that is kept.
    pub(crate) fn new(reader: Box<dyn Reader>, topics: Vec<Topic>, stop: CancellationToken) -> Self {
        Self { reader, topics: topics.into_iter().map(|topic| (topic, From::Start)).collect(), stop }
    }

    /// Hands over everything that is there; ends early when `take` wants no more.
    ///
    /// # Errors
    /// What the log says, and what `take` says.
    pub(crate) async fn read(
        &mut self,
        take: &mut dyn FnMut(Incoming) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Ended> {
        for (topic, from) in &mut self.topics {
            loop {
                // A log that is away may be waited for as long as it takes; a stop must not wait for that.
                let reading = self.stop.run_until_cancelled(self.reader.follow(*topic, from.clone()));
                let Some(changes) = reading.await else { return Ok(Ended::Stopped) };
                let changes = changes?;
                *from = From::At(changes.next);
                for record in changes.records {
                    if !take(record)? {
                        return Ok(Ended::Enough);
                    }
                }
                if changes.caught_up {
                    break;
                }
            }
        }
        Ok(if self.stop.is_cancelled() { Ended::Stopped } else { Ended::CaughtUp })
    }

    /// Hands over everything that is there and then what comes, until told to stop or `take` wants no more.
    ///
    /// # Errors
    /// As [`Following::read`].
    pub(crate) async fn follow(
        &mut self,
        take: &mut dyn FnMut(Incoming) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let clock = Clock::machine();
        let stop = self.stop.clone();
        while self.read(take).await? == Ended::CaughtUp {
            // Biased: a stop must not wait for the next look.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = clock.sleep(EVERY) => {}
            }
        }
        Ok(())
    }
}
