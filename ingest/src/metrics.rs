//! What worker 1 tells of itself, for each source: the core set, what arrived before, gaps and blobs, the ids that are
//! remembered, what services answered, and how far the source is behind.
//!
//! The worker fills [`Metrics`] in once a step; [`measures`] says what is in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipeline::counters::{Counters, Phase, Tally};
use pipeline::metrics::{Core, Family, Kind, Measure, Samples};
use pipeline::{Clock, Reason};
use schemas::Micros;
use schemas::time::SECOND;

use crate::decode::reason;
use crate::portion::Blobs;
use crate::progress::Progress;
use crate::worker::Summary;

/// The first part of every name, after `weir_`.
const WORKER: &str = "ingest";
/// Why records are left out.
const SKIPPED: [Reason; 2] = [reason::ACTION_RUN, reason::NOT_A_FLOW];

/// The content types of the feeds are six; a ledger could name others, and so many are told apart.
const CONTENT_TYPES_MAX: usize = 16;

const SEEN_BEFORE: &str = "records_deduplicated_total";
const CONFLICTS: &str = "records_conflicting_total";
const GAPS: &str = "gaps_total";
const BLOBS_LISTED: &str = "blobs_listed";
const BLOBS_FETCHED: &str = "blobs_fetched";
const BLOBS_EXPIRED: &str = "blobs_expired";
const SEEN_IDS: &str = "seen_ids";
const SEEN_BYTES: &str = "seen_bytes";
const ANSWERS: &str = "answers_total";
const LAG: &str = "source_lag_seconds";

/// What a source's worker did, does and has.
#[derive(Debug, Default)]
pub struct Metrics {
    counters: Arc<Counters>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    deduplicated: u64,
    conflicts: u64,
    gaps: u64,
    /// In this run and those before it.
    blobs: Blobs,
    seen: (usize, usize),
    /// Content type → how far time has come for the tenant that is farthest behind.
    reached: BTreeMap<String, Micros>,
}

impl Metrics {
    /// What the worker did and does.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The worker begins to do this.
    pub fn enter(&self, phase: Phase, now: Micros) {
        self.counters.enter(phase, now);
    }

    /// The ledger has been read back, or another process holds it.
    pub fn started(&self) {
        self.counters.started();
    }

    /// So many records of a portion are in hand; none once it is on the log.
    pub fn hold(&self, records: usize, now: Micros) {
        self.counters.hold(records, now);
    }

    /// A step is on the log: what it did, and how many records it wrote.
    pub fn committed(&self, step: &Summary, outputs: usize) {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        self.counters.add(Tally {
            read: count(step.counts.read),
            emitted: count(step.counts.emitted),
            skipped: step.skipped.clone(),
            rejected: step.rejected.clone(),
            outputs: outputs as u64,
            steps: 1,
            retries: 0,
        });
        let mut kept = self.kept();
        kept.deduplicated += count(step.counts.deduplicated);
        kept.conflicts += count(step.counts.conflicts);
        kept.gaps += step.gaps;
    }

