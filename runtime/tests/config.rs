//! The configuration reader: every problem at once, each in its place, no value in any message.

use std::{io::Write as _, time::Duration};

use futures_util::FutureExt as _;
use pipeline::log::{Lease, Limits, Member, Positions};
use pipeline::{Clock, Next, Outgoing, Step};
use runtime::SecretSource;
use runtime::config::{ConfigError, Document, LogConfig, Problems, Section};
use schemas::Topic;

/// What `read` leaves as problems, one line each.
fn problems(text: &str, read: impl FnOnce(&Section<'_>)) -> Vec<String> {
    match read_all(text, read) {
        Ok(()) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

fn read_all(text: &str, read: impl FnOnce(&Section<'_>)) -> Result<(), ConfigError> {
    let document = Document::parse("weir.yaml", text)?;
    let problems = Problems::default();
    let root = document.root(&problems);
    read(&root);
    root.finish();
    problems.into_result()
}

#[test]
fn values_are_read_as_their_keys_ask() {
    let text = "country: NO\nhours: 08:00-18:00\nid: 007\ncount: 12\nquick: true\nwait: 90s\nway: fast\n\
                paths: [a, 'b c']\nurl: https://example.org/x\nlist: [{n: 1}, {n: 2}]\n";
    let found = problems(text, |root| {
        assert_eq!(root.text("country").as_deref(), Some("NO"), "a plain scalar is the text as written");
        assert_eq!(root.text("hours").as_deref(), Some("08:00-18:00"));
        assert_eq!(root.required_text("id"), "007");
        assert_eq!(root.number("count", 1..=20_u16, 5), 12);
        assert_eq!(root.number("other", 1..=20_u16, 5), 5);
        assert!(root.flag("quick", false));
        let range = Duration::from_secs(1)..=Duration::from_secs(120);
        assert_eq!(root.duration("wait", range, Duration::ZERO), Duration::from_secs(90));
        assert_eq!(root.choice("way", &[("slow", 1), ("fast", 2)], 1), 2);
        assert_eq!(root.texts("paths"), ["a", "b c"]);
        assert_eq!(root.url("url").as_deref(), Some("https://example.org/x"));
        let numbers: Vec<u8> = root.list("list").iter().map(|item| item.number("n", 0..=9, 0)).collect();
        assert_eq!(numbers, [1, 2]);
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let text = "ingest:\n  pahts: [a]\n  batch: 70000\n  batch: 2\n  wait: soon\nway: fsat\nflag: yes\nempty:\nn: '5'\n";
    let found = problems(text, |root| {
        let ingest = root.section("ingest");
        ingest.texts("paths");
        ingest.number("batch", 1..=65536_u32, 1);
        ingest.duration("wait", Duration::ZERO..=Duration::from_secs(60), Duration::ZERO);
        ingest.required_text("name");
        root.choice("way", &[("slow", 1), ("fast", 2)], 1);
        root.flag("flag", false);
        root.text("empty");
        root.number("n", 0..=9_u8, 0);
    });
    assert_eq!(
        found,
        [
            "weir.yaml:1:1: key \"name\" is missing",
            "weir.yaml:2:3: unknown key \"pahts\"; did you mean \"paths\"?",
            "weir.yaml:3:10: \"batch\" must be a number from 1 to 65536",
            "weir.yaml:4:3: key \"batch\" is given twice, first in line 3",
            "weir.yaml:5:9: \"wait\" must be a time from 0ns to 60s: a number and ms, s, m, h or d",
            "weir.yaml:6:6: \"way\" must be one of slow, fast; did you mean \"fast\"?",
            "weir.yaml:7:7: \"flag\" must be true or false",
            "weir.yaml:8:6: \"empty\" has no value; give it one or leave it out",
            "weir.yaml:9:4: \"n\" must be a number from 0 to 9",
        ]
    );
}

#[test]
fn a_key_far_from_every_known_one_names_those() {
    let found = problems("completely_else: 1\n", |root| {
        root.text("paths");
        root.flag("follow", false);
    });
    assert_eq!(found, ["weir.yaml:1:1: unknown key \"completely_else\"; known here: paths, follow"]);
}

#[test]
fn a_section_nobody_finishes_is_checked_when_it_is_dropped() {
    let found = problems("a: {b: 1}\n", |root| drop(root.section("a")));
    assert_eq!(found, ["weir.yaml:1:5: unknown key \"b\""]);
}

#[test]
fn wrong_shapes_are_problems() {
    let found = problems("a: [1]\nb: text\nc: {x: 1}\nd: [1, {e: 2}]\n", |root| {
        root.text("a");
        root.section("b");
        root.texts("c");
        for item in root.list("d") {
            item.number("e", 0..=9_u8, 0);
        }
    });
    assert_eq!(
        found,
        [
            "weir.yaml:1:4: \"a\" must be a single value",
            "weir.yaml:2:4: \"b\" must be keys and values",
            "weir.yaml:3:4: \"c\" must be a list",
            "weir.yaml:4:5: each item of \"d\" must be keys and values",
        ]
    );
}

#[test]
fn secrets_are_referred_to_and_never_shown() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"s3cret-of-the-file\n").unwrap();
    let path = file.path().display();
    let text = format!(
        "good: {{file: {path}}}\nliteral: s3cret\nboth: {{file: {path}, env: HOME}}\nnone: {{}}\n\
         unset: {{env: WEIR_TEST_NO_SUCH_VARIABLE}}\nabsent: {{file: /no/such/file}}\nmistyped: {{flie: s3cret}}\n\
         url: https://user:s3cret@example.org/\n"
    );
    let found = problems(&text, |root| {
        let secret = root.secret("good").unwrap();
        assert_eq!(secret.reveal(), "s3cret-of-the-file", "the line break at the end is not part of it");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.reread().unwrap().reveal(), "s3cret-of-the-file");
        for key in ["literal", "both", "none", "unset", "absent", "mistyped"] {
            assert!(root.secret(key).is_none(), "{key}");
        }
        assert_eq!(root.url("url"), None);
    });
    assert_eq!(found.len(), 7, "{found:#?}");
    for (line, problem) in (2..).zip(&found) {
        assert!(problem.starts_with(&format!("weir.yaml:{line}:")), "{problem}");
        assert!(!problem.contains("s3cret"), "{problem}");
    }
}

#[test]
fn yaml_that_grows_or_nests_without_end_is_refused() {
    let bomb = "a: &a [x, x]\nb: [*a, *a]\nc: !!binary aGk=\n";
    let found = problems(bomb, |root| {
        root.texts("a");
        root.texts("b");
        root.text("c");
    });
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("an anchor")));
    assert!(found.iter().filter(|problem| problem.contains("an alias")).count() == 2);
    assert!(found.iter().any(|problem| problem.contains("a tag")));

    for deep in ["[".repeat(100_000), "{a: ".repeat(100), "- ".repeat(1000), format!("a: {}", "[".repeat(40))]
    {
        assert!(Document::parse("weir.yaml", &deep).is_err());
    }
    let levels = format!("a: {}x{}\n", "[".repeat(20), "]".repeat(20));
    assert!(Document::parse("weir.yaml", &levels).is_ok());
}

#[test]
fn what_is_no_configuration_is_refused_with_its_place() {
    let place = |text: &str| Document::parse("weir.yaml", text).unwrap_err().to_string();
    assert!(place("a: 1\nb: [1, 2\nc: 3\n").starts_with("weir.yaml:"), "{}", place("a: 1\nb: [1, 2\nc: 3\n"));
    assert!(place("- 1\n- 2\n").contains("must be keys and values"));
    assert!(place("a: 1\n---\nb: 2\n").contains("second document"));
    assert!(place("a: *nowhere\n").starts_with("weir.yaml:1:4"));
    assert!(Document::parse("weir.yaml", "").is_ok());
    assert!(Document::parse("weir.yaml", "# only a comment\n").is_ok());
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Document::read(&path)
    };
    assert!(read("binary", b"a: \xff\xfe\n").unwrap_err().to_string().contains("is not UTF-8"));
    let huge = vec![b'#'; 1024 * 1024 + 1];
    assert!(read("huge", &huge).unwrap_err().to_string().contains("more than 1048576 bytes"));
    assert!(read("largest", &huge[..1024 * 1024]).is_ok());
    assert!(
        read("utf16", "a: 1".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice())
            .is_err()
    );
    assert!(
        Document::read(&folder.path().join("absent")).unwrap_err().to_string().contains("cannot be read")
    );
}

