//! What an operator is told when a broker is the wrong one, does not trust us, or is not to be trusted: one line, which
//! names the address and the setting, and whether it is a refusal (exit 77) or a broker that is not there (exit 69).
//!
//! librdkafka's own texts decide only which question is asked ([`super::peer`]); none is passed on, since a broker may
//! write into them what it likes. A cause that is not known for certain is waited for, with warnings.

use std::path::PathBuf;

use pipeline::LogError;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::{
    peer::{self, Deadline, Flaw, Found},
    settings::KafkaConfig,
};

/// So many servers of `bootstrap` are looked at.
const SERVERS_MAX: usize = 3;

/// What is said where the token endpoint refuses the client.
pub(super) const NO_TOKEN: &str = "no token to log in with: see the warning before this line";

/// What an error of a connection means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Waiting is useless.
    Refused(LogError),
    /// To be looked at, where waiting is allowed.
    Look(Suspect),
    /// Waiting may help.
    Wait,
}

/// A broker with which a connection failed in a way that may have to do with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    address: String,
    /// TLS itself failed, and not the connection below it.
    is_tls: bool,
}

/// What a client was told to expect of the brokers.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    servers: Vec<String>,
    ca: Option<PathBuf>,
    has_tls: bool,
    has_login: bool,
    mechanism: String,
}

impl Expected {
    pub(super) fn of(config: &KafkaConfig) -> Self {
        let servers = config.bootstrap.split(',').map(|server| server.trim().to_owned());
        Self {
            servers: servers.take(SERVERS_MAX).collect(),
            ca: config.extra.get("ssl.ca.location").map(PathBuf::from),
            has_tls: config.has_tls(),
            has_login: config.has_login(),
            mechanism: config.mechanism().to_owned(),
        }
    }

    /// What an error of the connection means, by its code and librdkafka's text. Waits for nothing: librdkafka's
    /// callbacks may call it.
    pub(super) fn judge(&self, code: Code, reason: &str) -> Judged {
        // A cut connection has this code too; a broker that refuses the mechanism names those that it has.
        if reason.contains("mechanism handshake failed") && reason.contains("supported mechanisms: (n/a)") {
            return Judged::Wait;
        }
        let address = address_in(reason).unwrap_or("the broker");
        let is_login = matches!(
            code,
            Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::UnsupportedSASLMechanism
                | Code::IllegalSASLState
        );
        if is_login {
            return Judged::Refused(LogError::Refused(self.login(address, reason)));
        }
        if self.has_tls && is_alert(reason) {
            let what =
                "refuses our certificate, or wants one: see ssl.certificate.location and ssl.key.location";
            return Judged::Refused(LogError::Refused(format!("{address} {what}")));
        }
        if !matches!(code, Code::SSL | Code::BadMessage) {
            return Judged::Wait;
        }
        // What happens to any connection says nothing about TLS.
        let is_cut = reason.contains("SSL transport error") || reason.contains("Disconnected");
        Judged::Look(Suspect { address: address.to_owned(), is_tls: code == Code::SSL && !is_cut })
    }

    /// Looks at whoever is suspected; `None` where waiting may help. Blocks for seconds.
    pub(super) fn look_at(&self, suspect: &Suspect) -> Option<LogError> {
        let Suspect { address, .. } = suspect;
        self.seen(suspect, peer::look(address, self.ca.as_deref(), Deadline::of_a_look()))
    }

    fn seen(&self, Suspect { address, is_tls }: &Suspect, found: Found) -> Option<LogError> {
        // Of whoever is not there nothing is known.
        let speaks_tls = matches!(found, Found::Tls | Found::TlsWithLogin);
        let unknown = || {
            let what = "TLS could not be agreed on, or its certificate not verified";
            (*is_tls && speaks_tls).then(|| LogError::Refused(format!("{address}: {what}")))
        };
        self.met(address, found).or_else(unknown)
    }

    /// What answers at the configured servers, when nothing has been heard of them; `None` where waiting may help: also
    /// when one of them is as it should be. One deadline for all of them.
    pub(super) fn look(&self) -> Option<LogError> {
        let deadline = Deadline::of_a_look();
        let mut first = None;
        for server in &self.servers {
            let mut found = peer::look(server, self.ca.as_deref(), deadline);
            // librdkafka has not complained about the certificate, and it is the judge of that.
            if self.has_tls && matches!(found, Found::Distrusted(_)) {
                found = Found::Tls;
            }
            match self.met(server, found) {
                Some(error) => first = first.or(Some(error)),
                None => return None,
            }
        }
        first
    }

