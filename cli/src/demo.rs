//! `weir demo`: a simulated tenant polled, its events judged, the findings delivered to a Splunk and a Sentinel, and at the
//! end everything held against everything: what happened against what arrived, what was planted against what was found,
//! what was found against what the receivers hold.
//!
//! The workers are those of `weir run`, by a configuration like any other; what is simulated answers over TLS on a port of
//! this machine. One virtual clock moves the tenant, the services and the workers through three weeks and the day of the
//! attack. The log is in memory: nothing outlives the demo.

use std::process::ExitCode;
use std::sync::Arc;

use enrich::Lookups;
use pipeline::Clock;
use pipeline::worker::Control;
use runtime::shutdown::Shutdown;
use schemas::Topic;
use schemas::time::{DAY, HOUR};
use simulator::faults::ContentFaults;
use simulator::{Fault, FaultRule, Faults, Part, Route, When};
use tokio_util::sync::CancellationToken;

use crate::args::DemoArgs;
use crate::config::Config;
use crate::flow::{self, Head, Seat, Surroundings};
use crate::progress::Screen;
use crate::scene::{Play, START, Scene};
use crate::{exit, head, stages, text};

mod closing;
mod conductor;
mod live;
mod receivers;
mod verdict;
mod witness;

use conductor::Conductor;
use live::Live;
use witness::{Witness, Witnessed};

/// Three weeks of ordinary days come before the day of the attack.
const DAY_OF_ATTACK: i64 = 21;
const DAYS: i64 = DAY_OF_ATTACK + 1;
const WITNESS: &str = "weir.demo";
/// When Splunk goes away on the day of the attack, and for how long: while findings come.
const SPLUNK_AWAY: (i64, i64) = (5 * HOUR, 10 * HOUR);
/// Before the day of the attack one blob in so many is gone when it is asked for, so that a loss is to be seen.
const GONE_ONE_IN: u64 = 2000;

/// Lives through it, and says how it went: exit code 1 where something was missed, or said without reason.
pub(crate) async fn demo(args: &DemoArgs, screen: &Screen) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::listen()?;
    let folder = tempfile::tempdir()?;
    let clock = Clock::manual(START);
    let stop = shutdown.token().child_token();
    let listen = ([127, 0, 0, 1], 0).into();
    let head = "log: {memory: {partitions: 4}}\n".to_owned();
    let play = Play {
        seed: args.seed,
        records_per_hour: 0,
        days: None,
        lead: 0,
        listen,
        clock: clock.clone(),
        faults: faults(args.seed),
        head,
        keeps: false,
    };
    let (scene, outlet) = Scene::open(folder.path(), play).await?;
    let live = Arc::new(Live::new(screen.bar(), scene.simulator.clone(), DAYS, args.follow));
    live.say(&opening(args.seed, &scene));

    let config = Config::read_whole(&scene.config)?;
    let witnessed = Witnessed::default();
    let around = Surroundings {
        logs: config.log.open(clock.clone(), readers(&config))?,
        member: "0".to_owned(),
        limits: config.limits,
        clock: clock.clone(),
        stop: stop.clone(),
    };
    let witness = Witness { witnessed: witnessed.clone(), live: Arc::clone(&live) };
    let mut last = stages::sinks(&around, &config.sinks)?;
    last.push(witness_seat(witness));
    let levels = vec![
        vec![stages::enrich(Arc::new(Lookups::new(config.enrich)))],
        stages::matching(&around, Arc::clone(&config.rules)).await?.into_iter().collect(),
        vec![stages::correlate(&around, config.rules)],
        last,
    ];
    let (all_read, flowed) = (CancellationToken::new(), CancellationToken::new());
    let sources = config.sources.into_iter().map(|source| (source, Arc::default())).collect();
    let head = until(all_read.clone(), head::ingest(&around, sources));

    let conductor = Conductor { clock, scene: &scene, outlet, live: &live };
    let moving = async {
        let told = conductor.live(&witnessed, &all_read, &flowed).await;
        if told.is_err() {
            // Nobody moves the clock any more: whoever waits for it would wait for ever.
            stop.cancel();
        }
        told
    };
    let flowing = async {
        let done = flow::run(&around, head, levels).await;
        // Whatever ended the flow, time need not go on.
        flowed.cancel();
        done
    };
    let (told, done) = tokio::join!(moving, flowing);
    live.finish();
    let (told, done) = (told?, done?);
    if shutdown.token().is_cancelled() {
        return Err(exit::Stopped.into());
    }
    let seen = witnessed.lock();
    let (closing, is_right) = closing::closing(&scene, &told, &done, &seen);
    text::print(&closing)?;
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a newcomer should know before anything moves.
fn opening(seed: u64, scene: &Scene) -> String {
    let (people, flows) = scene.tenant.size();
    format!(
        "tenant {} (seed {seed}): {people} people, {flows} flows, {DAYS} days; on the last of them somebody does harm\n\
         simulated at {}: Microsoft 365's audit feed, Splunk, Sentinel; flow runs come as exported files",
        scene.tenant.domain(),
        scene.server.origin(),
    )
}

/// Every group of the flow, and the witness's.
fn readers(config: &Config) -> Vec<(String, Vec<Topic>)> {
    let mut readers = config.readers();
    readers.push((WITNESS.to_owned(), watched()));
    readers
}

fn watched() -> Vec<Topic> {
    [Topic::Event, Topic::Enriched, Topic::Signal].into_iter().chain(Topic::findings()).collect()
}

fn witness_seat(witness: Witness) -> Seat {
    Seat {
        title: "witness".to_owned(),
        group: WITNESS.to_owned(),
        replica: 0,
        topics: watched(),
        stage: Box::new(witness),
    }
}

/// The head, told to stop once `enough`: a feed has no end of its own.
fn until<T: 'static>(enough: CancellationToken, head: Head<T>) -> Head<T> {
    Box::new(move |control| {
        Box::pin(async move {
            let stop = control.stop.child_token();
            let mut reading = head(Control { stop: stop.clone(), ..control });
            // Biased: what has ended needs no stop.
            tokio::select! {
                biased;
                read = &mut reading => return read,
                () = enough.cancelled() => stop.cancel(),
            }
            reading.await
        })
    })
}

/// What goes wrong all the time, at a rate that a real tenant would know.
fn faults(seed: u64) -> Faults {
    let feed = |when, fault| FaultRule::route(Part::Feed, Route::Blob, when, fault);
    let away = START.plus(DAY_OF_ATTACK * DAY + SPLUNK_AWAY.0);
    Faults {
        seed,
        rules: vec![
            feed(When::OneIn(200), Fault::Internal),
            feed(When::OneIn(300), Fault::Cut),
            FaultRule::part(Part::Feed, When::OneIn(500), Fault::Throttled(429)),
            FaultRule::part(Part::Hec, When::Between(away, away.plus(SPLUNK_AWAY.1)), Fault::Refuse),
        ],
        content: ContentFaults {
            duplicate_one_in: 40,
            duplicate_after: 6 * HOUR,
            late_one_in: 60,
            late_by: 2 * HOUR,
            expired_one_in: GONE_ONE_IN,
            permute: true,
        },
    }
}
