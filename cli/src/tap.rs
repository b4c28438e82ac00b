//! `weir tap STAGE`: what a stage wrote, a JSON line a record, so that one can see what flows.
//!
//! A line holds topic, partition and offset, and the message as `schemas` names its fields; of an event its own bytes
//! stand in `raw` as the JSON that they are, or as text. What is no message of ours stands as its bytes, in base64.

use std::process::ExitCode;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use pipeline::Incoming;
use runtime::shutdown::Shutdown;
use schemas::enriched::EnrichedEvent;
use schemas::finding::Finding;
use schemas::gap::Gap;
use schemas::receipt::Receipt;
use schemas::signal::Signal;
use schemas::{Event, StageName, Topic};
use serde_json::{Map, Value, json};

use crate::args::{TapArgs, Tapped};
use crate::config::Config;
use crate::follow::Following;
use crate::{report, text};

/// Shows it.
pub(crate) async fn tap(args: &TapArgs) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::listen()?;
    let config = Config::read(&args.config)?;
    config.log.settle_schemas().await?;
    let mut following =
        Following::new(config.log.reader().await?, topics(args.stage), shutdown.token().clone());
    if args.new {
        following.read(&mut |_| Ok(true)).await?;
    }
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut take = |record: Incoming| -> anyhow::Result<bool> {
        let Some(line) = line(&record) else { return Ok(true) };
        if !args.keeps(&line) {
            return Ok(true);
        }
        let read_on = text::now(|out| report::json_line(&line, out))?;
        left = left.saturating_sub(1);
        Ok(read_on && left > 0)
    };
    if args.follow || args.new {
        following.follow(&mut take).await?;
    } else {
        following.read(&mut take).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn topics(stage: Tapped) -> Vec<Topic> {
    match stage {
        Tapped::Ingest => vec![Topic::Event],
        Tapped::Enrich => vec![Topic::Enriched],
        Tapped::Match => vec![Topic::Signal],
        Tapped::Detect => Topic::findings(),
        Tapped::Sink => vec![Topic::Receipt],
        Tapped::Gaps => vec![Topic::Gap],
        Tapped::DeadLetters => StageName::ALL.map(Topic::DeadLetter).to_vec(),
    }
}

impl TapArgs {
    /// Whether the line is of the tenant and rule that were asked for.
    fn keeps(&self, line: &Map<String, Value>) -> bool {
        let record = line.get("record");
        let text = |path: &str| record.and_then(|record| record.pointer(path)).and_then(Value::as_str);
        let tenant = || text("/tenant").or_else(|| text("/event/tenant"));
        let is_tenant = self.tenant.as_deref().is_none_or(|wanted| tenant() == Some(wanted));
        let is_rule = self.rule.as_deref().is_none_or(|wanted| {
            let rules = record.and_then(|record| record.get("rules")).and_then(Value::as_array);
            let named = |rule: &Value| rule.get("rule").and_then(Value::as_str) == Some(wanted);
            text("/rule_name") == Some(wanted)
                || text("/rule") == Some(wanted)
                || rules.is_some_and(|rules| rules.iter().any(named))
        });
        is_tenant && is_rule
    }
}

/// The record as a line; none for watermarks and deletions, which are no messages.
fn line(record: &Incoming) -> Option<Map<String, Value>> {
    let bytes = record.value.as_deref()?;
    if schemas::decode::<schemas::watermark::Watermark>(bytes).is_ok() {
        return None;
    }
    let mut line = Map::new();
    line.insert("topic".to_owned(), record.at.topic.to_string().into());
    line.insert("partition".to_owned(), record.at.partition.0.into());
    line.insert("offset".to_owned(), record.offset.0.into());
    if matches!(record.at.topic, Topic::DeadLetter(_)) {
        let headers = record.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into()));
        line.insert("headers".to_owned(), Value::Object(headers.collect()));
        line.insert("value".to_owned(), bytes_shown(bytes));
        return Some(line);
    }
    match message(record.at.topic, bytes) {
        Some(message) => line.insert("record".to_owned(), message),
        None => line.insert("not_ours".to_owned(), BASE64_STANDARD.encode(bytes).into()),
    };
    Some(line)
}

fn message(topic: Topic, bytes: &[u8]) -> Option<Value> {
    match topic {
        Topic::Event => schemas::decode::<Event>(bytes).ok().and_then(event),
        Topic::Enriched => {
            let mut enriched: EnrichedEvent = schemas::decode(bytes).ok()?;
            let raw = std::mem::take(&mut enriched.event.raw);
            let mut shown = serde_json::to_value(&enriched).ok()?;
            *shown.pointer_mut("/event/raw")? = bytes_shown(&raw);
            Some(shown)
        }
        Topic::Signal => {
            schemas::decode::<Signal>(bytes).ok().and_then(|signal| serde_json::to_value(signal).ok())
        }
        Topic::Finding(_) => {
            schemas::decode::<Finding>(bytes).ok().and_then(|finding| serde_json::to_value(finding).ok())
        }
        Topic::Receipt => {
            schemas::decode::<Receipt>(bytes).ok().and_then(|receipt| serde_json::to_value(receipt).ok())
        }
        Topic::Gap => schemas::decode::<Gap>(bytes).ok().and_then(|gap| serde_json::to_value(gap).ok()),
        Topic::DetectState | Topic::Ledger | Topic::Seen | Topic::DeadLetter(_) => None,
    }
}

fn event(mut event: Event) -> Option<Value> {
    let raw = std::mem::take(&mut event.raw);
    let mut shown = serde_json::to_value(&event).ok()?;
    *shown.pointer_mut("/raw")? = bytes_shown(&raw);
    Some(shown)
}

/// JSON as it is, text as text, anything else in base64.
fn bytes_shown(bytes: &[u8]) -> Value {
    if let Ok(json) = serde_json::from_slice(bytes) {
        return json;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}
