//! Finds out whether a store keeps the promise Delta is built on.
//!
//! Some S3-compatible servers accept `If-None-Match: *` and ignore it. There, two writers can
//! both commit the same version and one result is lost without any error. So before the first
//! commit a probe object is created twice; the second attempt must be refused.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use object_store::{PutMode, PutPayload};

use apportion_spec::{Error, ErrorKind, Result};

use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::error;

/// Checks that the store refuses to create an object that exists.
///
/// # Errors
///
/// `Config` if the store ignores or does not know conditional writes; `PermissionDenied` and the
/// like if the probe cannot be written.
pub async fn require_conditional_put(destination: &Destination) -> Result<()> {
    // A name of its own: another process that probes at the same time deletes its probe.
    let name = RandomState::new().build_hasher().finish();
    let location = destination.location(&format!("{INTERNAL_FOLDER}/preflight/conditional-put-{name:016x}"));
    let create = || {
        let content = PutPayload::from_static(b"apportion: may be deleted\n");
        destination.store().put_opts(&location, content, PutMode::Create.into())
    };
    // If the first acknowledgement gets lost, its repetition already answers the question.
    for _ in 0..2 {
        match create().await {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                return destination.delete(&location).await;
            }
            Err(cause @ object_store::Error::NotImplemented { .. }) => {
                return Err(refusal(destination).with_source(cause));
            }
            Err(cause) => return Err(error::store(cause, "write the probe object", destination.shown(&location))),
        }
    }
    destination.delete(&location).await?;
    Err(refusal(destination))
}

fn refusal(destination: &Destination) -> Error {
    Error::new(
        ErrorKind::Config,
        "this store ignores conditional writes (If-None-Match), so a Delta table could lose commits; \
         choose `parquet` or another store",
    )
    .with("destination", destination.shown(&destination.location("")))
}
