//! Secrets: refused where they do not belong, and neither shown nor kept where they came anyway.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use sha2::{Digest, Sha256};

use crate::estate::{MONTHS, change, estate};
use crate::sample::content;
use crate::support::{Workspace, apportion, transcript};

/// What must never be seen again.
const HIDDEN: &str = "hiddenWord0123456789abcdef";

fn run(workspace: &Workspace, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = apportion();
    command.args(arguments).current_dir(workspace.path(""));
    command.envs(environment.iter().copied()).output().expect("binary")
}

fn refused(workspace: &Workspace, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = run(workspace, arguments, environment);
    let text = transcript(&output, &[]);
    assert_eq!(output.status.code(), Some(2), "{arguments:?} {environment:?}\n{text}");
    assert!(!text.contains(HIDDEN), "{arguments:?}\n{text}");
    text
}

/// Locations with a secret in them.
fn locations() -> Vec<String> {
    vec![
        format!("s3://AKIAIOSFODNN7EXAMPLE:{HIDDEN}@bucket/export/"),
        format!("s3://{HIDDEN}@bucket/export/"),
        format!("https://user:{HIDDEN}@host/export/"),
        format!("https://account.blob.core.windows.net/c/export?sv=2024&sig={HIDDEN}"),
        format!("https://bucket.s3.amazonaws.com/export?X-Amz-Signature={HIDDEN}"),
        format!("abfss://container:{HIDDEN}@account.dfs.core.windows.net/export/"),
        format!("gs://bucket/export?token={HIDDEN}"),
        format!("ftp://user:{HIDDEN}@host/export/"),
        format!("export/AccountKey={HIDDEN}"),
    ]
}

#[test]
fn a_location_with_a_secret_is_refused_wherever_it_stands_and_not_repeated() {
    for location in locations() {
        for place in ["location: export/", "location: telemetry/", "location: tables/"] {
            let workspace = estate("");
            change(&workspace, place, &format!("location: \"{location}\""));
            for arguments in
                [&["run", "pipeline.yaml"][..], &["plan", "pipeline.yaml"], &["check", "pipeline.yaml", "--offline"]]
            {
                let text = refused(&workspace, arguments, &[]);
                assert!(text.contains("pipeline.yaml:") && text.contains("the location cannot be used"), "{text}");
            }
            assert!(!workspace.path("tables").exists());
        }
        let workspace = estate("");
        for verb in ["run", "plan", "verify", "query"] {
            let pipeline = if verb == "query" { vec!["query", "SELECT 1", "--pipeline"] } else { vec![verb] };
            let arguments = [&pipeline[..], &["pipeline.yaml", "--destination", &location]].concat();
            let text = refused(&workspace, &arguments, &[]);
            assert!(text.contains("the location cannot be used"), "{text}");
        }
    }
}

#[test]
fn an_endpoint_with_a_secret_is_refused_in_the_file_and_in_the_environment() {
    let endpoints = [
        format!("http://user:{HIDDEN}@127.0.0.1:9"),
        format!("http://127.0.0.1:9/?sig={HIDDEN}"),
        format!("ftp://{HIDDEN}"),
    ];
    for endpoint in &endpoints {
        let workspace = estate("");
        let store = format!("location: s3://bucket/export/, store: {{ region: us-east-1, endpoint: \"{endpoint}\" }}");
        change(&workspace, "location: export/", &store);
        let text = refused(&workspace, &["plan", "pipeline.yaml"], &[]);
        assert!(text.contains("pipeline.yaml:") && text.contains("the endpoint cannot be used"), "{text}");

        let workspace = estate("");
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let environment = [(variable, endpoint.as_str()), ("AWS_REGION", "us-east-1")];
            let query = ["query", "--destination", "s3://bucket/tables/", "SELECT 1"];
            let text = refused(&workspace, &query, &environment);
            assert!(text.contains("AWS_ENDPOINT_URL"), "{text}");
        }
        let environment = [("AZURE_STORAGE_ENDPOINT", endpoint.as_str()), ("AZURE_STORAGE_ACCOUNT_NAME", "account")];
        let text = refused(&workspace, &["query", "--destination", "az://container/x", "SELECT 1"], &environment);
        assert!(text.contains("AZURE_STORAGE_ENDPOINT"), "{text}");
        for variable in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
            let text = refused(&workspace, &["run", "pipeline.yaml"], &[(variable, endpoint)]);
            assert!(text.contains(variable), "{text}");
            assert!(!workspace.path("tables").exists(), "nothing was read or written");
        }
    }
}

