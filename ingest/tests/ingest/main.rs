//! The laws of ingest, over real records, documented shapes and broken input.

mod bad_input;
mod corpus;
mod framing;
mod power_platform;
mod restart;
mod runs;
mod shapes;
mod support;
mod worker;
