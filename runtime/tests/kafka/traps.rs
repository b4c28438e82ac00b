//! The twelve traps that others fell into with librdkafka and transactions, each with the tests that show why this log
//! does not: either what happens, or that it cannot by the way it is built.

use std::{collections::BTreeSet, path::Path};

use libtest_mimic::{Failed, Trial};

/// The trap, and the tests by name. Where a trap cannot arise, `nothing_that_stops_in_silence_is_used` reads the source.
const TRAPS: [(&str, &[&str]); 12] = [
    (
        "1. a consumer that stops in silence: StreamConsumer, split_partition_queue",
        &["nothing_that_stops_in_silence_is_used", "not_calling_next_loses_nothing"],
    ),
    (
        "2. a rebalance that waits for ever, or commits what is lost",
        &[
            "a_member_that_does_not_answer_gives_up_within_its_bound",
            "two_members_share_and_hand_over",
            "lost_leaves_no_trace_and_the_rest_comes_again",
        ],
    ),
    (
        "3. an assignment that is lost without a word: work of an older generation counts",
        &["a_step_under_an_old_lease_is_lost", "a_commit_for_partitions_never_assigned_is_lost"],
    ),
    (
        "4. offsets that are stored or committed by the client, or past unfinished work",
        &[
            "nothing_that_stops_in_silence_is_used",
            "what_was_not_committed_comes_again",
            "positions_resume_exactly_after_leaving",
        ],
    ),
    (
        "5. positions that are one short, or sent with the metadata of an older group",
        &["positions_resume_exactly_after_a_crash", "members_come_and_go_without_loss_or_doubles"],
    ),
    (
        "6. transaction calls that block a thread that is needed, or give up with the socket",
        &[
            "a_broker_that_comes_back_finds_its_members_waiting",
            "a_commit_that_is_late_commits_nothing_else",
            "a_transaction_that_gets_no_further_is_begun_anew",
        ],
    ),
    (
        "7. one answer to every error",
        &[
            "a_step_is_not_doubled_when_the_answer_to_its_commit_is_lost",
            "a_step_is_not_lost_when_its_commit_never_arrives",
            "a_fenced_producer_cannot_commit",
            "rights_that_are_taken_away_end_the_handle_and_nothing_is_half_done",
            "a_record_that_the_broker_finds_too_large_is_named",
        ],
    ),
    (
        "8. a transactional id that is new with each start, or shared",
        &[
            "a_zombies_open_transaction_ends_when_its_name_is_opened",
            "a_silent_handle_whose_name_was_taken_leaves_the_group",
            "a_second_handle_of_the_name_fences_the_first",
        ],
    ),
    (
        "9. readers that see what was aborted",
        &[
            "aborted_and_open_transactions_stay_invisible",
            "nobody_is_idle_before_an_open_transaction_is_decided",
        ],
    ),
    (
        "10. a producer that drops records after a while",
        &["records_that_are_not_delivered_in_time_are_sent_again"],
    ),
    (
        "11. a close that hangs or crashes",
        &["a_handle_and_its_log_close_while_the_broker_is_away", "a_leaving_member_hands_everything_over"],
    ),
    (
        "12. a broker's health read from ALL_BROKERS_DOWN",
        &[
            "nothing_that_stops_in_silence_is_used",
            "a_broker_that_comes_back_lets_members_back_that_it_gave_up",
        ],
    ),
];

/// The traps' own trials; `others` are all that there are besides.
pub(crate) fn trials(others: &[Trial]) -> Vec<Trial> {
    let mut names: BTreeSet<String> =
        others.iter().filter_map(|trial| trial.name().split("::").nth(1).map(str::to_owned)).collect();
    names.insert("nothing_that_stops_in_silence_is_used".to_owned());
    vec![
        Trial::test("kafka::nothing_that_stops_in_silence_is_used", source),
        Trial::test("kafka::every_trap_has_its_tests", move || {
            for (trap, tests) in TRAPS {
                for test in tests {
                    if !names.contains(*test) {
                        return Err(Failed::from(format!("{trap}: there is no test {test}")));
                    }
                }
            }
            Ok(())
        }),
    ]
}

/// What this log is made of: a `BaseConsumer` that is polled by a thread of its own, which neither stores nor commits.
fn source() -> Result<(), Failed> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kafka")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&std::fs::read_to_string(path)?);
            }
        }
    }
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let never = [
        "StreamConsumer",
        "split_partition_queue",
        "FutureProducer",
        "store_offset",
        ".commit(&",
        ".commit_message(",
        ".commit_consumer_state(",
        "consume_batch_queue",
        "Code::AllBrokersDown =>",
    ];
    for name in never {
        if code.contains(name) {
            return Err(Failed::from(format!("{name} is used")));
        }
    }
    for set in [
        r#".set("enable.auto.commit", "false")"#,
        r#".set("enable.auto.offset.store", "false")"#,
        r#".set("isolation.level", "read_committed")"#,
        r#".set("auto.offset.reset", "error")"#,
        r#".set("partition.assignment.strategy", "cooperative-sticky")"#,
        r#".set("allow.auto.create.topics", "false")"#,
    ] {
        if !code.contains(set) {
            return Err(Failed::from(format!("{set} is gone")));
        }
    }
    Ok(())
}
