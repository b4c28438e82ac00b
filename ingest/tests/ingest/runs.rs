//! Flow runs in the documented shapes (no public row exists).

use ingest::decode::{Decoded, Origin, decode};
use schemas::{Event, Hash128};

use crate::support::{event_of, reason_of, texts};

fn in_environment(text: &str) -> Event {
    let origin = Origin {
        source: "files".to_owned(),
        tenant: Some("t1".to_owned()),
        environment: Some("Default-E1".to_owned()),
    };
    let Decoded::Event(event) = decode(text.as_bytes().to_vec(), &origin) else { panic!("{text}") };
    *event
}

const DATAVERSE: &str = r#"{"flowrunid":"0D3F","name":"08585RUN","starttime":"2024-05-01T10:00:00Z",
    "endtime":"2024-05-01T10:00:05.5Z","duration":5,"status":"Succeeded","triggertype":"Automated",
    "workflowid":"W-1","resourceid":"FLOW-1","workflowname":"Copy mail","parentrunid":"P","_ownerid_value":"OWN-1"}"#;

/// A row as an export of the workspace has it; `customDimensions` names it as Application Insights does.
fn telemetry(category: &str, kind: &str) -> String {
    format!(
        r#"{{"TimeGenerated":"2024-05-01T10:00:00.1234567Z","Name":"flow-1","OperationId":"08585RUN","Id":"I-9",
        "DurationMs":5500.5,"Success":true,"ResultCode":"200","Type":"{kind}","TenantId":"the workspace",
        "Properties":{{"resourceProvider":"Cloud Flow","signalCategory":"{category}","environmentId":"Default-E1",
        "resourceId":"FLOW-1","Data":"{{\"FlowDisplayName\":\"Copy mail\",\"tags\":{{\"createdBy\":\"OWN-1\"}}}}"}}}}"#
    )
}

const PROPERTIES: &str = r#"{"FlowName":"FLOW-1","RunId":"08585RUN","Environment":"default-E1","TriggerType":"When_mail_arrives",
    "User":"Ann@X","Status":"Started","ConnectorsUsed":"[\"shared_office365\",\"shared_sql\"]","DataClassification":"Secret"}"#;

#[test]
fn a_row_of_dataverse_is_a_run() {
    let event = in_environment(DATAVERSE);
    assert_eq!((event.content_type.as_str(), event.native_id.as_str()), ("FlowRun", "0D3F"));
    assert_eq!((event.tenant.as_str(), event.record_type), ("t1", -1));
    assert_eq!(event.time.to_string(), "2024-05-01T10:00:00Z");
    let activity = &event.activity;
    assert_eq!((activity.kind.as_str(), activity.outcome.as_str()), ("flow.run", "success"));
    assert_eq!((activity.resource.id.as_str(), activity.resource.name.as_str()), ("flow-1", "Copy mail"));
    assert_eq!(activity.actor.id, "own-1");
    let run = activity.run.as_ref().unwrap();
    assert_eq!((run.id.as_str(), run.parent.as_str(), run.trigger.as_str()), ("08585RUN", "P", "Automated"));
    assert_eq!(run.end.unwrap().to_string(), "2024-05-01T10:00:05.5Z");
    assert_eq!(run.key, Hash128::of(&[b"run", b"t1", b"e1", b"flow-1", b"08585RUN"]).to_string());
    assert_eq!(run.reported_by, "dataverse");
}

