//! A broker of the test's own, that it may stop: the one that `.ci/kafka` starts, on a port and in a folder of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::random::Random;

/// Its port is below those that systems give to clients: while it is away, a client that asks for it must not be given
/// that port for its own end, and so meet itself.
const PORT_LEAST: u64 = 20_000;
const PORTS: u64 = 8_000;

/// A running broker.
pub(crate) struct Broker {
    pub(crate) address: String,
    folder: PathBuf,
}

impl Broker {
    /// Starts one, whose data lie in `folder`.
    pub(crate) fn start(folder: &Path, random: &mut Random) -> Self {
        let address = std::iter::repeat_with(|| format!("127.0.0.1:{}", PORT_LEAST + random.below(PORTS)))
            .find(|address| TcpListener::bind(address).is_ok())
            .unwrap();
        let broker = Self { address, folder: folder.to_owned() };
        assert!(broker.control(&["start"]), "the broker does not start");
        broker
    }

    /// Stops it in order, and starts it again with what it holds.
    pub(crate) fn restart(&self) {
        assert!(self.control(&["stop", "--keep"]), "the broker does not stop");
        assert!(self.control(&["start"]), "the broker does not come back");
    }

    fn control(&self, words: &[&str]) -> bool {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/kafka");
        let mut command = Command::new(script);
        command.args(words).env("WEIR_KAFKA", &self.address).env("TMPDIR", &self.folder);
        command.output().unwrap().status.success()
    }
}

/// A test that fails leaves no broker behind.
impl Drop for Broker {
    fn drop(&mut self) {
        self.control(&["stop"]);
    }
}
