//! The schema registry of a Kafka log, if one is configured: Confluent's API, as several registries speak it.
//!
//! What is written carries the registry's ids, so that other people's readers find the schemas there; what is read may
//! carry any id that the registry knows. At start every subject is looked up once, and a missing one is an error that names
//! the command; nothing is registered but by that command. From then on the registry is needed only for an id that nobody
//! has seen yet: a worker goes on without it.
//!
//! Limits: 1 MiB an answer, 10 s an exchange unless configured, 5 s for one about an unknown id. After one without a quick
//! answer there is no question for 5 s; the partitions wait for 30 s in all until unknown ids are given up, and again after
//! 5 min. An id that the registry does not have is asked for again after 60 s; 1,000 of these are remembered.
//!
//! Follows <https://docs.confluent.io/platform/current/schema-registry/develop/api.html>.

mod ask;
mod book;
mod client;
mod error;
mod settings;

pub use book::{Book, Change, Standing, State};
pub use client::Registry;
pub use error::RegistryError;
pub use settings::RegistryConfig;
