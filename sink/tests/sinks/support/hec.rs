//! An event collector of these tests' own: it indexes what stands before a bad object, as Splunk 10 was seen to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::{
    finding::number,
    server::{Handler, Reply, Request, answer},
};

pub(crate) const TOKEN: &str = "00000000-1111-4222-8333-444444444444";

/// The collector.
#[derive(Default)]
pub(crate) struct Hec {
    /// What it says next, before it looks at anything; taken from the front.
    pub(crate) script: VecDeque<Reply>,
    /// The token it takes.
    pub(crate) token: Option<String>,
    /// Findings that it calls bad, and by which code.
    pub(crate) bad: BTreeMap<u128, i64>,
    /// The largest body it takes, before compression.
    pub(crate) bytes_max: Option<usize>,
    /// The text it says to success.
    pub(crate) success: Option<Reply>,
    /// Everything indexed, in its order.
    pub(crate) indexed: Vec<Value>,
    /// Every request.
    pub(crate) requests: Vec<Request>,
}

impl Hec {
    /// How often each finding was indexed.
    pub(crate) fn counts(&self) -> BTreeMap<u128, usize> {
        let mut counts = BTreeMap::new();
        for event in &self.indexed {
            *counts.entry(id(event)).or_default() += 1;
        }
        counts
    }

    pub(crate) fn ids(&self) -> BTreeSet<u128> {
        self.indexed.iter().map(id).collect()
    }
}

impl Handler for Hec {
    fn handle(&mut self, request: Request) -> Reply {
        self.requests.push(request.clone());
        if let Some(reply) = self.script.pop_front() {
            return reply;
        }
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/services/collector/event"));
        let expected = self.token.clone().unwrap_or_else(|| TOKEN.to_owned());
        if request.header("authorization") != Some(&format!("Splunk {expected}")) {
            return answer(403, "", r#"{"text":"Invalid token","code":4}"#);
        }
        if request.body.is_empty() {
            return answer(400, "", r#"{"text":"No data","code":5}"#);
        }
        if self.bytes_max.is_some_and(|most| request.body.len() > most) {
            return answer(413, "", "<html>Content-Length is too large</html>");
        }
        let objects = serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>();
        for (place, object) in objects.enumerate() {
            let object = object.unwrap();
            if let Some(code) = self.bad.get(&id(&object)) {
                let place = if *code == 7 { place + 1 } else { place };
                let text = format!(r#"{{"text":"bad","code":{code},"invalid-event-number":{place}}}"#);
                return answer(400, "", &text);
            }
            self.indexed.push(object);
        }
        self.success.clone().unwrap_or_else(|| answer(200, "", r#"{"text":"Success","code":0}"#))
    }
}

fn id(object: &Value) -> u128 {
    assert_eq!(object["fields"]["finding_id"], object["event"]["finding_info"]["uid"]);
    number(object["fields"]["finding_id"].as_str().unwrap())
}
