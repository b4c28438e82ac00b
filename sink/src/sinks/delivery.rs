//! How a batch reaches a receiver over HTTP: bodies under its limit, one after the other, and what each answer does.
//!
//! What an answer *means* is the receiver's table; what follows from it is here, once:
//! - what was taken stays settled; nothing behind the first finding that is held is sent, so that it comes once;
//! - a finding that the receiver names as bad is dead-lettered and the rest goes on behind it;
//! - a body with a bad finding that is not named is halved until the finding stands alone; what stood alone from the
//!   beginning is sent once more before it is believed to be bad;
//! - a body that is too large is halved, and later ones stay below that size;
//! - a fault in the configuration holds everything and is asked about again after 30 s, then 1, 2, 4 and 5 minutes.
//!
//! Bad findings or a bad setting? A receiver that refuses *everything* must not empty the topics into the dead letter.
//! So after [`REFUSED_MAX`] refusals without anything taken, up to eight other findings of the batch are sent, each by
//! itself: is one taken, the refused ones are bad; are they refused too, everything is held.
//!
//! It never waits: waiting is the loop's business, which meanwhile keeps what is settled. Limit: 1,000 requests a batch.

use std::{io, time::Duration};

use futures_util::future::BoxFuture;
use pipeline::{Clock, Reason};
use runtime::http::HttpError;
use schemas::Micros;

use super::{ProbeError, Verdict};

mod turn;

use turn::Turn;

/// The receiver takes no body that large, or no finding.
pub(super) const TOO_LARGE: Reason = "too_large";
/// So many findings may be refused without one being taken.
const REFUSED_MAX: usize = 10;
/// How often one batch may ask; what is left comes again after what is settled.
const REQUESTS_MAX: usize = 1000;
/// The first wait after a fault in the configuration, and the longest.
const FAULT_WAIT: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

/// One finding as the receiver takes it, or why it never will.
pub(super) type Piece = Result<Vec<u8>, Reason>;

/// A receiver: it frames pieces into one body, sends it, and reads the answer.
pub(super) trait Receiver: Send {
    /// The bytes that a body has around its pieces, and between two of them.
    fn frame(&self) -> (usize, usize);

    /// Sends one body of these pieces, one at least.
    fn send<'a>(&'a mut self, pieces: &'a [&'a [u8]]) -> BoxFuture<'a, Answer>;
}

/// What an answer means for the pieces of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// All are there. The receiver may want a pause before the next body.
    Taken {
        /// How long.
        pause: Option<Duration>,
    },
    /// Those before `bad` are there. That one never will be. Those behind it are not.
    Refused {
        /// Its place in the body.
        bad: usize,
        /// Why.
        why: Refusal,
    },
    /// One of them is bad, and the answer does not say which: nothing is there.
    OneRefused(Refusal),
    /// None is there, and fewer would be taken; one alone means this.
    TooMany(Held),
    /// The body is too large: nothing is there.
    TooLarge,
    /// The first so many are there, the others must wait.
    Held(usize, Held),
}

impl Answer {
    /// What it means where nothing was sent.
    ///
    /// # Errors
    /// [`Held`] with what stands in the way.
    pub(super) fn of_probe(self) -> Result<(), Held> {
        match self {
            Self::Taken { .. } => Ok(()),
            Self::Held(_, held) | Self::TooMany(held) => Err(held),
            Self::Refused { .. } | Self::OneRefused(_) | Self::TooLarge => {
                Err(Held::fault(None, "a body without a finding is refused: is this the receiver itself?"))
            }
        }
    }
}

/// Why one finding is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For dead letter, receipt and counters.
    pub(super) reason: Reason,
    /// Whether a setting can be the cause as well as the finding: then it is believed only beside one that was taken.
    pub(super) doubtful: bool,
}

/// Why findings must wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Whether somebody must change a setting.
    pub(super) fault: bool,
    /// How long to wait at least, where the receiver said so.
    pub(super) after: Option<Duration>,
    /// What is wrong; of a fault: which setting to look at.
    pub(super) cause: String,
}

impl Held {
    /// The receiver cannot now.
    pub(super) fn busy(after: Option<Duration>, cause: impl Into<String>) -> Self {
        Self { fault: false, after, cause: cause.into() }
    }

    /// Somebody must change something.
    pub(super) fn fault(after: Option<Duration>, cause: impl Into<String>) -> Self {
        Self { fault: true, after, cause: cause.into() }
    }
}

impl From<Held> for ProbeError {
    fn from(held: Held) -> Self {
        if held.fault { Self::Refused(held.cause) } else { Self::Away(held.cause) }
    }
}

impl From<HttpError> for Held {
    /// There was no answer: whether the body was taken is unknown, so it may come twice.
    fn from(error: HttpError) -> Self {
        Self { fault: matches!(error, HttpError::Settings(_)), after: None, cause: error.to_string() }
    }
}

impl From<io::Error> for Held {
    fn from(error: io::Error) -> Self {
        Self::busy(None, error.to_string())
    }
}

