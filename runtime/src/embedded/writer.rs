//! The thread that writes. Steps that wait share a transaction, and so an fsync; where that transaction fails, each is
//! tried by itself, so that one that cannot be taken does not take others with it.

use std::{
    fs::File,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use pipeline::{LogError, local::Write};
use schemas::Topic;
use tokio::sync::{mpsc, oneshot};

use super::{
    clean::Cleaner,
    steps::{Desk, Task, Undone},
};

/// So many steps may wait before a commit waits to be queued; as many share a transaction.
const WAITING_MAX: usize = 64;
/// A transaction takes no further step once it holds so many bytes.
const TRANSACTION_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    /// Taken away by closing.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    closing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Job {
    task: Task,
    reply: oneshot::Sender<Result<(), LogError>>,
}

fn closed() -> LogError {
    LogError::Unusable("the log is closed".to_owned())
}

impl Writer {
    /// Starts the thread. `lock` is open as long as it writes.
    pub(super) fn start(desk: Desk, lock: File) -> Result<Self, LogError> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let closing = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&closing);
        let thread = std::thread::Builder::new().name("weir-log".to_owned()).spawn(move || {
            write_on(&desk, waiting, &seen);
            // First the file, then its lock.
            drop(desk);
            drop(lock);
        });
        let thread = thread.map_err(|error| LogError::Unusable(format!("no thread for the log: {error}")))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), closing, thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn write(&self, write: Write) -> Result<(), LogError> {
        self.ask(Task::Write(write)).await
    }

    pub(super) async fn declare(&self, group: String, topics: Vec<Topic>) -> Result<(), LogError> {
        self.ask(Task::Declare { group, topics }).await
    }

    async fn ask(&self, task: Task) -> Result<(), LogError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        jobs.send(Job { task, reply }).await.map_err(|_| closed())?;
        drop(jobs);
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Ends the thread after the transaction that is under way, and waits for that.
    pub(super) async fn close(&self) {
        self.hang_up();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Whether the thread ended well has been said to those who waited for it.
            tokio::task::spawn_blocking(move || drop(thread.join())).await.unwrap_or_default();
        }
    }

    fn hang_up(&self) {
        self.closing.store(true, Ordering::Release);
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Writer {
    /// Whoever opens the file next finds it free.
    fn drop(&mut self) {
        self.hang_up();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(thread.join());
        }
    }
}

fn write_on(desk: &Desk, mut waiting: mpsc::Receiver<Job>, closing: &AtomicBool) {
    let mut cleaner = Cleaner::default();
    desk.clean_all();
    let mut broken = None;
    while let Some(first) = waiting.blocking_recv() {
        if closing.load(Ordering::Acquire) {
            return;
        }
        let jobs = gather(first, &mut waiting);
        if let Some(error) = &broken {
            answer(jobs, &Err(LogError::clone(error)));
            continue;
        }
        broken = serve(desk, jobs, &mut cleaner).err();
    }
}

/// The job, and what waits behind it, up to the size of a transaction.
fn gather(first: Job, waiting: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.bytes();
    let mut jobs = vec![first];
    while jobs.len() < WAITING_MAX && bytes < TRANSACTION_BYTES_MAX {
        let Ok(job) = waiting.try_recv() else { break };
        bytes += job.bytes();
        jobs.push(job);
    }
    jobs
}

impl Job {
    fn bytes(&self) -> usize {
        match &self.task {
            Task::Write(write) => write.records.iter().map(|(_, stored)| stored.bytes()).sum(),
            Task::Declare { .. } => 0,
        }
    }

    fn records(&self) -> usize {
        match &self.task {
            Task::Write(write) => write.records.len(),
            Task::Declare { .. } => 0,
        }
    }
}

/// Does the jobs: together, or one by one where they cannot be done together.
///
/// # Errors
/// [`LogError`] when the outcome of one is unknown: nothing more may be written until the file has been opened again.
fn serve(desk: &Desk, jobs: Vec<Job>, cleaner: &mut Cleaner) -> Result<(), LogError> {
    let tasks: Vec<&Task> = jobs.iter().map(|job| &job.task).collect();
    match desk.transact(&tasks) {
        Ok(touched) => {
            let records = jobs.iter().map(Job::records).sum();
            answer(jobs, &Ok(()));
            cleaner.after(desk, touched, records);
            Ok(())
        }
        Err(Undone::Clean(error)) if jobs.len() == 1 => {
            answer(jobs, &Err(error));
            Ok(())
        }
        Err(Undone::Clean(_)) => serve_each(desk, jobs, cleaner),
        Err(Undone::Unknown(error)) => {
            tracing::error!(%error, "the outcome of a step is unknown; the log file must be opened again");
            answer(jobs, &Err(error.clone()));
            Err(error)
        }
    }
}

fn serve_each(desk: &Desk, jobs: Vec<Job>, cleaner: &mut Cleaner) -> Result<(), LogError> {
    let mut jobs = jobs.into_iter();
    while let Some(job) = jobs.next() {
        if let Err(error) = serve(desk, vec![job], cleaner) {
            answer(jobs.collect(), &Err(error.clone()));
            return Err(error);
        }
    }
    Ok(())
}

/// Says what came of the jobs. A step's permit goes with its task: before its caller is told.
fn answer(jobs: Vec<Job>, outcome: &Result<(), LogError>) {
    for Job { task, reply } in jobs {
        drop(task);
        // Whoever asked may have stopped waiting; the step is done all the same.
        drop(reply.send(outcome.clone()));
    }
}
