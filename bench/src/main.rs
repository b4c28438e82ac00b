//! Times every step of the spine beside a plain one, in one process and in turns, and prints medians of CPU time.
//!
//! `cargo run --release -p bench` over the corpus; `WEIR_KAFKA=host:port` adds the Kafka log. Compare the ratios of one
//! run: absolute times are the machine's. `cargo run --release -p bench read FILES…` reads and decodes files of any size.

mod commit;
mod measure;
mod owned;
mod reading;
mod records;
mod state;

use std::io::Write as _;
use std::sync::Arc;

use detect::RuleSet;
use enrich::Lookups;
use ingest::decode::{Decoded, Origin, decode};
use schemas::{Event, Micros};

use crate::measure::in_turns;

/// How often the corpus is gone through in one round.
const REPEATS: usize = 40;

fn main() -> measure::Outcome {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "read") {
        return reading::run(words.map(Into::into).collect(), &mut std::io::stdout().lock());
    }
    let records = records::corpus()?;
    let origin = Origin { source: "bench".to_owned(), tenant: None, environment: None };
    let events = events(&records, &origin);
    let mut out = std::io::stdout().lock();
    let bytes: usize = records.iter().map(Vec::len).sum();
    writeln!(out, "corpus: {} records, {} bytes on average", records.len(), bytes / records.len())?;

    let decoded = in_turns(
        || {
            for record in (0..REPEATS).flat_map(|_| &records) {
                std::hint::black_box(to_event_bytes(record, &origin));
            }
        },
        || {
            for record in (0..REPEATS).flat_map(|_| &records) {
                std::hint::black_box(serde_json::from_slice::<owned::Record>(record).ok());
            }
        },
    );
    let count = REPEATS * records.len();
    writeln!(out, "decode to event bytes      {}", decoded.first.per(count))?;
    writeln!(out, "serde_json, owned struct   {}", decoded.second.per(count))?;
    writeln!(out, "ratio                      {:.2}", decoded.ratio())?;

    let rules = Arc::new(RuleSet::builtin().map_err(|problems| format!("{} bad rules", problems.len()))?);
    let lookups = Lookups::default();
    let enriched: Vec<_> = events.iter().map(|event| lookups.enrich(event.clone())).collect();
    let matched = in_turns(
        || {
            for event in (0..REPEATS).flat_map(|_| &enriched) {
                std::hint::black_box(detect::matching::judge(&rules, event, Micros(0)));
            }
        },
        || {
            for event in (0..REPEATS).flat_map(|_| &events) {
                std::hint::black_box(lookups.enrich(event.clone()));
            }
        },
    );
    let count = REPEATS * events.len();
    writeln!(out, "match, {} rules            {}", rules.len(), matched.first.per(count))?;
    writeln!(out, "enrich, nothing configured {}", matched.second.per(count))?;
    if let Some(sample) = events.first() {
        state::print(sample, &rules, &mut out)?;
    }
    commit::all(&events, &mut out)
}

fn events(records: &[Vec<u8>], origin: &Origin) -> Vec<Event> {
    let decoded = records.iter().map(|record| decode(record.clone(), origin));
    decoded
        .filter_map(|decoded| match decoded {
            Decoded::Event(event) => Some(*event),
            Decoded::Skip(_) | Decoded::Reject { .. } => None,
        })
        .collect()
}

fn to_event_bytes(record: &[u8], origin: &Origin) -> Option<Vec<u8>> {
    match decode(record.to_vec(), origin) {
        Decoded::Event(event) => schemas::encode(event.as_ref()).ok(),
        Decoded::Skip(_) | Decoded::Reject { .. } => None,
    }
}
