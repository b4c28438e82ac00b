//! Configuration: a YAML file becomes a tree that knows its lines; every crate reads its own section of it.
//!
//! All problems are collected and reported together, each with file, line and column: keys nobody asked for (with the
//! nearest known one), wrong types, missing keys, numbers out of range, keys given twice, secrets written down instead
//! of referred to. Values never appear in a message, so that a misplaced secret does not either.
//!
//! What it does not do: no interpolation of any kind, no includes, no anchors and aliases, no tags, one document a
//! file. A plain scalar is the text as written, whatever YAML would make of it: `country: NO` is Norway.
//!
//! Limits: 1 MiB a file, 32 levels, 1,000 problems (the rest is counted), 64 KiB a secret.

mod clock;
mod document;
mod forms;
mod log;
mod problems;
mod section;
mod tree;
mod values;

pub use clock::read_clock;
pub use document::{Document, FILE_BYTES_MAX};
pub use log::{EmbeddedConfig, LogConfig};
pub use problems::{ConfigError, PROBLEMS_MAX, Problem, Problems};
pub use section::Section;
