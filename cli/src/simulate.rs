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
use schemas::time::DAY;
use serde::{Deserialize, Serialize};
use simulator::Faults;
use simulator::outlet::Outlet;

use crate::args::SimulateArgs;
use crate::scene::{Play, START, Scene};
use crate::text;

/// What a folder remembers.
const PLAY: &str = "simulation.json";
/// How often the tenant is asked what has happened.
const EVERY: Duration = Duration::from_millis(20);
/// Older content cannot be asked for any more.
const KEPT: i64 = 8 * DAY;

/// What must be the same whenever the folder is used.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    seed: u64,
    since: i64,
    rate: u32,
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
    let play =
        Play { seed: begun.seed, listen: args.listen, clock: clock.clone(), faults, head, keeps: true };
    let scene = Scene::open(&args.folder, play).await?;
    let from = clock.now().plus(-KEPT).max(START);
    let mut outlet =
        Outlet::new(std::sync::Arc::clone(&scene.tenant), from, scene.simulator.clone(), &scene.exports)?;
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
    while !shutdown.token().is_cancelled() {
        outlet.advance(clock.now())?;
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
        return read(&path);
    }
    let begun = Begun { seed: args.seed, since: Clock::machine().now().0, rate: args.rate };
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