#[test]
fn a_row_of_dataverse_without_its_end_ends_after_its_duration() {
    let end_of = |fields: &str| {
        let row = DATAVERSE.replace("\"endtime\":\"2024-05-01T10:00:05.5Z\",\"duration\":5,", fields);
        assert_ne!(row, DATAVERSE);
        in_environment(&row).activity.run.unwrap().end.map(|end| end.to_string())
    };
    for (fields, end) in [
        // Below 100 these are seconds, from there on milliseconds.
        ("\"duration\":5,", Some("2024-05-01T10:00:05Z")),
        ("\"duration\":0.25,", Some("2024-05-01T10:00:00.25Z")),
        ("\"duration\":99,", Some("2024-05-01T10:01:39Z")),
        ("\"duration\":100,", Some("2024-05-01T10:00:00.1Z")),
        ("\"duration\":\"5500\",\"endtime\":null,", Some("2024-05-01T10:00:05.5Z")),
        ("\"duration\":2592000000,\"endtime\":\"\",", Some("2024-05-31T10:00:00Z")),
        // An end that is told is the end.
        ("\"duration\":5500,\"endtime\":\"2024-05-01T10:00:07Z\",", Some("2024-05-01T10:00:07Z")),
        ("\"duration\":0,", None),
        ("\"duration\":-5,", None),
        ("\"duration\":\"inf\",", None),
        ("\"duration\":\"a while\",", None),
        ("\"duration\":null,", None),
        ("", None),
    ] {
        assert_eq!(end_of(fields).as_deref(), end, "{fields}");
    }
    let without_start = DATAVERSE.replace("starttime", "createdon").replace("endtime", "x");
    assert_eq!(in_environment(&without_start).activity.run.unwrap().end, None);
}

#[test]
fn a_row_of_the_platforms_telemetry_is_a_run_in_both_namings() {
    let workspace = telemetry("Cloud flow runs", "AppRequests");
    let insights = workspace
        .replace("\"Properties\":", "\"customDimensions\":")
        .replace("TimeGenerated", "timestamp")
        .replace("OperationId", "operation_Id")
        .replace("\"Name\"", "\"name\"")
        .replace("\"Id\"", "\"id\"")
        .replace("DurationMs", "duration")
        .replace("Success", "success")
        .replace("AppRequests", "requests");
    for text in [workspace, insights] {
        let event = in_environment(&text);
        assert_eq!((event.tenant.as_str(), event.native_id.as_str()), ("t1", "I-908585RUN"));
        let run = event.activity.run.as_ref().unwrap();
        assert_eq!((run.status.as_str(), event.activity.outcome.as_str()), ("Succeeded", "success"));
        assert_eq!(run.end.unwrap().to_string(), "2024-05-01T10:00:05.623956Z");
        assert_eq!(event.activity.resource.name, "Copy mail");
        assert!(event.activity.environment.as_ref().unwrap().is_default);
        assert_eq!(run.reported_by, "platform_telemetry");
    }
}

#[test]
fn rows_of_triggers_and_actions_are_left_out() {
    assert_eq!(reason_of(telemetry("Cloud flow actions", "AppDependencies").as_bytes()), "action_run");
    assert_eq!(reason_of(telemetry("Cloud flow triggers", "AppDependencies").as_bytes()), "action_run");
    assert_eq!(reason_of(telemetry("", "AppDependencies").as_bytes()), "action_run");
}

