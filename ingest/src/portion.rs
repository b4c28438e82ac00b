//! What a source hands to the worker: a portion, which becomes one step.
//!
//! A portion holds parts of units (a file, a blob), each a run of records with what the ledger is to say of the unit, and
//! beside them what else belongs into the same step: how far time has come, what was lost, which units may be forgotten.
//! A source makes portions in order and sends them through a bounded channel; the worker writes them in that order.

use std::time::Duration;

use bytes::Bytes;
use pipeline::Reason;
use schemas::{Event, Micros};
use tokio::sync::oneshot;

/// What goes into one step.
#[derive(Debug, Default)]
pub struct Portion {
    /// In the source's order.
    pub parts: Vec<Part>,
    /// Units the ledger forgets; their counts stay, in another entry. Done before the parts are.
    pub forget: Vec<Forget>,
    /// How far time has come by what the source knows: watermarks, in this step.
    pub marks: Vec<Until>,
    /// All there was has been read: time has come as far as the greatest event time, less so much.
    pub quiet: Option<Duration>,
    /// What is lost.
    pub losses: Vec<Loss>,
    /// What happened to blobs.
    pub blobs: Blobs,
    /// Told once the step is on the log; dropped where it is not.
    pub written: Option<oneshot::Sender<()>>,
    /// Everything has been read, and nothing more will come.
    pub last: bool,
}

/// Some of a unit.
#[derive(Debug, Default)]
pub struct Part {
    /// The unit's name in the ledger, in logs and in dead letters: a file's path, a blob's id.
    pub unit: String,
    /// What tells the unit from another of its name, for the ledger.
    pub fingerprint: String,
    /// The unit begins here, from its first record: what the ledger knew of it is void.
    pub anew: bool,
    /// So many records at the beginning of `found` were counted before. Where they have arrived too, they are passed over.
    pub again: usize,
    /// In the unit's order.
    pub found: Vec<Found>,
    /// It has been read to its end.
    pub done: bool,
}

/// One record of a unit, or one part of something that is none.
#[derive(Debug)]
pub struct Found {
    /// The line it began on.
    pub line: u64,
    /// What it is.
    pub what: What,
}

/// What a record was decoded into.
#[derive(Debug)]
pub enum What {
    /// An event.
    Event(Box<Event>),
    /// Left out on purpose.
    Skip(Reason),
    /// No record. The whole counts at its last part.
    Reject {
        /// Why.
        reason: Reason,
        /// One line that says more.
        message: String,
        /// Its bytes, or the next of them.
        bytes: Bytes,
        /// Whether they end here.
        last: bool,
    },
}

/// A unit to be forgotten.
#[derive(Debug, PartialEq, Eq)]
pub struct Forget {
    /// The unit.
    pub unit: String,
    /// The unit whose entry takes its counts, so that the ledger's sums stay what they are.
    pub into: String,
}

/// No event of this content type that became available before `time` is still to come.
#[derive(Debug, PartialEq, Eq)]
pub struct Until {
    /// The tenant that is asked; what is said holds for every tenant that its records name.
    pub tenant: String,
    /// The content type.
    pub content_type: String,
    /// The moment.
    pub time: Micros,
}

/// Something that the source did not give, and never will.
#[derive(Debug, PartialEq, Eq)]
pub struct Loss {
    /// The tenant.
    pub tenant: String,
    /// The content type.
    pub content_type: String,
    /// The interval that is incomplete, half open.
    pub from: Micros,
    /// Its end.
    pub until: Micros,
    /// Why.
    pub why: Why,
    /// What: a blob's id, a content type.
    pub unit: String,
}

/// Why something is lost: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was kept for 7 days, and these are over.
    Expired,
    /// It is gone before its time.
    Gone,
    /// The subscription was disabled, or had never been started, while it happened.
    SubscriptionDisabled,
}

/// What happened to blobs: `listed = fetched + expired` and those that are still to be fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blobs {
    /// Found in listings, each once.
    pub listed: u64,
    /// Read to their ends.
    pub fetched: u64,
    /// Gone before they could be read: each is a gap.
    pub expired: u64,
}

impl Why {
    /// Its name in a gap.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Gone => "gone",
            Self::SubscriptionDisabled => "subscription_disabled",
        }
    }
}

impl Blobs {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.listed += other.listed;
        self.fetched += other.fetched;
        self.expired += other.expired;
    }
}

impl What {
    /// How much it holds, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// What a record's typed fields add to its bytes.
        const TYPED_BYTES: usize = 512;
        TYPED_BYTES
            + match self {
                Self::Event(event) => event.raw.len(),
                Self::Skip(_) => 0,
                Self::Reject { bytes, .. } => bytes.len(),
            }
    }

    /// Whether a record ends with it.
    #[must_use]
    pub fn ends_a_record(&self) -> bool {
        match self {
            Self::Event(_) | Self::Skip(_) => true,
            Self::Reject { last, .. } => *last,
        }
    }
}
