//! Fetching what was listed: some blobs at a time, their records handed on in the blobs' order.
//!
//! A blob is done with the step that holds its last record. One whose transfer broke off is transferred again, and of what
//! was counted before nothing is counted twice. What cannot be had goes the way the table says.
//!
//! Limits: 4 transfers of a content type at a time, each with a piece or two that wait for their turn.

use std::collections::VecDeque;
use std::sync::Arc;

use schemas::Micros;
use schemas::time::SECOND;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;

use super::blob::{self, Ended, Order, Piece};
use super::books::{At, BlobBook, State};
use super::failed::Failed;
use super::feed::Feed;
use super::outlet::Gone;
use super::pending::{TRANSFERS, after};
use super::table::Does;
use super::windows::{self, Window};
use crate::portion::{Part, Why};

/// Transfers side by side.
const TRANSFERS_MAX: usize = 4;

/// Pieces of several blobs wait for their turn: each is only a part of a step.
const PIECES_A_STEP: usize = 2;

/// A transfer under way.
struct Running {
    unit: String,
    /// So many of its records have come.
    at: u64,
    strict: bool,
    pieces: Receiver<Piece>,
}

impl Feed {
    /// Fetches what is due.
    pub(super) async fn fetch(&mut self) -> Result<(), Gone> {
        self.find_again().await?;
        let mut waiting = self.due();
        let mut running: VecDeque<Running> = VecDeque::new();
        let mut transfers = JoinSet::new();
        loop {
            while running.len() < TRANSFERS_MAX && self.now() >= self.hold {
                let Some(unit) = waiting.pop_front() else { break };
                let Some(order) = self.order(&unit) else { continue };
                let (sender, pieces) = mpsc::channel(1);
                running.push_back(Running { unit, at: 0, strict: order.strict, pieces });
                transfers.spawn(blob::transfer(self.shared.api.clone(), order, sender));
            }
            // What has ended is taken off the list; its pieces say how.
            while transfers.try_join_next().is_some() {}
            let Some(first) = running.front_mut() else { break };
            let piece = match first.pieces.try_recv() {
                Ok(piece) => Some(piece),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => {
                    // What is there need not wait for what is not.
                    self.outlet.flush().await?;
                    first.pieces.recv().await
                }
            };
            let lost =
                || Piece { found: Vec::new(), ended: Some(Ended::Failed(Failed::Malformed("unreadable"))) };
            let piece = piece.unwrap_or_else(lost);
            let over = piece.ended.is_some();
            self.take(first, piece).await?;
            if over {
                running.pop_front();
            }
        }
        self.outlet.flush().await
    }

    /// Lists again where blobs are whose address is not known, or was not taken.
    async fn find_again(&mut self) -> Result<(), Gone> {
        let now = self.now();
        let stale = self.pending.iter().filter(|(_, pending)| pending.stale && pending.due <= now);
        let stale: Vec<(String, Micros)> = stale.map(|(unit, one)| (unit.clone(), one.created)).collect();
        for (unit, created) in stale {
            // Found by the one before it, or too old to be listed.
            let found = |feed: &Self| feed.pending.get(&unit).is_none_or(|pending| !pending.stale);
            if found(self) || self.now() < self.hold {
                continue;
            }
            let mut told = None;
            if let Err(failed) = self.list(windows::around(created), false).await {
                told = Some(self.trouble("content", &failed));
                if failed.does() == Does::Park {
                    self.hold = after(self.now(), told.unwrap_or_default());
                }
            }
            let now = self.now();
            if let Some(pending) = self.pending.get_mut(&unit).filter(|pending| pending.stale) {
                pending.wait(now, told);
            }
        }
        Ok(())
    }

