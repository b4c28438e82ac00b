//! `weir simulate`: a tenant and the receivers of findings on a port of this machine, until it is stopped.
//!
//! It writes the configuration that leads `weir run` to them, and to the same clock. What the receivers accept is on the disk
//! before they answer, and the tenant is built anew from its seed: whichever side is killed, nothing is lost.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use pipeline::{Clock, Scale};
use runtime::shutdown::Shutdown;
use schemas::Micros;
use schemas::time::SECOND;
use serde::{Deserialize, Serialize};
use simulator::Faults;
use simulator::outlet::STEP;

use crate::args::SimulateArgs;
use crate::exit::WrongConfig;
use crate::scene::{Play, START, Scene};
use crate::text;

/// How many seconds pass in one where nothing else is asked for.
const RATE: u32 = 3600;
/// What a folder remembers.
const PLAY: &str = "simulation.json";
/// How often the tenant is asked what has happened.
const EVERY: Duration = Duration::from_millis(20);
/// Content is made ready so much of the machine's time before it is created: longer than a busy machine holds this up.
const LEAD: i64 = 2 * SECOND;

/// What must be the same whenever the folder is used.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    seed: u64,
    since: i64,
    rate: u32,
    #[serde(default)]
    records_per_hour: u32,
    #[serde(default)]
    days: Option<u16>,
}

impl Begun {
    /// What is asked for now, and is not what the folder was begun with.
    fn differs(&self, args: &SimulateArgs) -> Vec<String> {
        let days = args.days.map(u64::from);
        let asked = [
            ("--seed", args.seed, Some(self.seed)),
            ("--rate", args.rate.map(u64::from), Some(self.rate.into())),
            ("--records-per-hour", args.records_per_hour.map(u64::from), Some(self.records_per_hour.into())),
            ("--days", days, self.days.map(u64::from)),
        ];
        let other = asked.into_iter().filter(|(_, asked, begun)| asked.is_some() && asked != begun);
        let told = |begun: Option<u64>| begun.map_or_else(|| "none".to_owned(), |begun| begun.to_string());
        other.map(|(name, _, begun)| format!("begun with {name} {}", told(begun))).collect()
    }
}

/// Simulates.
pub(crate) async fn simulate(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::listen()?;
    fs::create_dir_all(&args.folder).with_context(|| args.folder.display().to_string())?;
    let begun = begin(args)?;
    let scale = Scale { start: START, since: Micros(begun.since), rate: begun.rate };
    let clock = Clock::scaled(scale);
    let head = format!(
        "log: {{embedded: {{path: {:?}}}}}\nclock: {{start: {START}, since: {}, rate: {}}}\n",
        args.folder.join("weir.db").display().to_string(),
        scale.since,
        scale.rate,
    );
    let faults = Faults::default();
    let lead = i64::from(begun.rate).saturating_mul(LEAD).max(STEP);
    let play = Play {
        seed: begun.seed,
        records_per_hour: begun.records_per_hour,
        days: begun.days,
        listen: args.listen,
        clock: clock.clone(),
        faults,
        head,
        lead,
        keeps: true,
    };
    let (scene, mut outlet) = Scene::open(&args.folder, play).await?;
    text::print(&format!(
        "tenant {} (seed {}) at {}, {} seconds in one; it is {}\nnow, elsewhere: weir run -c {}\n",
        scene.tenant.domain(),
        begun.seed,
        scene.server.origin(),
        begun.rate,
        clock.now(),
        scene.config.display(),
    ))?;
    let machine = Clock::machine();
    let mut goes_on = true;
    while !shutdown.token().is_cancelled() {
        let now = clock.now();
        let until = |time: Micros| scene.over.map_or(time, |over| time.min(over));
        outlet.advance_ahead(until(now), until(now.plus(lead)))?;
        if goes_on && scene.over.is_some_and(|over| over <= now) {
            goes_on = false;
            text::print("it is over: nothing more happens in the tenant; the receivers go on\n")?;
        }
        // Biased: a stop must not wait for the next look.
        tokio::select! {
            biased;
            () = shutdown.token().cancelled() => {}
            () = machine.sleep(EVERY) => {}
        }
    }
    scene.server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// What the folder remembers, or what it shall remember from now on.
fn begin(args: &SimulateArgs) -> anyhow::Result<Begun> {
    let path = args.folder.join(PLAY);
    if path.exists() {
        let begun = read(&path)?;
        let problems = begun.differs(args);
        let told = |problem: &String| format!("{}: {problem}; take another folder", path.display());
        return if problems.is_empty() {
            Ok(begun)
        } else {
            Err(WrongConfig(problems.iter().map(told).collect()).into())
        };
    }
    let begun = Begun {
        seed: args.seed.unwrap_or(1),
        since: Clock::machine().now().0,
        rate: args.rate.unwrap_or(RATE),
        records_per_hour: args.records_per_hour.unwrap_or_default(),
        days: args.days,
    };
    // Whole or not at all: the folder must not remember half of it.
    let fresh = args.folder.join("simulation.json.new");
    fs::write(&fresh, serde_json::to_vec(&begun)?)
        .and_then(|()| fs::rename(&fresh, &path))
        .with_context(|| path.display().to_string())?;
    Ok(begun)
}

fn read(path: &Path) -> anyhow::Result<Begun> {
    let shown = || path.display().to_string();
    let bytes = fs::read(path).with_context(shown)?;
    serde_json::from_slice(&bytes).with_context(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_on_with_what_it_was_begun_with_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let args = |seed, days| SimulateArgs {
            folder: folder.path().to_owned(),
            seed,
            listen: ([127, 0, 0, 1], 0).into(),
            rate: None,
            records_per_hour: None,
            days,
        };
        let begun = begin(&args(Some(7), None)).unwrap();
        assert_eq!((begun.seed, begun.rate, begun.days), (7, RATE, None));
        let again = begin(&args(None, None)).unwrap();
        assert_eq!((again.seed, again.since), (7, begun.since));
        let error = begin(&args(Some(8), Some(3))).unwrap_err().to_string();
        assert!(error.contains("begun with --seed 7") && error.contains("begun with --days none"), "{error}");
    }
}
