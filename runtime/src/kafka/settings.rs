//! What can be said about a Kafka connection, and what cannot.
//!
//! Settings of librdkafka pass only by name, from a list: a free map is how clients of other pipelines came to read
//! files and call servers for whoever could write their configuration. Secrets are referred to. All problems are found at
//! once, before anything connects.

mod contradiction;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use schemas::Topic;

use super::{client, names::Names, security, security::OAuthConfig};
use crate::secret::SecretSource;

/// How to reach Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, separated by commas.
    pub bootstrap: String,
    /// Put before the name of every topic, group and transactional id; empty by default. Keeps installations (and test
    /// cases) on one broker apart.
    pub prefix: String,
    /// How long a member may be silent before its partitions go to others. 45 s, as Kafka's own clients: a pod that is
    /// moved or a long garbage collection next door does not shake the group.
    pub session_timeout: Duration,
    /// How long a step may take before the broker undoes it; also how long readers may have to wait behind the step of
    /// a process that died. 60 s: far above what a step takes, below the broker's own limit of 15 min.
    pub transaction_timeout: Duration,
    /// How long others wait for what a revoked partition has in flight. 20 s: a step takes less, and a stage that hangs
    /// must not stop its group for longer.
    pub revoke_within: Duration,
    /// Whether the member's name is its `group.instance.id` too. Off by default: the name fences through the
    /// transactional id anyway, and a static member cannot tell the broker that it leaves, so that its partitions would
    /// lie idle for a session timeout whenever a worker is scaled down or stopped. Switch it on where restarts within
    /// the session timeout should move nothing.
    pub static_membership: bool,
    /// The only folder that certificates, keys and passwords are read from.
    pub secrets_folder: PathBuf,
    /// The SASL password; read anew for each client that is made. A file must lie in the secrets folder.
    pub password: Option<SecretSource>,
    /// The password of the client's private key, likewise.
    pub key_password: Option<SecretSource>,
    /// Where tokens for SASL OAUTHBEARER come from.
    pub oauth: Option<Box<OAuthConfig>>,
    /// Further settings of librdkafka, from [`ALLOWED`].
    pub extra: BTreeMap<String, String>,
}

