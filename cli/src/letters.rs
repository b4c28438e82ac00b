//! The dead letters of a scan, as JSON lines: the headers and the bytes, so that nothing refused is out of reach. The
//! record's own headers stand in `headers`, apart from those that speak of the refusal.
//!
//! Bytes that are UTF-8 stand as text in `value`, others in `value_base64`. Long records come as they lie in the log:
//! in numbered chunks. The file is created for its owner only (0600); one that exists keeps its rights.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::future::BoxFuture;
use pipeline::log::{Assignment, Batch, Incoming};
use pipeline::{Halt, Outcome, Stage, Work};
use schemas::{StageName, TopicPartition, dead_letter};
use serde::Serialize;
use std::collections::BTreeMap;

/// Writes every record of the dead-letter topics to a file.
pub(crate) struct LettersStage {
    out: BufWriter<File>,
    lost: Arc<OnceLock<std::io::Error>>,
}

impl LettersStage {
    /// Starts the file anew.
    pub(crate) fn create(path: &Path) -> std::io::Result<Self> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { out: BufWriter::new(options.open(path)?), lost: Arc::default() })
    }

    /// Why the file could not be written, once the stage has stopped for that.
    pub(crate) fn lost(&self) -> Arc<OnceLock<std::io::Error>> {
        Arc::clone(&self.lost)
    }

    fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        for record in &batch.records {
            serde_json::to_writer(&mut self.out, &Letter::of(record))?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }
}

#[derive(Serialize)]
struct Letter<'a> {
    topic: String,
    #[serde(flatten)]
    refusal: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl<'a> Letter<'a> {
    fn of(record: &'a Incoming) -> Self {
        let bytes = record.value.as_deref().unwrap_or_default();
        let text = std::str::from_utf8(bytes).ok();
        let headers = record.headers.iter();
        let (refusal, headers) = headers
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned()))
            .partition(|(name, _)| dead_letter::is_ours(name));
        Self {
            topic: record.at.topic.to_string(),
            refusal,
            headers,
            value: text,
            value_base64: text.is_none().then(|| BASE64_STANDARD.encode(bytes)),
        }
    }
}

impl Stage for LettersStage {
    fn name(&self) -> StageName {
        StageName::Sink
    }

    fn assigned<'a>(&'a mut self, _gained: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        Box::pin(async { Ok(()) })
    }

    fn dropped(&mut self, _gone: &[TopicPartition]) {}

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        Box::pin(async move {
            if let Err(error) = self.write(batch) {
                let halt = Halt::Cause(format!("cannot write the dead letters: {error}"));
                // Only the first one stops the stage.
                drop(self.lost.set(error));
                return Err(halt);
            }
            let outcomes = batch.records.iter().map(|_| Outcome::Emit(Vec::new())).collect();
            Ok(Work { outcomes, also: Vec::new() })
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use schemas::{Offset, Partition, Topic};

    use super::*;

    /// Refused records name people, too: what is made is for its owner only, what is there keeps the rights it was given.
    #[test]
    fn others_cannot_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused.jsonl");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        LettersStage::create(&path).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        LettersStage::create(&path).unwrap();
        assert_eq!(mode(), 0o640);
    }

    /// A header of somebody else may be called like a field of the line.
    #[test]
    fn a_records_own_headers_stand_apart() {
        let header = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec().into());
        let record = Incoming {
            at: TopicPartition::new(Topic::DeadLetter(StageName::Enrich), Partition(0)),
            offset: Offset(0),
            key: Vec::new().into(),
            value: Some(vec![0xff].into()),
            headers: vec![header(dead_letter::REASON, b"not_ours"), header("topic", b"theirs")],
        };
        assert_eq!(
            serde_json::to_string(&Letter::of(&record)).unwrap(),
            "{\"topic\":\"weir.dead-letter.enrich.v1\",\"x-dlq-reason\":\"not_ours\",\
             \"headers\":{\"topic\":\"theirs\"},\"value_base64\":\"/w==\"}"
        );
    }
}
