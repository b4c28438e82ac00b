//! Processes and brokers that die: a child is killed between every two calls of a script, and in the middle of its
//! commits; a broker is stopped and started under a member's feet.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::FutureExt as _;
use libtest_mimic::{Failed, Trial};
use pipeline::Logs as _;
use runtime::kafka::{KafkaConfig, KafkaLogs, TopicPlan};
use schemas::Offset;

use crate::{
    broker::{self, Broker, Kafka},
    hand::{Hand, INPUT, OUTPUT, feed, numbers, seen},
};

/// Says to this test binary that it is the child: the broker, the prefix, and whether it is a static member.
const CHILD: &str = "WEIR_KAFKA_TEST_CHILD";

/// What the child says before it goes on. It waits for an answer, except where it is to be killed in the middle.
const SCRIPT: [(&str, bool); 10] = [
    ("opening", true),
    ("opened", true),
    ("assigned", true),
    ("got a batch", true),
    ("committing", false),
    ("committed", true),
    ("got another", true),
    ("committing again", false),
    ("committed again", true),
    ("left", true),
];

pub(crate) fn trials(address: &str) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (place, (said, _)) in SCRIPT.iter().enumerate() {
        let address = address.to_owned();
        let name = format!("kafka::a_process_killed_when_{}_leaves_whole_steps", said.replace(' ', "_"));
        trials.push(Trial::test(name, move || {
            broker::run(&Broker::new(&address), move |broker| killed(broker, place).boxed())
        }));
    }
    let sessions = [("finds_its_members_waiting", 60), ("lets_members_back_that_it_gave_up", 2)];
    trials.extend(sessions.map(|(name, secs)| {
        let name = format!("kafka::a_broker_that_comes_back_{name}");
        Trial::test(name, move || restarted(Duration::from_secs(secs)))
    }));
    trials
}

/// The script, if this process is a child.
pub(crate) fn asked() -> Option<String> {
    std::env::var(CHILD).ok()
}

fn child_config(address: &str, prefix: &str, is_static: bool) -> KafkaConfig {
    // A dynamic member's death is found out after its session: the broker's shortest. A static member is replaced at
    // once.
    let session_timeout = if is_static { Duration::from_secs(60) } else { Duration::from_secs(1) };
    KafkaConfig { static_membership: is_static, session_timeout, ..broker::config(address, prefix) }
}

/// Copies two batches of five from the input to the output, and leaves.
pub(crate) fn child(asked: &str) -> ExitCode {
    let words: Vec<&str> = asked.split(' ').collect();
    let [address, prefix, membership] = words.as_slice() else { return ExitCode::FAILURE };
    let config = child_config(address, prefix, *membership == "static");
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
    else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(async {
        let logs = KafkaLogs::new(config).expect("the settings are sound");
        say(0);
        let mut hand =
            Hand::new(logs.open(crate::hand::member("group", "one", &[INPUT], 5)).await.expect("it opens"));
        say(1);
        hand.hold().await;
        say(2);
        for round in 0..2 {
            let batch = hand.batch().await;
            say(3 + 3 * round);
            let step = hand.copying(&batch);
            say(4 + 3 * round);
            hand.log.commit(step).await.expect("it is committed");
            say(5 + 3 * round);
        }
        hand.log.leave().await.expect("it leaves");
        say(9);
    });
    ExitCode::SUCCESS
}

/// Says where the script is, and waits to be told to go on.
fn say(place: usize) {
    let (text, waits) = SCRIPT[place];
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).expect("the parent listens");
    if waits {
        std::io::stdin().read_line(&mut String::new()).expect("the parent answers");
    }
}