impl KafkaConfig {
    /// The defaults, for these brokers.
    #[must_use]
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            prefix: String::new(),
            session_timeout: Duration::from_secs(45),
            transaction_timeout: Duration::from_secs(60),
            revoke_within: Duration::from_secs(20),
            static_membership: false,
            secrets_folder: PathBuf::from("/run/secrets/weir"),
            password: None,
            key_password: None,
            oauth: None,
            extra: BTreeMap::new(),
        }
    }

    /// Kafka's name of `topic`.
    #[must_use]
    pub fn topic_name(&self, topic: Topic) -> String {
        Names::new(&self.prefix).topic(topic).to_owned()
    }

    /// What the names of all topics begin with.
    #[must_use]
    pub fn topics_prefix(&self) -> String {
        format!("{}weir.", self.prefix)
    }

    /// Kafka's name of a group.
    #[must_use]
    pub fn group_name(&self, group: &str) -> String {
        Names::new(&self.prefix).group(group)
    }

    /// What the transactional ids of a group's members begin with.
    #[must_use]
    pub fn transactional_ids(&self, group: &str) -> String {
        Names::new(&self.prefix).transactional_id(group, "")
    }

    /// What the transactional ids begin with of all groups whose names begin with `groups`.
    #[must_use]
    pub fn transactional_ids_of_all(&self, groups: &str) -> String {
        let ids = self.transactional_ids(groups);
        ids.strip_suffix('-').unwrap_or(&ids).to_owned()
    }

    /// Why no topics can be administered with it, if so.
    #[must_use]
    pub fn topics_problem(&self) -> Option<&'static str> {
        // rdkafka 0.39 does not poll an administrator's client for requests of tokens.
        let what = "topics are administered with a password or a certificate, not with a token";
        self.oauth.as_ref().map(|_| what)
    }

    /// Whether connections are encrypted.
    pub(super) fn has_tls(&self) -> bool {
        matches!(self.protocol(), "ssl" | "sasl_ssl")
    }

    /// Whether a client logs in.
    pub(super) fn has_login(&self) -> bool {
        matches!(self.protocol(), "sasl_plaintext" | "sasl_ssl")
    }

    /// How it logs in; librdkafka's own default would be Kerberos, which is not built in.
    pub(super) fn mechanism(&self) -> &str {
        self.extra.get("sasl.mechanism").map_or("", String::as_str)
    }

    fn protocol(&self) -> &str {
        self.extra.get("security.protocol").map_or("plaintext", String::as_str)
    }

    /// Everything that is wrong with it; empty when nothing is. Reads nothing and connects to nothing.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = bootstrap_problems(&self.bootstrap);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.prefix.len() > PREFIX_MAX || !self.prefix.chars().all(fits) {
            problems.push(format!("prefix: at most {PREFIX_MAX} of a-z A-Z 0-9 . _ -"));
        }
        let secs = |name: &str, value: Duration, least: u64, most: u64| {
            let fits = value >= Duration::from_secs(least) && value <= Duration::from_secs(most);
            (!fits).then(|| format!("{name}: between {least} s and {most} s, not {value:?}"))
        };
        problems.extend(secs("session_timeout", self.session_timeout, 1, 300));
        problems.extend(secs("transaction_timeout", self.transaction_timeout, 1, 900));
        problems.extend(secs("revoke_within", self.revoke_within, 0, 240));
        for (key, value) in &self.extra {
            problems.extend(self.setting_problem(key, value).map(|message| format!("{key}: {message}")));
        }
        let client_secret = self.oauth.as_ref().map(|oauth| &oauth.client_secret);
        for (name, source) in [
            ("password", self.password.as_ref()),
            ("key_password", self.key_password.as_ref()),
            ("oauth", client_secret),
        ] {
            if let Some(SecretSource::File(file)) = source
                && !self.is_secret(file)
            {
                problems.push(format!(
                    "{name}: must lie in the secrets folder {}",
                    self.secrets_folder.display()
                ));
            }
        }
        let authority = self.oauth.as_ref().and_then(|oauth| oauth.ca_file.as_deref());
        if authority.is_some_and(|file| !self.is_secret(file)) {
            let folder = self.secrets_folder.display();
            problems.push(format!("oauth: ca_file must lie in the secrets folder {folder}"));
        }
        problems.extend(security::problems(self));
        problems.extend(contradiction::problems(self));
        problems
    }

    /// What is wrong with one further setting by itself. Reads nothing.
    #[must_use]
    pub fn setting_problem(&self, key: &str, value: &str) -> Option<String> {
        if let Some((_, instead)) = INSTEAD.iter().find(|(name, _)| *name == key) {
            return Some((*instead).to_owned());
        }
        if key.starts_with("sasl.oauthbearer.") {
            return Some("use oauth: {token_url: …, client_id: …, client_secret: …}".to_owned());
        }
        if !ALLOWED.contains(&key) {
            let near =
                ALLOWED.iter().min_by_key(|name| strsim::levenshtein(name, key)).copied().unwrap_or_default();
            return Some(format!("not a setting that may be passed to librdkafka; the nearest is {near}"));
        }
        if key.ends_with(".location") && !self.is_secret(Path::new(value)) {
            return Some(format!("must lie in the secrets folder {}", self.secrets_folder.display()));
        }
        if value.contains('\0') {
            return Some("has a NUL character".to_owned());
        }
        let one_of: &[&str] = match key {
            "security.protocol" => &security::PROTOCOLS,
            "sasl.mechanism" => &security::MECHANISMS,
            // librdkafka takes CONSUMER too, and what depends on it is set by this name.
            "group.protocol" => &["classic", "consumer"],
            _ => return client::value_problem(key, value),
        };
        (!one_of.contains(&value)).then(|| format!("must be one of {}", one_of.join(", ")))
    }

    /// Whether every server is this machine.
    pub(super) fn is_local(&self) -> bool {
        let hosts = self.bootstrap.split(',').filter_map(|server| server.trim().rsplit_once(':'));
        let mut hosts = hosts.map(|(host, _)| host.trim_matches(['[', ']']));
        hosts.all(|host| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
    }

    /// Whether the path stays in the secrets folder, as it is written.
    fn is_secret(&self, path: &Path) -> bool {
        path.starts_with(&self.secrets_folder) && !path.components().any(|part| part == Component::ParentDir)
    }
}

/// Topic names may have 249 characters; the longest of ours has 29, a transactional id needs room for group and member.
const PREFIX_MAX: usize = 100;

/// The settings of librdkafka that may be passed on, by its own names
/// (<https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md>).
pub const ALLOWED: &[&str] = &[
    "security.protocol",
    "sasl.mechanism",
    "sasl.username",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "client.id",
    "client.rack",
    "client.dns.lookup",
    "broker.address.family",
    "compression.type",
    "compression.level",
    "linger.ms",
    "batch.size",
    "message.max.bytes",
    "queue.buffering.max.kbytes",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "queued.min.messages",
    "queued.max.messages.kbytes",
    "heartbeat.interval.ms",
    "group.protocol",
    "topic.metadata.refresh.interval.ms",
    "max.poll.interval.ms",
    "metadata.max.age.ms",
    "connections.max.idle.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.timeout.ms",
];