    /// What is remembered after a step: ids and their bytes, blobs, and how far time has come by content type.
    pub fn keeps(&self, seen: (usize, usize), blobs: Option<Blobs>, reached: BTreeMap<String, Micros>) {
        let mut kept = self.kept();
        kept.seen = seen;
        kept.blobs = blobs.unwrap_or_default();
        kept.reached = reached;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that the source of that name tells, by the clock that it is read by.
#[must_use]
pub fn measures(
    source: &str,
    metrics: &Arc<Metrics>,
    progress: &Arc<Progress>,
    clock: Clock,
) -> Vec<Arc<dyn Measure>> {
    let core = Core {
        worker: WORKER,
        own: Some(("source", source.to_owned())),
        skipped: &SKIPPED,
        rejected: &reason::REJECTIONS,
        counters: metrics.counters(),
        clock: clock.clone(),
    };
    let (metrics, progress) = (Arc::clone(metrics), Arc::clone(progress));
    let own = Measured { source: source.to_owned(), metrics, progress, clock };
    vec![Arc::new(core), Arc::new(own)]
}

/// What one source tells besides the core set.
#[derive(Debug)]
struct Measured {
    source: String,
    metrics: Arc<Metrics>,
    progress: Arc<Progress>,
    clock: Clock,
}

impl Measure for Measured {
    fn families(&self) -> Vec<Family> {
        let plain = [
            (SEEN_BEFORE, Kind::Counter, "Records read: left out because they had arrived before."),
            (
                CONFLICTS,
                Kind::Counter,
                "Of the records emitted: their native id had arrived with other content.",
            ),
            (GAPS, Kind::Counter, "Losses that the source inflicted, each a record on weir.gap.v1."),
            (
                BLOBS_LISTED,
                Kind::Gauge,
                "Blobs found in listings, each once, by this run and those before it.",
            ),
            (BLOBS_FETCHED, Kind::Gauge, "Of the blobs listed: read to their ends."),
            (
                BLOBS_EXPIRED,
                Kind::Gauge,
                "Of the blobs listed: gone before they could be read; each is a gap.",
            ),
            (SEEN_IDS, Kind::Gauge, "Ids of events that are remembered, to know what arrives again."),
            (SEEN_BYTES, Kind::Gauge, "What these ids take in memory."),
        ];
        let of =
            |thing, kind, labels: &[&'static str], meaning| Family::of(WORKER, thing, kind, labels, meaning);
        let answers = "What the service answered instead of what was asked for, by the code in its table.";
        let lag = "How far the source is behind the clock: by its listing windows where it has them, by its events \
                   otherwise; for the tenant that is farthest behind.";
        let own = [
            of(ANSWERS, Kind::Counter, &["source", "code"], answers),
            of(LAG, Kind::Gauge, &["source", "content_type"], lag),
        ];
        plain
            .map(|(thing, kind, meaning)| of(thing, kind, &["source"], meaning))
            .into_iter()
            .chain(own)
            .collect()
    }

    fn measure(&self, to: &mut Samples) {
        let source = self.source.as_str();
        for (code, count) in self.progress.answers() {
            to.count(WORKER, ANSWERS, &[source, code], count);
        }
        let kept = self.metrics.kept();
        for (thing, count) in [
            (SEEN_BEFORE, kept.deduplicated),
            (CONFLICTS, kept.conflicts),
            (GAPS, kept.gaps),
            (BLOBS_LISTED, kept.blobs.listed),
            (BLOBS_FETCHED, kept.blobs.fetched),
            (BLOBS_EXPIRED, kept.blobs.expired),
            (SEEN_IDS, kept.seen.0 as u64),
            (SEEN_BYTES, kept.seen.1 as u64),
        ] {
            to.count(WORKER, thing, &[source], count);
        }
        let now = self.clock.now();
        for (content_type, time) in kept.reached.iter().take(CONTENT_TYPES_MAX) {
            to.number(WORKER, LAG, &[source, content_type], seconds(now.0.saturating_sub(time.0)));
        }
    }
}

/// Not below 0: a source that has been read to its end may be at the end of time.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a lag; exact for 285 years")]
fn seconds(micros: i64) -> f64 {
    micros.max(0) as f64 / SECOND as f64
}

#[cfg(test)]
mod tests {
    use pipeline::metrics::Value;
    use schemas::ledger::Counts;

    use super::*;

    fn number(metrics: &Arc<Metrics>, family: &str, label: Option<&str>) -> Option<f64> {
        let mut samples = Samples::default();
        for measure in measures("exports", metrics, &Arc::default(), Clock::manual(Micros(100 * SECOND))) {
            measure.measure(&mut samples);
        }
        let labels: Vec<&str> = ["exports"].into_iter().chain(label).collect();
        let found =
            samples.taken.into_iter().find(|sample| sample.family == family && sample.labels == labels)?;
        match found.value {
            Value::Number(number) => Some(number),
            Value::Spread(spread) => panic!("{spread:?}"),
        }
    }

    #[test]
    fn zeros_show_from_the_start_for_every_reason_that_is_known() {
        let metrics = Arc::default();
        for family in ["records_read_total", "records_deduplicated_total", "gaps_total", "seen_ids"] {
            assert_eq!(number(&metrics, &format!("weir_ingest_{family}"), None), Some(0.0), "{family}");
        }
        for reason in reason::REJECTIONS {
            let family = "weir_ingest_records_rejected_total";
            assert_eq!(number(&metrics, family, Some(reason)), Some(0.0), "{reason}");
        }
        for reason in SKIPPED {
            let family = "weir_ingest_records_skipped_total";
            assert_eq!(number(&metrics, family, Some(reason)), Some(0.0), "{reason}");
        }
    }

    #[test]
    fn read_is_emitted_deduplicated_skipped_and_rejected_over_all_steps() {
        let metrics: Arc<Metrics> = Arc::default();
        let step = Summary {
            counts: Counts { read: 10, emitted: 4, deduplicated: 3, skipped: 1, rejected: 2, conflicts: 0 },
            rejected: [(reason::NO_TIME, 2)].into(),
            skipped: [(reason::ACTION_RUN, 1)].into(),
            gaps: 1,
            ..Summary::default()
        };
        metrics.committed(&step, 7);
        metrics.committed(&step, 7);
        let sum = |family: &str, label| number(&metrics, &format!("weir_ingest_{family}"), label).unwrap();
        let parts = sum("records_emitted_total", None)
            + sum("records_deduplicated_total", None)
            + sum("records_skipped_total", Some(reason::ACTION_RUN))
            + sum("records_rejected_total", Some(reason::NO_TIME));
        assert_eq!((sum("records_read_total", None), parts), (20.0, 20.0));
        assert_eq!((sum("outputs_total", None), sum("gaps_total", None)), (14.0, 2.0));
    }

    #[test]
    fn a_source_lags_behind_the_clock_by_content_type() {
        let metrics: Arc<Metrics> = Arc::default();
        let lag = |content_type| number(&metrics, "weir_ingest_source_lag_seconds", Some(content_type));
        assert_eq!(lag("FlowRun"), None, "nothing is known before something was read");
        let reached = [("FlowRun".to_owned(), Micros(40 * SECOND)), ("DLP.All".to_owned(), Micros::END)];
        metrics.keeps((5, 200), None, reached.into());
        assert_eq!((lag("FlowRun"), lag("DLP.All")), (Some(60.0), Some(0.0)));
        assert_eq!(number(&metrics, "weir_ingest_seen_bytes", None), Some(200.0));
    }
}
