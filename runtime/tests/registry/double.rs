//! A schema registry in memory: subjects, versions, ids that are the same for the same schema, levels. Of compatibility it
//! knows one rule: a finding without the field `id` is incompatible with one that has it, the newest, or any where the
//! level is transitive. And it can be told to misbehave.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use runtime::registry::{Book, RegistryConfig};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// The registry; it is gone with this.
pub(crate) struct Double {
    pub(crate) port: u16,
    pub(crate) shelf: Arc<Mutex<Shelf>>,
    _serving: JoinSet<()>,
}

/// What it holds.
#[derive(Default)]
pub(crate) struct Shelf {
    /// Schema texts; the id is the place, from 1.
    pub(crate) schemas: Vec<String>,
    pub(crate) subjects: BTreeMap<String, Vec<u32>>,
    pub(crate) levels: BTreeMap<String, String>,
    /// With so many schemas it takes no more.
    pub(crate) full_at: Option<usize>,
    /// What it says that a schema is, instead of what was registered.
    pub(crate) lies: BTreeMap<u32, String>,
    /// Answers everything so, if told.
    pub(crate) instead: Option<(u16, String)>,
    /// Methods, paths and authorizations, as asked.
    pub(crate) asked: Vec<(String, String)>,
}

impl Double {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf: Arc<Mutex<Shelf>> = Arc::default();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shelf));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { port, shelf, _serving: serving }
    }

    pub(crate) fn config(&self) -> RegistryConfig {
        config(self.port)
    }

    pub(crate) fn book(&self) -> Book {
        Book::new(&self.config(), "").unwrap()
    }

    pub(crate) fn instead(&self, status: u16, body: &str) {
        self.shelf.lock().unwrap().instead = Some((status, body.to_owned()));
    }
}

/// The configuration of a registry on that port.
pub(crate) fn config(port: u16) -> RegistryConfig {
    let url = runtime::http::Base::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    RegistryConfig { url, credentials: None, http: runtime::http::HttpSettings::default() }
}

async fn answer(
    State(shelf): State<Arc<Mutex<Shelf>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let mut shelf = shelf.lock().unwrap();
    let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    shelf.asked.push((format!("{method} {}", uri.path()), authorization.to_owned()));
    let (status, body) = match shelf.instead.clone() {
        Some(instead) => instead,
        None => {
            let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let (status, answer) = shelf.answer(method.as_str(), &path, &body);
            (status, answer.to_string())
        }
    };
    (StatusCode::from_u16(status).unwrap(), body)
}

impl Shelf {
    fn answer(&mut self, method: &str, path: &[&str], body: &Value) -> (u16, Value) {
        let text = body["schema"].as_str().unwrap_or_default();
        match (method, path) {
            ("POST", ["subjects", subject]) => match self.subjects.get(*subject) {
                None => (404, json!({"error_code": 40401, "message": "no subject"})),
                Some(ids) => match self.id(text).filter(|id| ids.contains(id)) {
                    Some(id) => (200, json!({"subject": subject, "id": id, "version": 1, "schema": text})),
                    None => (404, json!({"error_code": 40403, "message": "no schema"})),
                },
            },
            ("POST", ["subjects", _, "versions"])
                if self.full_at.is_some_and(|full| self.schemas.len() >= full) =>
            {
                (503, json!({"error_code": 50302, "message": "no room"}))
            }
            ("POST", ["subjects", subject, "versions"]) if self.takes(subject, text) => {
                let id = self.put(text);
                let ids = self.subjects.entry((*subject).to_owned()).or_default();
                if !ids.contains(&id) {
                    ids.push(id);
                }
                (200, json!({"id": id}))
            }
            ("POST", ["subjects", _, "versions"]) => (409, json!({"error_code": 409, "message": "no"})),
            ("POST", ["compatibility", "subjects", subject, "versions"]) => {
                match self.subjects.contains_key(*subject) {
                    true => (200, json!({"is_compatible": self.takes(subject, text)})),
                    false => (404, json!({"error_code": 40401, "message": "no subject"})),
                }
            }
            ("GET", ["schemas", "ids", id]) => {
                let id: usize = id.parse().unwrap();
                let lie = self.lies.get(&u32::try_from(id).unwrap());
                match lie.or_else(|| self.schemas.get(id.checked_sub(1)?)) {
                    Some(schema) => (200, json!({"schema": schema})),
                    None => (404, json!({"error_code": 40403, "message": "no schema"})),
                }
            }
            ("GET", ["config"]) => (200, json!({"compatibilityLevel": "BACKWARD"})),
            ("GET", ["config", subject]) => match self.levels.get(*subject) {
                Some(level) => (200, json!({"compatibilityLevel": level})),
                None => (404, json!({"error_code": 40408, "message": "no level"})),
            },
            ("PUT", ["config", subject]) => {
                let level = body["compatibility"].as_str().unwrap().to_owned();
                self.levels.insert((*subject).to_owned(), level);
                (200, body.clone())
            }
            _ => (404, json!({"error_code": 404, "message": "HTTP 404 Not Found"})),
        }
    }

    fn takes(&self, subject: &str, text: &str) -> bool {
        let has_id = |text: &str| text.contains("\"id\"") || !text.contains("Finding");
        let is_of_all = self.levels.get(subject).is_some_and(|level| level.ends_with("_TRANSITIVE"));
        let looked_at = if is_of_all { usize::MAX } else { 1 };
        let there = self.subjects.get(subject).into_iter().flatten().rev().take(looked_at);
        let mut texts = there.filter_map(|id| self.schemas.get(usize::try_from(*id).unwrap() - 1));
        texts.all(|other| has_id(text) == has_id(other))
    }

    fn id(&self, text: &str) -> Option<u32> {
        let place = self.schemas.iter().position(|schema| schema == text)?;
        u32::try_from(place + 1).ok()
    }

    /// Adds a schema, or finds it.
    pub(crate) fn put(&mut self, text: &str) -> u32 {
        self.id(text).unwrap_or_else(|| {
            self.schemas.push(text.to_owned());
            u32::try_from(self.schemas.len()).unwrap()
        })
    }
}
