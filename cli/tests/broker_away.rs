//! A broker that does not answer: every command says so and waits, and a stop ends it at once all the same.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]

#[path = "support/process.rs"]
mod process;

use std::net::TcpListener;

use process::{Process, program};

/// It takes connections and never says a word, as a broker behind a dropped route does.
#[test]
fn a_command_that_waits_for_the_broker_is_stopped_by_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path());
    let exports = folder.path().join("exports.jsonl");
    std::fs::write(&exports, "").unwrap();
    for command in ["run", "ingest", "enrich", "detect", "sink"] {
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = folder.path().join("weir.yaml");
        let text = format!(
            "log: {{kafka: {{bootstrap: \"{}\"}}}}\n\
             sources: [{{name: exports, kind: files, paths: [{}]}}]\n\
             sinks: [{{name: archive, kind: jsonl, path: {}}}]\n",
            broker.local_addr().unwrap(),
            exports.display(),
            folder.path().join("findings.jsonl").display(),
        );
        std::fs::write(&config, text).unwrap();
        let log = folder.path().join(format!("{command}.log"));
        let words = [command, "-c", config.to_str().unwrap()];
        let process = Process::start(&folder.path().join("weir"), &words, &log);
        // It listens for signals before it connects.
        let _connection = broker.accept().unwrap();
        let ended = process.stop();
        assert_eq!(ended.status.code(), Some(0), "{command}: {}", std::fs::read_to_string(&log).unwrap());
        assert!(!ended.stdout.contains("nothing new"), "{command}: {}", ended.stdout);
        let reads = ["run", "ingest"].contains(&command);
        let says = if reads { "ledger: nothing was read before the stop\n" } else { ": 0 read = " };
        assert!(ended.stdout.contains(says), "{command}: {}", ended.stdout);
    }
}
