//! Who may need whom. The arrows point one way: `schemas <- pipeline <- runtime <- {ingest, enrich, sink} <- weir`;
//! `detect` needs only `schemas` and `pipeline`, so that its tests build in seconds; workers meet on topics only.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::tree;

/// One line of a manifest: `from` names `to`.
#[derive(Debug, Clone)]
struct Edge {
    from: String,
    to: String,
    /// Whether only its tests do.
    dev: bool,
}

/// Every room that is a crate, and the rooms that it may name.
const MAY_NEED: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("pipeline", &["schemas"]),
    ("runtime", &["schemas", "pipeline"]),
    ("ingest", &["schemas", "pipeline", "runtime"]),
    ("enrich", &["schemas", "pipeline", "runtime"]),
    ("detect", &["schemas", "pipeline"]),
    ("sink", &["schemas", "pipeline", "runtime"]),
    ("simulator", &["schemas", "pipeline", "runtime"]),
    ("weir", &["schemas", "pipeline", "runtime", "ingest", "enrich", "detect", "sink", "simulator"]),
    ("bench", &["schemas", "pipeline", "runtime", "ingest", "enrich", "detect", "sink", "simulator", "weir"]),
];

/// The workers whose tests may start the simulator.
const TESTS_MAY_SIMULATE: &[&str] = &["ingest", "enrich", "sink"];

/// Crates that open files, sockets or stores, or that have one home for another reason: who may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("rdkafka", &["runtime"]),
    ("rdkafka-sys", &["runtime"]),
    ("rusqlite", &["runtime"]),
    ("libsqlite3-sys", &["runtime"]),
    ("reqwest", &["runtime"]),
    ("prometheus", &["runtime"]),
    ("ureq", &["runtime"]),
    ("rustls", &["runtime", "simulator"]),
    ("tokio-rustls", &["runtime", "simulator"]),
    ("ring", &["runtime", "simulator"]),
    ("hyper", &["runtime", "simulator"]),
    ("hyper-util", &["runtime", "simulator"]),
    ("axum", &["runtime", "simulator"]),
    ("warp", &["runtime", "simulator"]),
    ("actix-web", &["runtime", "simulator"]),
    ("tiny_http", &["runtime", "simulator"]),
    ("tonic", &["runtime", "simulator"]),
    ("backoff", &["pipeline"]),
    ("anyhow", &["weir"]),
];

fn allowed(edge: &Edge) -> bool {
    let (from, to) = (edge.from.as_str(), edge.to.as_str());
    if let Some((_, homes)) = HOMES.iter().find(|(name, _)| *name == to) {
        return homes.contains(&from);
    }
    if !MAY_NEED.iter().any(|(room, _)| *room == to) {
        return true;
    }
    let named = MAY_NEED.iter().any(|(room, needs)| *room == from && needs.contains(&to));
    named || (edge.dev && to == "simulator" && TESTS_MAY_SIMULATE.contains(&from))
}

fn problems(edges: &[Edge]) -> Vec<String> {
    let refused = edges.iter().filter(|edge| !allowed(edge));
    refused.map(|edge| format!("`{}` may not name `{}`", edge.from, edge.to)).collect()
}

/// The members as cargo reads them; `no_deps`, so that nothing is resolved and no network is asked.
fn metadata() -> Result<Metadata, cargo_metadata::Error> {
    MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
}

fn edges(metadata: &Metadata) -> Vec<Edge> {
    let packages = metadata.packages.iter();
    let edges = packages.flat_map(|package| {
        package.dependencies.iter().map(|dependency| Edge {
            from: package.name.to_string(),
            to: dependency.name.clone(),
            dev: dependency.kind == DependencyKind::Development,
        })
    });
    edges.collect()
}

fn edge(from: &str, to: &str, dev: bool) -> Edge {
    Edge { from: from.to_owned(), to: to.to_owned(), dev }
}

#[test]
fn a_wrong_arrow_is_named() {
    let wrong = [
        edge("schemas", "pipeline", false),
        edge("pipeline", "runtime", true),
        edge("detect", "runtime", false),
        edge("detect", "simulator", true),
        edge("ingest", "detect", false),
        edge("ingest", "enrich", true),
        edge("sink", "simulator", false),
        edge("runtime", "weir", true),
        edge("unknown", "schemas", false),
        edge("pipeline", "rusqlite", false),
        edge("sink", "reqwest", false),
        edge("sink", "prometheus", false),
        edge("detect", "rdkafka", true),
        edge("weir", "axum", false),
        edge("runtime", "backoff", false),
        edge("sink", "anyhow", false),
    ];
    assert_eq!(problems(&wrong).len(), wrong.len(), "{:?}", problems(&wrong));
    let right = [
        edge("pipeline", "schemas", false),
        edge("sink", "simulator", true),
        edge("weir", "detect", false),
        edge("bench", "weir", false),
        edge("runtime", "rusqlite", false),
        edge("pipeline", "backoff", false),
        edge("weir", "anyhow", false),
        edge("detect", "serde", false),
    ];
    assert_eq!(problems(&right), Vec::<String>::new());
}

#[test]
fn the_arrows_between_the_rooms_point_one_way() {
    let edges = edges(&metadata().unwrap());
    assert!(edges.iter().any(|edge| edge.from == "pipeline" && edge.to == "schemas"), "no edges were read");
    assert_eq!(problems(&edges), Vec::<String>::new());
}

#[test]
fn every_member_is_a_known_room_named_as_its_folder() {
    for package in &metadata().unwrap().packages {
        let folder = package.manifest_path.parent().and_then(|folder| folder.file_name()).unwrap();
        let expected = if folder == "cli" { "weir" } else { folder };
        assert_eq!(package.name.as_str(), expected, "a package is named as its folder");
        assert!(MAY_NEED.iter().any(|(room, _)| *room == expected), "`{expected}` is not in MAY_NEED");
    }
}

#[test]
fn every_member_has_the_licence_and_stays_unpublished() {
    for package in &metadata().unwrap().packages {
        assert_eq!(package.license.as_deref(), Some("Apache-2.0"), "{}", package.name);
        assert_eq!(package.publish, Some(Vec::new()), "{} could be published", package.name);
    }
}
