//! The records of the corpus, ordered, repeated and split over files as a case of the law has them.

use std::path::{Path, PathBuf};

use crate::law::Case;
use crate::six::six;

/// The records of README's command.
pub(crate) fn corpus() -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    for path in six() {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        lines.extend(text.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// Writes the records as the case has them.
pub(crate) fn arrange(corpus: &[String], case: &Case, folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut lines: Vec<&str> = corpus.iter().map(String::as_str).collect();
    if let Some(seed) = case.double {
        let mut order: Vec<usize> = (0..corpus.len()).collect();
        Choice(seed).shuffle(&mut order);
        lines.extend(order.iter().take(corpus.len() * 2 / 5).map(|at| corpus[*at].as_str()));
    }
    if let Some(seed) = case.shuffle {
        Choice(seed).shuffle(&mut lines);
    }
    let mut files = vec![String::new(); usize::try_from(case.files).unwrap_or(1)];
    let mut choice = Choice(case.shuffle.unwrap_or_default() ^ case.files);
    for line in lines {
        let file = &mut files[choice.below(case.files)];
        file.push_str(line);
        file.push('\n');
    }
    let mut paths = Vec::new();
    for (number, text) in files.iter().enumerate() {
        let path = folder.join(format!("{number}.jsonl"));
        std::fs::write(&path, text)?;
        paths.push(path);
    }
    Ok(paths)
}

/// Choices that follow from a seed alone: SplitMix64 (Steele, Lea, Flood 2014).
struct Choice(u64);

impl Choice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> usize {
        usize::try_from(self.next() % end.max(1)).unwrap_or_default()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1));
        }
    }
}
