//! The Logs Ingestion API of Azure Monitor, as the sinks `log_analytics` and `sentinel` share it.
//!
//! `config` is how to reach a data collection rule, `client` the exchange with one of its streams, `answers` the table of
//! what its answers mean, `column` what keeps every field below the service's limit. What the records look like is each
//! sink's own business.
//!
//! Delivered means that the service has answered 204: accepted. It may still leave out columns that the stream does not
//! declare, and says so only in the table `DCRLogErrors`; so the templates in `sink/content/sentinel` declare exactly
//! what is written, which a test holds. Follows "Logs Ingestion API in Azure Monitor" and its limits.

pub(super) mod answers;
pub(super) mod client;
pub(super) mod column;
pub(super) mod config;

pub(super) use client::Stream;
pub(super) use config::{DcrConfig, read_stream};

use super::{SinkError, delivery::Piece};
use pipeline::Clock;
use runtime::{entra::Tokens, http::Client};

/// No body is longer, before compression: the service refuses 1 MiB, with room for what is counted differently.
pub(super) const BODY_BYTES_MAX: usize = 1_000_000;

/// The receiver will never take what cannot be written as JSON.
const NOT_ENCODABLE: &str = "not_encodable";

/// What all streams of one data collection rule share.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    tokens: Tokens,
    clock: Clock,
}

impl Connection {
    /// The connection of the sink `name`. Nothing is connected to.
    pub(super) fn new(name: &str, config: &DcrConfig, clock: &Clock) -> Result<Self, SinkError> {
        let client =
            Client::new(&config.http).map_err(|cause| SinkError::Client { sink: name.to_owned(), cause })?;
        let tokens = Tokens::new(client.clone(), config.entra.clone(), config.scope.clone(), clock.clone());
        Ok(Self { client, tokens, clock: clock.clone() })
    }
}

/// A record as JSON.
pub(super) fn piece(record: &impl serde::Serialize) -> Piece {
    serde_json::to_vec(record).map_err(|_| NOT_ENCODABLE)
}
