//! `weir check` asks each receiver, without a finding, whether it would take one; its exit code tells a script.

#![cfg(test)]

use std::path::Path;
use std::process::Command;

use pipeline::Clock;
use simulator::{Options, Server, Simulator, hec::HecOptions};

/// `weir check` of a configuration with one sink.
fn check(folder: &Path, sink: &str) -> (Option<i32>, String) {
    let config = folder.join("weir.yaml");
    let exports = folder.join("exports");
    std::fs::create_dir_all(&exports).unwrap();
    std::fs::write(exports.join("audit.json"), "[]").unwrap();
    let text = format!(
        "log: {{embedded: {{path: {}}}}}\nsources: [{{name: exports, kind: files, paths: [{}]}}]\nsinks: [{sink}]\n",
        folder.join("weir.db").display(),
        exports.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    let done = weir.arg("check").arg("-c").arg(&config).env_remove("WEIR_LOG").output().unwrap();
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

#[test]
fn a_receiver_that_takes_refuses_or_is_away_gives_0_77_or_69() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut options = Options::new(Clock::machine());
    options.hec = HecOptions::of("right");
    let simulator = Simulator::open(options).unwrap();
    let server = runtime.block_on(Server::start(&simulator, "127.0.0.1:0".parse().unwrap())).unwrap();
    let (ca, token) = (folder.path().join("ca.pem"), folder.path().join("token"));
    server.ca().write(&ca).unwrap();
    let sink = format!(
        "{{name: splunk, kind: splunk_hec, url: \"{}\", token: {{file: {}}}, http: {{ca_file: {}}}}}",
        server.origin(),
        token.display(),
        ca.display()
    );
    std::fs::write(&token, "right").unwrap();
    let (code, said) = check(folder.path(), &sink);
    assert_eq!(code, Some(0), "{said}");
    std::fs::write(&token, "wrong").unwrap();
    let (code, said) = check(folder.path(), &sink);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains("splunk") && said.contains("`token`") && !said.contains("wrong"), "{said}");
    runtime.block_on(server.stop());
    let (code, said) = check(folder.path(), &sink);
    assert_eq!(code, Some(69), "{said}");
    assert_eq!(simulator.taken(), (0, 0), "no finding was sent");
}
