//! An S3 server in the test process: real HTTP, real signatures, objects in memory.
//!
//! It exists because the file-backed test servers break the promises under test (conditional
//! writes race, listings stop at 1000 keys). It proves: Signature Version 4, ranges, paging,
//! atomic conditional writes and behaviour under faults. It cannot prove bucket policies,
//! versioning or the latency of a real store.
//!
//! ```
//! # async fn example() {
//! use apportion_testkit::{Fault, S3Server};
//!
//! let server = S3Server::start().await;
//! server.put("exports", "cur/a.parquet", "content");
//! server.fault(Fault::Throttle { count: 2 });
//! assert_eq!(server.keys("exports"), ["cur/a.parquet"]);
//! # }
//! ```

mod backend;
mod faults;
mod listing;
mod serve;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::oneshot;

pub use faults::{Fault, Request};

use faults::Faults;
use state::{Condition, State};

/// Access key the server accepts.
pub const ACCESS_KEY: &str = "TESTACCESSKEY";
/// Secret key the server accepts; meaningless elsewhere.
pub const SECRET_KEY: &str = "test-secret-key";
/// Region the server reports.
pub const REGION: &str = "us-east-1";

/// A running server. It stops when dropped.
///
/// It runs on its own thread, so tests that block (running the binary, for example) can use it.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    state: Arc<State>,
    faults: Arc<Faults>,
    stop: Option<oneshot::Sender<()>>,
}

impl S3Server {
    /// Starts a server on a free loopback port.
    #[expect(clippy::unused_async, reason = "callers await it like any other server start")]
    pub async fn start() -> Self {
        Self::start_blocking()
    }

    /// Starts a server from a test that is not async.
    #[expect(clippy::expect_used, reason = "a test without its server cannot go on")]
    pub fn start_blocking() -> Self {
        let state = Arc::new(State::default());
        let faults = Arc::new(Faults::default());
        let (stop, stopped) = oneshot::channel();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let service = serve::Service::new(Arc::clone(&state), Arc::clone(&faults));
        std::thread::Builder::new()
            .name("s3-server".to_owned())
            .spawn(move || serve::run(listener, service, stopped))
            .expect("a thread can be started");
        Self { address, state, faults, stop: Some(stop) }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The access key to sign with.
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The secret key to sign with.
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// The region to sign for.
    pub fn region(&self) -> &'static str {
        REGION
    }

    /// The standard environment variables that point a process at this server.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Creates an empty bucket. [`Self::put`] creates its bucket by itself.
    pub fn create_bucket(&self, bucket: &str) {
        self.state.create_bucket(bucket);
    }

    /// Stores an object, bypassing HTTP, faults and log.
    pub fn put(&self, bucket: &str, key: &str, content: impl Into<Bytes>) {
        self.state.create_bucket(bucket);
        let stored = self.state.put(bucket, key, content.into(), None, &Condition::default());
        debug_assert!(stored.is_ok(), "the bucket was just created");
    }

    /// Sets when an object was last modified, so that tests about age need no clock.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn set_modified(&self, bucket: &str, key: &str, modified: SystemTime) {
        assert!(self.state.set_modified(bucket, key, modified), "there is no object `{key}` in `{bucket}`");
    }

    /// Content of an object, or `None`.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.state.get(bucket, key).map(|stored| stored.content)
    }

    /// Entity tag of an object as a client sees it without quotes, or `None`.
    pub fn etag(&self, bucket: &str, key: &str) -> Option<String> {
        self.state.get(bucket, key).map(|stored| stored.etag)
    }

    /// Removes an object, bypassing HTTP, faults and log.
    pub fn remove(&self, bucket: &str, key: &str) {
        let removed = self.state.delete(bucket, key);
        debug_assert!(removed.is_ok(), "the bucket exists");
    }

    /// Every key of a bucket in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let objects = self.state.list(bucket).unwrap_or_default();
        objects.into_iter().map(|(key, _)| key).collect()
    }

    /// Multipart uploads that were neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.state.open_uploads()
    }

    /// Adds a misbehaviour. The first fault that applies to a request decides about it.
    pub fn fault(&self, fault: Fault) {
        if matches!(fault, Fault::IgnoreConditions) {
            self.state.ignore_conditions.store(true, Ordering::SeqCst);
        }
        self.faults.add(fault);
    }

    /// Whether [`Fault::FreezeAtWrite`] has happened.
    pub fn is_frozen(&self) -> bool {
        self.faults.is_frozen()
    }

    /// Ends all misbehaviour.
    pub fn clear_faults(&self) {
        self.state.ignore_conditions.store(false, Ordering::SeqCst);
        self.faults.clear();
    }

    /// Every request answered so far, in order of the answers.
    pub fn requests(&self) -> Vec<Request> {
        self.faults.requests()
    }

    /// Empties the request log.
    pub fn forget_requests(&self) {
        self.faults.forget_requests();
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server thread may already be gone; then nothing is left to stop.
            let _ = stop.send(());
        }
    }
}
