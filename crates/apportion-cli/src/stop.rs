//! A graceful stop: SIGTERM or Ctrl-C end a run within seconds, and what is under way is either
//! finished or undone.
//!
//! Every unit can be abandoned at any point before its publication, because nothing of it is
//! visible. A publication that has begun gets a few seconds to end; one that takes longer is
//! abandoned like in a crash, which the next run heals.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apportion_spec::{Error, ErrorKind, Result};
use tokio::sync::watch;

/// How long a publication may go on after the stop was asked for.
const GRACE: Duration = Duration::from_secs(8);

/// Whether the process was asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    asked: watch::Receiver<bool>,
}

/// Set while objects of a unit are being replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Publishing(Arc<AtomicBool>);

impl Publishing {
    /// From here on abandoning the unit leaves something to heal.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Stop {
    /// Listens for SIGTERM and Ctrl-C from now on.
    pub(crate) fn listen() -> Self {
        let (ask, asked) = watch::channel(false);
        tokio::spawn(async move {
            signalled().await;
            tracing::warn!("asked to stop: what is being published is finished, the rest is left for the next run");
            // Nobody listens any more when the run has just ended.
            let _ = ask.send(true);
            // The receivers outlive a closed channel only as long as the sender does.
            std::future::pending::<()>().await;
        });
        Self { asked }
    }

    /// Listens for nothing: signals are those of whoever runs this.
    pub(crate) fn never() -> Self {
        // Without a sender nothing is ever asked for.
        Self { asked: watch::channel(false).1 }
    }

    /// Whether a stop was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Ends when a stop is asked for.
    async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Does the work of a unit unless a stop is asked for.
    ///
    /// # Errors
    /// Those of the work; [`ErrorKind::Stopped`] when it was abandoned.
    pub(crate) async fn or<T>(&self, publishing: &Publishing, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        if !self.is_asked() {
            tokio::select! {
                outcome = &mut work => return outcome,
                () = self.asked() => {}
            }
            if publishing.0.load(Ordering::SeqCst)
                && let Ok(outcome) = tokio::time::timeout(GRACE, &mut work).await
            {
                return outcome;
            }
        }
        Err(Error::new(ErrorKind::Stopped, "the run was asked to stop; the next run does this unit"))
    }
}

#[cfg(unix)]
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be listened for");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn signalled() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
