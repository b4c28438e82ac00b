//! The HTTP client and Entra's tokens against a server on this machine that misbehaves as told.

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod client;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod wire;
