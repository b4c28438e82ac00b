//! One member's handle.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use schemas::TopicPartition;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Room, Shared, Store, Write};
use crate::{
    coordinator::{SeatId, Turn},
    log::{Assignment, Batch, Lease, Log, LogError, Member, Next, Positions, Step},
};

pub(super) struct Handle<S: Store> {
    shared: Arc<Shared<S>>,
    member: Member,
    seat: SeatId,
    /// For each partition that was assigned, what to hand out next.
    cursors: Positions,
    /// Which partition comes first in the next batch: each in turn, so that none starves the others.
    first: usize,
    bell: watch::Receiver<u64>,
}

impl<S: Store> Handle<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, member: Member, seat: SeatId) -> Self {
        let bell = shared.groups.bell.subscribe();
        Self { shared, member, seat, cursors: Positions::new(), first: 0, bell }
    }

    /// What happens next. Between an await and the answer that follows from it, nothing is changed: whoever drops the
    /// future at an await has taken nothing.
    async fn advance(&mut self) -> Result<Next, LogError> {
        let idle_at = Instant::now() + self.member.limits.idle_after;
        loop {
            self.bell.borrow_and_update();
            let deadline = match self.shared.turn(&self.member, self.seat)? {
                Turn::Revoking { partitions, within } => {
                    self.cursors.retain(|partition, _| !partitions.contains(partition));
                    return Ok(Next::Revoking { partitions, within });
                }
                Turn::Gained(gained) => match self.gain(&gained) {
                    Some(assignment) => return Ok(Next::Assigned(assignment)),
                    None => continue,
                },
                Turn::Holds { lease, partitions, next_deadline } => {
                    if let Some(batch) = self.read(lease, partitions).await? {
                        return Ok(Next::Batch(batch));
                    }
                    next_deadline
                }
            };
            if self.wait(idle_at, deadline).await {
                return Ok(Next::Idle);
            }
        }
    }

    fn gain(&mut self, gained: &[TopicPartition]) -> Option<Assignment> {
        let Shared { groups, store } = self.shared.as_ref();
        let group = &self.member.group;
        // Read while it is ours alone, and no step over it is under way.
        let positions: Vec<_> = gained.iter().map(|at| (*at, store.position(group, *at))).collect();
        let lease = groups.with(|coordinator| coordinator.accept(group, self.seat, gained))?;
        self.cursors.extend(positions.iter().copied());
        Some(Assignment { lease, gained: positions })
    }

    async fn read(
        &mut self,
        lease: Lease,
        mut partitions: Vec<TopicPartition>,
    ) -> Result<Option<Batch>, LogError> {
        let first = self.first.checked_rem(partitions.len()).unwrap_or(0);
        partitions.rotate_left(first);
        let store = &self.shared.store;
        let cursor = |at: TopicPartition| Some((at, *self.cursors.get(&at)?));
        let from: Vec<_> =
            partitions.into_iter().filter_map(cursor).filter(|(at, from)| *from < store.end(*at)).collect();
        if from.is_empty() {
            return Ok(None);
        }
        let room = Room::new(self.member.limits.records_max, self.member.limits.bytes_max);
        let slice = store.read(from, room).await?;
        self.cursors.extend(slice.next);
        self.first = self.first.wrapping_add(1);
        // In a compacted topic there may be nothing left between the cursor and the end.
        Ok((!slice.records.is_empty()).then_some(Batch { lease, records: slice.records }))
    }

    /// Waits until somebody rings, or until a hand-over is due; true when it is time to be idle instead.
    async fn wait(&mut self, idle_at: Instant, deadline: Option<Duration>) -> bool {
        let due = deadline.map(|due| self.shared.groups.beginning + due);
        let until = due.map_or(idle_at, |due| due.min(idle_at));
        // The sender lives in `shared`, so the only error there can be is that the time is up.
        timeout_at(until, self.bell.changed()).await.is_err() && until == idle_at
    }

    async fn write(&mut self, step: Step) -> Result<(), LogError> {
        let records = self.shared.place(step.records)?;
        // Not under the permit: whoever makes the room may be about to take a partition over.
        loop {
            self.bell.borrow_and_update();
            self.shared.check(&self.member, self.seat, step.lease, &step.finished)?;
            if self.shared.store.has_room(&self.member.group, &records) {
                break;
            }
            // Rung after every step; the sender lives in `shared`.
            if self.bell.changed().await.is_err() {
                break;
            }
        }
        let permit = self.shared.begin(&self.member, self.seat, step.lease, &step.finished)?;
        let write = Write { group: self.member.group.clone(), finished: step.finished, records, permit };
        self.shared.store.apply(write).await
    }

    fn quit(&mut self) {
        let groups = &self.shared.groups;
        let now = groups.now();
        groups.with(|coordinator| coordinator.leave(&self.member.group, self.seat, now));
        self.cursors.clear();
    }
}

impl<S: Store> Log for Handle<S> {
    fn next(&mut self) -> BoxFuture<'_, Result<Next, LogError>> {
        Box::pin(self.advance())
    }

    fn commit(&mut self, step: Step) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(self.write(step))
    }

    fn leave(&mut self) -> BoxFuture<'_, Result<(), LogError>> {
        self.quit();
        Box::pin(std::future::ready(Ok(())))
    }
}

impl<S: Store> Drop for Handle<S> {
    fn drop(&mut self) {
        self.quit();
    }
}
