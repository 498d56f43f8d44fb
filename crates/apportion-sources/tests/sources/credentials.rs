//! The standard chain of AWS, link by link, against servers of our own that answer as AWS does.
//!
//! Variables are global, so every case is a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use apportion_sources::{Location, StoreOptions};
use apportion_testkit::S3Server;

use crate::support::{BUCKET, cur2, object, open, total};

const KEY: &str = "e/data/BILLING_PERIOD=2026-01/e-1.parquet";

/// A bucket that only the right keys open, and a folder with the files of a user.
struct Desk {
    server: S3Server,
    home: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let server = S3Server::start_blocking();
        server.put(BUCKET, KEY, object("2026-01", 1.0));
        Self { server, home: tempfile::tempdir().unwrap() }
    }

    fn write(&self, relative: &str, text: &str) -> String {
        let path = self.home.path().join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Reads the bucket in a process that knows nothing but these variables.
    fn read(&self, variables: &[(&str, String)]) -> Result<(), String> {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            child.env_remove(name);
        }
        child.args(["--exact", "credentials::in_its_own_process", "--nocapture"]);
        child.env("APPORTION_TEST_CHILD", "1").env("HOME", self.home.path());
        child.envs(variables.iter().map(|(name, value)| (*name, value.clone())));
        let output = child.output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(()) } else { Err(text) }
    }

    /// The same without keys: where the store is, and that no instance is to be asked.
    fn read_with(&self, variables: &[(&'static str, String)]) -> Result<(), String> {
        let place = [("AWS_ENDPOINT_URL_S3", self.server.endpoint()), ("AWS_REGION", self.server.region().to_owned())];
        let nowhere = ("AWS_EC2_METADATA_DISABLED", "true".to_owned());
        let metadata = variables.iter().any(|(name, _)| name.starts_with("AWS_EC2_METADATA"));
        let all: Vec<(&str, String)> =
            place.into_iter().chain((!metadata).then_some(nowhere)).chain(variables.iter().cloned()).collect();
        self.read(&all)
    }

    /// The keys as an instance or a container is given them.
    fn keys(&self) -> String {
        format!(
            r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z","Expiration":"2099-01-01T00:00:00Z","AccessKeyId":"{}","SecretAccessKey":"{}","Token":"session"}}"#,
            self.server.access_key(),
            self.server.secret_key()
        )
    }
}

/// Answers by the start of `METHOD path`; everything else is not found.
struct Answers {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Answers {
    fn serve(answers: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(&stream, &answers, &log);
            }
        });
        Self { endpoint, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request, one answer, connection closed.
fn answer(stream: &TcpStream, answers: &[(&'static str, String)], log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    reader.read_line(&mut request).unwrap();
    let mut headers = String::new();
    while reader.read_line(&mut headers).unwrap() > 2 {
        let header = headers.lines().last().unwrap_or_default().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let authorization = headers.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
    let found = answers.iter().find(|(start, _)| request.starts_with(start));
    let asked = format!("{} {} {}", request.trim(), authorization.unwrap_or_default(), String::from_utf8_lossy(&body));
    log.lock().unwrap().push(asked);
    let (status, content) = found.map_or(("404 Not Found", ""), |(_, content)| ("200 OK", content.as_str()));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\nconnection: close\r\n\r\n",
        content.len()
    );
    let mut stream = stream;
    stream.write_all(format!("{head}{content}").as_bytes()).unwrap();
}

#[test]
fn variables_and_named_profiles() {
    let desk = Desk::new();
    desk.read(&desk.server.environment()).unwrap();
    let profile = format!(
        "[profile bills]\nregion = {}\nendpoint_url = {}\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        desk.server.region(),
        desk.server.endpoint(),
        desk.server.access_key(),
        desk.server.secret_key()
    );
    let nowhere = ("AWS_EC2_METADATA_DISABLED", "true".to_owned());
    let config = desk.write("elsewhere/config", &profile);
    desk.read(&[("AWS_CONFIG_FILE", config), ("AWS_PROFILE", "bills".to_owned()), nowhere.clone()]).unwrap();
    let error = desk.read(&[("AWS_REGION", "us-east-1".to_owned()), nowhere]).unwrap_err();
    assert!(error.contains("no AWS credentials were found"), "{error}");
}

#[test]
fn the_role_of_an_instance() {
    let desk = Desk::new();
    let metadata = Answers::serve(vec![
        ("PUT /latest/api/token", "token".to_owned()),
        ("GET /latest/meta-data/iam/security-credentials/reader ", desk.keys()),
        ("GET /latest/meta-data/iam/security-credentials/ ", "reader".to_owned()),
    ]);
    desk.read_with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.endpoint.clone())]).unwrap();
    assert!(metadata.asked().iter().any(|request| request.starts_with("PUT /latest/api/token")), "version 2 is asked");
}

#[test]
fn the_role_of_a_container() {
    let desk = Desk::new();
    let agent = Answers::serve(vec![("GET /role ", desk.keys())]);
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/role", agent.endpoint)),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token".to_owned()),
    ];
    desk.read_with(&variables).unwrap();
    assert!(agent.asked().iter().all(|request| request.contains("pod-token")), "{:?}", agent.asked());
}