/// The way to one receiver, with what it has taught.
#[derive(Debug)]
pub(super) struct Delivery<R> {
    /// The sink's name, for the log.
    name: String,
    receiver: R,
    clock: Clock,
    /// No body is longer, as configured.
    bytes_max: usize,
    /// No body is longer, as the receiver has shown.
    learned_max: usize,
    /// Findings refused in a row, up to now, over batches.
    refused_in_a_row: usize,
    /// Faults in a row.
    faults_in_a_row: u32,
    /// Nothing is sent before.
    not_before: Option<Micros>,
}

impl<R: Receiver> Delivery<R> {
    /// The way to `receiver`, with bodies of at most `bytes_max` bytes before compression.
    pub(super) fn new(name: &str, receiver: R, clock: Clock, bytes_max: usize) -> Self {
        Self {
            name: name.to_owned(),
            receiver,
            clock,
            bytes_max,
            learned_max: bytes_max,
            refused_in_a_row: 0,
            faults_in_a_row: 0,
            not_before: None,
        }
    }

    /// What is behind it.
    pub(super) fn receiver(&mut self) -> &mut R {
        &mut self.receiver
    }

    /// Sends the pieces and says what became of each, in their order.
    ///
    /// # Cancel safety
    /// A dropped delivery leaves pieces at the receiver that nobody knows of: they come again.
    pub(super) async fn deliver(&mut self, pieces: &[Piece]) -> Vec<Verdict> {
        let (around, _) = self.receiver.frame();
        let mut turn = Turn::new(pieces, self.bytes_max.saturating_sub(around), self.refused_in_a_row);
        let mut held = None;
        while held.is_none() {
            let Some(body) = turn.next_body(self.receiver.frame(), self.learned_max) else { break };
            held = self.wait_told();
            if held.is_none() && turn.requests >= REQUESTS_MAX {
                held = Some(Held::busy(None, format!("{REQUESTS_MAX} requests for one batch")));
            }
            if held.is_none() {
                held = self.exchange(&mut turn, pieces, &body).await;
            }
        }
        self.refused_in_a_row = turn.refused_in_a_row();
        turn.verdicts(held.map(|held| self.told(held)).as_ref())
    }

    /// The receiver's wish for a pause, while it lasts.
    fn wait_told(&mut self) -> Option<Held> {
        let left = self.not_before?.0.saturating_sub(self.clock.now().0);
        match u64::try_from(left) {
            Ok(micros) if micros > 0 => {
                let cause = "its queue is nearly full; it was asked for a pause";
                Some(Held::busy(Some(Duration::from_micros(micros)), cause))
            }
            _ => {
                self.not_before = None;
                None
            }
        }
    }

    async fn exchange(&mut self, turn: &mut Turn, pieces: &[Piece], body: &[usize]) -> Option<Held> {
        let sent: Vec<&[u8]> = body.iter().filter_map(|at| pieces.get(*at)?.as_deref().ok()).collect();
        turn.requests += 1;
        match self.receiver.send(&sent).await {
            Answer::Taken { pause } => {
                turn.taken(body, body.len());
                self.note_taken(body.len());
                self.not_before = pause.map(|pause| self.after(pause));
                None
            }
            Answer::Refused { bad, why } if bad < body.len() => {
                self.note_taken(bad);
                turn.taken(body, bad);
                turn.refused(body, bad, why)
            }
            // A place that the body does not have says only that something in it is bad.
            Answer::OneRefused(_) | Answer::Refused { .. } if turn.halve(body) => None,
            Answer::OneRefused(why) | Answer::Refused { why, .. } => turn.refused(body, 0, why),
            Answer::TooLarge if body.len() == 1 => {
                turn.refused(body, 0, Refusal { reason: TOO_LARGE, doubtful: false })
            }
            Answer::TooLarge => {
                let (left, right) = sent.split_at(sent.len() / 2);
                self.learned_max = self.learned_max.min(self.body_len(left).max(self.body_len(right)));
                turn.halve(body);
                None
            }
            Answer::TooMany(held) if body.len() == 1 => Some(held),
            Answer::TooMany(_) => {
                turn.halve(body);
                None
            }
            Answer::Held(count, held) => {
                self.note_taken(count);
                turn.taken(body, count);
                Some(held)
            }
        }
    }

    fn body_len(&self, pieces: &[&[u8]]) -> usize {
        let (around, between) = self.receiver.frame();
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        around + bytes + between * pieces.len().saturating_sub(1)
    }

    fn note_taken(&mut self, count: usize) {
        if count > 0 && self.faults_in_a_row > 0 {
            tracing::info!(sink = self.name, "findings are taken again");
            self.faults_in_a_row = 0;
        }
    }

    fn after(&self, pause: Duration) -> Micros {
        self.clock.now().plus(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX))
    }

    /// A fault waits longer each time, so that nobody is hammered. It needs somebody to act: it is logged as such, once.
    fn told(&mut self, held: Held) -> Held {
        if !held.fault {
            return held;
        }
        if self.faults_in_a_row == 0 {
            let sink = &self.name;
            tracing::error!(sink, cause = held.cause, "findings are held until somebody changes a setting");
        }
        let (first, most) = FAULT_WAIT;
        let wait = first.saturating_mul(2_u32.saturating_pow(self.faults_in_a_row)).min(most);
        self.faults_in_a_row = self.faults_in_a_row.saturating_add(1);
        Held { after: Some(held.after.unwrap_or_default().max(wait)), ..held }
    }
}

#[cfg(test)]
mod tests;
