//! `weir schema`, held to its exit codes against a registry that gives one answer to everything. What a real one answers is
//! tried by `.ci/subscribers`.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

/// A status and a body.
type Answer = (&'static str, &'static str);

/// Answers every request so, until the test program ends.
fn registry(status: &'static str, body: &'static str) -> SocketAddr {
    registry_that(move |_| (status, body))
}

/// Answers by the method and path of a request.
fn registry_that(answers: impl Fn(&str) -> Answer + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // One that has gone away wants no answer.
            drop(answer(socket, &answers));
        }
    });
    address
}

fn answer(mut socket: TcpStream, answers: &dyn Fn(&str) -> Answer) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        match socket.read(&mut buffer)? {
            0 => return Ok(()),
            read => request.extend(buffer.iter().take(read)),
        }
    }
    let text = String::from_utf8_lossy(&request);
    let (status, body) = answers(text.split(" HTTP/").next().unwrap_or_default());
    let length = body.len();
    write!(socket, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// What a command makes of a `log:` section: exit code, what it prints, what it says on stderr.
fn schema(command: &str, log: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weir.yaml");
    let sources = "sources: [{name: exports, kind: files, paths: [exports]}]\n";
    let sinks = "sinks: [{name: archive, kind: jsonl, path: a.jsonl}]\n";
    std::fs::write(&path, format!("log: {{{log}}}\n{sources}{sinks}")).unwrap();
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = weir.args(["schema", command, "-c"]).arg(&path).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn kafka(address: SocketAddr) -> String {
    format!("kafka: {{bootstrap: 'localhost:9', registry: {{url: 'http://{address}'}}}}")
}

const COMMANDS: [&str; 3] = ["plan", "apply", "check"];

#[test]
fn a_log_without_a_registry_has_no_schemas_to_look_after() {
    for log in ["memory: {}", "kafka: {bootstrap: 'localhost:9'}"] {
        for command in COMMANDS {
            let (code, out, error) = schema(command, log);
            assert_eq!((code, out.as_str()), (Some(78), ""), "{error}");
            assert!(error.contains("log.kafka.registry names one"), "{error}");
        }
    }
}

#[test]
fn what_the_registry_answers_decides_the_exit_code() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, expected, words) in [
        (away, 69, "the schema registry does not answer"),
        (registry("503 Busy", ""), 69, "the schema registry does not answer: HTTP 503"),
        (registry("401 No", "{\"error_code\": 40101}"), 77, "refuses us (HTTP 401)"),
        (registry("404 No", "<html>"), 69, "what answers is no schema registry (HTTP 404)"),
        (registry("422 No", "{}"), 78, "does not take what it was sent"),
    ] {
        for command in COMMANDS {
            let (code, out, error) = schema(command, &kafka(address));
            assert_eq!((code, out.as_str()), (Some(expected), ""), "{command}: {error}");
            assert!(error.contains(words), "{command}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}

#[test]
fn check_names_what_is_missing_and_the_command_that_helps() {
    let (code, out, error) = schema("check", &kafka(registry_that(full)));
    assert_eq!(code, Some(69), "{error}");
    assert!(out.contains("missing       weir.finding.identity.v1-value"), "{out}");
    assert!(error.contains("run `weir schema apply`"), "{error}");
}

/// An empty registry that takes levels and no schema.
fn full(request: &str) -> Answer {
    let (method, path) = request.split_once(' ').unwrap_or_default();
    match method {
        "GET" if path == "/config" => ("200 OK", "{\"compatibilityLevel\": \"NONE\"}"),
        "PUT" => ("200 OK", "{}"),
        "POST" if path.starts_with("/subjects/") && path.ends_with("/versions") => ("503 Full", ""),
        _ => ("404 None", "{\"error_code\": 40401}"),
    }
}

#[test]
fn apply_says_what_it_did_before_an_error() {
    let (code, out, error) = schema("apply", &kafka(registry_that(full)));
    assert_eq!(code, Some(69), "{error}");
    let expected = "hold weir.event.v1-io.weir.Event to FULL_TRANSITIVE instead of NONE\n";
    assert_eq!(out, expected);
    assert!(error.contains("HTTP 503"), "{error}");
}

#[test]
fn check_and_plan_say_where_the_level_is_another() {
    let address = registry_that(full);
    let (_, out, _) = schema("check", &kafka(address));
    assert!(
        out.lines().all(|line| line.starts_with("missing ") && line.ends_with("(held to NONE)")),
        "{out}"
    );
    let (code, out, _) = schema("plan", &kafka(address));
    assert_eq!(code, Some(0));
    let (held, registered): (Vec<&str>, Vec<&str>) = out.lines().partition(|line| line.starts_with("hold "));
    assert_eq!(held.len(), registered.len(), "{out}");
}
