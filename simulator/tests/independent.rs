//! Clients that others wrote, against the servers: `.ci/independent-clients` installs and starts them.
//!
//! Without `WEIR_CLIENTS`, the python that has them, it says that it was skipped. The clients go by the machine's clock, so
//! the simulator does as well.

#![cfg(test)]

use std::{collections::BTreeMap, net::SocketAddr, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pipeline::Clock;
use simulator::{
    Fault, FaultRule, Options, Part, Route, Server, Simulator, When,
    entra::App,
    hec::{HecOptions, HecToken},
    ingestion::{CollectionRule, IngestionOptions, Stream},
};

const TENANT: &str = "41463f53-8812-40f4-890f-865bf6e35190";
const APP: &str = "1cef1fdb-ff52-48c4-8e4e-dfb5ea83d357";
const SECRET: &str = "a+secret~with/odd=letters";
const TOKENS: [&str; 2] = ["b7f1c0de-0000-4000-8000-000000000001", "b7f1c0de-0000-4000-8000-000000000002"];
const RULE: &str = "dcr-00000000000000000000000000000001";
const STREAM: &str = "Custom-WeirFindings_CL";
const CERTIFICATE: &[u8] = include_bytes!("servers/data/only-for-tests.der");
const KEY: &[u8] = include_bytes!("servers/data/only-for-tests.key.der");

fn options() -> Options {
    let mut options = Options::new(Clock::machine());
    let mut app = App::with_secret(TENANT, APP, SECRET);
    app.certificates.push(CERTIFICATE.to_vec());
    options.apps = vec![app];
    // MSAL sends an assertion again until it expires.
    options.assertions_once = false;
    let tokens = vec![HecToken::new(TOKENS[0]), HecToken { use_ack: true, ..HecToken::new(TOKENS[1]) }];
    options.hec = HecOptions { tokens, ..HecOptions::default() };
    let columns = ["TimeGenerated", "Id", "Text"].map(str::to_owned).into();
    let streams = BTreeMap::from([(STREAM.to_owned(), Stream { columns, auxiliary: false })]);
    let rule = CollectionRule { streams, ..CollectionRule::of(RULE, &[]) };
    options.ingestion =
        IngestionOptions { rules: vec![rule], retry_after_s: 1, ..IngestionOptions::default() };
    options.faults.rules = vec![
        FaultRule::route(Part::Ingestion, Route::Rows, When::First(1), Fault::Throttled(429)),
        FaultRule::route(Part::Hec, Route::Event, When::Nth(2), Fault::Busy),
    ];
    options
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// Field `name` of what was accepted, in order.
fn field(accepted: &[simulator::Accepted], path: &str) -> Vec<String> {
    let value = |raw: &str| serde_json::from_str::<serde_json::Value>(raw).unwrap().pointer(path).cloned();
    accepted.iter().filter_map(|one| Some(value(one.object.get())?.as_str()?.to_owned())).collect()
}

fn numbered(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number}")).collect()
}

#[test]
fn clients_that_others_wrote_are_served() {
    let Ok(python) = std::env::var("WEIR_CLIENTS") else {
        println!("skipped: WEIR_CLIENTS is not set; .ci/independent-clients sets it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let simulator = Simulator::open(options()).unwrap();
    let server = runtime.block_on(Server::start(&simulator, SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    let (ca, login) = (folder.path().join("ca.pem"), folder.path().join("login.pem"));
    server.ca().write(&ca).unwrap();
    std::fs::write(&login, pem("PRIVATE KEY", KEY) + &pem("CERTIFICATE", CERTIFICATE)).unwrap();

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/independent_clients.py");
    let login = login.to_str().unwrap();
    let status = Command::new(python)
        .args([script, &server.origin(), TENANT, APP, SECRET, login, RULE, STREAM, TOKENS[0], TOKENS[1]])
        .envs([("SSL_CERT_FILE", &ca), ("REQUESTS_CA_BUNDLE", &ca)])
        .env("NO_PROXY", "localhost")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");

    let rows = simulator.rows_accepted();
    assert_eq!(field(&rows, "/Id"), [numbered("secret", 3_000), numbered("certificate", 1)].concat());
    assert!(rows.iter().any(|row| row.request > 2), "more than one request was needed");
    assert_eq!(simulator.losses()[STREAM].columns_dropped, 3_001);
    assert_eq!(simulator.losses()[STREAM].times_replaced, 0);
    assert_eq!(simulator.ledger().answered(Part::Ingestion, Route::Rows, 429), 1);

    let events = simulator.hec_accepted();
    assert_eq!(field(&events, "/event"), numbered("plain", 50));
    assert_eq!(field(&events, "/event/id"), [numbered("acked", 21), numbered("bad", 2)].concat());
    assert_eq!(simulator.ledger().answered(Part::Hec, Route::Event, 503), 1);
    runtime.block_on(server.stop());
}
