//! When to stop: one root token, cancelled by the first SIGINT or SIGTERM; a second one ends the process at once.
//!
//! What stops in which order is the caller's: stop the intake, drain, flush, commit, leave. Ending at once is safe: a
//! step that was not committed has left no trace.

use std::{future::Future, io};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Listens for the signals as long as it lives.
#[derive(Debug)]
pub struct Shutdown {
    token: CancellationToken,
    _listener: JoinSet<()>,
}

impl Shutdown {
    /// Begins to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn listen() -> io::Result<Self> {
        let signals = Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        };
        Ok(Self::with(signals, leave_at_once))
    }

    /// The root token: clone it, or make children of it.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    fn with(signals: impl Next, at_once: impl FnOnce(i32) + Send + 'static) -> Self {
        let token = CancellationToken::new();
        let mut listener = JoinSet::new();
        listener.spawn(watch(signals, token.clone(), at_once));
        Self { token, _listener: listener }
    }
}

/// Where signals come from.
trait Next: Send + 'static {
    /// The number of the next signal; never, when there will be none.
    fn next(&mut self) -> impl Future<Output = Option<i32>> + Send;
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Next for Signals {
    async fn next(&mut self) -> Option<i32> {
        // Biased only to be the same in every run; the two mean the same.
        tokio::select! {
            biased;
            came = self.terminate.recv() => came.map(|()| SignalKind::terminate().as_raw_value()),
            came = self.interrupt.recv() => came.map(|()| SignalKind::interrupt().as_raw_value()),
        }
    }
}

async fn watch(mut signals: impl Next, token: CancellationToken, at_once: impl FnOnce(i32)) {
    let Some(signal) = signals.next().await else { return };
    tracing::info!(signal, "stopping; a second signal ends the process at once");
    token.cancel();
    let Some(signal) = signals.next().await else { return };
    at_once(signal);
}

/// As the shell reports a process that a signal ended: 128 and the signal's number.
fn leave_at_once(signal: i32) {
    #[expect(clippy::exit, reason = "the operator asked twice; uncommitted steps leave no trace")]
    std::process::exit(128 + signal);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::mpsc;

    use super::*;

    impl Next for mpsc::Receiver<i32> {
        async fn next(&mut self) -> Option<i32> {
            self.recv().await
        }
    }

    #[tokio::test]
    async fn the_first_signal_cancels_and_the_second_ends_the_process() {
        let (send, signals) = mpsc::channel(2);
        let (left, seen) = mpsc::channel(1);
        let stopped_before = Arc::new(Mutex::new(None));
        let shutdown = Shutdown::with(signals, move |signal| left.try_send(signal).unwrap());
        let mut seen = seen;
        *stopped_before.lock().unwrap() = Some(shutdown.token().is_cancelled());

        send.send(15).await.unwrap();
        shutdown.token().cancelled().await;
        assert!(seen.try_recv().is_err(), "one signal must not end the process");
        send.send(2).await.unwrap();
        assert_eq!(seen.recv().await, Some(2));
        assert_eq!(*stopped_before.lock().unwrap(), Some(false));
    }
}
