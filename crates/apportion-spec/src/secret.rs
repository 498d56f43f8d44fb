//! What looks like a secret: recognised so that it is neither shown nor kept.
//!
//! Credentials come from the standard chains and never from a pipeline, but people paste them into a
//! location or a comment, and the libraries underneath put the URL of a request into their errors, with
//! its signature. So every error, log line and report passes [`redact`], and a pipeline that holds one is
//! refused by [`found`].

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Names whose value is a secret. The first group of [`NAMED`] and [`ASSIGNED`].
const NAMES: &str = r"(?:[a-z0-9_.\-]*[_.\-])?(?:password|passwd|passphrase|pwd|secret|(?:secret|account|shared|private|api|access|client|signing|encryption|storage)[_\-]?(?:access[_\-]?)?(?:key|secret)(?:[_\-]?id)?|(?:session|security|access|refresh|auth|sas|bearer|id)[_\-]?token|shared[_\-]?access[_\-]?signature|(?:amz|goog)-(?:credential|signature)|apikey)";

/// Recognisable by themselves, each with what it is called.
const KINDS: [(&str, &str); 8] = [
    ("a private key", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s,:.\-]|\\[nrt])*"),
    ("an AWS access key", r"(?-u:\b)(?:AKIA|ASIA)[A-Z0-9]{16}(?-u:\b)(?:[\s:,;/]+[A-Za-z0-9/+=]{40}(?-u:\b))?"),
    ("a storage account key", r"(?i)(?-u:\b)(?:account|sharedaccess)key=[A-Za-z0-9+/%]{20,}=*"),
    ("a signature", r"(?i)(?-u:\b)(?:sig|signature|x-(?:amz|goog)-signature)=[A-Za-z0-9+/%_\-]{16,}=*"),
    ("a bearer token", r"(?i)(?-u:\b)bearer\s+[A-Za-z0-9._~+/=\-]{16,}"),
    ("a signed token", r"(?-u:\b)eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?"),
    (
        "an access token",
        r"(?-u:\b)(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_\-]{16,}|xox[abeprs]-[A-Za-z0-9\-]{10,}|AIza[0-9A-Za-z_\-]{30,}|ya29\.[0-9A-Za-z_\-]{20,}|dapi[0-9a-f]{32})",
    ),
    ("a user name and password", r#"//[^/\s"'<>`\\@:]*:[^/\s"'<>`\\@]+@"#),
];

/// Parameters of requests that say nothing about who makes them.
const HARMLESS: [&str; 18] = [
    "api-version",
    "comp",
    "continuation-token",
    "delimiter",
    "delete",
    "encoding-type",
    "list-type",
    "location",
    "marker",
    "max-keys",
    "maxresults",
    "partnumber",
    "prefix",
    "restype",
    "start-after",
    "uploadid",
    "uploads",
    "versionid",
];

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test uses each")]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of a secret")
}

