//! Golden bytes: the files in `golden/` are what each version of each message looks like on a topic.
//!
//! Laws: today's code writes exactly these bytes, and reads them as exactly these values. A file that is there never
//! changes; a new version of a message brings new files. With `WEIR_WRITE_GOLDEN=1` missing files are written, and
//! only missing ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    path::PathBuf,
};

use schemas::{
    Message, codec::MESSAGES, decode, encode, ledger::LedgerEntry, ledger::Seen, state::DetectState,
};

use super::samples;

/// The folder of the golden files.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Where a golden file's message goes.
pub(crate) trait Visitor {
    /// Called with each value and its file's name.
    fn visit<T: Message + PartialEq + Debug>(&mut self, file: String, value: &T);
}

/// Visits every golden message.
pub(crate) fn each(visitor: &mut impl Visitor) {
    pair(visitor, &samples::event(), &samples::empty_event());
    pair(visitor, &samples::enriched(), &samples::empty_enriched());
    pair(visitor, &samples::signal(), &samples::empty_signal());
    pair(visitor, &samples::finding(), &samples::empty_finding());
    pair(visitor, &samples::receipt(), &samples::empty_receipt());
    pair(visitor, &samples::gap(), &samples::empty_gap());
    pair(visitor, &samples::ledger_entry(), &LedgerEntry::default());
    pair(visitor, &samples::watermark(), &Default::default());
    pair(visitor, &samples::detect_state(), &DetectState::default());
    pair(visitor, &samples::seen(), &Seen::default());
}

fn pair<T: Message + PartialEq + Debug>(visitor: &mut impl Visitor, full: &T, minimal: &T) {
    visitor.visit(format!("{}.v1.bin", T::NAME), full);
    visitor.visit(format!("{}.v1.minimal.bin", T::NAME), minimal);
}

struct Compare(BTreeSet<String>);

impl Visitor for Compare {
    fn visit<T: Message + PartialEq + Debug>(&mut self, file: String, value: &T) {
        let path = folder().join(&file);
        let written = encode(value).unwrap();
        if !path.exists() && std::env::var_os("WEIR_WRITE_GOLDEN").is_some() {
            fs::write(&path, &written).unwrap();
        }
        let golden = fs::read(&path).unwrap_or_else(|error| panic!("{file}: {error}; see the header"));
        assert_eq!(written, golden, "{file}: other bytes than before");
        assert_eq!(&decode::<T>(&golden).unwrap(), value, "{file}: reads as another value");
        self.0.insert(file);
    }
}

#[test]
fn golden_bytes_are_written_and_read() {
    let mut compare = Compare(BTreeSet::new());
    each(&mut compare);
    let there: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, compare.0, "every file is compared");
}

/// A message is written with one byte of magic, its id in four, big-endian; ids are never shared.
#[test]
fn ids_are_fixed() {
    let table: BTreeMap<&str, u32> = MESSAGES.iter().map(|(id, name, _)| (*name, *id)).collect();
    let expected = [
        ("detect-state", 9),
        ("enriched", 2),
        ("event", 1),
        ("finding", 4),
        ("gap", 6),
        ("ledger-entry", 7),
        ("receipt", 5),
        ("seen", 10),
        ("signal", 3),
        ("watermark", 8),
    ];
    assert_eq!(table, expected.into());
    for (name, id) in expected {
        let golden = fs::read(folder().join(format!("{name}.v1.bin"))).unwrap();
        assert_eq!(golden[..5], [0, 0, 0, 0, u8::try_from(id).unwrap()], "{name}");
    }
}
