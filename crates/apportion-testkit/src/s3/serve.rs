//! HTTP side of the server: accepts connections, applies faults around the S3 service, logs.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;

use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::sync::oneshot;

use super::backend::Backend;
use super::faults::{Faults, Request, Verdict};
use super::state::{Condition, State};
use super::{ACCESS_KEY, REGION, SECRET_KEY};

/// The S3 service and everything around it. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Service {
    s3: S3Service,
    state: Arc<State>,
    faults: Arc<Faults>,
}

impl Service {
    pub(super) fn new(state: Arc<State>, faults: Arc<Faults>) -> Self {
        let backend = Backend { state: Arc::clone(&state), region: REGION.to_owned() };
        let mut builder = S3ServiceBuilder::new(backend);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        Self { s3: builder.build(), state, faults }
    }

    async fn answer(self, request: hyper::Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let method = request.method().as_str().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let path = request.uri().path().trim_start_matches('/').trim_end_matches('/');
        let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
        let region = signed_region(&request);
        let verdict = self.faults.judge(&method, &path, region.as_deref());
        let response = self.carry_out(request, verdict).await;
        let status = response.status().as_u16();
        self.faults.record(Request { method, key: path, query, status });
        Ok(response)
    }

    async fn carry_out(&self, request: hyper::Request<Incoming>, verdict: Verdict) -> Response<Body> {
        match verdict {
            Verdict::Serve => self.serve(request).await,
            Verdict::Refuse { status, code } => {
                drain(request).await;
                refusal(status, code)
            }
            Verdict::OtherRegion { region } => {
                drain(request).await;
                let mut response = refusal(301, "PermanentRedirect");
                if let Ok(value) = region.parse() {
                    response.headers_mut().insert("x-amz-bucket-region", value);
                }
                response
            }
            Verdict::Silence => std::future::pending().await,
            Verdict::ServeSilently => {
                self.serve(request).await;
                std::future::pending().await
            }
            Verdict::Truncate => truncated(self.serve(request).await).await,
            Verdict::ServeThenFail => {
                let response = self.serve(request).await;
                if response.status().is_success() { refusal(500, "InternalError") } else { response }
            }
            Verdict::ServeThenReplace { bucket, key, content } => {
                let response = self.serve(request).await;
                // The object was just read, so its bucket exists.
                let _ = self.state.put(&bucket, &key, content, None, &Condition::default());
                response
            }
        }
    }

    async fn serve(&self, request: hyper::Request<Incoming>) -> Response<Body> {
        match self.s3.call(request.map(Body::from)).await {
            Ok(response) => response,
            Err(_) => refusal(500, "InternalError"),
        }
    }
}

/// Region in the credential scope of the `Authorization` header.
fn signed_region(request: &hyper::Request<Incoming>) -> Option<String> {
    let header = request.headers().get("authorization")?.to_str().ok()?;
    let scope = header.split("Credential=").nth(1)?;
    scope.split('/').nth(2).map(str::to_owned)
}

async fn drain(request: hyper::Request<Incoming>) {
    // What the client still sends is of no interest, only that it can finish sending.
    let _ = request.into_body().collect().await;
}

fn refusal(status: u16, code: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
         <Message>refused by the test server</Message></Error>"
    );
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// The same head, half the body, then a broken connection.
async fn truncated(response: Response<Body>) -> Response<Body> {
    let (head, body) = response.into_parts();
    let content = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let half = content.slice(..content.len() / 2);
    let frames =
        futures::stream::iter([Ok(Frame::data(half)), Err(std::io::Error::other("connection cut by the test server"))]);
    Response::from_parts(head, Body::http_body_unsync(StreamBody::new(frames)))
}

/// Serves until told to stop or until the test is gone. Runs on its own thread.
pub(super) fn run(listener: TcpListener, service: Service, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async move {
        let listening = listener.set_nonblocking(true).is_ok();
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        if listening {
            tokio::select! {
                () = accept(listener, service) => {}
                _ = stopped => {}
            }
        }
    });
}

async fn accept(listener: tokio::net::TcpListener, service: Service) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            let answer = service_fn(move |request| service.clone().answer(request));
            // A client that goes away in the middle is its own affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