#[test]
fn keys_in_messages_cannot_reach_the_terminal_raw() {
    let found = problems("\"a\\e[31mb\": 1\n", |root| drop(root.text("x")));
    assert_eq!(found, ["weir.yaml:1:1: unknown key \"a\\u{1b}[31mb\"; known here: x"]);
}

#[test]
fn so_many_problems_are_kept_and_the_rest_counted() {
    let text: String = (0..1500).map(|n| format!("key{n}: 1\n")).collect();
    let error = read_all(&text, |_| {}).unwrap_err();
    assert_eq!((error.problems.len(), error.more), (1000, 500));
    assert!(error.to_string().ends_with("and 500 more problems"));
}

fn log(text: &str) -> (Option<LogConfig>, Vec<String>) {
    let mut log = None;
    let found = problems(text, |root| log = Some(LogConfig::read(root)));
    (log, found)
}

#[test]
fn one_log_is_configured() {
    let (memory, found) = log("log: {memory: }\n");
    assert!(matches!(memory, Some(LogConfig::Memory { partitions: 4 })), "{found:?}");
    let (embedded, found) = log("log: {embedded: {path: x.db, partitions: 2, retention: 30d}}\n");
    assert_eq!(found, Vec::<String>::new());
    let Some(LogConfig::Embedded(embedded)) = embedded else { panic!("{embedded:?}") };
    let options = embedded.options(Clock::manual(schemas::Micros(0)));
    assert_eq!((options.partitions, options.retention.as_secs(), options.bytes_max), (2, 30 * 86_400, None));
    assert!(options.path.ends_with("x.db"));
    let (standard, _) = log("");
    assert!(matches!(standard, Some(LogConfig::Embedded(log)) if log.path.ends_with("weir.db")));
    let (_, found) = log("log:\n  embedded: {path: x.db}\n  memory:\n  kafka: {bootstrap: 'k:9092'}\n");
    assert_eq!(found, ["weir.yaml:2:13: one log is allowed, and memory is configured too"]);
    let (_, found) = log("log: {}\n");
    assert_eq!(found, ["weir.yaml:1:1: a log is needed: memory, embedded or kafka"]);
    let (_, found) = log("log:\n  embedded: {partitions: 0, bytes_max: 1}\n");
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_configured_log_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    for text in [
        "log: {memory: {partitions: 3}}\n".to_owned(),
        format!("log: {{embedded: {{path: '{}', partitions: 3}}}}\n", path.display()),
    ] {
        let (config, found) = log(&text);
        assert_eq!(found, Vec::<String>::new());
        let logs = config.unwrap().open(Clock::manual(schemas::Micros(0)), Vec::new()).unwrap();
        assert_eq!(logs.partitions(Topic::Event).now_or_never(), Some(Ok(3)));
    }
}

