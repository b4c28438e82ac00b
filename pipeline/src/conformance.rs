//! The conformance suite: the laws that every log obeys, each a case that runs over any implementation.
//!
//! A log's crate implements [`Harness`] and runs every one of [`CASES`] as a test of its own. A case fails by
//! panicking. No case looks at the time: it waits for an event by calling `next` again, up to a generous count of
//! calls. Offsets are compared, never counted: a log may leave gaps between them.

mod ageing;
mod bytes_and_batches;
mod crashes;
mod fencing;
mod hands;
mod members;
mod positions;
mod steps;
mod tables;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::log::{Logs, Positions};

/// Makes logs for the cases; one for each implementation.
pub trait Harness: Send + Sync {
    /// A fresh, empty log with so many partitions for every topic; nothing of another case is visible in it.
    fn fresh(&self, partitions: u32) -> BoxFuture<'_, Box<dyn Instance>>;
}

/// One log under test.
pub trait Instance: Send + Sync {
    /// The log; the same one every time until it crashes.
    fn logs(&self) -> Arc<dyn Logs>;

    /// All handles die without leaving, the store is kept; the next [`Instance::logs`] is opened over the same store.
    /// A case may still hold a handle from before: whatever it asks of it must fail.
    fn crash(&mut self) -> BoxFuture<'_, ()>;

    /// Retention passes: of these partitions, whatever lies before these offsets is old, and the log deletes as much of
    /// it as its rules let it. No handle is open; the next [`Instance::logs`] may be opened anew. A log that deletes
    /// nothing by age has nothing to do.
    fn age(&mut self, _old: Positions) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A law, and how it is tried.
#[derive(Clone, Copy)]
pub struct Case {
    /// The law, as the name of a test.
    pub name: &'static str,
    /// Tries it; panics where it does not hold.
    pub run: fn(Arc<dyn Harness>) -> BoxFuture<'static, ()>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

const fn case(name: &'static str, run: fn(Arc<dyn Harness>) -> BoxFuture<'static, ()>) -> Case {
    Case { name, run }
}

/// Every law.
pub const CASES: &[Case] = &[
    case("records_keep_their_order_in_each_partition", |h| Box::pin(steps::order(h))),
    case("a_step_is_visible_whole_or_not_at_all", |h| Box::pin(steps::whole(h))),
    case("a_refused_step_leaves_no_trace", |h| Box::pin(steps::refused(h))),
    case("an_empty_step_commits", |h| Box::pin(steps::empty(h))),
    case("records_land_where_their_route_says", |h| Box::pin(steps::routes(h))),
    case("records_survive_byte_for_byte", |h| Box::pin(bytes_and_batches::unchanged(h))),
    case("a_batch_holds_at_most_records_max", |h| Box::pin(bytes_and_batches::records_max(h))),
    case("a_batch_holds_at_most_bytes_max_or_one_record", |h| Box::pin(bytes_and_batches::bytes_max(h))),
    case("not_calling_next_loses_nothing", |h| Box::pin(bytes_and_batches::held_back(h))),
    case("idle_comes_after_everything_committed_before", |h| Box::pin(bytes_and_batches::idle(h))),
    case("a_dropped_next_loses_and_reorders_nothing", |h| Box::pin(bytes_and_batches::dropped_next(h))),
    case("positions_resume_exactly_after_leaving", |h| Box::pin(positions::after_leaving(h))),
    case("positions_resume_exactly_after_a_crash", |h| Box::pin(positions::after_a_crash(h))),
    case("what_was_not_committed_comes_again", |h| Box::pin(positions::uncommitted(h))),
    case("each_group_has_its_own_positions", |h| Box::pin(positions::own(h))),
    case("a_group_reads_several_topics", |h| Box::pin(positions::several_topics(h))),
    case("one_member_holds_every_partition", |h| Box::pin(members::alone(h))),
    case("two_members_share_and_hand_over", |h| Box::pin(members::share(h))),
    case("a_leaving_member_hands_everything_over", |h| Box::pin(members::leave(h))),
    case("members_come_and_go_without_loss_or_doubles", |h| Box::pin(members::churn(h))),
    case("an_idle_member_takes_over", |h| Box::pin(members::idle_member(h))),
    case("a_second_handle_of_the_name_fences_the_first", |h| Box::pin(fencing::same_name(h))),
    case("a_zombies_records_never_appear", |h| Box::pin(fencing::zombie(h))),
    case("lost_leaves_no_trace_and_the_rest_comes_again", |h| Box::pin(fencing::lost(h))),
    case("a_step_under_an_old_lease_is_lost", |h| Box::pin(fencing::old_lease(h))),
    case("a_commit_for_partitions_never_assigned_is_lost", |h| Box::pin(fencing::never_assigned(h))),
    case("a_table_holds_the_newest_value_of_every_key", |h| Box::pin(tables::newest(h))),
    case("a_table_survives_a_crash", |h| Box::pin(tables::after_a_crash(h))),
    case("a_table_is_followed_after_it_was_restored", |h| Box::pin(tables::followed(h))),
    case("a_key_is_never_missed_while_it_is_overwritten", |h| Box::pin(tables::overwritten(h))),
    case("a_reader_says_when_it_has_caught_up", |h| Box::pin(tables::caught_up(h))),
    case("a_reader_goes_on_where_it_was", |h| Box::pin(tables::goes_on(h))),
    case("what_retention_took_is_told_and_never_passed_over", |h| Box::pin(ageing::told(h))),
    case("a_new_group_begins_with_what_there_is", |h| Box::pin(ageing::newcomer(h))),
    case("an_open_step_stays_invisible", |h| Box::pin(crashes::open_step(h))),
    case("an_acknowledged_step_survives_a_crash", |h| Box::pin(crashes::acknowledged(h))),
    case("a_step_of_unknown_outcome_is_whole_or_absent", |h| Box::pin(crashes::unknown_outcome(h))),
    case("a_step_of_unknown_outcome_is_not_doubled", |h| Box::pin(crashes::not_doubled(h))),
];
