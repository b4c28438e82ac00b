//! A simulated tenant with its receivers on a port of this machine, and the configuration that leads `weir run` to it.
//!
//! Everything lies in one folder: the CA, the secrets (of this simulation, good for nothing else), the operator's facts,
//! the export folder of flow runs, what the receivers accepted, and `weir.yaml`. `weir demo` and `weir simulate` share it.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use pipeline::Clock;
use schemas::Micros;
use schemas::time::{DAY, HOUR};
use simulator::entra::App;
use simulator::feed::FeedOptions;
use simulator::hec::HecOptions;
use simulator::ingestion::{CollectionRule, IngestionOptions};
use simulator::outlet::Outlet;
use simulator::tenant::{DELAY_MAX, Settings, Tenant};
use simulator::{Faults, Options, Server, Simulator};

/// The tenant's first midnight: a Monday.
pub(crate) const START: Micros = Micros(1_767_571_200_000_000);

const CLIENT: &str = "5e1f0b6a-0d0c-4b0e-9a52-7a1f6c3b2d10";
const CLIENT_SECRET: &str = "simulated~client~secret";
const HEC_TOKEN: &str = "0e57a1b2-5c3d-4e6f-8a90-1b2c3d4e5f60";
const DCR: &str = "dcr-00000000000000000000000000005157";
const ALERTS_STREAM: &str = "Custom-WeirAlerts";
/// Who may read a file: everybody, or its owner only.
const ANYBODY: u32 = 0o644;
const OWNER: u32 = 0o600;
/// Older content cannot be asked for any more.
const KEPT: i64 = 8 * DAY;
/// Where the rich table's rows go.
pub(crate) const FINDINGS_STREAM: &str = "Custom-WeirFindings";

/// What stands where.
#[derive(Debug)]
pub(crate) struct Scene {
    /// The tenant.
    pub(crate) tenant: Arc<Tenant>,
    /// The services.
    pub(crate) simulator: Simulator,
    /// Where they listen.
    pub(crate) server: Server,
    /// The configuration.
    pub(crate) config: PathBuf,
    /// When nothing more happens, where the tenant has an end.
    pub(crate) over: Option<Micros>,
}

/// What a scene is made of.
#[derive(Debug)]
pub(crate) struct Play {
    /// Decides all that happens.
    pub(crate) seed: u64,
    /// At least so many audit records an hour.
    pub(crate) records_per_hour: u32,
    /// The attack is on the last of so many days; after three weeks where none are given.
    pub(crate) days: Option<u16>,
    /// Where the services listen.
    pub(crate) listen: SocketAddr,
    /// The services' time.
    pub(crate) clock: Clock,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// The sections `log` and, where time is not the machine's, `clock` of the configuration.
    pub(crate) head: String,
    /// How far ahead of its creation content is made ready, so that it is there when it should be, however busy the machine.
    pub(crate) lead: i64,
    /// Whether what the receivers accept is kept in the folder. The subscriptions are there from the first midnight on then:
    /// `weir run` may come later.
    pub(crate) keeps: bool,
}

