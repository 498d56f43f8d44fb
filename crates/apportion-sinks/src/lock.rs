//! One writer per destination: a lock as an object beside the tables.
//!
//! The lock is a row of numbered documents under `_apportion/lock/`; whoever wrote the highest
//! number holds it. Taking it means creating the next number, which the store grants to one
//! (`If-None-Match: *`). Numbers are never reused: a released lock leaves its last document, so a
//! process that slept through somebody else's whole tenure cannot create a number below it and
//! believe it won. Nothing here needs `If-Match`, which some servers get wrong.
//!
//! The holder rewrites its document every few seconds. A crash stops that, and the next run takes
//! over: at once when the document names a process of this machine that is gone, otherwise after
//! the document is older than [`LockTiming::expiry`] and a last look shows that it still does not
//! move. So a wrong clock alone never takes a lock away from a process that is alive, and never
//! blocks a destination for longer than the expiry.
//!
//! A holder that cannot renew for as long as the expiry must assume that it was replaced:
//! [`DestinationLock::verify`] says so before every publication.

mod owner;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::{PutMode, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use apportion_spec::{Error, ErrorKind, Result};

use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::error;

pub use owner::LockOwner;

/// How often a lock is renewed and when it counts as abandoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockTiming {
    /// Time between two renewals.
    pub renewal: Duration,
    /// Age from which a lock counts as abandoned; several renewals.
    pub expiry: Duration,
}

impl Default for LockTiming {
    fn default() -> Self {
        Self { renewal: Duration::from_secs(10), expiry: Duration::from_secs(60) }
    }
}

/// Content of `_apportion/lock/<number>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LockDocument {
    owner: LockOwner,
    taken_at: DateTime<Utc>,
    renewed_at: DateTime<Utc>,
    renewals: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    released_at: Option<DateTime<Utc>>,
}

/// How often a lock is tried for while others come and go.
const ATTEMPTS: usize = 5;

/// The lock of a destination, held until it is released.
///
/// Dropping it without [`Self::release`] stops the renewal, so it expires by itself.
#[derive(Debug)]
pub struct DestinationLock {
    shared: Arc<Shared>,
    renewal: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    destination: Destination,
    number: u64,
    timing: LockTiming,
    lost: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    document: LockDocument,
    renewed: Instant,
}

impl DestinationLock {
    /// Takes the lock of a destination.
    ///
    /// # Errors
    ///
    /// `Locked` naming the owner when another process holds it; store errors.
    pub async fn take(destination: &Destination, owner: LockOwner, timing: LockTiming) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let highest = highest(destination).await?;
            if let Some((number, Some(document))) = &highest {
                refuse_if_held(destination, *number, document, &owner, timing).await?;
            }
            let number = highest.map_or(1, |(number, _)| number + 1);
            let now = Utc::now();
            let document =
                LockDocument { owner: owner.clone(), taken_at: now, renewed_at: now, renewals: 0, released_at: None };
            if !create(destination, number, &document).await? {
                continue;
            }
            // Created is not held: a higher number may have come first, and a store that ignores
            // the condition lets two create the same. The last look decides.
            let newest = self::highest(destination).await?;
            if newest.is_some_and(|(found, there)| found == number && there.is_some_and(|it| it.owner == owner)) {
                forget_below(destination, number).await;
                return Ok(Self::hold(destination.clone(), number, timing, document));
            }
        }
        Err(Error::new(ErrorKind::Locked, "other runs kept taking the lock of the destination; run again later")
            .with("destination", destination.shown(&destination.location(""))))
    }

    fn hold(destination: Destination, number: u64, timing: LockTiming, document: LockDocument) -> Self {
        let state = Mutex::new(State { document, renewed: Instant::now() });
        let shared = Arc::new(Shared { destination, number, timing, lost: AtomicBool::new(false), state });
        let renewing = Arc::clone(&shared);
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(renewing.timing.renewal).await;
                if let Err(error) = renewing.renew().await {
                    tracing::warn!(%error, "the lock of the destination could not be renewed");
                }
                if renewing.lost.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        Self { shared, renewal }
    }

    /// Says whether this process still holds the lock. To be asked before anything is published.
    ///
    /// # Errors
    ///
    /// `Locked` when the lock was taken over, or could not be renewed for so long that it may have been.
    pub async fn verify(&self) -> Result<()> {
        let shared = &self.shared;
        let stale = shared.state.lock().await.renewed.elapsed() >= shared.timing.expiry;
        if stale && !shared.lost.load(Ordering::SeqCst) {
            // The process slept, or the store was away. Nobody may have noticed.
            shared.renew().await?;
        }
        if shared.lost.load(Ordering::SeqCst) {
            return Err(Error::new(
                ErrorKind::Locked,
                "another run took over the lock of the destination, so this one publishes nothing more",
            )
            .with("destination", shared.destination.shown(&shared.destination.location(""))));
        }
        Ok(())
    }

    /// Gives the lock back. The last document stays, marked as released.
    ///
    /// # Errors
    ///
    /// Store errors; the lock then expires by itself.
    pub async fn release(self) -> Result<()> {
        self.renewal.abort();
        let shared = &self.shared;
        if shared.lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut state = shared.state.lock().await;
        state.document.released_at = Some(Utc::now());
        shared.destination.write_json(&name(shared.number), &state.document).await
    }
}

