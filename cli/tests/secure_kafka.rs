//! Workers on a real broker that lets nobody in without a name: each does its work with its own rights and no others,
//! and says which one it lacks when one is taken away; a broker that is the wrong one, or that must not be trusted, or
//! that refuses us, is named in one line.
//!
//! Needs `WEIR_KAFKA_SECURE=host:port` (`WEIR_KAFKA=host:port .ci/kafka start --secure`).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails so"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline::Clock;

#[path = "support/process.rs"]
mod process;
#[path = "support/secure.rs"]
mod secure;

use process::{Ended, Process};
use secure::{Broker, Right};

/// Nothing here takes longer, on a machine that does other things too.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// Past the test harness, which keeps what a test prints to itself.
fn say(text: &str) {
    std::io::stderr().lock().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// A folder with configurations that differ in who they are.
struct Scene {
    broker: Broker,
    folder: tempfile::TempDir,
    prefix: String,
}

/// The one line that says why a command ended; of its threads, another may log after that.
fn why(log: &str) -> &str {
    log.lines().find(|line| line.starts_with("weir: ")).unwrap_or_default()
}

impl Scene {
    fn new(test: &str) -> Option<Self> {
        let Some(broker) = Broker::named() else {
            say(&format!("{test}: skipped, because WEIR_KAFKA_SECURE names no broker"));
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        process::program(folder.path());
        let prefix = format!("secure-{:x}-{}.", Clock::machine().now().0, std::process::id());
        std::fs::create_dir(folder.path().join("exports")).unwrap();
        Some(Self { broker, folder, prefix })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration with this beginning of `log.kafka`; its path.
    fn configure(&self, name: &str, bootstrap: &str, kafka: &str) -> PathBuf {
        let text = format!(
            "log:
  kafka:
    bootstrap: {bootstrap}
    prefix: {}
    partitions: 1
    session_timeout: 6s
    secrets_folder: {}
{kafka}
sources: [{{name: exports, kind: files, paths: [{}]}}]
sinks: [{{name: archive, kind: jsonl, path: {}}}]
admin: {{listen: 'off'}}
",
            self.prefix,
            self.broker.tls().display(),
            self.path("exports").display(),
            self.path("findings.jsonl").display(),
        );
        let path = self.path(&format!("{name}.yaml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// As the user of that name, by SCRAM.
    fn scram(&self, user: &str) -> PathBuf {
        let kafka = self.login(user, &format!("{user}.password"), "ca.pem", "SCRAM-SHA-512");
        self.configure(user, &self.broker.address(), &kafka)
    }

    fn login(&self, user: &str, password: &str, ca: &str, mechanism: &str) -> String {
        format!(
            "    password: {{file: {}}}
    settings:
      security.protocol: sasl_ssl
      sasl.mechanism: {mechanism}
      sasl.username: {user}
      ssl.ca.location: {}",
            self.broker.file(password),
            self.broker.file(ca)
        )
    }

    fn start(&self, words: &[&str], config: &Path, log: &Path) -> Process {
        Process::start(&self.path("weir"), &[words, &["-c", config.to_str().unwrap()]].concat(), log)
    }

    /// Runs to its end; what it printed, and why it ended.
    fn run(&self, words: &[&str], config: &Path) -> (Ended, String) {
        let log = config.with_extension("log");
        std::fs::write(&log, "").unwrap();
        let mut process = self.start(words, config, &log);
        let ended = process.ends_within(ENDS_WITHIN);
        let text = std::fs::read_to_string(&log).unwrap();
        let ended = ended.unwrap_or_else(|| panic!("{words:?} waits in silence: {text}"));
        (ended, why(&text).to_owned())
    }

    /// The same, and it must go well.
    fn does(&self, words: &[&str], config: &Path) -> String {
        let (ended, why) = self.run(words, config);
        assert!(ended.status.success(), "{words:?}: {} {why}", ended.status);
        ended.stdout
    }

    /// New records, which the workers have not seen.
    fn export(&self, round: usize) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/det-eng-samples.jsonl");
        let text = std::fs::read_to_string(corpus).unwrap();
        let mut lines = text.replace("\"OrganizationId\":\"", &format!("\"OrganizationId\":\"{round}-"));
        lines.push_str("{no record\n");
        std::fs::write(self.path("exports").join(format!("{round}.jsonl")), lines).unwrap();
    }
}

/// The rights that the program prints, and nothing else, are given; the path runs with them from the export to the
/// receipt. Then each right is taken away by itself: its worker ends with 77 and one line that names it.
#[test]
fn each_worker_has_the_rights_that_it_needs_and_no_others() {
    let Some(scene) = Scene::new("rights") else { return };
    let users = ["admin", "reader", "ingest", "enrich", "detect", "sink"]
        .map(|name| scene.scram(&format!("weir-{name}")));
    let [admin, reader, ingest, enrich, detect, sink] = &users;
    let rights: Vec<Right> = scene.does(&["topics", "rights"], admin).lines().map(Right::of).collect();
    scene.broker.give(&rights);
    scene.does(&["topics", "apply"], admin);
    assert_eq!(scene.does(&["topics", "plan"], admin), "every topic is as it should be\n");

    scene.export(0);
    let printed = scene.does(&["ingest"], ingest);
    assert!(printed.contains("rejected"), "{printed}");
    let log = scene.path("workers.log");
    let running = [("enrich", enrich), ("detect", detect), ("sink", sink)]
        .map(|(worker, config)| scene.start(&[worker], config, &log));
    let delivered = scene.does(&["tap", "sink", "--follow", "--count", "1"], reader);
    assert_eq!(delivered.lines().count(), 1, "{delivered}");
    for process in running {
        let ended = process.stop();
        assert!(ended.status.success(), "{}: {}", ended.status, std::fs::read_to_string(&log).unwrap());
    }

    let mut taken = 0;
    let enriching = scene.start(&["enrich"], enrich, &log);
    let workers = [("ingest", ingest), ("detect", detect), ("sink", sink)];
    for (worker, config) in workers {
        taken += rob(&scene, worker, config, &rights, ingest);
    }
    assert!(enriching.stop().status.success());
    taken += rob(&scene, "enrich", enrich, &rights, ingest);
    let all = rights
        .iter()
        .filter(|right| !["User:weir-admin", "User:weir-reader"].contains(&&*right.principal))
        .count();
    assert_eq!(taken, all, "every right of a worker was taken away once");
    say(&format!("rights: {taken} rights of four workers, each needed"));
}

/// Takes every right of a worker away, one at a time; how many that were.
fn rob(scene: &Scene, worker: &str, config: &Path, rights: &[Right], ingest: &Path) -> usize {
    let own: Vec<&Right> =
        rights.iter().filter(|right| right.principal == format!("User:weir-{worker}")).collect();
    for (round, right) in own.iter().enumerate() {
        scene.export(1000 * (1 + worker.len()) + round);
        if worker == "detect" {
            scene.does(&["ingest"], ingest);
        }
        scene.broker.take(right);
        let (ended, last) = scene.run(&[worker], config);
        scene.broker.give(&[(*right).clone()]);
        assert_eq!(ended.status.code(), Some(77), "without {right:?}: {last} {}", ended.stdout);
        for part in [right.operation.as_str(), right.name.trim_end_matches('-'), "no right"] {
            assert!(last.contains(part), "without {right:?}: {last}");
        }
    }
    own.len()
}

/// What is wrong with the broker or with us ends the start with one line that names it.
#[test]
fn what_is_wrong_is_named_at_the_start() {
    let Some(scene) = Scene::new("bad input") else { return };
    let broker = &scene.broker;
    std::fs::write(scene.path("wrong"), "wrong").unwrap();
    let env_password = |env: &str| {
        let login = scene.login("weir-enrich", "weir-enrich.password", "ca.pem", "SCRAM-SHA-512");
        let rest = login.split_once('\n').unwrap().1;
        format!("    password: {{env: {env}}}\n{rest}")
    };
    let stranger = stranger();
    let login = |ca: &str, mechanism: &str| scene.login("weir-enrich", "weir-enrich.password", ca, mechanism);
    let tls = |more: &str| {
        format!("    settings: {{security.protocol: ssl, ssl.ca.location: {}{more}}}", broker.file("ca.pem"))
    };
    let address = broker.address();
    let cases = [
        ("password", &address, env_password("PATH"), 77, "refuses user or password (SASL SCRAM-SHA-512)"),
        ("mechanism", &address, login("ca.pem", "SCRAM-SHA-256"), 77, "does not offer SASL SCRAM-SHA-256"),
        ("authority", &address, login("other-ca.pem", "SCRAM-SHA-512"), 77, "authority that is not trusted"),
        ("expired", &broker.expired(), login("ca.pem", "SCRAM-SHA-512"), 77, "certificate has expired"),
        ("name", &broker.renamed(), login("ca.pem", "SCRAM-SHA-512"), 77, "certificate is for another host"),
        ("nobody", &address, tls(""), 77, "talks to nobody who does not log in"),
        ("no certificate", &broker.mutual(), tls(""), 77, "refuses our certificate, or wants one"),
        ("no file", &address, login("nowhere.pem", "PLAIN"), 77, "nowhere.pem cannot be read"),
        ("tls in plain", &address, String::new(), 69, "speaks TLS, and security.protocol does not"),
        ("plain in tls", &broker.open(), login("ca.pem", "PLAIN"), 69, "is a Kafka broker without TLS"),
        ("stranger", &stranger, String::new(), 69, "is no Kafka broker"),
        ("stranger in tls", &stranger, login("ca.pem", "PLAIN"), 69, "is no Kafka broker"),
    ];
    for (name, bootstrap, kafka, code, says) in cases {
        let config = scene.configure("case", bootstrap, &kafka);
        // The other ways into the log take the same road; each is held to it once.
        let others: &[&[&str]] = if name == "password" { &[&["topics", "plan"], &["findings"]] } else { &[] };
        for words in [&["enrich"][..]].iter().chain(others) {
            let (ended, last) = scene.run(words, &config);
            assert_eq!(ended.status.code(), Some(code), "{name}, {words:?}: {last}");
            assert!(last.starts_with("weir: ") && last.contains(says), "{name}, {words:?}: {last}");
            let whole = std::fs::read_to_string(config.with_extension("log")).unwrap();
            assert_eq!(whole.lines().filter(|line| line.contains(says)).count(), 1, "{name}: {whole}");
        }
    }
}

/// It answers everybody as a web server does.
fn stranger() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut heard = [0; 1000];
                stream.read(&mut heard).unwrap_or_default();
                stream
                    .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                    .unwrap_or_default();
            });
        }
    });
    address
}

