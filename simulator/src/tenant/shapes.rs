//! The records of each workload, field by field, as published records and Microsoft's pages show them. No shape decides
//! what happens: it is told who, when and what.

pub(crate) mod directory;
pub(crate) mod files;
pub(crate) mod mail;
pub(crate) mod platform;
pub(crate) mod policies;
pub(crate) mod sign_in;
