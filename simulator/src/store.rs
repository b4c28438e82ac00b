//! What a receiver accepted: in memory, and where a file is given also on disk *before* the answer goes out.
//!
//! One file a receiver, one JSON object a line. All lines of a request are written in one call; a process that is killed
//! in the middle leaves a torn last line, which is cut off when the file is opened again. Its request had no answer then, so
//! the sender sends it again. The file is written, not flushed to the platter: it outlives a killed process, not a power cut.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use schemas::Micros;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One object that a receiver accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Accepted {
    /// When, by the simulator's clock.
    pub at: Micros,
    /// The number of the request that brought it, counted by the receiver from 1; it goes on after a restart.
    pub request: u64,
    /// Where it went: the HEC event's index (`main` where it names none), or the ingestion stream.
    pub to: String,
    /// HEC: the envelope as it was sent. Ingestion: the row as the table holds it.
    pub object: Box<RawValue>,
}

impl PartialEq for Accepted {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.request, &self.to, self.object.get())
            == (other.at, other.request, &other.to, other.object.get())
    }
}

/// The objects of one receiver, in order.
#[derive(Debug, Default)]
pub(crate) struct Store {
    file: Option<File>,
    accepted: Vec<Accepted>,
    requests: u64,
}

impl Store {
    /// What the file already holds; it is made where it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (file, accepted) = read_back::<Accepted>(path)?;
        let requests = accepted.iter().map(|one| one.request).max().unwrap_or_default();
        Ok(Self { file: Some(file), accepted, requests })
    }

    /// Accepts the objects of one request, each with where it goes.
    ///
    /// # Errors
    /// The file cannot be written: nothing is accepted then.
    pub(crate) fn accept(&mut self, at: Micros, objects: Vec<(String, Box<RawValue>)>) -> io::Result<()> {
        if objects.is_empty() {
            return Ok(());
        }
        let request = self.requests.saturating_add(1);
        let accepted: Vec<Accepted> =
            objects.into_iter().map(|(to, object)| Accepted { at, request, to, object }).collect();
        if let Some(file) = &mut self.file {
            append(file, &accepted)?;
        }
        self.requests = request;
        self.accepted.extend(accepted);
        Ok(())
    }

    pub(crate) fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }
}

/// Opens a file of JSON lines for appending and reads what it holds; a torn last line is cut off.
pub(crate) fn read_back<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<(File, Vec<T>)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut text = Vec::new();
    let _bytes = file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < text.len() {
        file.set_len(u64::try_from(whole).unwrap_or_default())?;
        let _end = file.seek(SeekFrom::End(0))?;
    }
    let lines = text.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
    let parsed = lines.filter(|line| !line.is_empty()).map(serde_json::from_slice);
    let objects = parsed.collect::<Result<Vec<T>, _>>()?;
    Ok((file, objects))
}

/// Appends each as one line, all of them in one write.
pub(crate) fn append<T: Serialize>(file: &mut File, objects: &[T]) -> io::Result<()> {
    let mut lines = Vec::new();
    for object in objects {
        let mut line = serde_json::to_vec(object)?;
        // A line break inside a sender's JSON can only stand between its tokens.
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        line.push(b'\n');
        lines.append(&mut line);
    }
    file.write_all(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn what_was_accepted_is_there_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hec.jsonl");
        let mut store = Store::open(&path).unwrap();
        store
            .accept(Micros(5), vec![("main".to_owned(), raw("{\"a\":\n1}")), ("x".to_owned(), raw("{}"))])
            .unwrap();
        store.accept(Micros(6), Vec::new()).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at\":7,\"requ").unwrap();

        let mut again = Store::open(&path).unwrap();
        assert_eq!(again.accepted().len(), 2);
        assert_eq!(again.accepted()[0].object.get(), "{\"a\": 1}");
        assert_eq!(again.accepted()[1], store.accepted()[1]);
        again.accept(Micros(8), vec![("main".to_owned(), raw("{\"b\":2}"))]).unwrap();

        let last = Store::open(&path).unwrap();
        let numbers: Vec<u64> = last.accepted().iter().map(|one| one.request).collect();
        assert_eq!(numbers, [1, 1, 2], "requests are numbered on");
    }
}