/// Kills the child at this place of its script. Its steps are there whole, with their positions, or not at all; those it
/// had reported are there; its successor does the rest, once.
async fn killed(broker: Broker, place: usize) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..10)).await;
    let membership = if place.is_multiple_of(2) { "dynamic" } else { "static" };
    let (address, prefix) = (broker.address.clone(), kafka.prefix.clone());
    tokio::task::spawn_blocking(move || kill_at(&address, &prefix, membership, place))
        .await
        .expect("it is killed");

    let reported: u32 =
        SCRIPT[..=place].iter().map(|(said, _)| u32::from(said.starts_with("committed")) * 5).sum();
    let most = if SCRIPT[place].0.starts_with("committing") { reported + 5 } else { reported };
    let logs =
        KafkaLogs::new(child_config(&broker.address, &kafka.prefix, membership == "static")).expect("sound");
    let mut successor = Hand::assigned(&logs, "group", "one").await;
    let done = seen(&logs, OUTPUT).await;
    let whole = [reported, most].into_iter().find(|count| done == numbers(0..*count));
    let whole = whole.unwrap_or_else(|| panic!("{done:?} is neither {reported} nor {most} records"));
    // The input is one transaction: its offsets are the records' numbers.
    assert_eq!(successor.position(), Offset(u64::from(whole)), "positions and records go together");
    successor.copy_all().await;
    assert_eq!(seen(&logs, OUTPUT).await, numbers(0..10));
    successor.log.leave().await.expect("it leaves");
}

fn kill_at(address: &str, prefix: &str, membership: &str, place: usize) {
    let binary = std::env::current_exe().expect("the test binary");
    let mut child = Command::new(binary)
        .env(CHILD, format!("{address} {prefix} {membership}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it speaks")).lines();
    for (text, waits) in &SCRIPT[..=place] {
        let said = lines.next().and_then(Result::ok);
        if said.as_deref() != Some(*text) {
            reap(child);
            panic!("the child said {said:?} instead of {text:?}");
        }
        if *text != SCRIPT[place].0 && *waits {
            writeln!(child.stdin.as_mut().expect("it listens")).expect("it is told to go on");
        }
    }
    reap(child);
}

fn reap(mut child: Child) {
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
}

/// A broker of its own goes away while a member commits, and comes back with what it had.
fn restarted(session: Duration) -> Result<(), Failed> {
    let address = format!("127.0.0.1:{}", quiet_port()?);
    if let Err(why) = script(&address, &["start"]) {
        println!("kafka::a_broker_that_comes_back skipped: no broker of its own could be started ({why})");
        return Ok(());
    }
    let stop = StopScript(address.clone());
    let outcome = broker::run(&Broker::new(&address), move |broker| {
        async move {
            let mut kafka = Kafka::open(&broker.address, &broker::fresh_prefix());
            let config =
                KafkaConfig { session_timeout: session, ..broker::config(&kafka.address, &kafka.prefix) };
            kafka.logs = Arc::new(KafkaLogs::new(config).expect("the settings are sound"));
            kafka.logs.apply_topics(&TopicPlan::all(1)).await.expect("topics are made");
            feed(kafka.logs.as_ref(), &numbers(0..60)).await;
            let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
            let first = hand.batch().await;
            let step = hand.copying(&first);
            hand.log.commit(step).await.expect("it is committed");
            let second = hand.batch().await;
            let step = hand.copying(&second);
            let address = broker.address.clone();
            let restart = tokio::task::spawn_blocking(move || {
                script(&address, &["stop", "--keep"]).and_then(|()| script(&address, &["start"]))
            });
            // Either answer is right, but it is an answer: a group that was away too long has given the partition up.
            match hand.log.commit(step).await {
                Ok(()) | Err(pipeline::LogError::Lost(_)) => {}
                Err(error) => panic!("{error}"),
            }
            hand.copy_all().await;
            restart.await.expect("it is restarted").expect("it is restarted");
            hand.copy_all().await;
            assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..60));
        }
        .boxed()
    });
    drop(stop);
    outcome
}

static PORTS: AtomicU32 = AtomicU32::new(0);

/// A free port below those that outgoing connections are given: while the broker is away nobody else may come to sit on
/// it. Never the same twice in a process.
fn quiet_port() -> Result<u16, Failed> {
    let first = 20_000 + std::process::id() % 9_000;
    for _ in 0..200 {
        let port = u16::try_from(first + 3 * PORTS.fetch_add(1, Ordering::Relaxed))?;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Failed::from("no port is free"))
}

struct StopScript(String);

impl Drop for StopScript {
    fn drop(&mut self) {
        drop(script(&self.0, &["stop"]));
    }
}

/// Runs `.ci/kafka` for the broker at `address`.
fn script(address: &str, words: &[&str]) -> Result<(), String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.ci/kafka");
    let run = Command::new(script).args(words).env("WEIR_KAFKA", address).stdin(Stdio::null()).output();
    let run = run.map_err(|error| error.to_string())?;
    if run.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&run.stderr).into_owned()) }
}
