//! What the server can be told to do wrong, and the log of what it was asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// One misbehaviour. Added with [`super::S3Server::fault`], counted down as requests arrive.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The next `count` requests are refused with 503 `SlowDown` before anything happens.
    Throttle {
        /// How many requests.
        count: usize,
    },
    /// The next `count` requests are refused with 500 `InternalError` before anything happens.
    ServerError {
        /// How many requests.
        count: usize,
    },
    /// Requests of this method (empty: any) whose key contains the text are refused.
    Refuse {
        /// `GET`, `PUT`, ...; empty for all.
        method: &'static str,
        /// Text contained in the key; empty for all. A listing has the bucket as key.
        key: String,
        /// HTTP status.
        status: u16,
        /// S3 error code, for example `AccessDenied`.
        code: &'static str,
        /// How many requests; `usize::MAX` for all.
        count: usize,
    },
    /// The body of the next `count` GETs of a key ends half way and the connection breaks.
    TruncateBody {
        /// Text contained in the key.
        key: String,
        /// How many requests; `usize::MAX` for all.
        count: usize,
    },
    /// The next `count` writes of a key are applied, then answered with 500.
    LoseAcknowledgement {
        /// Text contained in the key.
        key: String,
        /// How many requests.
        count: usize,
    },
    /// After the first GET of the object it is replaced by other content.
    ReplaceAfterRead {
        /// Bucket of the object.
        bucket: String,
        /// Key of the object.
        key: String,
        /// The new content.
        content: Bytes,
    },
    /// The server goes silent at a write whose key contains the text: that request and all after it
    /// are never answered, as for a client that is killed at this moment. [`super::S3Server::is_frozen`]
    /// says when it happened; [`super::S3Server::clear_faults`] ends it for new requests.
    FreezeAtWrite {
        /// Text contained in the key; empty for all.
        key: String,
        /// How many such writes are answered before.
        after: usize,
        /// Whether the write that is not answered has happened all the same.
        applied: bool,
    },
    /// From now on `If-None-Match` and `If-Match` of writes are ignored, as some servers do.
    IgnoreConditions,
    /// From now on requests signed for another region are answered as AWS does: 301 with the
    /// right region in `x-amz-bucket-region`.
    Region {
        /// The region of every bucket.
        region: String,
    },
}

/// One request the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Bucket and key as `bucket/key`, percent-decoded; the bucket alone for a listing.
    pub key: String,
    /// Query string as received, empty when there is none.
    pub query: String,
    /// HTTP status of the answer.
    pub status: u16,
}

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Serve,
    Refuse { status: u16, code: &'static str },
    Truncate,
    ServeThenFail,
    ServeThenReplace { bucket: String, key: String, content: Bytes },
    OtherRegion { region: String },
    Silence,
    ServeSilently,
}

/// Pending faults and the request log.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pending: Mutex<Vec<Fault>>,
    frozen: AtomicBool,
    log: Mutex<Vec<Request>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spend(count: &mut usize) -> bool {
    if *count == 0 {
        return false;
    }
    if *count != usize::MAX {
        *count -= 1;
    }
    true
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        lock(&self.pending).push(fault);
    }

    pub(super) fn clear(&self) {
        lock(&self.pending).clear();
        self.frozen.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    pub(super) fn record(&self, request: Request) {
        lock(&self.log).push(request);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        lock(&self.log).clone()
    }

    pub(super) fn forget_requests(&self) {
        lock(&self.log).clear();
    }

    /// Decides about a request to `bucket/key` signed for `region`, counting faults down.
    pub(super) fn judge(&self, method: &str, path: &str, region: Option<&str>) -> Verdict {
        let mut pending = lock(&self.pending);
        if self.is_frozen() {
            return Verdict::Silence;
        }
        let position = pending.iter_mut().position(|fault| applies(fault, method, path, region));
        let Some(fault) = position.and_then(|index| pending.get(index).cloned()) else {
            return Verdict::Serve;
        };
        match fault {
            Fault::Throttle { .. } => Verdict::Refuse { status: 503, code: "SlowDown" },
            Fault::ServerError { .. } => Verdict::Refuse { status: 500, code: "InternalError" },
            Fault::Refuse { status, code, .. } => Verdict::Refuse { status, code },
            Fault::TruncateBody { .. } => Verdict::Truncate,
            Fault::LoseAcknowledgement { .. } => Verdict::ServeThenFail,
            Fault::ReplaceAfterRead { bucket, key, content } => {
                if let Some(index) = position {
                    pending.remove(index);
                }
                Verdict::ServeThenReplace { bucket, key, content }
            }
            Fault::FreezeAtWrite { applied, .. } => {
                self.frozen.store(true, Ordering::SeqCst);
                if applied { Verdict::ServeSilently } else { Verdict::Silence }
            }
            Fault::IgnoreConditions => Verdict::Serve,
            Fault::Region { region } => Verdict::OtherRegion { region },
        }
    }
}

fn applies(fault: &mut Fault, method: &str, path: &str, signed_region: Option<&str>) -> bool {
    match fault {
        Fault::Throttle { count } | Fault::ServerError { count } => spend(count),
        Fault::Refuse { method: wanted, key, count, .. } => {
            (wanted.is_empty() || *wanted == method) && path.contains(key.as_str()) && spend(count)
        }
        Fault::TruncateBody { key, count } => method == "GET" && path.contains(key.as_str()) && spend(count),
        Fault::LoseAcknowledgement { key, count } => {
            matches!(method, "PUT" | "POST") && path.contains(key.as_str()) && spend(count)
        }
        Fault::ReplaceAfterRead { bucket, key, .. } => method == "GET" && path == format!("{bucket}/{key}"),
        Fault::FreezeAtWrite { key, after, .. } => {
            let counts = matches!(method, "PUT" | "POST" | "DELETE") && path.contains(key.as_str());
            counts && !spend(after)
        }
        Fault::IgnoreConditions => false,
        Fault::Region { region } => signed_region.is_some_and(|signed| signed != region.as_str()),
    }
}
