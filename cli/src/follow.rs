//! Reading topics from outside the flow: what is there, and then what comes. Nobody who works on the log is disturbed.

use std::time::Duration;

use pipeline::log::From;
use pipeline::{Clock, Incoming, LogError, Reader};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

/// How often a log is asked for more once nothing was new.
const EVERY: Duration = Duration::from_secs(1);

/// Some topics, and how far each has been read.
pub(crate) struct Following {
    reader: Box<dyn Reader>,
    topics: Vec<(Topic, From)>,
}

impl Following {
    /// These topics, from their first record that is kept.
    pub(crate) fn new(reader: Box<dyn Reader>, topics: Vec<Topic>) -> Self {
        Self { reader, topics: topics.into_iter().map(|topic| (topic, From::Start)).collect() }
    }

    /// Hands over everything that is there; stops early when `take` wants no more.
    ///
    /// # Errors
    /// What the log says, and what `take` says.
    pub(crate) async fn read(
        &mut self,
        take: &mut dyn FnMut(Incoming) -> anyhow::Result<bool>,
    ) -> anyhow::Result<bool> {
        for (topic, from) in &mut self.topics {
            loop {
                let changes = self.reader.follow(*topic, from.clone()).await?;
                *from = From::At(changes.next);
                for record in changes.records {
                    if !take(record)? {
                        return Ok(false);
                    }
                }
                if changes.caught_up {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Passes over everything that is there.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    pub(crate) async fn pass_over(&mut self) -> Result<(), LogError> {
        for (topic, from) in &mut self.topics {
            loop {
                let changes = self.reader.follow(*topic, from.clone()).await?;
                *from = From::At(changes.next);
                if changes.caught_up {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Hands over everything that is there and then what comes, until told to stop or `take` wants no more.
    ///
    /// # Errors
    /// As [`Following::read`].
    pub(crate) async fn follow(
        &mut self,
        stop: &CancellationToken,
        take: &mut dyn FnMut(Incoming) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let clock = Clock::machine();
        while self.read(take).await? {
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
