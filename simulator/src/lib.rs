//! A Microsoft 365 tenant and the receivers of findings in a box: for `weir simulate`, `weir demo` and the tests.
//!
//! Over TLS with a private CA it answers as four services do: Entra's token endpoint, the Office 365 Management Activity
//! API, Splunk's HTTP Event Collector and Azure Monitor's Logs Ingestion API. What each answers follows that service's
//! pages, or what was observed at the real one; the module of the part says which. It never follows what our own clients
//! send.
//!
//! [`Simulator`] is the state: plain structs behind one lock, and a function from a request to an answer. [`Server`] puts
//! it on a socket. Time is the [`pipeline::Clock`] that it is given, so a test decides when a token or a blob expires.
//! [`Faults`] say which requests go wrong, by count, by seed or by time.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use simulator::{Options, Server, Simulator, entra::App, feed::FeedOptions};
//!
//! let (tenant, client) = ("41463f53-8812-40f4-890f-865bf6e35190", "1cef1fdb-ff52-48c4-8e4e-dfb5ea83d357");
//! let mut options = Options::new(pipeline::Clock::machine());
//! options.apps = vec![App::with_secret(tenant, client, "secret")];
//! options.feed = FeedOptions::of(tenant);
//! let simulator = Simulator::open(options)?;
//! let server = Server::start(&simulator, "127.0.0.1:0".parse()?).await?;
//! // A client trusts `server.ca().pem()` and asks `server.origin()`, for everything.
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

mod call;
pub mod entra;
pub mod faults;
pub mod feed;
pub mod hec;
mod ids;
pub mod ingestion;
pub mod ledger;
mod options;
pub mod outlet;
pub mod server;
mod simulator;
mod store;
pub mod tenant;
mod times;

pub use call::{Answer, BODY_BYTES_MAX, Call, Delivery, Part, Route};
pub use faults::{Fault, FaultRule, Faults, When};
pub use options::Options;
pub use server::{Ca, Server, ServerError};
pub use simulator::{OpenError, Simulator};
pub use store::Accepted;
