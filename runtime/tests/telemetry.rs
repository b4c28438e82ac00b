//! Log lines: what an attacker writes into a record stays text, on a terminal and in JSON.

use std::{
    io,
    sync::{Arc, Mutex},
};

use runtime::telemetry::{Shape, TelemetryError, subscriber};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::Error::other("poisoned"))?.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `log` runs.
fn lines(level: &str, shape: Shape, log: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let Ok(subscriber) = subscriber(level, shape, move || writer.clone()) else { return String::new() };
    tracing::subscriber::with_default(subscriber, log);
    let bytes = written.0.lock().map(|bytes| bytes.clone()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\r\nERROR forged line\u{9b}31m";

fn log_hostile_values() {
    let failure = io::Error::other(HOSTILE);
    tracing::info!(shown = %HOSTILE, quoted = HOSTILE, debugged = ?HOSTILE, error = &failure as &dyn std::error::Error, "{HOSTILE}");
    let span = tracing::info_span!("work", file = %HOSTILE);
    let _inside = span.enter();
    tracing::info!("inside");
}

#[test]
fn no_field_reaches_a_terminal_raw() {
    let text = lines("info", Shape::Terminal, log_hostile_values);
    assert_eq!(text.lines().count(), 2, "one event is one line: {text:?}");
    assert!(text.contains("owned") && text.contains("forged line"));
    for hostile in ["\u{1b}]", "\u{7}", "\r", "\u{9b}"] {
        assert!(!text.contains(hostile), "{hostile:?} in {text:?}");
    }
}

#[test]
fn json_is_one_object_a_line() {
    let text = lines("info", Shape::Json, log_hostile_values);
    assert_eq!(text.lines().count(), 2, "{text:?}");
    assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\r'));
}

#[test]
fn the_level_decides_what_is_written() {
    let log = || {
        tracing::debug!("a detail");
        tracing::warn!("a warning");
    };
    assert!(!lines("info", Shape::Terminal, log).contains("a detail"));
    assert!(lines("debug", Shape::Terminal, log).contains("a detail"));
    assert!(!lines("error", Shape::Json, log).contains("a warning"));
    assert!(matches!(subscriber("loud=very=wrong", Shape::Json, io::sink), Err(TelemetryError::Level(_))));
}
