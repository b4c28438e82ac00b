//! The servers, asked over TLS by a client of a few lines that knows nothing of Weir.

#[cfg(test)]
mod any;
#[cfg(test)]
mod client;
#[cfg(test)]
mod entra;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod feed;
#[cfg(test)]
mod hec;
#[cfg(test)]
mod ingestion;
#[cfg(test)]
mod kept;
