//! Appending whole lines to a file, so that they are there to stay or not there at all.
//!
//! What is made here is for its owner only (0600); a file that exists keeps its rights.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How far the end of the last whole line is looked for at a time.
const BLOCK_BYTES: u64 = 64 * 1024;

/// Appends `lines` to the file at `path`, which is created where it does not exist, and syncs it to the disk.
///
/// # Errors
/// What the operating system says, or [`io::ErrorKind::WouldBlock`] where another process holds the file's lock for
/// longer than `wait`; then nothing was added.
pub(super) fn append(path: &Path, lines: &[u8], wait: Duration) -> io::Result<()> {
    let existed = path.exists();
    let mut file = open(path)?;
    // A pipe or a device can neither be synced nor cut.
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => file = lock_within(file, wait)?,
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let whole = repair(path, &mut file)?;
    if let Err(error) = file.write_all(lines).and_then(|()| file.sync_data()) {
        // Should cutting fail too, the next call moves the torn line away; whole lines may then be there twice.
        if let Err(cut) = file.set_len(whole) {
            tracing::warn!(error = %cut, "cannot cut off what a failed write left behind");
        }
        return Err(error);
    }
    if !existed {
        sync_folder(path)?;
    }
    Ok(())
}

/// No operating system waits for a file's lock with a limit, so a thread does; it ends when it has the lock, or with the
/// process. Where there is nothing to wait, there is no thread.
fn lock_within(file: File, wait: Duration) -> io::Result<File> {
    let held = || io::Error::new(io::ErrorKind::WouldBlock, "the file is held by another process");
    if wait.is_zero() {
        return Err(held());
    }
    let (give, take) = mpsc::sync_channel(1);
    let waiting = thread::Builder::new().name("jsonl-lock".to_owned());
    waiting.spawn(move || {
        let locked = file.lock().map(|()| file);
        // Whoever wanted it may have gone; dropping the file lets the lock go, too.
        drop(give.send(locked));
    })?;
    take.recv_timeout(wait).unwrap_or_else(|_| Err(held()))
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Moves a last line without an end aside; its writer was killed and it was never acknowledged. Gives the length.
fn repair(path: &Path, file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let whole = end_of_last_line(file, length)?;
    if whole == length {
        return Ok(length);
    }
    let torn = torn_path(path);
    let mut aside = open(&torn)?;
    file.seek(SeekFrom::Start(whole))?;
    io::copy(&mut Read::by_ref(file).take(length - whole), &mut aside)?;
    aside.write_all(b"\n")?;
    aside.sync_data()?;
    file.set_len(whole)?;
    file.sync_data()?;
    tracing::warn!(
        file = %path.display(),
        moved_to = %torn.display(),
        bytes = length - whole,
        "moved a torn last line aside; the finding is delivered again"
    );
    Ok(whole)
}

/// Where the last line break ends; 0 where there is none.
fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        block.clear();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn torn_path(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".torn");
    PathBuf::from(name)
}

/// A new file's name is on the disk once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
