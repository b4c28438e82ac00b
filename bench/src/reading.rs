//! `bench read FILES…`: reading and decoding alone, without ids, rules or a log, and the most memory that took.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ingest::decode::Origin;
use ingest::portion::What;
use ingest::sources::files::{self, Job};
use pipeline::Clock;
use tokio::sync::mpsc;

use crate::measure::{Outcome, cpu_us};

/// A portion's size, as a source has it by default.
const RECORDS_MAX: usize = 4096;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads the files to their ends and prints what there was.
pub(crate) fn run(paths: Vec<PathBuf>, out: &mut impl Write) -> Outcome {
    let origin = Origin { source: "bench".to_owned(), tenant: None, environment: None };
    let mut size = 0;
    for path in &paths {
        size += std::fs::metadata(path)?.len();
    }
    let files = paths.into_iter().map(|path| (path, None)).collect();
    let job = Job { files, origin, progress: Arc::default(), records_max: RECORDS_MAX, bytes_max: BYTES_MAX };
    let clock = Clock::machine();
    let (start, cpu) = (clock.now().0, cpu_us());
    let (sender, mut portions) = mpsc::channel(1);
    let (mut events, mut others) = (0_u64, 0_u64);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let sender = sender;
            files::read(&job, &sender);
        });
        while let Some(portion) = portions.blocking_recv() {
            for found in portion.parts.iter().flat_map(|part| &part.found) {
                match found.what {
                    What::Event(_) => events += 1,
                    What::Skip(_) | What::Reject { .. } => others += 1,
                }
            }
        }
    });
    let wall = Duration::from_micros(u64::try_from(clock.now().0 - start)?).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "files and counts stay far below 2^53")]
    let (megabytes, records) = (size as f64 / 1e6, (events + others) as f64);
    writeln!(out, "read and decoded {megabytes:.0} MB: {events} events, {others} others")?;
    writeln!(out, "{:.0} records/s, {:.1} MB/s", records / wall, megabytes / wall)?;
    writeln!(out, "{:.1} CPU µs a record, peak {}", (cpu_us() - cpu) / records, peak()?)?;
    Ok(())
}

/// The most memory that the process has had.
fn peak() -> std::io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.unwrap_or("unknown").trim().to_owned())
}
