//! The edges of Weir: the logs that outlive a process, configuration, telemetry, shutdown. Only this crate names a
//! broker, a database or a server.
#![warn(missing_docs)]

pub mod admin;
pub mod config;
pub mod embedded;
pub mod entra;
pub mod http;
pub mod kafka;
pub mod registry;
mod secret;
pub mod shutdown;
pub mod telemetry;

pub use secret::{SECRET_BYTES_MAX, Secret, SecretSource};