#[test]
fn the_web_identity_of_a_service_account() {
    let desk = Desk::new();
    let keys = format!(
        "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>",
        desk.server.access_key(),
        desk.server.secret_key()
    );
    let answer = format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>{keys}</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#
    );
    let tokens = Answers::serve(vec![("POST / ", answer)]);
    let variables = [
        ("AWS_ENDPOINT_URL_STS", tokens.endpoint.clone()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", desk.write("token", "jwt-of-the-pod")),
        ("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/reader".to_owned()),
    ];
    desk.read_with(&variables).unwrap();
    assert!(tokens.asked().iter().any(|request| request.contains("jwt-of-the-pod")), "{:?}", tokens.asked());
}

#[test]
fn a_session_of_single_sign_on() {
    let desk = Desk::new();
    let keys = format!(
        r#"{{"roleCredentials":{{"accessKeyId":"{}","secretAccessKey":"{}","sessionToken":"session","expiration":4070908800000}}}}"#,
        desk.server.access_key(),
        desk.server.secret_key()
    );
    let portal = Answers::serve(vec![("GET /federation/credentials?", keys)]);
    desk.write(
        ".aws/config",
        "[profile bills]\nsso_session = acme\nsso_account_id = 111111111111\nsso_role_name = reader\n\
         [sso-session acme]\nsso_region = us-east-1\nsso_start_url = https://acme.example.com/start\n",
    );
    let variables = [("AWS_PROFILE", "bills".to_owned()), ("AWS_ENDPOINT_URL_SSO", portal.endpoint.clone())];
    let error = desk.read_with(&variables).unwrap_err();
    assert!(error.contains("no AWS credentials were found"), "not signed in: {error}");
    // The name of the cache file is the SHA-1 of the session's name.
    desk.write(
        ".aws/sso/cache/293abb6b76d7791c0732cc517d38c4b5c734b87f.json",
        r#"{"accessToken":"signed-in","expiresAt":"2099-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://acme.example.com/start"}"#,
    );
    desk.read_with(&variables).unwrap();
    let asked = portal.asked();
    assert!(asked.iter().any(|request| request.contains("role_name=reader")), "{asked:?}");
}

#[test]
fn a_program_that_hands_out_keys() {
    let desk = Desk::new();
    let keys = format!(
        r#"{{"Version":1,"AccessKeyId":"{}","SecretAccessKey":"{}"}}"#,
        desk.server.access_key(),
        desk.server.secret_key()
    );
    let file = desk.write("keys.json", &keys);
    desk.write(".aws/config", &format!("[profile bills]\ncredential_process = cat {file}\n"));
    desk.read_with(&[("AWS_PROFILE", "bills".to_owned())]).unwrap();
}

#[tokio::test]
async fn in_its_own_process() {
    if std::env::var_os("APPORTION_TEST_CHILD").is_none() {
        return;
    }
    let place = Location::open("s3://bills/e", Path::new("."), &StoreOptions::default()).await.unwrap();
    place.preflight().await.map_err(|error| error.to_string()).unwrap();
    let source = open(cur2(), &place, "2026-01").await.unwrap();
    assert_eq!(total(&source).await.unwrap(), "1.0000");
}
