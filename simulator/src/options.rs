//! What a simulator is made of: the clock, the tenants and their apps, the receivers, the faults.

use std::path::PathBuf;

use pipeline::Clock;

use crate::{entra::App, faults::Faults, feed::FeedOptions, hec::HecOptions, ingestion::IngestionOptions};

/// A simulator's make-up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time that every part goes by.
    pub clock: Clock,
    /// Decides ids and the order of listings.
    pub seed: u64,
    /// The apps that may ask for tokens; their tenants exist by being named here.
    pub apps: Vec<App>,
    /// How long a token lives, in seconds.
    pub token_life_s: i64,
    /// Whether a certificate's assertion is refused when it comes a second time; see [`crate::entra::assertion`].
    pub assertions_once: bool,
    /// The tenants of the feed and its habits.
    pub feed: FeedOptions,
    /// Splunk's tokens and limits.
    pub hec: HecOptions,
    /// The data collection rules and limits.
    pub ingestion: IngestionOptions,
    /// What goes wrong.
    pub faults: Faults,
    /// A folder for what must outlive the process: what the receivers accepted, the state of the subscriptions and the CA.
    /// It is made where it is missing. Without one, everything is in memory.
    pub folder: Option<PathBuf>,
}

impl Options {
    /// A simulator without apps, tenants and receivers, in memory. A token lives 3,599 s, as Entra's do.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            seed: 0,
            apps: Vec::new(),
            token_life_s: 3_599,
            assertions_once: true,
            feed: FeedOptions::default(),
            hec: HecOptions::default(),
            ingestion: IngestionOptions::default(),
            faults: Faults::default(),
            folder: None,
        }
    }
}