#[test]
fn a_pipeline_with_a_secret_in_a_value_is_refused_with_its_place() {
    let secrets = [
        ("AKIAIOSFODNN7EXAMPLE", "an AWS access key"),
        (&format!("sv=2024&sig={HIDDEN}"), "a signature"),
        (&format!("AccountKey={HIDDEN}=="), "a storage account key"),
        (&format!("Bearer {HIDDEN}"), "a bearer token"),
        (&format!("password={HIDDEN}"), "a password or key"),
        (&format!("-----BEGIN PRIVATE KEY----- {HIDDEN}"), "a private key"),
    ];
    for (secret, kind) in secrets {
        let workspace = estate("");
        change(&workspace, "unit: Requests", &format!("unit: \"{secret}\""));
        let text = refused(&workspace, &["run", "pipeline.yaml"], &[]);
        assert!(text.contains("pipeline.yaml:6:") && text.contains(kind), "{text}");
        assert!(!text.contains("AKIAIOSFODNN7EXAMPLE"), "{text}");
        assert!(!workspace.path("tables").exists());
    }
}

/// Every file below a folder that holds a text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).expect("folder").flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else if String::from_utf8_lossy(&std::fs::read(entry.path()).expect("file")).contains(text) {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_secret_in_a_comment_is_not_kept_and_what_is_kept_still_proves_the_tables() {
    let workspace = estate("");
    let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    let noted = format!("# the key is AKIAIOSFODNN7EXAMPLE / {HIDDEN}\n{text}# password: {HIDDEN}\n");
    workspace.write("pipeline.yaml", noted.as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let tables = workspace.path("tables");
    for secret in [HIDDEN, "AKIAIOSFODNN7EXAMPLE"] {
        assert_eq!(holding(&tables, secret), Vec::<String>::new());
    }
    let kept = |workspace: &Workspace| {
        let folder = std::fs::read_dir(workspace.path("tables/_apportion/configurations")).expect("configurations");
        folder.flatten().count()
    };
    assert_eq!(kept(&workspace), 1);
    // Without the pipeline, from what is kept alone.
    let verified = workspace.run_ok(&["verify", "--destination", "tables"]);
    let text = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(text.contains("from charges and driver quantities") && !text.contains("note:"), "{text}");
    let explained =
        workspace.run_ok(&["explain", "--destination", "tables", "--period", "2026-01", "--target", "acme"]);
    let text = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(text.contains("AmazonEC2") && !text.contains("no configuration is kept"), "{text}");
    // Another comment is the same configuration, another rule is another one.
    change(&workspace, "# the key is", "# once more, the key is");
    workspace.run_ok(&["run", "pipeline.yaml", "--force"]);
    assert_eq!(kept(&workspace), 1);
    change(&workspace, "method: direct, to: account", "method: direct, to: \"'one'\"");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    assert_eq!(kept(&workspace), 2);
    let diff = workspace.run_ok(&["diff", "pipeline.yaml", "--period", "2026-01", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&diff.stdout).expect("JSON");
    assert_eq!(report["causes"], serde_json::json!(["rules"]), "{report:#}");
    assert!(report["notes"].as_array().expect("notes").is_empty(), "{report:#}");
}

#[test]
fn a_pipeline_that_was_kept_as_it_was_written_is_read_and_kept_without_its_secrets() {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let apportion = |file: &str| workspace.path(&format!("tables/_apportion/{file}"));
    // As an older version left it: the file itself, comments and a signed address in it, under its digest.
    let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    let signed = format!("location: 'https://account.blob.core.windows.net/c/export?sv=2024&sig={HIDDEN}'");
    let text = format!("# the key is AKIAIOSFODNN7EXAMPLE\n{}", text.replace("location: export/", &signed));
    let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = std::fs::read_dir(apportion("configurations")).expect("configurations").next().expect("one");
    let kept = kept.expect("entry").path();
    std::fs::remove_file(&kept).expect("document");
    let document = serde_json::json!({ "file": "pipeline.yaml", "text": text }).to_string();
    std::fs::write(apportion(&format!("configurations/{digest}.json")), document).expect("document");
    for month in MONTHS {
        let file = apportion(&format!("certificates/{month}.json"));
        let certificate = std::fs::read_to_string(&file).expect("certificate");
        let before = kept.file_stem().expect("digest").to_str().expect("digest");
        std::fs::write(&file, certificate.replace(before, &digest)).expect("certificate");
    }
    let proves = || {
        let verified = transcript(&workspace.run_ok(&["verify", "--destination", "tables"]), &[]);
        assert!(verified.contains("from charges and driver quantities") && !verified.contains("note:"), "{verified}");
        let explain = ["explain", "--destination", "tables", "--period", "2026-01", "--target", "acme"];
        let explained = transcript(&workspace.run_ok(&explain), &[]);
        assert!(explained.contains("AmazonEC2") && !explained.contains("no configuration is kept"), "{explained}");
        assert!(!format!("{verified}{explained}").contains(HIDDEN));
    };
    proves();
    assert!(!holding(&workspace.path("tables"), HIDDEN).is_empty(), "nothing was written so far");
    let certificates = content(&workspace, "tables/_apportion/certificates");
    let healed = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
    assert!(healed.contains("Everything is up to date") && healed.contains(&digest), "{healed}");
    for kind in ["a signature", "an AWS access key"] {
        assert!(healed.contains(kind), "{healed}");
    }
    for secret in [HIDDEN, "AKIAIOSFODNN7EXAMPLE"] {
        assert_eq!(holding(&workspace.path("tables"), secret), Vec::<String>::new());
    }
    assert!(content(&workspace, "tables/_apportion/certificates") == certificates, "they refer to it as before");
    proves();
    let again = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
    assert!(again.contains("Everything is up to date") && !again.contains(&digest), "{again}");
    // What it says of the rules is what the pipeline says, so nothing is computed for it.
    workspace.run_ok(&["run", "pipeline.yaml", "--force"]);
    proves();
}

/// A store that refuses every request and says of it what real ones do: key, signed text, address.
fn talkative() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("port");
    let address = format!("http://{}", listener.local_addr().expect("address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8192]);
            let body = format!(
                "<Error><Code>AuthenticationFailed</Code><AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId>\
                 <HostId>https://host/export?sv=1&sig={HIDDEN}</HostId><Text>Authorization: Bearer {HIDDEN}</Text></Error>"
            );
            let head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length:";
            let _ = stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes());
        }
    });
    address
}