#[test]
fn requests_of_other_applications_are_left_out() {
    for (time, kind, table, fields) in [
        ("TimeGenerated", "Type", "AppRequests", "Properties"),
        ("timestamp", "itemType", "request", "customDimensions"),
    ] {
        let row = |dimensions: &str| {
            format!(
                r#"{{"{time}":"2024-05-01T10:00:00Z","{kind}":"{table}","Name":"GET /","{fields}":{dimensions}}}"#
            )
        };
        assert_eq!(reason_of(row("{}").as_bytes()), "not_a_flow");
        assert_eq!(reason_of(row("null").as_bytes()), "not_a_flow");
        assert_eq!(reason_of(row(r#"{"resourceProvider":"web"}"#).as_bytes()), "not_a_flow");
        let flow = event_of(&row(r#"{"resourceProvider":"Cloud Flow"}"#));
        assert_eq!(flow.operation, "FlowRun");
    }
}

#[test]
fn other_rows_of_the_tables_of_actions_and_makers_events_are_left_out() {
    for kind in [
        "\"Type\":\"AppDependencies\"",
        "\"itemType\":\"dependency\"",
        "\"Type\":\"AppEvents\"",
        "\"itemType\":\"customEvent\"",
    ] {
        let row = format!(
            r#"{{"TimeGenerated":"2024-05-01T10:00:00Z",{kind},"Name":"PageView","Properties":{{"a":"b"}}}}"#
        );
        assert_eq!(reason_of(row.as_bytes()), "not_a_flow", "{kind}");
    }
    let row = format!(
        r#"{{"TimeGenerated":"2024-05-01T10:00:00Z","Type":"AppEvents","Name":"FlowExecution","Properties":{PROPERTIES}}}"#
    );
    assert_eq!(event_of(&row).operation, "FlowExecution");
    assert_eq!(reason_of(br#"{"Type":"AppTraces","Name":"x","Properties":{}}"#), "unknown_shape");
}

#[test]
fn a_makers_event_is_a_run_in_an_envelope_and_in_a_row() {
    let envelope = format!(
        r#"{{"name":"Microsoft.ApplicationInsights.x.Event","time":"2024-05-01T10:00:00Z","iKey":"k","tags":{{}},
        "data":{{"baseType":"EventData","baseData":{{"ver":2,"name":"FlowExecution","properties":{PROPERTIES}}}}}}}"#
    );
    let workspace = format!(
        r#"{{"TimeGenerated":"2024-05-01T10:00:00Z","Name":"FlowExecution","Properties":{PROPERTIES}}}"#
    );
    let as_text = serde_json::to_string(PROPERTIES).unwrap();
    let insights = format!(
        r#"{{"timestamp":"2024-05-01T10:00:00Z","name":"FlowExecution","customDimensions":{as_text}}}"#
    );
    for text in [envelope, workspace, insights] {
        let event = in_environment(&text);
        assert_eq!(
            (event.operation.as_str(), event.native_id.as_str()),
            ("FlowExecution", "08585RUN|Started")
        );
        let activity = &event.activity;
        assert_eq!(activity.connectors, vec!["office365", "sql"], "{text}");
        let run = activity.run.as_ref().unwrap();
        assert_eq!((run.label.as_str(), run.trigger.as_str()), ("Secret", "When_mail_arrives"));
        assert_eq!(run.start, Some(event.time));
        assert_eq!((activity.actor.id.as_str(), activity.outcome.as_str()), ("ann@x", "unknown"));
    }
}

#[test]
fn one_run_has_one_key_whoever_reports_it() {
    let execution = format!(
        r#"{{"TimeGenerated":"2024-05-01T10:00:00Z","Name":"FlowExecution","Properties":{PROPERTIES}}}"#
    );
    let keys = [DATAVERSE, &telemetry("Cloud flow runs", "AppRequests"), &execution]
        .map(|text| in_environment(text).activity.run.unwrap().key);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn what_a_maker_leaves_out_is_missing_and_nothing_else() {
    let event =
        event_of(r#"{"TimeGenerated":"2024-05-01T10:00:00Z","Name":"FlowExecution","Properties":{}}"#);
    let run = event.activity.run.unwrap();
    assert_eq!((run.id.as_str(), event.activity.environment), ("", None));
    let other =
        event_of(r#"{"TimeGenerated":"2024-05-01T10:00:01Z","Name":"FlowExecution","Properties":{}}"#);
    assert_ne!(run.key, other.activity.run.unwrap().key, "two runs that nobody named are two");
    assert_eq!(reason_of(br#"{"Name":"FlowExecution","Properties":{}}"#), "no_time");
    assert_eq!(reason_of(br#"{"flowrunid":"1","starttime":"x"}"#), "bad_time");
    assert_eq!(reason_of(br#"{"Name":"PageView","Properties":{}}"#), "unknown_shape");
}

#[test]
fn a_page_of_the_web_api_and_the_lines_of_an_export_are_cut_into_rows() {
    let flat = DATAVERSE.replace('\n', " ");
    let page = format!(
        r#"{{"@odata.context":"https://x/$metadata#flowruns","value":[{flat},{flat}],"@odata.nextLink":"y"}}"#
    );
    assert_eq!(texts(page.as_bytes()).len(), 2);
    let line = telemetry("Cloud flow runs", "AppRequests").replace('\n', " ");
    assert_eq!(texts(format!("{line}\n{line}\n").as_bytes()).len(), 2);
    assert_eq!(texts(format!("{{\"records\":[{line},{line}]}}").as_bytes()).len(), 2);
}
