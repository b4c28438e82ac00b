//! Entra and a logs ingestion endpoint of these tests' own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::{
    finding::number,
    server::{Handler, Reply, Request, answer},
};

pub(crate) const SECRET: &str = "planted-client-secret";
pub(crate) const DCR: &str = "dcr-0123456789abcdef0123456789abcdef";

/// Both behind one address.
pub(crate) struct Azure {
    /// What ingestion says next, before it looks at anything; taken from the front.
    pub(crate) script: VecDeque<Reply>,
    /// The secret it takes.
    pub(crate) secret: String,
    /// How long a token lives, in seconds.
    pub(crate) life: u64,
    /// Findings that make a body invalid.
    pub(crate) bad: BTreeSet<u128>,
    /// The largest body, before compression.
    pub(crate) bytes_max: usize,
    /// How many tokens were asked for, and the last one that was given.
    pub(crate) tokens_asked: usize,
    pub(crate) token: Option<String>,
    /// Rows by stream.
    pub(crate) rows: BTreeMap<String, Vec<Value>>,
    /// Every request to a stream.
    pub(crate) requests: Vec<Request>,
}

impl Default for Azure {
    fn default() -> Self {
        Self {
            script: VecDeque::new(),
            secret: SECRET.to_owned(),
            life: 3600,
            bad: BTreeSet::new(),
            bytes_max: 1_048_576,
            tokens_asked: 0,
            token: None,
            rows: BTreeMap::new(),
            requests: Vec::new(),
        }
    }
}

impl Azure {
    /// How often each finding is in a stream.
    pub(crate) fn counts(&self, stream: &str) -> BTreeMap<u128, usize> {
        let mut counts = BTreeMap::new();
        for row in self.rows.get(stream).into_iter().flatten() {
            *counts.entry(id(row)).or_default() += 1;
        }
        counts
    }

    fn give_token(&mut self, request: &Request) -> Reply {
        self.tokens_asked += 1;
        let form = String::from_utf8(request.body.clone()).unwrap();
        assert!(form.contains("grant_type=client_credentials"), "{form}");
        assert!(form.contains("scope=https%3A%2F%2Fmonitor.azure.com%2F.default"), "{form}");
        if !form.contains(&format!("client_secret={}", self.secret)) {
            let text = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret","error_codes":[7000215]}"#;
            return answer(401, "", text);
        }
        let token = format!("token-{}", self.tokens_asked);
        let text =
            format!(r#"{{"token_type":"Bearer","expires_in":{},"access_token":"{token}"}}"#, self.life);
        self.token = Some(token);
        answer(200, "", &text)
    }

    fn take(&mut self, request: &Request) -> Reply {
        self.requests.push(request.clone());
        if let Some(reply) = self.script.pop_front() {
            return reply;
        }
        let held = self.token.as_ref().map(|token| format!("Bearer {token}"));
        if held.is_none() || request.header("authorization") != held.as_deref() {
            return error(401, "TokenExpired");
        }
        let rest = request.path.strip_prefix(&format!("/dataCollectionRules/{DCR}/streams/"));
        let stream = rest.and_then(|rest| rest.strip_suffix("?api-version=2023-01-01")).unwrap().to_owned();
        if request.body.len() > self.bytes_max {
            return error(413, "ContentLengthLimitExceeded");
        }
        let rows: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
        if rows.iter().any(|row| self.bad.contains(&id(row))) {
            return error(400, "InvalidPayload");
        }
        self.rows.entry(stream).or_default().extend(rows);
        Reply::Bytes(b"HTTP/1.1 204 No Content\r\nX-MS-Request-Id: 7\r\n\r\n".to_vec())
    }
}

impl Handler for Azure {
    fn handle(&mut self, request: Request) -> Reply {
        assert_eq!(request.method, "POST");
        if request.path.ends_with("/oauth2/v2.0/token") {
            self.give_token(&request)
        } else {
            self.take(&request)
        }
    }
}

/// As the service says it.
pub(crate) fn error(status: u16, code: &str) -> Reply {
    answer(status, "", &format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#))
}

fn id(row: &Value) -> u128 {
    number(row.get("FindingId").or(row.get("EventUid")).unwrap().as_str().unwrap())
}
