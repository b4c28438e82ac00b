//! Two sinks over one log: each goes at its own pace.

use pipeline::worker::Counters;
use schemas::time::HOUR;
use tokio_util::sync::CancellationToken;

use crate::support::{
    azure::{Azure, DCR, SECRET},
    block_on, configs,
    finding::{START, findings},
    flow::Flow,
    hec::{Hec, TOKEN},
    secret,
    server::Server,
};

/// A dead Splunk does not delay Azure, not by a batch and not by a second; when it is back it gets everything too.
#[test]
fn a_dead_sink_holds_no_other() {
    block_on(async {
        let mut splunk = Server::start(Hec::default()).await;
        let azure = Server::start(Azure::default()).await;
        let (token, key) = (secret(TOKEN), secret(SECRET));
        let text = format!(
            "sinks:\n  - {{name: splunk, kind: splunk_hec, url: \"{}\", token: {{file: {}}}}}\n  - {{name: azure, kind: \
             log_analytics, endpoint: \"{at}\", dcr: {DCR}, entra: {{authority: \"{at}\", tenant: t, client_id: c, \
             client_secret: {{file: {}}}}}}}\n",
            splunk.url(),
            token.path().display(),
            key.path().display(),
            at = azure.url(),
        );
        let sinks = configs(&text);
        let flow = Flow::new(&sinks);
        splunk.stop().await;
        let counters = [Counters::default(), Counters::default()];
        let stop = CancellationToken::new();
        let running = async {
            let run = |at: usize| flow.run(&sinks[at], CancellationToken::new(), stop.clone(), &counters[at]);
            tokio::join!(run(0), run(1));
        };
        let watching = async {
            for round in 1..=5 {
                flow.fill(&findings(100)).await;
                let before = flow.clock.now();
                // Time stands still: whoever needs it to pass waits.
                while counters[1].read().read < round * 100 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(flow.clock.now(), before);
                assert_eq!(counters[0].read().read, 0);
                flow.pass_time(15, |now| now >= before.plus(HOUR / 6)).await;
            }
            splunk.restart().await;
            flow.pass_time(5, |_| counters[0].read().read == 500).await;
            stop.cancel();
        };
        tokio::join!(running, watching);
        assert!(flow.clock.now() >= START.plus(5 * HOUR / 6));
        splunk.with(|hec| assert!(hec.counts().values().all(|times| *times == 5) && hec.ids().len() == 100));
        azure.with(|azure| assert!(azure.counts("Custom-WeirFindings").values().all(|times| *times == 5)));
    });
}