static BY_ITSELF: LazyLock<Vec<(&'static str, Regex)>> =
    LazyLock::new(|| KINDS.iter().map(|(name, pattern)| (*name, compiled(pattern))).collect());
/// `password=…` without blanks, as no expression is written.
static ASSIGNED: LazyLock<Regex> =
    LazyLock::new(|| compiled(&format!(r#"(?i)(?-u:\b){NAMES}[=:][^\s"'&;,<>`\\)}}\]]{{4,}}"#)));
/// The same as messages and documents write it, with the value in a group of its own.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r#"(?i)(?-u:\b)((?:{NAMES}|sig|signature|token)\\?["']?\s*=\s*\\?["']?|{NAMES}\\?["']?:\s*\\?["']?)([^\s"'&;,<>`\\)}}\]]+)"#
    ))
});
static AUTHORIZATION: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r#"(?i)(?-u:\b)((?:bearer|basic)\s+|authorization\\?["']?\s*[=:]\s*\\?["']?)[A-Za-z0-9._~+/=\-]{16,}"#)
});
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| compiled(r#"([A-Za-z][A-Za-z0-9+.\-]*:)?//([^/\s"'<>`\\?#]*)@"#));
static QUERY: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"([A-Za-z][A-Za-z0-9+.\-]*://[^\s"'<>`?\\]*\?)([^\s"'<>`\\)]+)"#));

/// What a text holds that looks like a secret, in words; `None` when it holds nothing of the kind.
#[must_use]
pub fn found(text: &str) -> Option<&'static str> {
    let by_itself = BY_ITSELF.iter().find(|(_, pattern)| pattern.is_match(text)).map(|(name, _)| *name);
    by_itself.or_else(|| ASSIGNED.is_match(text).then_some("a password or key"))
}

/// The text without what looks like a secret. A JSON document stays one.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = Cow::Borrowed(text);
    replace(&mut clean, &QUERY, |found| {
        let harmless = |pair: &str| {
            let name = pair.split('=').next().unwrap_or(pair).to_ascii_lowercase();
            HARMLESS.contains(&name.as_str())
        };
        if found[2].split('&').all(harmless) { found[0].to_owned() } else { format!("{}{REDACTED}", &found[1]) }
    });
    replace(&mut clean, &USER_INFO, |found| {
        let scheme = found.get(1).map(|scheme| scheme.as_str().to_ascii_lowercase()).unwrap_or_default();
        // `abfss://container@account.dfs.core.windows.net` names a container there.
        let is_container = matches!(scheme.as_str(), "abfs:" | "abfss:" | "wasb:" | "wasbs:") || scheme.is_empty();
        if is_container && !found[2].contains(':') {
            return found[0].to_owned();
        }
        format!("{}//{REDACTED}@", found.get(1).map_or("", |scheme| scheme.as_str()))
    });
    replace(&mut clean, &AUTHORIZATION, |found| format!("{}{REDACTED}", &found[1]));
    replace(&mut clean, &NAMED, |found| {
        if found[2].starts_with("[redacted") { found[0].to_owned() } else { format!("{}{REDACTED}", &found[1]) }
    });
    for (_, pattern) in BY_ITSELF.iter() {
        replace(&mut clean, pattern, |_| REDACTED.to_owned());
    }
    clean
}

/// A JSON document without what looks like a secret in its texts, each looked at by itself: that a name such as
/// `password` stands before an amount says nothing about the amount.
#[must_use]
pub fn redact_json(document: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut done = 0;
    let mut next = 0;
    while let Some(start) = rest(document, next).find('"').map(|at| next + at) {
        let Some(end) = end_of_string(document, start) else { break };
        next = end;
        let Some(literal) = document.get(start..end) else { break };
        let Ok(text) = serde_json::from_str::<String>(literal) else { continue };
        if let Cow::Owned(redacted) = redact(&text) {
            clean.push_str(document.get(done..start).unwrap_or_default());
            clean.push_str(&serde_json::Value::String(redacted).to_string());
            done = end;
        }
    }
    if done == 0 {
        return Cow::Borrowed(document);
    }
    clean.push_str(rest(document, done));
    Cow::Owned(clean)
}

fn rest(text: &str, from: usize) -> &str {
    text.get(from..).unwrap_or_default()
}

