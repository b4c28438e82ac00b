//! Whether it worked. `ResultStatus` is not one vocabulary, and for sign-ins it does not say (146 of 271 failed ones
//! that others published are `Success`): there the operation does.

use schemas::record::Record;

/// It worked.
pub(super) const SUCCESS: &str = "success";
/// It did not.
pub(super) const FAILURE: &str = "failure";
/// The record does not say.
pub(super) const UNKNOWN: &str = "unknown";

pub(super) fn of(record: &Record<'_>, operation: &str) -> &'static str {
    match operation {
        "UserLoginFailed" => return FAILURE,
        "UserLoggedIn" => return SUCCESS,
        _ => {}
    }
    let fields = ["ResultStatus", "PropertyCollection.powerplatform.analytics.operation.is_successful"];
    for field in fields {
        match record.text(field).map_or(UNKNOWN, |text| of_word(&text)) {
            UNKNOWN => {}
            known => return known,
        }
    }
    // `LogonError` and `ErrorNumber` are a string each; only sign-ins have them.
    let error = record.text("ErrorNumber").is_some_and(|number| !matches!(number.trim(), "" | "0"));
    if error { FAILURE } else { UNKNOWN }
}

/// The word's meaning, in any case. What partly succeeded happened.
pub(super) fn of_word(word: &str) -> &'static str {
    match word.trim().to_ascii_lowercase().as_str() {
        "true" | "success" | "succeeded" | "successful" | "partiallysucceeded" => SUCCESS,
        "false" | "failed" | "failure" | "fail" | "error" => FAILURE,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_seen_has_a_meaning() {
        for (text, operation, expected) in [
            (r#"{"ResultStatus":"TRUE"}"#, "Set-Mailbox", SUCCESS),
            (r#"{"ResultStatus":"Succeeded"}"#, "LaunchPowerApp", SUCCESS),
            (r#"{"ResultStatus":"Failed"}"#, "Set-Mailbox", FAILURE),
            (r#"{"ResultStatus":false}"#, "Set-Mailbox", FAILURE),
            (r#"{"ResultStatus":"InProgress"}"#, "x", UNKNOWN),
            (r#"{"ResultStatus":null}"#, "x", UNKNOWN),
            ("{}", "x", UNKNOWN),
            (r#"{"ResultStatus":"Success"}"#, "UserLoginFailed", FAILURE),
            (r#"{"ResultStatus":"Success","ErrorNumber":"50140"}"#, "UserLoggedIn", SUCCESS),
            (r#"{"ErrorNumber":"50126"}"#, "PasswordLogon", FAILURE),
            (r#"{"ErrorNumber":"0"}"#, "PasswordLogon", UNKNOWN),
            (
                r#"{"PropertyCollection":[{"Name":"powerplatform.analytics.operation.is_successful","Value":"False"}]}"#,
                "AdminDeleteApp",
                FAILURE,
            ),
        ] {
            assert_eq!(of(&Record::parse(text.as_bytes()).unwrap(), operation), expected, "{text}");
        }
    }
}