    /// What can be fetched now, the oldest first.
    fn due(&self) -> VecDeque<String> {
        let now = self.now();
        let due = self.pending.iter().filter(|(_, pending)| pending.due <= now && !pending.stale);
        let mut due: Vec<(Micros, &String)> = due.map(|(unit, pending)| (pending.created, unit)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, unit)| unit.clone()).collect()
    }

    fn order(&self, unit: &str) -> Option<Order> {
        let pending = self.pending.get(unit)?;
        let common = &self.shared.config.common;
        Some(Order {
            url: pending.address.clone()?,
            origin: Arc::clone(&self.shared.origin),
            content_type: Arc::clone(&self.content_type),
            strict: pending.no_json + 1 < TRANSFERS,
            records_max: common.step_records_max,
            bytes_max: common.step_bytes_max / PIECES_A_STEP,
        })
    }

    /// Hands records on, and looks how the transfer ended.
    async fn take(&mut self, running: &mut Running, piece: Piece) -> Result<(), Gone> {
        let Some(pending) = self.pending.get_mut(&running.unit) else { return Ok(()) };
        let records = piece.found.iter().filter(|found| found.what.ends_a_record()).count();
        let before = usize::try_from(pending.read.saturating_sub(running.at)).unwrap_or(usize::MAX);
        running.at += records as u64;
        self.shared.api.found(records as u64);
        pending.read = pending.read.max(running.at);
        let done = match &piece.ended {
            Some(Ended::Whole) => true,
            Some(Ended::NoJson) => !running.strict,
            Some(Ended::Failed(_)) | None => false,
        };
        let created = pending.created;
        let state = if done { State::Fetched } else { State::Reading };
        if done || !piece.found.is_empty() {
            let fingerprint = BlobBook { created: At(created), state }.text();
            let (unit, again) = (running.unit.clone(), before.min(records));
            let part = Part { unit, fingerprint, anew: false, again, found: piece.found, done };
            self.outlet.part(part).await?;
        }
        if done {
            self.outlet.portion.blobs.fetched += 1;
            self.pending.remove(&running.unit);
            self.known.insert(running.unit.clone(), (created, State::Fetched));
            return Ok(());
        }
        match piece.ended {
            None | Some(Ended::Whole) => Ok(()),
            Some(Ended::NoJson) => {
                self.later(&running.unit, None, |pending| pending.no_json += 1);
                Ok(())
            }
            Some(Ended::Failed(failed)) => self.not_fetched(&running.unit, &failed).await,
        }
    }

    /// What is done about a blob that could not be had.
    async fn not_fetched(&mut self, unit: &str, failed: &Failed) -> Result<(), Gone> {
        tracing::debug!(source = self.source(), unit, why = %failed, "a blob was not fetched");
        match failed.does() {
            Does::Lost => return self.give_up(unit, Why::Gone).await,
            Does::MaybeLost => {
                let now = self.now();
                if self.pending.get_mut(unit).is_some_and(|pending| pending.is_missing(now)) {
                    return self.give_up(unit, Why::Gone).await;
                }
                self.later(unit, Some(failed), |_| {});
            }
            Does::ListAgain => self.later(unit, None, |pending| pending.stale = true),
            Does::Park => {
                let wait = self.trouble("blob", failed);
                self.hold = after(self.now(), wait);
                self.later(unit, Some(failed), |_| {});
            }
            Does::Start => {
                self.shared.subscriptions.note(&self.content_type, false).await;
                self.later(unit, Some(failed), |_| {});
            }
            Does::Nothing | Does::Refresh | Does::Clamp | Does::FromFirstPage | Does::Wait => {
                self.later(unit, Some(failed), |_| {});
                if failed.is_judged() {
                    // Too many requests: the others would be, too.
                    let wait = self.trouble("blob", failed);
                    self.hold = after(self.now(), wait);
                }
            }
        }
        Ok(())
    }

    fn later(
        &mut self,
        unit: &str,
        failed: Option<&Failed>,
        note: impl FnOnce(&mut super::pending::Pending),
    ) {
        let now = self.now();
        if let Some(pending) = self.pending.get_mut(unit) {
            pending.wait(now, failed.and_then(Failed::wait));
            note(pending);
        }
    }

    /// A blob is lost: said as a gap, and never asked for again.
    pub(super) async fn give_up(&mut self, unit: &str, why: Why) -> Result<(), Gone> {
        let Some(pending) = self.pending.remove(unit) else { return Ok(()) };
        let (created, state) = (pending.created, State::Expired);
        let why = if self.shared.api.now() >= pending.expires { Why::Expired } else { why };
        let fingerprint = BlobBook { created: At(created), state }.text();
        let part = Part { unit: unit.to_owned(), fingerprint, done: true, ..Part::default() };
        self.outlet.part(part).await?;
        let id = unit.split_once('/').map_or(unit, |(_, id)| id).to_owned();
        let window = Window { from: created, to: created.plus(SECOND) };
        let loss = self.loss(window, why, id);
        self.outlet.portion.losses.push(loss);
        self.outlet.portion.blobs.expired += 1;
        self.known.insert(unit.to_owned(), (created, State::Expired));
        Ok(())
    }
}
