//! The gap that stands for records which a log no longer had when their turn came.
//!
//! Limits: which records they were, and when they were written, nobody knows any more. On Kafka some of the offsets may
//! have been the marks of transactions, which are no records. The sources' own gaps are made by ingest.

use schemas::{CodecError, Micros, Topic, encode, gap::Gap};

use crate::log::{Missed, Outgoing};

/// Why there is a gap: retention went past what a group had read, or the topic was made anew.
pub const OFFSET_OUT_OF_RANGE: &str = "offset_out_of_range";

/// The source that such gaps name: not a feed, but the log itself.
pub const SOURCE: &str = "log";

/// The record that says so. It belongs to no tenant: all of them may have lost something.
///
/// # Errors
/// [`CodecError`], never for one of these.
pub fn of_missed(missed: &Missed, noticed_at: Micros) -> Result<Outgoing, CodecError> {
    let Missed { at, from, to } = missed;
    let gap = Gap {
        tenant: String::new(),
        source: SOURCE.to_owned(),
        content_type: at.topic.to_string(),
        // Since when, only the records could have told.
        from: Micros(0),
        until: noticed_at,
        reason: OFFSET_OUT_OF_RANGE.to_owned(),
        unit: format!("{at}: offsets from {} to {}", from.0, to.0),
        noticed_at,
    };
    Ok(Outgoing::keyed(Topic::Gap, at.to_string().into_bytes(), encode(&gap)?))
}

#[cfg(test)]
mod tests {
    use schemas::{Offset, Partition, TopicPartition, decode};

    use super::*;

    #[test]
    fn it_says_where_and_how_far() {
        let at = TopicPartition::new(Topic::Event, Partition(3));
        let missed = Missed { at, from: Offset(10), to: Offset(25) };
        let record = of_missed(&missed, Micros(7)).unwrap();
        let gap: Gap = decode(&record.value.unwrap()).unwrap();
        assert_eq!(record.topic, Topic::Gap);
        assert_eq!((gap.reason.as_str(), gap.until), ("offset_out_of_range", Micros(7)));
        assert_eq!(gap.content_type, Topic::Event.to_string());
        assert!(gap.unit.contains("from 10 to 25"), "{}", gap.unit);
    }
}
