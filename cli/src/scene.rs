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
use simulator::entra::App;
use simulator::feed::FeedOptions;
use simulator::hec::HecOptions;
use simulator::ingestion::{CollectionRule, IngestionOptions};
use simulator::tenant::{Settings, Tenant};
use simulator::{Faults, Options, Server, Simulator};

/// The tenant's first midnight: a Monday.
pub(crate) const START: Micros = Micros(1_767_571_200_000_000);

const CLIENT: &str = "5e1f0b6a-0d0c-4b0e-9a52-7a1f6c3b2d10";
const CLIENT_SECRET: &str = "simulated~client~secret";
const HEC_TOKEN: &str = "0e57a1b2-5c3d-4e6f-8a90-1b2c3d4e5f60";
const DCR: &str = "dcr-00000000000000000000000000005157";
const ALERTS_STREAM: &str = "Custom-WeirAlerts";
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
    /// Where flow runs are exported to.
    pub(crate) exports: PathBuf,
    /// The configuration.
    pub(crate) config: PathBuf,
}

/// What a scene is made of.
#[derive(Debug)]
pub(crate) struct Play {
    /// Decides all that happens.
    pub(crate) seed: u64,
    /// Where the services listen.
    pub(crate) listen: SocketAddr,
    /// The services' time.
    pub(crate) clock: Clock,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// The sections `log` and, where time is not the machine's, `clock` of the configuration.
    pub(crate) head: String,
    /// Whether what the receivers accept is kept in the folder.
    pub(crate) keeps: bool,
}

impl Scene {
    /// Sets it up in `folder`, with what a scene before it left there.
    ///
    /// # Errors
    /// What the disk or the port says.
    pub(crate) async fn open(folder: &Path, play: Play) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let tenant = Arc::new(Tenant::new(play.seed, START, Settings::default()));
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
            ..Options::new(play.clock)
        })?;
        let server = Server::start(&simulator, play.listen).await?;
        let exports = folder.join("exports");
        fs::create_dir_all(&exports)?;
        let facts = tenant.facts(&folder.display().to_string());
        for (name, content) in facts.files {
            fs::write(folder.join(name), content)?;
        }
        server.ca().write(&folder.join("ca.pem"))?;
        private(&folder.join("client-secret"), CLIENT_SECRET)?;
        private(&folder.join("hec-token"), HEC_TOKEN)?;
        let config = folder.join("weir.yaml");
        let text = format!("{}{}{}", play.head, sections(folder, tenant.id(), &server.origin()), facts.yaml);
        fs::write(&config, text)?;
        Ok(Self { tenant, simulator, server, exports, config })
    }
}

/// A file for its owner only.
fn private(path: &Path, content: &str) -> anyhow::Result<()> {
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content.as_bytes())?;
    Ok(())
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
