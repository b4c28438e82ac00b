//! What a configuration says of sources: every problem at once, and what is made of it where there is none.

use std::sync::Arc;

use ingest::Source;
use ingest::sources::Here;
use pipeline::log::Limits;
use runtime::config::{Document, Problems};

/// The sources, or the problems, a line each without the file.
fn read(text: &str) -> Result<Vec<Arc<dyn Source>>, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "s").unwrap();
    let path = folder.path().join("weir.yaml");
    std::fs::write(&path, text.replace("SECRET", &folder.path().join("secret").display().to_string()))
        .unwrap();
    let document = Document::read(&path).unwrap();
    let problems = Problems::default();
    let root = document.root(&problems);
    let sources = ingest::config::read_all(&root, Here::Yes, &Limits::default());
    root.finish();
    let file = format!("{}:", path.display());
    let lines = |error: runtime::config::ConfigError| {
        error.to_string().lines().map(|line| line.replace(&file, "")).collect::<Vec<String>>()
    };
    problems.into_result().map_err(lines).map(|()| sources)
}

const TENANT: &str = "0F1E2D3C-0000-4000-8000-00000000000A";

#[test]
fn a_feed_needs_a_tenant_and_an_app() {
    let text = format!(
        "sources:\n  - {{name: contoso, kind: management-api, tenant: {TENANT}, entra: {{client_id: a, client_secret: {{file: SECRET}}}}}}\n"
    );
    let sources = read(&text).unwrap();
    assert_eq!((sources[0].name(), sources[0].ends()), ("contoso", false));
    let said = format!("{:?}", sources[0]);
    assert!(
        said.contains("tenant: \"0f1e2d3c-0000-4000-8000-00000000000a\""),
        "lower case, as events name it"
    );
    assert!(said.contains("publisher: \"0f1e2d3c"), "{said}");
    assert!(!said.contains("DLP.All") && said.contains("Audit.SharePoint"), "{said}");
}

#[test]
fn every_problem_of_a_feed_is_said_at_once() {
    let text = "\
sources:
  - name: contoso
    kind: management-api
    tenant: contoso.example
    api: http://manage.office.com
    entra: {client_secret: hunter2}
    content_types: [Audit.General, 'Audit General']
    start: 8d
    poll_interval: 60
  - {name: contoso, kind: files, paths: [], late_files_hours: 3}
  - {name: other, kind: management}
";
    let problems = read(text).unwrap_err();
    for expected in [
        "4:13: \"tenant\" must be a GUID: 8-4-4-4-12 hexadecimal digits",
        "5:10: \"api\" must begin with https://",
        "6:5: key \"client_id\" is missing",
        "6:28: \"client_secret\" is a secret: refer to it by {file: path} or {env: NAME}",
        "7:36: is no content type; the service has Audit.AzureActiveDirectory",
        "8:12: \"start\" must be a time from 1s to 604800s",
        "9:5: unknown key \"poll_interval\"; did you mean \"poll_interval_s\"?",
        "10:12: each source needs a name of its own",
        "\"paths\" must name at least one file or folder",
        "is for a folder that is watched: add \"watch: true\"",
        "11:25: \"kind\" must be one of files, management-api",
    ] {
        let said = problems.iter().any(|problem| problem.trim().contains(expected.trim()));
        assert!(said, "{expected}\n{}", problems.join("\n"));
    }
    assert!(!problems.join("\n").contains("hunter2"));
}

#[test]
fn a_folder_is_watched_in_two_ways_and_need_not_be_there() {
    for (watch, expected) in [
        ("watch: true", "every: 30s, late: 86400s"),
        ("watch: {every_s: 5}", "every: 5s, late: 86400s"),
        ("watch: true, late_files_hours: 2", "every: 30s, late: 7200s"),
    ] {
        let text = format!("sources: [{{name: runs, kind: files, paths: [never-there], {watch}}}]\n");
        let sources = read(&text).unwrap();
        assert!(!sources[0].ends());
        assert!(format!("{:?}", sources[0]).contains(expected), "{watch}: {:?}", sources[0]);
    }
    let problems =
        read("sources: [{name: runs, kind: files, paths: [never-there], watch: false}]\n").unwrap_err();
    assert!(problems[0].contains("never-there: no such file or folder"), "{problems:?}");
    let problems = read("sources: [{name: runs, kind: files, paths: [a], watch: {every: 5}}]\n").unwrap_err();
    assert!(problems[0].contains("unknown key \"every\"; did you mean \"every_s\"?"), "{problems:?}");
}