/// The position after the string that starts with the quote at `start`.
fn end_of_string(document: &str, start: usize) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in rest(document, start + 1).bytes().enumerate() {
        match byte {
            b'"' if !escaped => return Some(start + at + 2),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

fn replace(text: &mut Cow<'_, str>, pattern: &Regex, by: impl Fn(&Captures<'_>) -> String) {
    if let Cow::Owned(changed) = pattern.replace_all(text, by) {
        *text = Cow::Owned(changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts with a secret in them, and the secret.
    const SECRETS: [(&str, &str); 23] = [
        ("key AKIAIOSFODNN7EXAMPLE here", "AKIAIOSFODNN7EXAMPLE"),
        ("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
        ("s3://AKIDUSER:s3cretpw@bucket/export/", "s3cretpw"),
        ("https://tenant@host/export/", "tenant"),
        ("//someone:hidden-word@host/share", "hidden-word"),
        ("https://a.blob.core.windows.net/c/b?sv=2024&sig=aGlkZGVuLXNpZw%3D%3D", "aGlkZGVuLXNpZw"),
        (
            "GET https://b.s3.amazonaws.com/k?X-Amz-Signature=0123456789abcdef0123&X-Amz-Date=1: refused",
            "0123456789abcdef",
        ),
        ("https://host/export?code=hidden-word", "hidden-word"),
        ("BlobEndpoint=x;AccountKey=aGlkZGVuLWtleS1vZi1hbi1hY2NvdW50==;End", "aGlkZGVuLWtleS1v"),
        ("SharedAccessSignature=sv%3D2024%26sig%3DaGlkZGVu", "sv%3D2024"),
        ("path?sig=aGlkZGVuLXNpZ25hdHVyZQ", "aGlkZGVu"),
        ("Authorization: Bearer hidden.token-of-somebody", "hidden.token"),
        ("authorization: Basic dXNlcjpoaWRkZW4tcGFzcw==", "dXNlcjpoaWRk"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN", "eyJhbGci"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEhidden\nword\n-----END RSA PRIVATE KEY-----", "MIIEhidden"),
        (r#"{"key":"-----BEGIN PRIVATE KEY-----\nMIIEhidden\n-----END PRIVATE KEY-----\n"}"#, "MIIEhidden"),
        (r#"{"password":"hidden-word","a":1}"#, "hidden-word"),
        (r#"{"text":"{\"client_secret\": \"hidden-word\"}"}"#, "hidden-word"),
        ("password: hidden-word", "hidden-word"),
        ("db_password=hidden-word", "hidden-word"),
        ("ghp_0123456789abcdefghij0123456789abcdef", "ghp_0123"),
        ("x-goog-signature=0123456789abcdef0123456789", "0123456789abcdef"),
    ];

    #[test]
    fn every_kind_of_secret_is_redacted() {
        for (text, secret) in SECRETS {
            let shown = redact(text);
            assert!(!shown.contains(secret) && shown.contains(REDACTED), "{text} became {shown}");
            assert_eq!(redact(&shown), shown, "once is enough");
            if text.starts_with('{') {
                serde_json::from_str::<serde_json::Value>(&shown).unwrap();
            }
        }
    }

    #[test]
    fn the_texts_of_a_document_are_looked_at_by_themselves() {
        let document = serde_json::json!({
            "secret": "12.500000000000",
            "message": "GET https://host/x?sig=hiddenhiddenhidden: \"no\"",
            "key": "-----BEGIN PRIVATE KEY-----\nhidden\\",
            "list": ["AKIAIOSFODNN7EXAMPLE", "a \\\" b", 1.5],
        });
        for text in [document.to_string(), format!("{document:#}")] {
            let clean: serde_json::Value = serde_json::from_str(&redact_json(&text)).unwrap();
            assert_eq!(
                clean,
                serde_json::json!({
                    "secret": "12.500000000000",
                    "message": "GET https://host/x?[redacted] \"no\"",
                    "key": "[redacted]\\",
                    "list": ["[redacted]", "a \\\" b", 1.5],
                })
            );
        }
        assert!(matches!(redact_json("{\"a\": 1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_no_secret_stays() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [
            digest,
            "s3://bucket/export/data/BILLING_PERIOD=2026-01/bill-00001.snappy.parquet",
            "abfss://container@account.dfs.core.windows.net/exports/",
            "http://127.0.0.1:9000/bucket?list-type=2&prefix=a%2Fb&delimiter=%2F",
            "tag('service') = 'api' AND tag('password') = 'x'",
            "Expected: an expression, found: ) at Line: 1, Column: 5",
            "the token of the lock, signed by mail@example.com // who@there",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secretary/one",
            "i-0123456789abcdef0",
        ] {
            assert_eq!(redact(text), text);
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn a_pipeline_is_not_refused_for_a_name() {
        assert_eq!(found("x_Secret = 'a' AND tag('api_key') = 'b'"), None);
        assert_eq!(found("AKIAIOSFODNN7EXAMPLE"), Some("an AWS access key"));
        assert_eq!(found("https://h/c?sv=1&sig=aGlkZGVuLXNpZ25hdHVyZQ"), Some("a signature"));
        assert_eq!(
            found("DefaultEndpointsProtocol=https;AccountKey=aGlkZGVuLWtleS1vZi1hbi1hY2NvdW50=="),
            Some("a storage account key")
        );
        assert_eq!(found("password=hunter22"), Some("a password or key"));
    }
}
