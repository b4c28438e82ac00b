//! One transfer of one blob: from the answer's bytes to decoded records, in pieces.
//!
//! The bytes go through a short queue to a thread that cuts and decodes them, and the records come back in pieces through
//! another: what is held is a few chunks and a few pieces, however long the blob is. A transfer that breaks off says so, and
//! what its end made of a record is thrown away. While it is strict, a record that is no JSON ends it: the
//! blob is transferred again before that is believed.
//!
//! Limits: 8 chunks of the network and 300 kB more, a piece of half a step's bytes. In the time that an exchange may take
//! (`http.total_timeout`, 5 minutes) 300 kB must come, or the end; otherwise the transfer is given up.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf as _, Bytes};
use pipeline::Reason;
use runtime::http::{HttpError, Streaming, Url};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::timeout;

use super::api::Api;
use super::failed::Failed;
use crate::decode::{Origin, reason};
use crate::portion::{Found, What};
use crate::sources::files::{Frames, decoded};

/// Chunks between the network and the thread.
const CHUNKS_MAX: usize = 8;

/// So much must come in the time that an exchange may take: 1 kB a second, as that is set. A blob that drips would keep
/// those behind it waiting for days.
const LEAST_BYTES: usize = 300_000;

/// What is not JSON at all; it may be the transfer's fault.
const NO_JSON: [Reason; 6] =
    [reason::NOT_JSON, reason::TRUNCATED, reason::NOT_UTF8, reason::BINARY, reason::GZIP, reason::UNREADABLE];

/// What is to be read.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) url: Url,
    pub(super) origin: Arc<Origin>,
    pub(super) content_type: Arc<str>,
    /// A record that is no JSON ends the transfer.
    pub(super) strict: bool,
    /// A piece has so many records at most.
    pub(super) records_max: usize,
    /// A piece ends once it holds so many bytes.
    pub(super) bytes_max: usize,
}

/// Some of a blob's records, in their order.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) found: Vec<Found>,
    /// With the last piece: how the transfer ended.
    pub(super) ended: Option<Ended>,
}

/// How a transfer ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was whole.
    Whole,
    /// It was whole, and something in it is no JSON.
    NoJson,
    /// It was not whole, or was none.
    Failed(Failed),
}

/// Transfers a blob; ends early when nobody takes its pieces.
pub(super) async fn transfer(api: Api, order: Order, pieces: Sender<Piece>) {
    let ended = match api.blob(&order.url).await {
        Ok(answer) => read(&api, answer, order, &pieces).await,
        Err(failed) => Piece { found: Vec::new(), ended: Some(Ended::Failed(failed)) },
    };
    // Where nobody takes it, nobody wants it.
    let _gone = pieces.send(ended).await.is_err();
}

/// Reads to the end; the last piece.
async fn read(api: &Api, mut answer: Streaming, order: Order, pieces: &Sender<Piece>) -> Piece {
    let (chunks, receiver) = mpsc::channel(CHUNKS_MAX);
    let broken = Arc::new(AtomicBool::new(false));
    let body = Body { chunks: receiver, rest: Bytes::new(), broken: Arc::clone(&broken) };
    let cutting = {
        let (pieces, broken) = (pieces.clone(), Arc::clone(&broken));
        tokio::task::spawn_blocking(move || cut(body, &order, &broken, &pieces))
    };
    let failed = feed(api, &mut answer, &chunks).await;
    if failed.is_some() {
        // The thread learns it before it sees the end.
        broken.store(true, Ordering::Release);
    }
    drop(chunks);
    let (found, no_json) = cutting.await.unwrap_or_else(|_| (Vec::new(), true));
    let ended = match failed {
        Some(failed) => Ended::Failed(failed),
        None if no_json => Ended::NoJson,
        None => Ended::Whole,
    };
    Piece { found, ended: Some(ended) }
}

/// Hands the answer's bytes over; why it is not whole, if it is not.
async fn feed(api: &Api, answer: &mut Streaming, chunks: &Sender<Bytes>) -> Option<Failed> {
    let mut is_list = false;
    loop {
        let mut come = Vec::new();
        // Only the network's time counts, not that of whoever takes what has come.
        let coming = timeout(api.patience(), enough(answer, &mut come)).await;
        for chunk in come {
            if !is_list {
                let start = chunk.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&chunk).trim_ascii_start();
                match start.first() {
                    None => {}
                    // A list, or one that was packed before it was sent.
                    Some(b'[' | 0x1f) => is_list = true,
                    Some(_) => return Some(api.count(Failed::Malformed("no list of records"))),
                }
            }
            if chunks.send(chunk).await.is_err() {
                // The thread has seen enough, or nobody takes its pieces.
                return None;
            }
        }
        match coming.unwrap_or(Err(HttpError::Timeout)) {
            Ok(false) => {}
            Ok(true) if is_list => return None,
            Ok(true) => return Some(api.count(Failed::Malformed("empty"))),
            Err(error) => return Some(api.count(error.into())),
        }
    }
}

/// Waits until enough has come; whether that was the last of it.
async fn enough(answer: &mut Streaming, come: &mut Vec<Bytes>) -> Result<bool, HttpError> {
    let mut bytes = 0;
    while bytes < LEAST_BYTES {
        let Some(chunk) = answer.chunk().await? else { return Ok(true) };
        bytes += chunk.len();
        come.push(chunk);
    }
    Ok(false)
}

/// Cuts and decodes on a thread: what is left for the last piece, and whether something was no JSON.
fn cut(body: Body, order: &Order, broken: &AtomicBool, pieces: &Sender<Piece>) -> (Vec<Found>, bool) {
    let (mut found, mut bytes, mut no_json) = (Vec::new(), 0, false);
    for frame in Frames::new(body) {
        let mut one = decoded(frame, &order.origin);
        match &mut one.what {
            What::Event(event) => order.content_type.as_ref().clone_into(&mut event.content_type),
            What::Skip(_) => {}
            // What a break made of the record it came in is nothing.
            What::Reject { .. } if broken.load(Ordering::Acquire) => break,
            What::Reject { reason, .. } if NO_JSON.contains(reason) => {
                no_json = true;
                if order.strict {
                    break;
                }
            }
            What::Reject { .. } => {}
        }
        // Not before another one is there: the last one and the end of the blob are one step.
        if found.len() >= order.records_max || bytes >= order.bytes_max {
            bytes = 0;
            let piece = Piece { found: std::mem::take(&mut found), ended: None };
            if pieces.blocking_send(piece).is_err() {
                break;
            }
        }
        bytes += one.what.bytes();
        found.push(one);
    }
    (found, no_json)
}

/// The chunks as one stream of bytes.
struct Body {
    chunks: Receiver<Bytes>,
    rest: Bytes,
    broken: Arc<AtomicBool>,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.rest = chunk,
                None if self.broken.load(Ordering::Acquire) => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => return Ok(0),
            }
        }
        let taken = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(buffer.get_mut(..taken).unwrap_or_default());
        Ok(taken)
    }
}
