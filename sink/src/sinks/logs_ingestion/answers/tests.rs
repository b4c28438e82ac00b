//! One test a row of the table, and the answers that are none of the service's.

use super::*;

fn of(status: u16, code: &str) -> Answer {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"secret"}}}}"#);
    judge(Reply { status, code: None, body: body.as_bytes(), retry_after: None })
}

fn bare(status: u16, body: &str) -> Answer {
    judge(Reply { status, code: None, body: body.as_bytes(), retry_after: None })
}

fn fault(answer: &Answer) -> String {
    let Answer::Held(0, Held { fault: true, cause, .. }) = answer else { panic!("{answer:?} is no fault") };
    cause.clone()
}

fn is_busy(answer: &Answer) -> bool {
    matches!(answer, Answer::Held(0, Held { fault: false, .. }))
}

#[test]
fn row_204_is_delivered_and_no_other_success_is() {
    assert_eq!(bare(204, ""), Answer::Taken { pause: None });
    for status in [200, 201, 202] {
        assert!(is_busy(&bare(status, "<html>welcome</html>")), "{status}");
    }
}

#[test]
fn row_400_invalid_payload_is_one_record_s_fault() {
    let why = Refusal { reason: "invalid_payload", doubtful: false };
    assert_eq!(of(400, "InvalidPayload"), Answer::OneRefused(why));
    assert_eq!(of(400, "SomethingNew"), Answer::OneRefused(why), "a code of the service that nobody knows");
    let header = Reply { status: 400, code: Some("InvalidPayload"), body: b"", retry_after: None };
    assert_eq!(judge(header), Answer::OneRefused(why), "the code in the header alone");
}

#[test]
fn row_400_time_range_is_for_fewer_records() {
    let Answer::TooMany(held) = of(400, "RecordsTimeRangeIsMoreThan30Minutes") else { panic!() };
    assert!(held.fault && held.cause.contains("plan"));
}

#[test]
fn rows_400_invalid_stream_and_api_version_are_settings() {
    assert!(fault(&of(400, "InvalidStream")).contains("`stream`"));
    assert!(fault(&of(400, "InvalidApiVersion")).contains("`endpoint`"));
}

#[test]
fn row_400_that_is_not_the_service_s_is_no_record_s_fault() {
    for body in ["", "<html>Bad Request</html>", "{}", "[]", r#"{"error":"x"}"#, r#"{"error":{}}"#] {
        assert!(fault(&bare(400, body)).contains("before the service"), "{body}");
    }
}

#[test]
fn row_401_is_for_another_token_once() {
    assert!(refuses_token(401));
    assert!(!refuses_token(403) && !refuses_token(204));
    assert!(fault(&of(401, "TokenExpired")).contains("`entra`"));
}

#[test]
fn row_403_names_the_role() {
    let cause = fault(&of(403, "OperationFailed"));
    assert!(
        cause.contains("Monitoring Metrics Publisher") && cause.contains("data collection rule"),
        "{cause}"
    );
}

#[test]
fn row_404_names_the_settings() {
    let cause = fault(&of(404, "NotFound"));
    assert!(cause.contains("`dcr`") && cause.contains("`endpoint`"), "{cause}");
}

#[test]
fn row_413_is_the_size() {
    assert_eq!(of(413, "ContentLengthLimitExceeded"), Answer::TooLarge);
    assert_eq!(bare(413, "<html>"), Answer::TooLarge);
}

#[test]
fn row_415_is_a_setting() {
    assert!(fault(&bare(415, "<html>")).contains("`endpoint`"));
}

#[test]
fn rows_408_429_and_5xx_are_for_later() {
    for status in [408, 429, 500, 502, 503, 504, 507, 599] {
        assert!(is_busy(&bare(status, "<html>")), "{status}");
    }
    let told = Some(Duration::from_secs(30));
    let reply = Reply { status: 429, code: None, body: b"", retry_after: told };
    let Answer::Held(0, held) = judge(reply) else { panic!() };
    assert_eq!(held.after, told);
}

#[test]
fn what_leads_elsewhere_or_is_unknown_is_a_setting() {
    for status in [301, 302, 307, 405, 418] {
        fault(&bare(status, "<html>"));
    }
}

#[test]
fn nothing_of_an_answer_is_quoted() {
    for status in [200, 400, 401, 403, 404, 418, 500] {
        for code in ["InvalidPayload2 alice@contoso.example", "NotFound"] {
            let text = format!("{:?}", of(status, code));
            assert!(!text.contains("secret") && !text.contains("alice"), "{text}");
        }
    }
}
