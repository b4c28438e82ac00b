//! Every class of failure, and what is never told.

use std::io::Write as _;

use runtime::registry::{Registry, RegistryConfig, RegistryError};
use runtime::{SECRET_BYTES_MAX, SecretSource};

use crate::double::{Double, config};

const SCHEMA: &str = "\"string\"";

#[tokio::test]
async fn every_answer_has_its_class() {
    let double = Double::start().await;
    let registry = Registry::new(&double.config()).unwrap();
    let name = || "x-value".to_owned();
    let long = format!("{{\"id\": 1, \"x\": \"{}\"}}", "x".repeat(1024 * 1024));
    let no = |what: &str| RegistryError::NoRegistry(what.to_owned());
    for (status, body, expected) in [
        (401, "{\"error_code\": 40101}", RegistryError::Refused(401)),
        (403, "", RegistryError::Refused(403)),
        (409, "{\"message\": \"s3cret\"}", RegistryError::Incompatible(name())),
        (422, "{\"error_code\": 42201}", RegistryError::Invalid(name())),
        (429, "", RegistryError::Away("HTTP 429".to_owned())),
        (500, "{\"error_code\": 50001}", RegistryError::Away("HTTP 500".to_owned())),
        (503, "<html>", RegistryError::Away("HTTP 503".to_owned())),
        (404, "<html>", no("HTTP 404")),
        (404, "{\"error_code\": 404}", no("HTTP 404")),
        (302, "", no("HTTP 302")),
        (200, "<html>", no("HTTP 200, and another body")),
        (200, "{\"id\": -1}", no("HTTP 200, and another body")),
        (200, &long, no("the answer has more than 1048576 bytes")),
    ] {
        double.instead(status, body);
        let error = registry.look_up("x-value", SCHEMA).await.unwrap_err();
        assert_eq!(error, expected, "{status} {}", body.get(..30).unwrap_or(body));
        assert!(!error.to_string().contains("s3cret"));
    }
    for code in [40401, 40402, 40403, 40408] {
        double.instead(404, &format!("{{\"error_code\": {code}}}"));
        assert_eq!(registry.look_up("x-value", SCHEMA).await, Ok(None));
    }
    double.instead(200, "{\"id\": 7, \"new\": [1]}");
    assert_eq!(registry.look_up("x-value", SCHEMA).await, Ok(Some(7)));
}

#[tokio::test]
async fn a_registry_that_nobody_listens_for_is_away() {
    let double = Double::start().await;
    let port = double.port;
    drop(double);
    // The listener is closed with its task, which the runtime drops at its next turn.
    tokio::task::yield_now().await;
    let registry = Registry::new(&config(port)).unwrap();
    let error = registry.look_up("x-value", SCHEMA).await.unwrap_err();
    assert!(matches!(error, RegistryError::Away(_)), "{error:?}");
}

#[tokio::test]
async fn a_password_is_read_for_each_question_and_told_to_nobody_else() {
    let double = Double::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let credentials = Some(("weir".to_owned(), SecretSource::File(file.path().to_owned())));
    let config = RegistryConfig { credentials, ..double.config() };
    let registry = Registry::new(&config).unwrap();
    assert!(!format!("{registry:?}{config:?}").contains("first"));
    for password in ["first", "second"] {
        file.as_file().set_len(0).unwrap();
        std::fs::write(file.path(), password).unwrap();
        assert_eq!(registry.look_up("x-value", SCHEMA).await, Ok(None));
    }
    let asked: Vec<String> = double.shelf.lock().unwrap().asked.iter().map(|asked| asked.1.clone()).collect();
    // weir:first and weir:second
    assert_eq!(asked, ["Basic d2VpcjpmaXJzdA==", "Basic d2VpcjpzZWNvbmQ="]);
    file.write_all(&vec![b'x'; usize::try_from(SECRET_BYTES_MAX).unwrap() + 1]).unwrap();
    let error = registry.look_up("x-value", SCHEMA).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Settings(why) if !why.contains("xx")), "{error:?}");
    assert_eq!(double.shelf.lock().unwrap().asked.len(), 2, "nothing is asked without the password");
}

#[test]
fn a_missing_schema_names_the_command_and_not_all_of_its_kind() {
    let names: Vec<String> = (1..=5).map(|n| format!("weir.x{n}.v1-value")).collect();
    assert_eq!(
        RegistryError::Missing(names).to_string(),
        "the schema registry does not have weir.x1.v1-value, weir.x2.v1-value, weir.x3.v1-value and 2 more; run `weir \
         schema apply`"
    );
}
