//! A child process of the binary: started, waited for within a bound, killed, told to stop.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything here takes; a process that is still there then hangs.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// Puts a copy of the binary into `folder`, as `weir`: hundreds of runs must be of one program, whatever is built
/// meanwhile.
pub(crate) fn program(folder: &Path) {
    std::fs::copy(env!("CARGO_BIN_EXE_weir"), folder.join("weir")).unwrap();
}

/// A process under way.
pub(crate) struct Process {
    pub(crate) child: Child,
    /// What it printed, once it has ended.
    printed: Receiver<String>,
}

/// A process that ended by itself.
pub(crate) struct Ended {
    /// How.
    pub(crate) status: ExitStatus,
    /// What it printed.
    pub(crate) stdout: String,
}

impl Process {
    /// Starts `program` with these words; what it logs is added to the file `log`.
    pub(crate) fn start(program: &Path, words: &[&str], log: &Path) -> Self {
        let stderr = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut child = Command::new(program)
            .args(words)
            .env_remove("WEIR_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let (sender, printed) = channel();
        let mut stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap_or_default();
            // Nobody listens once the process was killed.
            sender.send(text).unwrap_or_default();
        });
        Self { child, printed }
    }

    /// Waits at most so long for it to end by itself.
    pub(crate) fn ends_within(&mut self, bound: Duration) -> Option<Ended> {
        let stdout = self.printed.recv_timeout(bound).ok()?;
        Some(Ended { status: self.child.wait().unwrap(), stdout })
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let ended = self.ends_within(HANGS_AFTER);
        if ended.is_none() {
            self.kill();
        }
        ended.expect("the process hangs")
    }

    /// Kills it with SIGKILL; false when it had ended before.
    pub(crate) fn kill(mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap().signal() == Some(9)
    }

    /// Tells it to stop with SIGTERM, and waits for its end.
    pub(crate) fn stop(self) -> Ended {
        // The shell's own: not every system has the program.
        let told = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        self.end()
    }
}

/// A test that fails leaves no process behind.
impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended, as it mostly has.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