    /// What was met, held against what was expected.
    fn met(&self, address: &str, found: Found) -> Option<LogError> {
        let away = |what: &str| Some(LogError::Unusable(format!("{address} {what}")));
        match (found, self.has_tls) {
            (Found::Nobody, _) | (Found::Tls, true) | (Found::Open, false) => None,
            (Found::Stranger, _) => away("is no Kafka broker: check bootstrap"),
            (Found::Open | Found::OpenWithLogin, true) => {
                away("is a Kafka broker without TLS, and security.protocol asks for TLS")
            }
            (Found::Tls | Found::TlsWithLogin | Found::Distrusted(_), false) => {
                away("speaks TLS, and security.protocol does not: set it to sasl_ssl or ssl")
            }
            (Found::OpenWithLogin, false) | (Found::TlsWithLogin, true) if self.has_login => None,
            (Found::OpenWithLogin, false) | (Found::TlsWithLogin, true) => Some(LogError::Refused(format!(
                "{address} talks to nobody who does not log in: set security.protocol and sasl.mechanism"
            ))),
            (Found::Distrusted(flaw), true) => {
                Some(LogError::Refused(format!("{address}: the broker's certificate {}", words(flaw))))
            }
        }
    }

    fn login(&self, address: &str, reason: &str) -> String {
        if reason.contains("OAUTHBEARER token") {
            return NO_TOKEN.to_owned();
        }
        let mechanism = &self.mechanism;
        if reason.contains("mechanism handshake failed") {
            return format!("{address} does not offer SASL {mechanism}: check sasl.mechanism");
        }
        if self.mechanism == "OAUTHBEARER" {
            return format!(
                "{address} refuses the token (SASL {mechanism}): check oauth, its scope, and the broker's"
            );
        }
        format!("{address} refuses user or password (SASL {mechanism}): check sasl.username and password")
    }
}

fn words(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Expired => "has expired, or this machine's clock is wrong",
        Flaw::Early => "is not valid yet, or this machine's clock is wrong",
        Flaw::Name => {
            "is for another host: use the name it has in bootstrap and in the broker's advertised.listeners"
        }
        Flaw::Authority => "is of an authority that is not trusted: name it in ssl.ca.location",
        Flaw::Other => "cannot be verified",
    }
}

/// What of a certificate of ours the other side did not like: alerts 40 to 49 and 116 of TLS.
fn is_alert(reason: &str) -> bool {
    reason.contains(" alert ") && reason.contains("certificate") || reason.contains("alert unknown ca")
}

/// The address in `sasl_ssl://host:port/bootstrap: what happened`.
fn address_in(reason: &str) -> Option<&str> {
    let begin = reason.split_once("://").map_or(reason, |(_, rest)| rest);
    let address = begin.split('/').next()?;
    let (host, port) = address.rsplit_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    let fits = !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok();
    fits.then_some(address)
}

/// How a refusal begins whose reason is a right that is missing.
pub const NO_RIGHT: &str = "no right";

/// The right that is missing, where the broker says that one is: to do this with topics, or by this group or id.
pub(super) fn right(code: Code, asked: &Asked<'_>) -> Option<String> {
    if code == Code::TopicAuthorizationFailed {
        Some(format!("{NO_RIGHT} {} on topic {}", asked.on_topics, asked.topics))
    } else if code == Code::GroupAuthorizationFailed {
        Some(format!("{NO_RIGHT} Read on group {}", asked.group))
    } else if code == Code::TransactionalIdAuthorizationFailed {
        Some(format!("{NO_RIGHT} Write on transactional id {}", asked.transactional_id))
    } else if code == Code::ClusterAuthorizationFailed {
        Some(format!("{NO_RIGHT} on the cluster"))
    } else {
        None
    }
}