/// Every way to log in that is offered reaches the topics (which these users may not see, and the line says so).
#[test]
fn every_way_to_log_in_is_understood() {
    let Some(scene) = Scene::new("logins") else { return };
    let broker = &scene.broker;
    let endpoint = endpoint();
    let certificate = format!(
        "    settings:
      security.protocol: ssl
      ssl.ca.location: {}
      ssl.certificate.location: {}
      ssl.key.location: {}",
        broker.file("ca.pem"),
        broker.file("weir-client.pem"),
        broker.file("weir-client.key")
    );
    let token = format!(
        "    oauth:
      token_url: {endpoint}
      client_id: weir-token
      client_secret: {{file: {}}}
    settings: {{security.protocol: sasl_ssl, sasl.mechanism: OAUTHBEARER, ssl.ca.location: {}}}",
        broker.file("plain.password"),
        broker.file("ca.pem")
    );
    let plain = scene.login("weir-plain", "plain.password", "ca.pem", "PLAIN");
    let scram = scene.login("weir-enrich", "weir-enrich.password", "ca.pem", "SCRAM-SHA-512");
    for (name, bootstrap, kafka, user) in [
        ("scram", broker.address(), scram, "User:weir-enrich"),
        ("plain", broker.address(), plain, "User:weir-plain"),
        ("certificate", broker.mutual(), certificate, "User:CN=weir-client"),
        ("token", broker.address(), token, "User:weir-token"),
    ] {
        let config = scene.configure(name, &bootstrap, &kafka);
        let (ended, last) = scene.run(&["enrich"], &config);
        assert_eq!(ended.status.code(), Some(77), "{name}: {last}");
        assert!(last.contains("needs the right Read on topic"), "{name}: {last}");
        // With the right to see what is not there, the name is known to be the one that was meant.
        broker.give(&[Right {
            principal: user.to_owned(),
            operation: "Describe".to_owned(),
            resource: "topic".to_owned(),
            name: scene.prefix.clone(),
            is_prefix: true,
        }]);
        let (ended, last) = scene.run(&["enrich"], &config);
        assert_eq!(ended.status.code(), Some(69), "{name}: {last}");
        assert!(last.contains("missing"), "{name}: {last}");
    }
}

