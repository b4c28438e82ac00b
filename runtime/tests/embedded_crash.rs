//! Killed processes: a child writes to the embedded log, one line after each call, and is killed (SIGKILL) after each
//! of its lines, and at random moments in between. What it leaves: steps whole or absent, positions that equal the
//! records, and everything that was acknowledged.
//!
//! The child is this program again, told so by an environment variable. It waits for a line before each call, so that
//! the parent kills it *between* two calls; where it is killed at random, all of those lines are there from the start.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a trial fails by panicking, and says its seed"
)]

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use libtest_mimic::{Arguments, Trial};
use pipeline::{
    Incoming, Log, Logs as _, Next, Outgoing, Reader, Route, Step,
    log::{Batch, From, Lease, Limits, Member, Positions},
};
use runtime::embedded::{EmbeddedLog, EmbeddedOptions};
use schemas::{Offset, Partition, Topic, TopicPartition};

const FILE: &str = "WEIR_TEST_CRASH_FILE";
const INPUT: Topic = Topic::Event;
const COPIES: [Topic; 2] = [Topic::Enriched, Topic::Receipt];
/// Each step adds a record here that names the position it commits.
const NAMED: Topic = Topic::Gap;
const PARTITIONS: u32 = 2;
const RECORDS: u64 = 24;
const RANDOM_KILLS: usize = 20;

fn main() {
    if let Some(file) = std::env::var_os(FILE) {
        block_on(child(Path::new(&file)));
        return;
    }
    let trials = vec![
        Trial::test("embedded_crash::killed_between_any_two_calls", || {
            between_calls();
            Ok(())
        }),
        Trial::test("embedded_crash::killed_at_random_moments", || {
            at_random();
            Ok(())
        }),
    ];
    // One at a time: a child that is just being started would share the locks which the other trial holds.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit();
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn options(file: &Path) -> EmbeddedOptions {
    EmbeddedOptions { partitions: PARTITIONS, ..EmbeddedOptions::new(file) }
}

fn member(group: &str, topic: Topic) -> Member {
    let limits = Limits { records_max: 5, idle_after: Duration::from_millis(1), ..Limits::default() };
    Member { group: group.to_owned(), name: "one".to_owned(), topics: vec![topic], limits }
}

/// What the child does: feeds the input in two steps, copies it in steps of at most five, and leaves. Started again
/// over the same file it goes on where that file says.
async fn child(file: &Path) {
    let mut lines = std::io::stdin().lines();
    // Tells of one call, and waits to be let on.
    let mut told = |what: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{what}").expect("the parent listens");
        out.flush().expect("the parent listens");
        drop(out);
        lines.next();
    };
    let log = EmbeddedLog::open(&options(file)).expect("the file opens");
    told("opened".to_owned());
    let mut feeder = log.open(member("feeder", Topic::Seen)).await.expect("the feeder opens");
    told("feeder".to_owned());
    let Next::Assigned(assignment) = feeder.next().await.expect("the feeder goes on") else {
        panic!("no assignment")
    };
    let mut reader = log.reader().await.expect("a reader opens");
    told("assigned".to_owned());
    for part in 0..2 {
        let there = follow(reader.as_mut(), INPUT).await.len() as u64;
        let wanted = (part + 1) * RECORDS / 2;
        let records =
            (there..wanted).map(|n| exact(INPUT, u32::try_from(n % 2).expect("0 or 1"), &format!("{n:02}")));
        let step = Step { lease: assignment.lease, finished: Positions::new(), records: records.collect() };
        feeder.commit(step).await.expect("the feed is committed");
        told(format!("fed {}", wanted.max(there)));
    }
    let mut handle = log.open(member("copier", INPUT)).await.expect("the copier opens");
    told("copier".to_owned());
    loop {
        match handle.next().await.expect("the copier goes on") {
            Next::Batch(batch) => {
                told(format!("read {}", batch.records.len()));
                let positions = copy(handle.as_mut(), batch).await;
                told(positions);
            }
            Next::Assigned(_) | Next::Revoking { .. } | Next::Missed { .. } => told("assigned".to_owned()),
            Next::Idle => break,
        }
    }
    handle.leave().await.expect("the copier leaves");
    told("left".to_owned());
}

/// Commits copies of a batch; says which positions that made.
async fn copy(handle: &mut dyn Log, batch: Batch) -> String {
    let finished: Positions = batch.records.iter().map(|record| (record.at, record.offset.next())).collect();
    let place = |at: TopicPartition, to: Topic, text: &str| exact(to, at.partition.0, text);
    let mut records: Vec<Outgoing> = batch
        .records
        .iter()
        .flat_map(|record| COPIES.map(|to| place(record.at, to, &text(record))))
        .collect();
    records.extend(finished.iter().map(|(at, next)| place(*at, NAMED, &next.0.to_string())));
    let said =
        finished.iter().map(|(at, next)| format!(" {}={}", at.partition.0, next.0)).collect::<String>();
    handle.commit(Step { lease: batch.lease, finished, records }).await.expect("the step is committed");
    format!("committed{said}")
}

fn exact(topic: Topic, partition: u32, text: &str) -> Outgoing {
    Outgoing::keyed(topic, Vec::new(), text.as_bytes().to_vec()).to(Route::Exact(Partition(partition)))
}

fn text(record: &Incoming) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

async fn follow(reader: &mut dyn Reader, topic: Topic) -> Vec<Incoming> {
    let mut from = From::Start;
    let mut all = Vec::new();
    loop {
        let changes = reader.follow(topic, from).await.expect("the topic is followed");
        all.extend(changes.records);
        if changes.caught_up {
            return all;
        }
        from = From::At(changes.next);
    }
}

