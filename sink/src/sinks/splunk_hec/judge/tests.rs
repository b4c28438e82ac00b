//! One test a row of the table, by what the vendor's page and recordings say, and the answers that are none of HEC's.

use super::super::codes::ROWS;
use super::*;

const SENT: Sent = Sent { events: 10, bytes: 5000 };

fn of(status: u16, body: &str) -> Answer {
    judge(Reply { status, body: body.as_bytes(), retry_after: None }, SENT)
}

fn code(code: i64, number: Option<i64>) -> Answer {
    let status = row_of(code).unwrap().status;
    let number = number.map_or(String::new(), |number| format!(r#","invalid-event-number":{number}"#));
    of(status, &format!(r#"{{"text":"t","code":{code}{number}}}"#))
}

fn bad(bad: usize, reason: &'static str) -> Answer {
    Answer::Refused { bad, why: Refusal { reason, doubtful: false } }
}

fn fault(answer: &Answer) -> String {
    let Answer::Held(0, Held { fault: true, cause, .. }) = answer else { panic!("{answer:?} is no fault") };
    cause.clone()
}

fn is_busy(answer: &Answer, taken: usize) -> bool {
    matches!(answer, Answer::Held(count, Held { fault: false, .. }) if *count == taken)
}

#[test]
fn the_table_has_every_code_once_in_order() {
    assert!(ROWS.iter().map(|row| row.code).eq(0..29));
}

#[test]
fn code_0_is_delivered() {
    assert_eq!(code(0, None), Answer::Taken { pause: None });
    assert_eq!(of(200, r#"{"code":0}"#), Answer::Taken { pause: None });
    assert_eq!(of(201, r#"{"code":0,"text":"OK","ackId":7}"#), Answer::Taken { pause: None });
    assert!(is_busy(&of(503, r#"{"code":0}"#), 0), "a status that contradicts");
}

#[test]
fn codes_1_2_3_4_are_about_the_token() {
    for number in [1, 2, 3, 4] {
        let cause = fault(&code(number, None));
        assert!(cause.contains("token") && cause.contains(&number.to_string()), "{cause}");
    }
    assert!(fault(&code(4, None)).contains("`token`"));
}

#[test]
fn code_5_says_that_the_body_got_lost() {
    assert!(fault(&code(5, None)).contains("body"));
    assert!(proves_token(Reply { status: 400, body: br#"{"text":"No data","code":5}"#, retry_after: None }));
    for other in [r#"{"code":4}"#, "", "5", r#"{"code":"5"}"#] {
        assert!(!proves_token(Reply { status: 400, body: other.as_bytes(), retry_after: None }), "{other}");
    }
}

#[test]
fn codes_6_12_13_15_name_the_bad_one() {
    for (number, reason) in
        [(6, "invalid_data_format"), (12, "event_missing"), (13, "event_blank"), (15, "bad_indexed_fields")]
    {
        assert_eq!(code(number, Some(0)), bad(0, reason));
        assert_eq!(code(number, Some(9)), bad(9, reason));
        for nowhere in [None, Some(10), Some(-1), Some(i64::MAX)] {
            let why = Refusal { reason, doubtful: false };
            assert_eq!(code(number, nowhere), Answer::OneRefused(why), "{nowhere:?}");
        }
    }
}

#[test]
fn code_6_about_the_first_of_a_huge_body_means_its_size() {
    let huge = |number: &str, bytes| {
        let body = format!(r#"{{"text":"Invalid data format","code":6{number}}}"#);
        judge(Reply { status: 400, body: body.as_bytes(), retry_after: None }, Sent { events: 10, bytes })
    };
    assert_eq!(huge(r#","invalid-event-number":0"#, 5_242_881), Answer::TooLarge);
    assert_eq!(huge("", 5_242_881), Answer::TooLarge);
    assert_eq!(huge(r#","invalid-event-number":0"#, 5_242_880), bad(0, "invalid_data_format"));
    assert_eq!(huge(r#","invalid-event-number":4"#, 6_000_000), bad(4, "invalid_data_format"));
}

#[test]
fn code_7_names_the_one_behind_the_bad_one() {
    let why = Refusal { reason: "incorrect_index", doubtful: true };
    assert_eq!(code(7, Some(1)), Answer::Refused { bad: 0, why });
    assert_eq!(code(7, Some(10)), Answer::Refused { bad: 9, why }, "the last one is bad");
    for nowhere in [None, Some(0), Some(11)] {
        assert_eq!(code(7, nowhere), Answer::OneRefused(why), "{nowhere:?}");
    }
}

#[test]
fn code_8_may_have_taken_anything() {
    assert!(is_busy(&code(8, None), 0));
    assert!(is_busy(&code(8, Some(4)), 0));
}

#[test]
fn code_9_took_those_before_its_number() {
    assert!(is_busy(&code(9, None), 0));
    assert!(is_busy(&code(9, Some(0)), 0));
    assert!(is_busy(&code(9, Some(4)), 4));
    assert!(is_busy(&code(9, Some(11)), 0), "a number that the body does not have");
}

#[test]
fn codes_10_11_28_are_about_acknowledgement() {
    for number in [10, 11, 28] {
        assert!(fault(&code(number, None)).contains("acknowledgement"));
    }
}

#[test]
fn codes_14_16_17_21_22_are_about_settings() {
    for (number, setting) in [(14, "`url`"), (16, "`url`"), (17, "`url`"), (21, "`token`"), (22, "`token`")] {
        assert!(fault(&code(number, None)).contains(setting), "{number}");
    }
}

#[test]
fn codes_18_19_20_23_26_27_are_for_later() {
    for number in [18, 19, 20, 23, 26, 27] {
        assert!(is_busy(&code(number, None), 0), "{number}");
    }
}

#[test]
fn codes_24_and_25_are_delivered_and_ask_for_a_pause() {
    for number in [24, 25] {
        assert_eq!(code(number, None), Answer::Taken { pause: Some(Duration::from_secs(1)) });
    }
    let told = Some(Duration::from_secs(9));
    let reply = Reply { status: 200, body: br#"{"code":24}"#, retry_after: told };
    assert_eq!(judge(reply, SENT), Answer::Taken { pause: told });
}

#[test]
fn status_413_is_about_the_size_whatever_the_body_says() {
    for body in ["", "<html>", r#"{"code":6,"invalid-event-number":3}"#] {
        assert_eq!(of(413, body), Answer::TooLarge);
    }
}

#[test]
fn success_without_a_code_is_not_delivered() {
    for body in [
        "",
        "OK",
        "\"OK\"",
        "<html>ok</html>",
        "{}",
        "[]",
        r#"{"text":"Success"}"#,
        r#"{"code":"0"}"#,
        r#"{"code":0"#,
    ] {
        assert!(is_busy(&of(200, body), 0), "{body}");
    }
    assert!(is_busy(&of(200, r#"{"code":99}"#), 0), "a code nobody knows");
}

#[test]
fn answers_that_are_none_of_hec_s_are_judged_by_status() {
    for status in [408, 429, 500, 502, 503, 504] {
        assert!(is_busy(&of(status, "<html><body>error</body></html>"), 0), "{status}");
    }
    for (status, setting) in [
        (301, "`url`"),
        (307, "`url`"),
        (401, "`token`"),
        (403, "`token`"),
        (404, "`url`"),
        (405, "`url`"),
        (415, "`gzip: false`"),
    ] {
        assert!(fault(&of(status, "<html>")).contains(setting), "{status}");
    }
    assert!(fault(&of(400, "<html>Bad Request secret</html>")).contains("before the collector"));
    assert!(!fault(&of(400, "<html>Bad Request secret</html>")).contains("secret"), "nothing is quoted");
}

#[test]
fn retry_after_is_passed_on() {
    let told = Some(Duration::from_secs(17));
    for (status, body) in [(429, "{\"code\":26}"), (503, "{\"code\":9}"), (503, "")] {
        let Answer::Held(0, held) = judge(Reply { status, body: body.as_bytes(), retry_after: told }, SENT)
        else {
            panic!("{status} {body}");
        };
        assert_eq!(held.after, told);
    }
}