#[test]
fn a_configured_memory_log_keeps_records_for_readers_that_open_late() {
    let readers = vec![("late".to_owned(), vec![Topic::Event])];
    let (config, _) = log("log: {memory: {partitions: 1}}\n");
    let logs = config.unwrap().open(Clock::manual(schemas::Micros(0)), readers).unwrap();
    let open = |group: &str, topic| {
        let (group, name, topics) = (group.to_owned(), "0".to_owned(), vec![topic]);
        logs.open(Member { group, name, topics, limits: Limits::default() }).now_or_never().unwrap().unwrap()
    };
    let mut writer = open("writer", Topic::Ledger);
    let lease = Lease { generation: 1 };
    let records = vec![Outgoing::keyed(Topic::Event, b"key".to_vec(), b"value".to_vec())];
    let step = Step { lease, finished: Positions::new(), records };
    writer.commit(step).now_or_never().unwrap().unwrap();
    let mut late = open("late", Topic::Event);
    assert!(matches!(late.next().now_or_never(), Some(Ok(Next::Assigned(_)))));
    let next = late.next().now_or_never();
    assert!(matches!(&next, Some(Ok(Next::Batch(batch))) if batch.records.len() == 1), "{next:?}");
}

#[test]
fn every_problem_of_the_kafka_log_is_told_in_its_place() {
    let text = "log:\n  kafka:\n    bootstrap: user:s3cret@host:9092\n    prefix: a b\n    session_timeout: 0s\n    \
                password: s3cret\n    key_password: {file: /etc/passwd}\n    settings:\n      linger.ms: 5\n      \
                plugin.library.paths: /x.so\n      lingre.ms: 5\n      ssl.ca.location: /etc/ca.pem\n";
    let (kafka, found) = log(text);
    let lines: Vec<&str> = found.iter().filter_map(|problem| problem.split(':').nth(1)).collect();
    // Line 7 has two: it lies elsewhere, and there is no key that it would open.
    assert_eq!(lines, ["3", "4", "5", "6", "7", "7", "10", "11", "12"], "{found:#?}");
    assert!(found.iter().all(|problem| !problem.contains("s3cret")), "{found:#?}");
    let Some(LogConfig::Kafka { client, partitions, replication, .. }) = kafka else { panic!("{found:?}") };
    assert_eq!(client.extra.into_iter().collect::<Vec<_>>(), [("linger.ms".to_owned(), "5".to_owned())]);
    assert_eq!((partitions, replication), (12, None));
    let (_, found) = log("log: {kafka: {}}\n");
    assert_eq!(found, ["weir.yaml:1:7: key \"bootstrap\" is missing"]);
}

