//! What is remembered costs: bytes of an event id, bytes of a key of the stateful rules.

use std::io::Write;
use std::sync::Arc;

use detect::{CorrelateStage, RuleSet};
use ingest::seen::Seen;
use pipeline::log::{Assignment, Batch, Incoming, Lease};
use pipeline::{Clock, MemoryLog, MemoryOptions, Stage as _};
use schemas::signal::{Origin, RuleSignal, Signal};
use schemas::{Event, EventId, Hash128, Micros, Offset, Partition, Topic, TopicPartition, ledger, time};

use crate::measure::{Failure, Outcome};

const IDS: u64 = 1_000_000;
const KEYS: u32 = 20_000;
const SIGNALS_PER_KEY: u32 = 5;
/// The rule whose keys are measured: distinct users per address in ten minutes.
const RULE: &str = "password-spray";

/// Prints both.
///
/// # Errors
/// When the stage refuses its signals.
pub(crate) fn print(sample: &Event, rules: &Arc<RuleSet>, out: &mut impl Write) -> Outcome {
    let seen = remembered(sample);
    writeln!(out, "{IDS} remembered ids        {} bytes an id", seen.bytes() / seen.len().max(1))?;
    let memory = tokio::runtime::Runtime::new()?.block_on(keys(rules))?;
    writeln!(
        out,
        "{} keys of {RULE}  {} bytes a key, {SIGNALS_PER_KEY} events each",
        memory.keys,
        memory.bytes_per_key()
    )?;
    Ok(())
}

fn remembered(sample: &Event) -> Seen {
    let (mut seen, mut chunk) = (Seen::default(), ledger::Seen::default());
    let mut event = sample.clone();
    for number in 0..IDS {
        event.id = EventId(Hash128::of(&[&number.to_be_bytes()]));
        event.native_id = number.to_string();
        seen.note(&event, &mut chunk);
        chunk.ids.clear();
        chunk.natives.clear();
    }
    seen
}

async fn keys(rules: &Arc<RuleSet>) -> Result<detect::correlate::Memory, Failure> {
    let rule = rules.rules().find(|rule| rule.name == RULE).ok_or("the rule is not in the pack")?.id.clone();
    let logs = Arc::new(MemoryLog::new(MemoryOptions::default()));
    let mut stage = CorrelateStage::new(Arc::clone(rules), logs, Clock::machine());
    let lease = Lease { generation: 1 };
    let at = TopicPartition::new(Topic::Signal, Partition(0));
    stage.assigned(&Assignment { lease, gained: vec![(at, Offset(0))] }).await?;
    let mut records = Vec::new();
    for number in 0..KEYS * SIGNALS_PER_KEY {
        let value = schemas::encode(&signal(&rule, number))?.into();
        records.push(Incoming {
            at,
            offset: Offset(number.into()),
            key: bytes::Bytes::new(),
            value: Some(value),
            headers: Vec::new(),
        });
    }
    stage.work(&Batch { lease, records }).await?;
    Ok(stage.memory())
}

fn signal(rule: &str, number: u32) -> Signal {
    let key = number / SIGNALS_PER_KEY;
    let user = format!("user{}@contoso.example", number % SIGNALS_PER_KEY);
    Signal {
        event_id: EventId(Hash128::of(&[&number.to_be_bytes()])),
        tenant: "contoso".to_owned(),
        source: "bench".to_owned(),
        content_type: "Audit.AzureActiveDirectory".to_owned(),
        time: Micros(1_700_000_000 * time::SECOND + i64::from(number) * time::SECOND),
        group_value: format!("10.0.{}.{}", key / 256, key % 256),
        actor: user.clone(),
        origin: Origin { partition: 0, offset: number.into(), index: 0 },
        rules: vec![RuleSignal {
            rule: rule.to_owned(),
            role: 0,
            value: user,
            facts: std::collections::BTreeMap::new(),
        }],
    }
}
