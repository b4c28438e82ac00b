//! The laws of ingest, over real records, documented shapes and broken input.

#[cfg(test)]
mod almost_json;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod damaged;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod growing;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod power_platform;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod side_by_side;
#[cfg(test)]
mod support;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod worker;