impl Scene {
    /// Sets it up in `folder`, with what a scene before it left there. What the tenant has told up to now can be listed
    /// from the first request on.
    ///
    /// # Errors
    /// What the disk or the port says.
    pub(crate) async fn open(folder: &Path, play: Play) -> anyhow::Result<(Self, Outlet)> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let tenant = Arc::new(Tenant::new(play.seed, START, settings(&play)));
        let simulator = Simulator::open(Options {
            seed: play.seed,
            apps: vec![App::with_secret(tenant.id(), CLIENT, CLIENT_SECRET)],
            feed: FeedOptions::of(tenant.id()),
            hec: HecOptions::of(HEC_TOKEN),
            ingestion: IngestionOptions {
                rules: vec![CollectionRule::of(DCR, &[ALERTS_STREAM, FINDINGS_STREAM])],
                ..IngestionOptions::default()
            },
            faults: play.faults,
            folder: play.keeps.then(|| folder.to_owned()),
            ..Options::new(play.clock.clone())
        })?;
        let exports = folder.join("exports");
        let now = play.clock.now();
        let from = now.plus(-KEPT).max(START);
        let mut outlet = Outlet::new(Arc::clone(&tenant), from, simulator.clone(), &exports)?;
        let over = play.days.and_then(|_| tenant.attack()).map(|(_, ends)| ends.plus(DELAY_MAX + HOUR));
        let until = |time: Micros| over.map_or(time, |over| time.min(over));
        // Whoever lists a moment before its content is there takes it for empty, and comes back to it hours later.
        outlet.advance_ahead(until(now), until(now.plus(play.lead)))?;
        if play.keeps {
            simulator.subscribe_all(tenant.id(), START);
        }
        let server = Server::start(&simulator, play.listen).await?;
        let facts = tenant.facts(&folder.display().to_string());
        for (name, content) in facts.files {
            whole(&folder.join(name), &content, ANYBODY)?;
        }
        whole(&folder.join("ca.pem"), server.ca().pem(), ANYBODY)?;
        whole(&folder.join("client-secret"), CLIENT_SECRET, OWNER)?;
        whole(&folder.join("hec-token"), HEC_TOKEN, OWNER)?;
        let config = folder.join("weir.yaml");
        let text = format!("{}{}{}", play.head, sections(folder, tenant.id(), &server.origin()), facts.yaml);
        whole(&config, &text, ANYBODY)?;
        Ok((Self { tenant, simulator, server, config, over }, outlet))
    }
}

/// How the tenant lives.
fn settings(play: &Play) -> Settings {
    let usual = Settings::default();
    let attack_day = play.days.map_or(usual.attack_day, |days| Some(days.saturating_sub(1)));
    Settings { attack_day, records_per_hour_least: play.records_per_hour }
}

/// Writes a file whole or not at all: `weir run` may be reading it, and a scene that is killed leaves no half of it.
fn whole(path: &Path, content: &str, mode: u32) -> anyhow::Result<()> {
    let fresh = path.with_added_extension("new");
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let written = options.open(&fresh).and_then(|mut file| file.write_all(content.as_bytes()));
    written.and_then(|()| fs::rename(&fresh, path)).with_context(|| path.display().to_string())
}

/// Sources and sinks: those of a real tenant differ in the addresses only, and in being asked once a minute.
fn sections(folder: &Path, tenant: &str, origin: &str) -> String {
    let file = |name: &str| format!("{:?}", folder.join(name).display().to_string());
    let (ca, secret, token) = (file("ca.pem"), file("client-secret"), file("hec-token"));
    let exports = file("exports");
    format!(
        "sources:
  - name: audit
    kind: management-api
    tenant: {tenant}
    api: {origin}
    entra: {{authority: {origin}, client_id: {CLIENT}, client_secret: {{file: {secret}}}}}
    http: {{ca_file: {ca}}}
    start: 72h
    poll_interval_s: 300
    overlap_interval_s: 21600
    subscription_interval_s: 21600
  - name: flow-runs
    kind: files
    paths: [{exports}]
    tenant: {tenant}
    watch: {{every_s: 21600}}
sinks:
  - {{name: splunk, kind: splunk_hec, url: {origin}, token: {{file: {token}}}, http: {{ca_file: {ca}}}}}
  - name: sentinel
    kind: sentinel
    endpoint: {origin}
    dcr: {DCR}
    streams: {{alerts: {alerts}, findings: {findings}}}
    scope: {origin}/.default
    entra: {{authority: {origin}, tenant: {tenant}, client_id: {CLIENT}, client_secret: {{file: {secret}}}}}
    http: {{ca_file: {ca}}}
",
        alerts = ALERTS_STREAM,
        findings = FINDINGS_STREAM,
    )
}
