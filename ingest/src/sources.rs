//! The sources: the registry of what ingest reads from. Each has a folder here and a configuration in `config`.

pub mod files;
