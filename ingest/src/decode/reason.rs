//! Why a record is rejected or left out: a closed set, so that counters and dead letters have bounded labels.

use pipeline::Reason;

/// Not JSON.
pub const NOT_JSON: Reason = "not_json";
/// JSON that ends before its end.
pub const TRUNCATED: Reason = "truncated";
/// JSON, but no object.
pub const NOT_AN_OBJECT: Reason = "not_an_object";
/// Nested deeper than 128.
pub const TOO_DEEP: Reason = "too_deep";
/// More than 16 MiB, or more than 500,000 values.
pub const TOO_LONG: Reason = "too_long";
/// Bytes that are no text.
pub const BINARY: Reason = "binary";
/// JSON in bytes that are not UTF-8: Latin-1 or a Windows code page.
pub const NOT_UTF8: Reason = "not_utf8";
/// A file in UTF-16.
pub const UTF16: Reason = "utf16";
/// A file with nothing in it.
pub const EMPTY: Reason = "empty";
/// A gzip file that is cut short, damaged or a bomb.
pub const GZIP: Reason = "gzip";
/// A file that can no longer be read.
pub const UNREADABLE: Reason = "unreadable";
/// A row without the record it should carry.
pub const NO_AUDIT_DATA: Reason = "no_audit_data";
/// An audit record without `Id`.
pub const NO_ID: Reason = "no_id";
/// A record without a time.
pub const NO_TIME: Reason = "no_time";
/// A record whose time is none.
pub const BAD_TIME: Reason = "bad_time";
/// An audit record without `Operation`.
pub const NO_OPERATION: Reason = "no_operation";
/// An object that is none of the records Weir knows.
pub const UNKNOWN_SHAPE: Reason = "unknown_shape";

/// In the dead letter beside an event that went on: its bytes were too many to go with it. Not a rejection.
pub const RAW_TOO_LONG: Reason = "raw_too_long";

/// Left out on purpose: the row of a trigger or an action of a flow run.
pub const ACTION_RUN: Reason = "action_run";
/// Left out on purpose: a row of telemetry that no cloud flow and no maker's `FlowExecution` made.
pub const NOT_A_FLOW: Reason = "not_a_flow";

/// Every reason a record can be rejected for.
pub const REJECTIONS: [Reason; 17] = [
    NOT_JSON,
    TRUNCATED,
    NOT_AN_OBJECT,
    TOO_DEEP,
    TOO_LONG,
    BINARY,
    NOT_UTF8,
    UTF16,
    EMPTY,
    GZIP,
    UNREADABLE,
    NO_AUDIT_DATA,
    NO_ID,
    NO_TIME,
    BAD_TIME,
    NO_OPERATION,
    UNKNOWN_SHAPE,
];