/// A token endpoint that gives everybody a token that nobody signed.
fn endpoint() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let now = Clock::machine().now().0 / 1_000_000;
    let claims = format!("{{\"sub\":\"weir-token\",\"iat\":{now},\"exp\":{}}}", now + 3600);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.{}.", part("{\"alg\":\"none\"}"), part(&claims));
    let body = format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut heard = Vec::new();
            let mut some = [0; 4096];
            // The form is the end of the request.
            while !String::from_utf8_lossy(&heard).contains("client_secret=") {
                let count = stream.read(&mut some).unwrap();
                heard.extend(&some[..count]);
            }
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length";
            write!(stream, "{head}: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    format!("http://{address}/token")
}

/// A right that is lost while the worker runs ends it as at the start.
#[test]
fn a_right_that_is_lost_while_a_worker_runs_ends_it() {
    let Some(scene) = Scene::new("lost") else { return };
    let (admin, ingest, enrich) =
        (scene.scram("weir-admin"), scene.scram("weir-ingest"), scene.scram("weir-enrich"));
    let reader = scene.scram("weir-reader");
    let rights: Vec<Right> = scene.does(&["topics", "rights"], &admin).lines().map(Right::of).collect();
    scene.broker.give(&rights);
    scene.does(&["topics", "apply"], &admin);
    scene.export(0);
    scene.does(&["ingest"], &ingest);
    let log = scene.path("enrich.log");
    let mut running = scene.start(&["enrich"], &enrich, &log);
    scene.does(&["tap", "enrich", "--follow", "--count", "1"], &reader);
    let own = |right: &&Right| {
        right.principal == "User:weir-enrich" && right.resource == "topic" && right.operation == "Read"
    };
    scene.broker.take(rights.iter().find(own).unwrap());
    let ended = running.ends_within(ENDS_WITHIN).expect("it goes on in silence");
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(ended.status.code(), Some(77), "{text}");
    let why = why(&text);
    assert!(why.contains("no right Read on topic") && why.contains("weir.event.v1"), "{text}");
}
