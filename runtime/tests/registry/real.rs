//! The same against Apicurio. Its ids are its own: the test takes a prefix of its own and leaves its subjects there.

use runtime::registry::{Book, Registry, RegistryConfig, State};
use schemas::{Message as _, finding::Finding};

#[tokio::test]
async fn a_real_registry_takes_our_schemas_and_refuses_an_incompatible_one() {
    let Ok(address) = std::env::var("WEIR_REGISTRY") else {
        eprintln!("skipped: WEIR_REGISTRY does not say where a registry is (.ci/registry start)");
        return;
    };
    let url = runtime::http::Base::parse(&format!("http://{address}/apis/ccompat/v7")).unwrap();
    let config = RegistryConfig { url, credentials: None, http: runtime::http::HttpSettings::default() };
    let prefix = format!("t{}-", std::process::id());
    let book = Book::new(&config, &prefix).unwrap();
    let mut done = Vec::new();
    book.apply(&mut done).await.unwrap();
    assert!(done.iter().all(|change| change.is_applied()), "{done:?}");
    assert_eq!(book.plan().await.unwrap(), Vec::new());
    let standings = book.check().await.unwrap();
    assert!(standings.iter().all(|standing| standing.state == State::Registered), "{standings:?}");
    let registry = Registry::new(&config).unwrap();
    let subject = format!("{prefix}weir.finding.identity.v1-value");
    let id = registry.look_up(&subject, Finding::SCHEMA).await.unwrap().unwrap();
    let text = registry.schema(id, std::time::Duration::from_secs(10)).await.unwrap().unwrap();
    assert_eq!(json(&text), json(Finding::SCHEMA));
    assert!(schemas::ids::is_current(Finding::SCHEMA_ID, &text));
    let mut broken = json(Finding::SCHEMA);
    broken["fields"][0]["type"] = "int".into();
    broken["fields"][0]["default"] = 0.into();
    let broken = broken.to_string();
    assert_eq!(registry.look_up(&subject, &broken).await, Ok(None));
    assert_eq!(registry.is_compatible(&subject, &broken).await, Ok(false));
    let refused = registry.register(&subject, &broken).await.unwrap_err();
    assert!(matches!(refused, runtime::registry::RegistryError::Incompatible(_)), "{refused}");
    assert_eq!(registry.schema(u32::MAX >> 1, std::time::Duration::from_secs(10)).await, Ok(None));
    assert_eq!(registry.level(&subject).await.unwrap(), "FULL_TRANSITIVE");
}

/// A level of every version looks at every version, and may be set before there is one.
#[tokio::test]
async fn a_real_registry_compares_with_every_version_where_the_level_says_so() {
    let Ok(address) = std::env::var("WEIR_REGISTRY") else {
        eprintln!("skipped: WEIR_REGISTRY does not say where a registry is (.ci/registry start)");
        return;
    };
    let url = runtime::http::Base::parse(&format!("http://{address}/apis/ccompat/v7")).unwrap();
    let config = RegistryConfig { url, credentials: None, http: runtime::http::HttpSettings::default() };
    let registry = Registry::new(&config).unwrap();
    let subject = format!("t{}-every-value", std::process::id());
    let of = |kind: &str| {
        let field = serde_json::json!({"name": "x", "type": kind});
        serde_json::json!({"type": "record", "name": "io.weir.Every", "fields": [field]}).to_string()
    };
    registry.set_level(&subject, "NONE").await.unwrap();
    assert_eq!(registry.level(&subject).await.unwrap(), "NONE");
    assert_eq!(registry.is_compatible(&subject, &of("int")).await, Ok(true), "no versions yet");
    registry.register(&subject, &of("string")).await.unwrap();
    registry.register(&subject, &of("int")).await.unwrap();
    let later = of("int").replace("}]", "}, {\"name\": \"y\", \"type\": \"int\", \"default\": 0}]");
    registry.set_level(&subject, "FULL_TRANSITIVE").await.unwrap();
    // The newest version alone would let it in.
    assert_eq!(registry.is_compatible(&subject, &later).await, Ok(false));
    let refused = registry.register(&subject, &later).await.unwrap_err();
    assert!(matches!(refused, runtime::registry::RegistryError::Incompatible(_)), "{refused}");
}

/// Registries may lay it out in their own way.
fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}
