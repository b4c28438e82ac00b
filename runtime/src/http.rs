//! The HTTP client of every source and sink, and nothing else of HTTP.
//!
//! One client speaks TLS by rustls (with `ring`), trusts the platform's certificates or those of one file, follows no
//! redirect, decodes gzip answers, and has a bound on every wait and every answer. What an answer means is its caller's
//! business; so is trying again.
//!
//! Limits: 10 s to connect, 60 s without a byte, 5 min for a whole exchange, 4 MiB of an answer, unless its caller says
//! otherwise. No URL, header or body is in any error: addresses of audit content and headers carry what must not leak.

mod answer;
mod base;
mod client;
mod error;
mod request;
mod settings;

pub use answer::{Answer, Streaming};
pub use base::{Base, Foreign};
pub use client::Client;
pub use error::HttpError;
pub use request::Request;
pub use reqwest::Url;
pub use settings::HttpSettings;
