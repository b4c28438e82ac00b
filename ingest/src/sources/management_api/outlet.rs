//! Where a feed's portions go: small parts share one, as long as nobody has to wait for them.

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use crate::portion::{Part, Portion};

/// So many small blobs share a portion.
const PARTS_MAX: usize = 256;

/// Nobody takes portions any more: the source is to end.
#[derive(Debug)]
pub(super) struct Gone;

/// A feed's way to the worker.
#[derive(Debug)]
pub(super) struct Outlet {
    portions: Sender<Portion>,
    /// What goes out next.
    pub(super) portion: Portion,
    records: usize,
    bytes: usize,
    records_max: usize,
    bytes_max: usize,
}

impl Outlet {
    pub(super) fn new(portions: Sender<Portion>, records_max: usize, bytes_max: usize) -> Self {
        Self { portions, portion: Portion::default(), records: 0, bytes: 0, records_max, bytes_max }
    }

    /// Adds a part. First what is there goes out, where both together were more than a step.
    pub(super) async fn part(&mut self, part: Part) -> Result<(), Gone> {
        let records = part.found.len();
        let bytes: usize = part.found.iter().map(|found| found.what.bytes()).sum();
        let too_many = self.records + records > self.records_max || self.bytes + bytes > self.bytes_max;
        if too_many || self.portion.parts.len() >= PARTS_MAX {
            self.flush().await?;
        }
        (self.records, self.bytes) = (self.records + records, self.bytes + bytes);
        self.portion.parts.push(part);
        Ok(())
    }

    /// Sends what there is.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        if self.is_empty() {
            return Ok(());
        }
        (self.records, self.bytes) = (0, 0);
        self.portions.send(std::mem::take(&mut self.portion)).await.map_err(|_| Gone)
    }

    /// Sends what there is, and waits until it is on the log.
    pub(super) async fn write(&mut self) -> Result<(), Gone> {
        let (written, told) = oneshot::channel();
        self.portion.written = Some(written);
        self.flush().await?;
        told.await.map_err(|_| Gone)
    }

    fn is_empty(&self) -> bool {
        let Portion { parts, forget, marks, quiet, losses, blobs, written, last } = &self.portion;
        let nothing = parts.is_empty() && forget.is_empty() && marks.is_empty() && losses.is_empty();
        nothing && quiet.is_none() && *blobs == Default::default() && written.is_none() && !last
    }
}
