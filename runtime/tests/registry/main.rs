//! The schema registry's client against a double that knows Confluent's API, and against a real one where
//! `WEIR_REGISTRY` (host:port) says where `.ci/registry` has started it.

#[cfg(test)]
mod book;
#[cfg(test)]
mod classes;
#[cfg(test)]
mod double;
#[cfg(test)]
mod real;