/// What is forgotten is told before anything connects: nobody is talked to openly by mistake.
#[test]
fn protection_that_is_half_configured_is_a_problem_in_its_place() {
    let text = "log:\n  kafka:\n    bootstrap: a:9092\n    password: {env: X}\n    \
                oauth: {token_url: 'http://login.example.org/token', client_id: weir}\n    \
                settings:\n      sasl.username: weir\n      sasl.mechanism: GSSAPI\n      compression.type: best\n";
    let (_, found) = log(text);
    for (line, says) in [
        (4, "\"password\": nobody logs in unless security.protocol is sasl_ssl"),
        (5, "key \"client_secret\" is missing"),
        (5, "\"token_url\" must begin with https://"),
        (8, "\"sasl.mechanism\" must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"),
        (9, "\"compression.type\" Invalid value"),
    ] {
        let told =
            |problem: &String| problem.starts_with(&format!("weir.yaml:{line}:")) && problem.contains(says);
        assert!(found.iter().any(told), "{line} {says}: {found:#?}");
    }
}

/// librdkafka would refuse them when a worker makes its clients, which is after its start.
#[test]
fn settings_that_contradict_each_other_are_a_problem_before_anything_connects() {
    let text = "log:\n  kafka:\n    bootstrap: a:9092\n    transaction_timeout: 30s\n    \
                settings: {socket.timeout.ms: 60000}\n";
    let (_, found) = log(text);
    let says = "\"socket.timeout.ms\": must not be more than transaction_timeout (30s)";
    assert_eq!(found, [format!("weir.yaml:5:15: {says}")]);
}

