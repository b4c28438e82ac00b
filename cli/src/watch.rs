//! The admin port of a running process: opened once the configuration is read, before the log is; closed last of all.
//!
//! What a stage measures, it says itself (`Stage::measures`); the sources and the flow's stages are made known here once
//! they are known. `weir scan` and `weir demo` open no port.

use std::sync::Arc;

use pipeline::{Clock, Logs};
use runtime::admin::{Admin, AdminConfig, Metrics, Probes, Watched};
use tokio_util::sync::CancellationToken;

use crate::flow::Seen;

/// What is seen of this process from outside.
pub(crate) struct Watch {
    admin: Option<Admin>,
    metrics: Metrics,
    probes: Arc<Probes>,
}

impl Watch {
    /// Opens the port where the configuration wants it: until the stages are known it says that they are not.
    ///
    /// # Errors
    /// `AdminError` when the configured address cannot be had.
    pub(crate) async fn open(
        config: &AdminConfig,
        clock: &Clock,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let metrics = Metrics::new()?;
        let probes = Arc::new(Probes::new(clock.clone(), stop.clone()));
        let admin = Admin::open(config, metrics.clone(), Arc::clone(&probes)).await?;
        Ok(Self { admin, metrics, probes })
    }

    /// These are all there are: sources and stages, over this log.
    ///
    /// # Errors
    /// When two say one thing in two ways: a defect.
    pub(crate) fn all(&self, logs: &dyn Logs, seen: Vec<Seen>) -> anyhow::Result<()> {
        let (mut measures, mut watched) = (logs.measures(), Vec::new());
        for Seen { title, role, counters, measures: own } in seen {
            measures.extend(own);
            watched.push(Watched { title, role, counters });
        }
        self.metrics.register(measures)?;
        self.probes.watch(watched);
        Ok(())
    }

    /// Closes the port.
    pub(crate) async fn close(self) {
        if let Some(admin) = self.admin {
            admin.close().await;
        }
    }
}