#[test]
fn what_a_store_says_of_a_request_is_shown_and_kept_without_its_secrets() {
    let workspace = estate("");
    change(&workspace, "location: export/", &format!("location: \"{}/export/\"", talkative()));
    for arguments in [
        &["run", "pipeline.yaml", "--report", "report.json", "-vvv"][..],
        &["run", "pipeline.yaml", "--format", "json"],
        &["plan", "pipeline.yaml", "--format", "json"],
        &["check", "pipeline.yaml"],
    ] {
        let output = run(&workspace, arguments, &[]);
        let text = transcript(&output, &[]);
        assert_ne!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("AuthenticationFailed"), "the store was asked, and its reason is shown: {text}");
        assert!(!text.contains(HIDDEN) && !text.contains("AKIAIOSFODNN7EXAMPLE"), "{arguments:?}\n{text}");
    }
    assert!(holding(&workspace.path(""), "AuthenticationFailed").iter().any(|file| file.ends_with("report.json")));
    for secret in [HIDDEN, "AKIAIOSFODNN7EXAMPLE"] {
        assert_eq!(holding(&workspace.path(""), secret), Vec::<String>::new());
    }
}

#[test]
fn the_command_line_is_not_repeated_with_a_secret_in_it() {
    let workspace = estate("");
    let option = format!("--password={HIDDEN}");
    refused(&workspace, &["run", "pipeline.yaml", &option], &[]);
    let file = format!("https://user:{HIDDEN}@host/pipeline.yaml");
    refused(&workspace, &["run", &file], &[]);
    let sql = format!("SELECT * FROM nowhere WHERE url = 'https://host/x?sig={HIDDEN}' AND");
    let output = run(&workspace, &["query", "--destination", "tables", &sql], &[]);
    assert!(!transcript(&output, &[]).contains(HIDDEN));
}
