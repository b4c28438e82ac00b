//! The worker as its neighbours see it: configuration in, blocks out, the event untouched.
#![cfg(test)]

mod configuration;
mod mmdb;
mod people;
mod places;
mod recipients;
mod stage;
mod support;
