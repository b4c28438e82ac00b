//! The table of HEC's answers: number, HTTP status, text (Splunk docs, "Troubleshoot HTTP Event Collector"; 28 and the
//! statuses of 21 and 22 as measured).

use serde_json::json;

use crate::call::Answer;

/// An answer's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Success,
    TokenDisabled,
    TokenRequired,
    Malformed,
    TokenInvalid,
    NoData,
    InvalidData,
    WrongIndex,
    Internal,
    Busy,
    ChannelMissing,
    ChannelInvalid,
    EventMissing,
    EventBlank,
    AckDisabled,
    BadFields,
    QueryToken,
    Healthy,
    UnhealthyQueue,
    UnhealthyAck,
    HealthTokenBad,
    HealthTokenDisabled,
    Stopping,
    QueueFilling,
    AckFilling,
    QueueFull,
    AckFull,
    CloudChannelMissing,
}

/// Number, status and text.
const fn row(code: Code) -> (u16, u16, &'static str) {
    match code {
        Code::Success => (0, 200, "Success"),
        Code::TokenDisabled => (1, 403, "Token disabled"),
        Code::TokenRequired => (2, 401, "Token is required"),
        Code::Malformed => (3, 401, "Invalid authorization"),
        Code::TokenInvalid => (4, 403, "Invalid token"),
        Code::NoData => (5, 400, "No data"),
        Code::InvalidData => (6, 400, "Invalid data format"),
        Code::WrongIndex => (7, 400, "Incorrect index"),
        Code::Internal => (8, 500, "Internal server error"),
        Code::Busy => (9, 503, "Server is busy"),
        Code::ChannelMissing => (10, 400, "Data channel is missing"),
        Code::ChannelInvalid => (11, 400, "Invalid data channel"),
        Code::EventMissing => (12, 400, "Event field is required"),
        Code::EventBlank => (13, 400, "Event field cannot be blank"),
        Code::AckDisabled => (14, 400, "ACK is disabled"),
        Code::BadFields => (15, 400, "Error in handling indexed fields"),
        Code::QueryToken => (16, 400, "Query string authorization is not enabled"),
        Code::Healthy => (17, 200, "HEC is healthy"),
        Code::UnhealthyQueue => (18, 503, "HEC is unhealthy, queues are full"),
        Code::UnhealthyAck => (19, 503, "HEC is unhealthy, ack service unavailable"),
        Code::HealthTokenBad => (21, 400, "Invalid token"),
        Code::HealthTokenDisabled => (22, 400, "Token disabled"),
        Code::Stopping => (23, 503, "Server is shutting down"),
        Code::QueueFilling => (24, 200, "Success, queue is approaching capacity"),
        Code::AckFilling => (25, 200, "Success, ack channel is approaching capacity"),
        Code::QueueFull => (26, 429, "Queue is at capacity"),
        Code::AckFull => (27, 429, "Ack channel is at capacity"),
        Code::CloudChannelMissing => {
            (28, 400, "Data channel is missing; load balancers need sticky sessions")
        }
    }
}

/// The answer, naming an event where there is one to name.
pub(crate) fn reply(code: Code, event: Option<usize>) -> Answer {
    answer(code, event, None)
}

/// The same, with an acknowledgement's id.
pub(crate) fn answer(code: Code, event: Option<usize>, ack: Option<u64>) -> Answer {
    let (number, status, text) = row(code);
    let mut body = json!({ "text": text, "code": number });
    if let Some(fields) = body.as_object_mut() {
        if let Some(event) = event {
            let _new = fields.insert("invalid-event-number".to_owned(), event.into());
        }
        if let Some(ack) = ack {
            let _new = fields.insert("ackId".to_owned(), ack.into());
        }
    }
    Answer::json(status, &body)
}
