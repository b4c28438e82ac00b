//! The `sources` list of a configuration.
//!
//! ```yaml
//! sources:
//!   - name: exports          # in event ids, the ledger and watermarks: renaming it reads everything again
//!     kind: files            # the other settings are the kind's: see its `config.rs`
//!     record_bytes_max: 900000
//!     …
//! ```

use std::sync::Arc;

use pipeline::log::Limits;
use runtime::config::Section;

use crate::sources::{Common, Here, KINDS, Source};

/// Below every broker's default limit of 1 MB a message.
pub(crate) const RECORD_BYTES_MAX: usize = 900_000;

/// The longest name of a source: it becomes part of a group's name.
const NAME_CHARS_MAX: usize = 40;

/// Reads the list `sources` of the whole configuration; problems are noted there. A step of a source is held to `limits`.
#[must_use]
pub fn read_all(root: &Section<'_>, here: Here, limits: &Limits) -> Vec<Arc<dyn Source>> {
    let (mut sources, mut names) = (Vec::new(), Vec::new());
    let sections = root.list("sources");
    if sections.is_empty() {
        root.problem("sources", "\"sources\" must name at least one source");
    }
    for section in sections {
        section.require("name");
        section.require("kind");
        let name = section.text_as("name", check_name).unwrap_or_default();
        if !name.is_empty() && names.contains(&name) {
            section.problem("name", "each source needs a name of its own");
        }
        names.push(name.clone());
        let kinds = KINDS.map(|(kind, read)| (kind, Some(read)));
        let read = section.choice("kind", &kinds, None);
        let common = Common {
            name,
            record_bytes_max: section.number("record_bytes_max", 1..=RECORD_BYTES_MAX, RECORD_BYTES_MAX),
            step_records_max: limits.records_max,
            step_bytes_max: limits.bytes_max,
        };
        // Which keys there are is the kind's to know: of an unknown kind the first one's are as good as any.
        let read = read.unwrap_or(KINDS[0].1);
        sources.extend(read(&section, here, &common));
    }
    sources
}

fn check_name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.bytes().all(fits) {
        return Err(format!("must be 1 to {NAME_CHARS_MAX} lower-case letters, digits and dashes"));
    }
    Ok(text.to_owned())
}