impl Drop for DestinationLock {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Shared {
    async fn renew(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        let mine = |(number, found): &(u64, Option<LockDocument>)| {
            *number == self.number && found.as_ref().is_some_and(|found| found.owner == state.document.owner)
        };
        if !highest(&self.destination).await?.is_some_and(|found| mine(&found)) {
            self.lost.store(true, Ordering::SeqCst);
            return Ok(());
        }
        state.document.renewals += 1;
        state.document.renewed_at = Utc::now();
        self.destination.write_json(&name(self.number), &state.document).await?;
        state.renewed = Instant::now();
        Ok(())
    }
}

/// Returns normally when the lock may be taken.
async fn refuse_if_held(
    destination: &Destination,
    number: u64,
    document: &LockDocument,
    owner: &LockOwner,
    timing: LockTiming,
) -> Result<()> {
    if document.released_at.is_some() || document.owner.is_gone(owner) {
        return Ok(());
    }
    let expiry = chrono::Duration::from_std(timing.expiry).unwrap_or(chrono::Duration::MAX);
    let age = Utc::now() - document.renewed_at;
    if age >= chrono::Duration::zero() && age < expiry {
        return Err(refusal(destination, document));
    }
    // Too old, or from the future: one of the two clocks may be wrong. What counts is whether it moves.
    let watch = if age < chrono::Duration::zero() { timing.expiry } else { timing.renewal * 2 };
    tracing::info!(owner = %document.owner, seconds = watch.as_secs(), "waiting to see whether the lock is abandoned");
    tokio::time::sleep(watch).await;
    let again = read(destination, number).await?;
    if again.as_ref().is_some_and(|again| again.released_at.is_none() && again.renewals != document.renewals) {
        return Err(refusal(destination, document));
    }
    tracing::warn!(owner = %document.owner, last_sign = %document.renewed_at, "took over an abandoned lock");
    Ok(())
}

fn refusal(destination: &Destination, document: &LockDocument) -> Error {
    Error::new(
        ErrorKind::Locked,
        format!(
            "another run holds the lock of the destination: {}, since {}, last sign of life {}; \
             it is given back when that run ends and expires when the run is gone",
            document.owner,
            document.taken_at.format("%Y-%m-%dT%H:%M:%SZ"),
            document.renewed_at.format("%Y-%m-%dT%H:%M:%SZ"),
        ),
    )
    .with("destination", destination.shown(&destination.location("")))
}

fn name(number: u64) -> String {
    // Padded, so that a listing is in order.
    format!("{INTERNAL_FOLDER}/lock/{number:010}.json")
}

/// The highest number with its document; the document is missing when it is not readable.
async fn highest(destination: &Destination) -> Result<Option<(u64, Option<LockDocument>)>> {
    match numbers(destination).await?.last() {
        Some(number) => Ok(Some((*number, read(destination, *number).await?))),
        None => Ok(None),
    }
}

async fn numbers(destination: &Destination) -> Result<Vec<u64>> {
    let objects = destination.list(&format!("{INTERNAL_FOLDER}/lock")).await?;
    let number = |name: &str| name.strip_suffix(".json")?.parse().ok();
    let mut numbers: Vec<u64> = objects.iter().filter_map(|object| number(object.location.filename()?)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

async fn read(destination: &Destination, number: u64) -> Result<Option<LockDocument>> {
    match destination.read_json(&name(number)).await {
        // Not ours to judge; a document nobody renews in our form holds nothing.
        Err(error) if error.kind() == ErrorKind::ContractViolated => {
            tracing::warn!(%error, "a lock document cannot be read");
            Ok(None)
        }
        other => other,
    }
}

/// Whether the document was created now by us.
async fn create(destination: &Destination, number: u64, document: &LockDocument) -> Result<bool> {
    let content =
        serde_json::to_vec_pretty(document).map_err(|cause| error::internal("cannot write JSON").with_source(cause))?;
    let location = destination.location(&name(number));
    match destination.store().put_opts(&location, PutPayload::from(content), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        // Perhaps by us, when the acknowledgement got lost and the request was repeated.
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
            Ok(read(destination, number).await?.is_some_and(|found| found.owner == document.owner))
        }
        // A store without conditional writes: the last look after it has to do.
        Err(object_store::Error::NotImplemented { .. }) => {
            destination.write_json(&name(number), document).await.map(|()| true)
        }
        Err(cause) => Err(error::store(cause, "take the lock of the destination", destination.shown(&location))),
    }
}

/// Tidies up; what stays is only untidy.
async fn forget_below(destination: &Destination, number: u64) {
    for old in numbers(destination).await.unwrap_or_default() {
        if old < number
            && let Err(error) = destination.delete(&destination.location(&name(old))).await
        {
            tracing::debug!(%error, "an old lock document could not be removed");
        }
    }
}