/// A child under way.
struct Run {
    child: Child,
    lines: BufReader<ChildStdout>,
    go_on: ChildStdin,
    /// What it has told.
    told: Vec<String>,
}

impl Run {
    fn start(file: &Path) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.env(FILE, file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the child starts");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        let go_on = child.stdin.take().expect("its input");
        Self { child, lines, go_on, told: Vec::new() }
    }

    /// The child's next line; false at its end.
    fn listen(&mut self) -> bool {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("the child's output");
        self.told.extend((read > 0).then(|| line.trim_end().to_owned()));
        read > 0
    }

    fn let_on(&mut self, calls: usize) {
        // A child that has died does not read; that shows elsewhere.
        self.go_on.write_all("\n".repeat(calls).as_bytes()).unwrap_or_default();
    }

    fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("the child is killed");
        self.child.wait().expect("the child is gone");
        // What it had said before counts as acknowledged too.
        while self.listen() {}
        self.told
    }

    /// Lets it do everything.
    fn finish(file: &Path) -> Vec<String> {
        let mut run = Self::start(file);
        run.let_on(1000);
        while run.listen() {}
        let status = run.child.wait().expect("the child ends");
        assert!(status.success(), "the child failed: {status}; it told {:?}", run.told);
        run.told
    }
}

fn between_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = Run::finish(&folder.path().join("undisturbed.db"));
    assert!(all.len() > 15, "{all:?}");
    for calls in 1..=all.len() {
        let file = folder.path().join(format!("{calls}.db"));
        let mut run = Run::start(&file);
        for call in 1..=calls {
            assert!(run.listen(), "the child ended before its call {call}");
            if call < calls {
                run.let_on(1);
            }
        }
        let told = run.kill();
        assert_eq!(told, all[..calls], "what it does is the same each time");
        check(&file, &told);
    }
}

fn at_random() {
    let seed = RandomState::new().hash_one(0);
    eprintln!("embedded_crash: seed {seed}");
    let mut state = seed | 1;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let folder = tempfile::tempdir().expect("a folder");
    for kill in 0..RANDOM_KILLS {
        let file = folder.path().join(format!("{kill}.db"));
        let mut run = Run::start(&file);
        run.let_on(1000);
        for _ in 0..random(18) {
            run.listen();
        }
        // Not at once after its line, but somewhere in the call that follows.
        for _ in 0..random(400_000) {
            std::hint::spin_loop();
        }
        check(&file, &run.kill());
    }
}

/// What a child that told this has left; and that another one brings it to its end.
fn check(file: &Path, told: &[String]) {
    block_on(holds(file, told));
    let rest = Run::finish(file);
    block_on(holds(file, &rest));
    assert_eq!(rest.last().map(String::as_str), Some("left"));
    let copied = block_on(state(file)).copied;
    let expected: Vec<String> = (0..RECORDS).map(|n| format!("{n:02}")).collect();
    for copies in copied {
        let mut all: Vec<String> = copies.into_values().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, expected, "each record was copied once");
    }
}

/// What is in the file.
struct State {
    input: BTreeMap<u32, Vec<String>>,
    copied: [BTreeMap<u32, Vec<String>>; 2],
    /// By partition, the positions that steps have named.
    named: BTreeMap<u32, Vec<String>>,
    /// The group's positions, as the next member is given them.
    positions: BTreeMap<u32, Offset>,
}

async fn state(file: &Path) -> State {
    let log = EmbeddedLog::open(&options(file)).expect("the file opens after a kill");
    let mut reader = log.reader().await.expect("a reader opens");
    let mut parts = Vec::new();
    for topic in [INPUT, COPIES[0], COPIES[1], NAMED] {
        let mut part: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for record in follow(reader.as_mut(), topic).await {
            part.entry(record.at.partition.0).or_default().push(text(&record));
        }
        parts.push(part);
    }
    let mut handle = log.open(member("copier", INPUT)).await.expect("the copier opens");
    let Next::Assigned(assignment) = handle.next().await.expect("the copier goes on") else {
        panic!("no assignment")
    };
    assert!(assignment.lease > Lease { generation: 0 });
    let positions = assignment.gained.into_iter().map(|(at, next)| (at.partition.0, next)).collect();
    let [input, first, second, named] = <[_; 4]>::try_from(parts).expect("four topics");
    State { input, copied: [first, second], named, positions }
}

async fn holds(file: &Path, told: &[String]) {
    let State { input, copied, named, positions } = state(file).await;
    assert_eq!(copied[0], copied[1], "a step is on both topics or on none");
    for (partition, position) in &positions {
        let count = usize::try_from(position.0).expect("a small number");
        let done = copied[0].get(partition).cloned().unwrap_or_default();
        let read = input.get(partition).cloned().unwrap_or_default();
        assert_eq!(done, read[..count], "the copies are the records before the position, in their order");
        let last = named.get(partition).and_then(|named| named.last().cloned());
        assert_eq!(
            last.unwrap_or("0".to_owned()),
            count.to_string(),
            "the position that the last step named"
        );
    }
    for line in told {
        let mut words = line.split(' ');
        match words.next() {
            Some("fed") => {
                let fed: usize = words.next().and_then(|word| word.parse().ok()).expect("how many were fed");
                assert!(input.values().map(Vec::len).sum::<usize>() >= fed, "{line}, but {input:?}");
            }
            Some("committed") => {
                for word in words {
                    let (partition, next) = word.split_once('=').expect("a position");
                    let partition: u32 = partition.parse().expect("a partition");
                    let next: u64 = next.parse().expect("an offset");
                    assert!(positions[&partition] >= Offset(next), "{line}, but the file says {positions:?}");
                }
            }
            _ => {}
        }
    }
}
