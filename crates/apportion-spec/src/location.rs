//! What a location or an endpoint may look like.
//!
//! A location says where, never as whom: credentials come from the standard chains. One that holds a user
//! name, a signature or a query is refused before anything is opened, by a reason that does not repeat it.

use crate::secret;

/// Schemes that can be opened.
pub const SCHEMES: [&str; 10] = ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "file", "http", "https"];

/// Why a text is no usable location; the reason holds nothing of it that may be a secret.
///
/// # Errors
/// The reason, in the user's words.
pub fn check(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("it is empty; `./` is the folder of the pipeline".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else { return check_path(text) };
    if !SCHEMES.contains(&scheme) {
        return Err(unknown(scheme));
    }
    let (authority, _) = parts(rest);
    // `abfss://container@account.dfs.core.windows.net` names a container there.
    let is_azure = matches!(scheme, "abfs" | "abfss");
    let names_container = is_azure && authority.matches('@').count() == 1 && !authority.contains(':');
    if authority.contains('@') && !names_container {
        return Err(USER.to_owned());
    }
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let has_ports = matches!(scheme, "http" | "https");
    if !authority.starts_with('[') && port.is_some_and(|port| !has_ports || !is_port(port)) {
        return Err(USER.to_owned());
    }
    no_query(rest)?;
    no_secret(text)
}

/// Why a text is no usable endpoint of a store or a collector; the reason holds nothing of it that may be a secret.
///
/// # Errors
/// The reason, in the user's words.
pub fn check_endpoint(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it is no URL; write for example https://host:9000".to_owned());
    };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return Err("it is neither an http:// nor an https:// address".to_owned());
    }
    let (authority, _) = parts(rest);
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    if authority.contains('@') || (!authority.starts_with('[') && port.is_some_and(|port| !is_port(port))) {
        return Err(USER.to_owned());
    }
    no_query(rest)?;
    no_secret(text)
}

/// A location or an endpoint as far as it says where: without a user, a password, a query and a fragment.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = parts(rest);
    let host = match authority.rsplit_once('@') {
        // A container, unless a password follows it.
        Some((container, host)) if matches!(scheme, "abfs" | "abfss") => match container.split_once(':') {
            Some((container, _)) => format!("{container}@{host}"),
            None => authority.to_owned(),
        },
        Some((_, host)) => host.to_owned(),
        None => authority.to_owned(),
    };
    format!("{scheme}://{host}{path}")
}

const USER: &str = "it names a user or a password; credentials come from the standard chain of the provider and are \
                    never part of a location";

fn check_path(text: &str) -> Result<(), String> {
    let scheme = text.split_once(":/").map(|(scheme, _)| scheme).filter(|scheme| scheme.len() > 1);
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
    match scheme {
        Some(scheme) if SCHEMES.contains(&scheme) => Err(format!("a URL has two slashes: {scheme}://…")),
        Some(scheme) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(named) => {
            Err(unknown(scheme))
        }
        _ => no_secret(text),
    }
}

fn unknown(scheme: &str) -> String {
    let known = SCHEMES.join(", ");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
    if scheme.is_empty() || scheme.len() > 12 || !scheme.chars().all(plain) {
        return format!("what stands before `://` is none of {known}");
    }
    format!("`{scheme}` is none of {known}{}", crate::did_you_mean(&scheme.to_ascii_lowercase(), SCHEMES))
}

/// Host and what follows it.
fn parts(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

fn no_query(rest: &str) -> Result<(), String> {
    if rest.contains(['?', '#']) {
        return Err(
            "it has a query or a fragment (`?` or `#`); signatures and tokens are no part of a location, and in \
                    the name of an object these are written %3F and %23"
                .to_owned(),
        );
    }
    Ok(())
}

fn no_secret(text: &str) -> Result<(), String> {
    match secret::found(text) {
        Some(kind) => {
            Err(format!("it holds what looks like {kind}; credentials come from the standard chain of the provider"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_accepted() {
        for text in [
            "exports/",
            "../a b/ü",
            "/data/x@y:z",
            "what?.parquet",
            "s3://bucket/prefix/with@at/",
            "gs://bucket",
            "az://container/path",
            "abfss://container@account.dfs.core.windows.net/exports/",
            "https://host:8443/export/",
            "http://[::1]:9000/export/",
            "file:///data/export",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in ["http://127.0.0.1:9000", "https://minio.example.com/sub/", "http://[::1]:4318"] {
            assert_eq!(check_endpoint(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_says_as_whom_is_refused_without_being_repeated() {
        for text in [
            "s3://AKID:hidden@bucket/x",
            "s3://hidden@bucket/x",
            "s3://user:hid/den@bucket/x",
            "s3://user:hidden%40bucket/x",
            "https://user:hidden@host/x",
            "abfss://container:hidden@account.dfs.core.windows.net/x",
            "abfss://a@hidden@account.dfs.core.windows.net/x",
            "https://account.blob.core.windows.net/c?sv=1&sig=hidden",
            "https://host/x?hidden",
            "https://host/x#hidden",
            "s3://bucket/x?versionId=hidden",
            "exports/AccountKey=hiddenhiddenhiddenhidden",
            "exports?sig=hiddenhiddenhiddenhidden",
            "//user:hidden@host/share",
            "hidden-scheme-of-a-secret://x",
        ] {
            let reason = check(text).unwrap_err();
            assert!(!reason.contains("hid"), "{text}: {reason}");
        }
        for text in [
            "http://user:hidden@host",
            "http://hidden@host:9000",
            "http://host?token=hidden",
            "host:9000/hidden",
            "ftp://hidden",
        ] {
            let reason = check_endpoint(text).unwrap_err();
            assert!(!reason.contains("hidden"), "{text}: {reason}");
        }
    }

    #[test]
    fn an_unknown_scheme_is_named_with_the_nearest() {
        assert!(check("S3://bucket/x").unwrap_err().contains("did you mean `s3`?"));
        assert!(check("hdfs://host/x").unwrap_err().starts_with("`hdfs` is none of s3, s3a, gs"));
        assert!(check("s3:/bucket/x").unwrap_err().contains("s3://"));
        assert!(check("ftp:/host/x").unwrap_err().starts_with("`ftp` is none of"));
    }
}