#[test]
fn a_kafka_log_is_read_whole() {
    let text = "log:\n  kafka:\n    bootstrap: a:9092,b:9093\n    prefix: sec-\n    static_membership: true\n    \
                secrets_folder: /secrets\n    \
                key_password: {env: KEY_PASSWORD}\n    partitions: 24\n    replication: 2\n    \
                oauth: {token_url: 'https://login.example.org/token', client_id: weir, client_secret: {env: X}}\n    \
                settings: {security.protocol: sasl_ssl, sasl.mechanism: OAUTHBEARER, ssl.ca.location: /secrets/ca.pem, \
                ssl.certificate.location: /secrets/c.pem, ssl.key.location: /secrets/c.key}\n";
    let (kafka, found) = log(text);
    assert_eq!(found, Vec::<String>::new());
    let Some(LogConfig::Kafka { client, partitions, replication, registry: None }) = kafka else { panic!() };
    assert_eq!((client.bootstrap.as_str(), client.prefix.as_str()), ("a:9092,b:9093", "sec-"));
    assert!(client.static_membership && client.extra.len() == 5);
    let oauth = client.oauth.unwrap();
    assert_eq!((oauth.client_id.as_str(), oauth.scope, oauth.ca_file), ("weir", None, None));
    assert_eq!(oauth.client_secret, SecretSource::Env("X".to_owned()));
    assert_eq!(client.key_password, Some(SecretSource::Env("KEY_PASSWORD".to_owned())));
    assert_eq!((partitions, replication), (24, Some(2)));
}

#[test]
fn a_registry_is_read_whole_and_a_password_travels_in_secret() {
    let registry = |text: &str| {
        let (kafka, found) =
            log(&format!("log:\n  kafka:\n    bootstrap: a:9092\n    registry: {{{text}}}\n"));
        let Some(LogConfig::Kafka { registry, .. }) = kafka else { panic!("{found:?}") };
        (registry, found)
    };
    let (read, found) = registry("url: 'https://r:8081', user: weir, password: {env: REGISTRY_PASSWORD}");
    assert_eq!(found, Vec::<String>::new());
    let read = read.unwrap();
    let password = SecretSource::Env("REGISTRY_PASSWORD".to_owned());
    assert_eq!(read.credentials, Some(("weir".to_owned(), password)));
    assert_eq!(read.http.total_timeout.as_secs(), 10);
    let (kafka, _) = log("log: {kafka: {bootstrap: 'a:9092', registry: {url: 'https://r:8081'}}}\n");
    let opened = kafka.unwrap().open(Clock::manual(schemas::Micros(0)), Vec::new());
    assert!(opened.is_err(), "not before its ids are settled");
    let (read, found) = registry("url: 'http://registry.internal:8081', total_timeout: 30s");
    assert!(read.is_some_and(|read| read.credentials.is_none() && read.http.total_timeout.as_secs() == 30));
    assert_eq!(found, Vec::<String>::new());
    for (text, problem) in [
        ("user: weir", "key \"password\" is missing"),
        ("password: {env: X}", "key \"user\" is missing"),
        (
            "url: 'http://registry.internal:8081', user: weir, password: {env: X}",
            "\"url\" must begin with https://",
        ),
        ("url: 'https://weir:s3cret@r:8081'", "\"url\" must not hold a user or a password"),
        ("url: 'https://r:8081', user: 'a:b', password: {env: X}", "\"user\" must not hold a colon"),
        ("url: 'https://r:8081', user: weir, password: s3cret", "is a secret"),
        ("url: 'https://r:8081', ca_file: /nowhere.pem", "/nowhere.pem cannot be read"),
        ("uri: x", "unknown key \"uri\"; did you mean \"url\"?"),
    ] {
        let (_, found) = registry(text);
        assert!(found.iter().any(|found| found.contains(problem)), "{text}: {found:?}");
        assert!(found.iter().all(|found| !found.contains("s3cret")), "{found:?}");
    }
}
