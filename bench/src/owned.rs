//! What a plain reader would do: the fields every record shares, owned, by serde.

use serde::Deserialize;

/// The documented common fields and the two lists that most records carry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "read to be timed, not to be used")]
pub(crate) struct Record {
    id: Option<String>,
    record_type: Option<i64>,
    creation_time: Option<String>,
    operation: Option<String>,
    organization_id: Option<String>,
    workload: Option<String>,
    user_id: Option<String>,
    user_key: Option<String>,
    user_type: Option<i64>,
    #[serde(rename = "ClientIP")]
    client_ip: Option<String>,
    object_id: Option<String>,
    result_status: Option<String>,
    version: Option<i64>,
    extended_properties: Option<Vec<Pair>>,
    property_collection: Option<Vec<Pair>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "read to be timed, not to be used")]
pub(crate) struct Pair {
    name: Option<String>,
    value: Option<String>,
}