/// What was asked for when a right was found to be missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// `Read`, `Write` or `Describe`.
    pub(super) on_topics: &'static str,
    /// The topic, or several.
    pub(super) topics: &'a str,
    pub(super) group: &'a str,
    pub(super) transactional_id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(protocol: &str) -> Expected {
        let mut config = KafkaConfig::new("127.0.0.1:1");
        config.extra.insert("security.protocol".to_owned(), protocol.to_owned());
        config.extra.insert("sasl.mechanism".to_owned(), "PLAIN".to_owned());
        Expected::of(&config)
    }

    #[test]
    fn an_address_is_taken_from_a_text_only_where_it_is_one() {
        for (reason, address) in [
            (
                "sasl_ssl://kafka-1.internal:9093/bootstrap: SSL handshake failed",
                Some("kafka-1.internal:9093"),
            ),
            ("ssl://[::1]:9093/1: x", Some("[::1]:9093")),
            ("127.0.0.1:9092/1: x", Some("127.0.0.1:9092")),
            ("sasl_ssl://a b:1/x", None),
            ("GroupCoordinator: x", None),
            ("", None),
        ] {
            assert_eq!(address_in(reason), address, "{reason}");
        }
    }

    #[test]
    fn what_is_met_is_a_refusal_a_wrong_broker_or_nothing_to_say() {
        let said = |protocol, found| expected(protocol).met("h:1", found);
        for (protocol, found) in [
            ("sasl_ssl", Found::Tls),
            ("plaintext", Found::Open),
            ("sasl_plaintext", Found::OpenWithLogin),
            ("ssl", Found::Nobody),
        ] {
            assert_eq!(said(protocol, found), None, "{protocol} {found:?}");
        }
        for (protocol, found) in [
            ("plaintext", Found::Tls),
            ("plaintext", Found::Distrusted(Flaw::Authority)),
            ("ssl", Found::Open),
            ("plaintext", Found::Stranger),
        ] {
            assert!(matches!(said(protocol, found), Some(LogError::Unusable(_))), "{protocol} {found:?}");
        }
        for (protocol, found) in
            [("ssl", Found::Distrusted(Flaw::Expired)), ("plaintext", Found::OpenWithLogin)]
        {
            assert!(matches!(said(protocol, found), Some(LogError::Refused(_))), "{protocol} {found:?}");
        }
    }

    #[test]
    fn no_text_of_a_broker_is_passed_on() {
        let reason = "sasl_ssl://h:1/1: SASL authentication error: hunter2 (after 3ms in state AUTH_REQ)";
        let judged = expected("sasl_ssl").judge(Code::Authentication, reason);
        let Judged::Refused(said) = judged else { panic!("{judged:?}") };
        let said = said.to_string();
        assert!(said.contains("h:1 refuses user or password") && !said.contains("hunter2"), "{said}");
    }

    /// librdkafka's text of a request that failed, whatever the reason, and of one that was answered.
    #[test]
    fn a_cut_connection_is_no_refusal_of_a_mechanism() {
        let said = |why: &str, mechanisms: &str| {
            let begin = "sasl_ssl://h:1/1: SASL PLAIN mechanism handshake failed";
            let end = "(after 3ms in state AUTH_HANDSHAKE)";
            let reason = format!("{begin}: {why}: broker's supported mechanisms: {mechanisms} {end}");
            expected("sasl_ssl").judge(Code::Authentication, &reason)
        };
        assert_eq!(said("Local: Broker transport failure", "(n/a)"), Judged::Wait);
        assert_eq!(said("Local: Timed out", "(n/a)"), Judged::Wait);
        let refused = said("Broker: Unsupported SASL mechanism", "SCRAM-SHA-512");
        assert!(matches!(refused, Judged::Refused(LogError::Refused(_))), "{refused:?}");
    }

    #[test]
    fn tls_is_blamed_only_where_it_failed_and_is_there() {
        let seen = |text: &str, found| {
            let ours = expected("ssl");
            let judged = ours.judge(Code::SSL, &format!("ssl://h:1/bootstrap: {text}"));
            let Judged::Look(suspect) = judged else { panic!("{text}: {judged:?}") };
            assert_eq!(suspect.address, "h:1");
            ours.seen(&suspect, found)
        };
        let failed = "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed";
        assert!(matches!(seen(failed, Found::Tls), Some(LogError::Refused(_))));
        assert_eq!(seen(failed, Found::Nobody), None);
        for cut in ["No route to host", "Connection timed out", "Connection reset by peer"] {
            let text = format!("SSL handshake failed: SSL transport error: {cut}");
            assert_eq!(seen(&text, Found::Nobody), None, "{text}");
            assert_eq!(seen(&text, Found::Tls), None, "{text}: it is back");
        }
        let disconnected = "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?";
        assert_eq!(seen(disconnected, Found::Tls), None);
        assert!(matches!(seen(disconnected, Found::Open), Some(LogError::Unusable(_))));
    }
}