/// Settings that people look for, and what to say instead.
const INSTEAD: &[(&str, &str)] = &[
    ("bootstrap.servers", "use bootstrap"),
    ("debug", "use --log info,librdkafka=debug"),
    ("enable.auto.commit", "positions are committed by steps only"),
    ("enable.idempotence", "always on"),
    (
        "enable.ssl.certificate.verification",
        "certificates are always verified; name the authority in ssl.ca.location",
    ),
    ("group.id", "groups are named by the stages"),
    ("group.instance.id", "use static_membership"),
    ("isolation.level", "always read_committed"),
    ("plugin.library.paths", "no code is loaded"),
    ("sasl.password", "use password: {file: …} or {env: …}"),
    ("sasl.jaas.config", "is Java's: use sasl.username and password"),
    ("sasl.mechanisms", "use sasl.mechanism"),
    ("session.timeout.ms", "use session_timeout"),
    ("ssl.endpoint.identification.algorithm", "names in certificates are always verified"),
    ("ssl.keystore.location", "use ssl.certificate.location and ssl.key.location, in PEM form"),
    ("ssl.key.password", "use key_password: {file: …} or {env: …}"),
    ("transaction.timeout.ms", "use transaction_timeout"),
    ("transactional.id", "named after group and member"),
];

fn bootstrap_problems(bootstrap: &str) -> Vec<String> {
    let fits = |server: &str| {
        let host_and_port = server.trim().rsplit_once(':');
        host_and_port.is_some_and(|(host, port)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
            !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    // The server is not repeated: whoever writes a password into it should not find it in a log.
    let bad = bootstrap.split(',').enumerate().filter(|(_, server)| !fits(server));
    bad.map(|(number, _)| format!("bootstrap: server {} is not host:port", number + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_problem() {
        assert_eq!(
            KafkaConfig::new("localhost:9092,[::1]:9093, kafka-1.internal:9094").problems(),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let config = KafkaConfig {
            prefix: "a b".to_owned(),
            session_timeout: Duration::ZERO,
            transaction_timeout: Duration::from_secs(3600),
            revoke_within: Duration::from_secs(1000),
            password: Some(SecretSource::File("/etc/passwd".into())),
            extra: BTreeMap::from([
                ("ssl.ca.location".to_owned(), "/run/secrets/weir/../../etc/shadow".to_owned()),
                ("sasl.password".to_owned(), "hunter2".to_owned()),
                ("security.protocol".to_owned(), "sasl_ssl".to_owned()),
                ("sasl.mechanism".to_owned(), "PLAIN".to_owned()),
                ("sasl.username".to_owned(), "weir".to_owned()),
                ("linger.ms".to_owned(), "hunter2".to_owned()),
                ("client.id".to_owned(), "a\0b".to_owned()),
                ("lingering.ms".to_owned(), "5".to_owned()),
            ]),
            ..KafkaConfig::new("localhost:9092,user:hunter2@host:1,nowhere")
        };
        let problems = config.problems();
        let begins: Vec<&str> = problems.iter().filter_map(|p| p.split(": ").next()).collect();
        assert_eq!(
            begins,
            [
                "bootstrap",
                "bootstrap",
                "prefix",
                "session_timeout",
                "transaction_timeout",
                "revoke_within",
                "client.id",
                "linger.ms",
                "lingering.ms",
                "sasl.password",
                "ssl.ca.location",
                "password"
            ]
        );
        assert!(
            problems.iter().all(|problem| !problem.contains("hunter2")),
            "a password is not repeated: {problems:?}"
        );
        assert!(problems.iter().any(|problem| problem.contains("the nearest is linger.ms")));
    }

    #[test]
    fn nothing_is_both_allowed_and_refused() {
        assert!(INSTEAD.iter().all(|(name, _)| !ALLOWED.contains(name)));
        assert!(ALLOWED.iter().all(|name| !name.contains("password") && !name.contains("oauth")));
    }

    /// Whoever can write a configuration must not make the process load code, call a server, or trust everybody.
    #[test]
    fn what_could_be_turned_against_the_host_is_refused() {
        let config = KafkaConfig::new("localhost:9092");
        for key in [
            "plugin.library.paths",
            "enable.ssl.certificate.verification",
            "ssl.endpoint.identification.algorithm",
            "sasl.jaas.config",
            "sasl.oauthbearer.token.endpoint.url",
            "sasl.oauthbearer.config",
            "sasl.kerberos.kinit.cmd",
            "ssl.engine.location",
            "ssl.providers",
            "ssl.ca.pem",
            "debug",
            "log_level",
            "security.protocol\0",
        ] {
            assert!(config.setting_problem(key, "false").is_some(), "{key}");
        }
        assert!(config.setting_problem("sasl.mechanism", "GSSAPI").is_some());
        assert!(config.setting_problem("ssl.ca.location", "probe").is_some());
    }

    #[test]
    fn what_lies_in_the_secrets_folder_passes() {
        let mut config = KafkaConfig::new("localhost:9092");
        for (key, value) in [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "weir"),
            ("ssl.ca.location", "/run/secrets/weir/kafka/ca.pem"),
            ("ssl.certificate.location", "/run/secrets/weir/kafka/weir.pem"),
            ("ssl.key.location", "/run/secrets/weir/kafka/weir.key"),
        ] {
            config.extra.insert(key.to_owned(), value.to_owned());
        }
        config.password = Some(SecretSource::File("/run/secrets/weir/kafka/password".into()));
        config.key_password = Some(SecretSource::Env("WEIR_KEY_PASSWORD".to_owned()));
        assert_eq!(config.problems(), Vec::<String>::new());
    }
}
