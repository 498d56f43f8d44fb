//! The form in which what a pipeline document says is kept beside the tables.
//!
//! Older versions kept documents as they were written, comments included, and comments are where keys are
//! noted. Such a document must go on proving the tables it made, so it is read for what it says about
//! figures, and written again without the rest.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::validate::tree;
use crate::{Result, location, printable, secret};

/// What a kept document says, in the form of today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptForm {
    /// The text, without comments and without what looks like a secret.
    pub text: String,
    /// Kinds of secrets that the document held, in words.
    pub secrets: BTreeSet<&'static str>,
}

/// A pipeline document as it is kept: what it says, without comments, anchors and the order of keys, as JSON, which
/// is YAML too. Two files that say the same have the same text.
///
/// # Errors
/// [`crate::ErrorKind::Config`] when it is no YAML.
pub fn canonical(file: &str, text: &str) -> Result<String> {
    Ok(document(&tree(file, text)?.to_json()))
}

/// The form of today of a document that is kept; `None` when it has it. What is no YAML stays text.
#[must_use]
pub fn kept_form(text: &str) -> Option<KeptForm> {
    let mut secrets: BTreeSet<&'static str> = secret::found(text).into_iter().collect();
    let form = match tree("", text) {
        Ok(tree) => document(&clean("", tree.to_json(), &mut secrets)),
        Err(_) => secret::redact(text).into_owned(),
    };
    (form != text).then_some(KeptForm { text: form, secrets })
}

fn document(value: &Value) -> String {
    printable::json(&format!("{value:#}\n")).into_owned()
}

/// A value without what looks like a secret; `key` is what it stands under.
fn clean(key: &str, value: Value, secrets: &mut BTreeSet<&'static str>) -> Value {
    match value {
        Value::String(text) => Value::String(match key {
            "location" | "endpoint" => place(&text, secrets),
            _ => redacted(&text, secrets),
        }),
        Value::Array(items) => items.into_iter().map(|item| clean(key, item, secrets)).collect(),
        Value::Object(entries) => {
            let entry = |(name, value): (String, Value)| (redacted(&name, secrets), clean(&name, value, secrets));
            Value::Object(entries.into_iter().map(entry).collect())
        }
        other => other,
    }
}

/// A location as far as it says where: who asks and with which signature is left out.
fn place(text: &str, secrets: &mut BTreeSet<&'static str>) -> String {
    let where_it_is = location::without_credentials(text);
    if where_it_is.len() < text.len() {
        secrets.insert(secret::found(text).unwrap_or("credentials in a location"));
    }
    redacted(&where_it_is, secrets)
}

fn redacted(text: &str, secrets: &mut BTreeSet<&'static str>) -> String {
    secrets.extend(secret::found(text));
    let clean = secret::redact(text);
    // What is left of a named secret still is called one, and a pipeline with it would be refused.
    if secret::found(&clean).is_some() { secret::REDACTED.to_owned() } else { clean.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: &str = "aGlkZGVuLXNpZ25hdHVyZQ";

    #[test]
    fn what_is_kept_in_the_form_of_today_stays() {
        for text in ["version: 1\nname: a\n", "[1, 0.30, 'x']", "a: tag('password') = 'x' # why\n"] {
            let form = canonical("file", text).unwrap();
            assert_eq!(kept_form(&form), None, "{form}");
            assert_eq!(kept_form(text), Some(KeptForm { text: form, secrets: BTreeSet::new() }));
        }
        assert_eq!(kept_form("{ no: [yaml"), None, "and nothing in it to be taken away");
    }

    #[test]
    fn a_document_as_it_was_written_loses_secrets_and_says_where_its_exports_are() {
        let text = format!(
            "# key: AKIAIOSFODNN7EXAMPLE\nsources:\n  a: {{ location: 'https://h.example/c/x?sv=1&sig={HIDDEN}' }}\n  \
             b: {{ location: 's3://key:{HIDDEN}@bucket/x/' }}\n  \
             c: {{ location: abfss://box@account.dfs.core.windows.net/x, unit: 'password={HIDDEN}' }}\n"
        );
        let form = kept_form(&text).unwrap();
        let value: Value = serde_json::from_str(&form.text).unwrap();
        assert_eq!(value["sources"]["a"]["location"], "https://h.example/c/x");
        assert_eq!(value["sources"]["b"]["location"], "s3://bucket/x/");
        assert_eq!(value["sources"]["c"]["location"], "abfss://box@account.dfs.core.windows.net/x");
        assert_eq!(value["sources"]["c"]["unit"], secret::REDACTED);
        assert!(!form.text.contains(HIDDEN) && !form.text.contains("AKIA"), "{}", form.text);
        assert!(form.secrets.contains("an AWS access key") && form.secrets.contains("a signature"), "{form:?}");
        assert_eq!(kept_form(&form.text), None, "once is enough");
        for place in ["a", "b", "c"] {
            let place = value["sources"][place]["location"].as_str().unwrap();
            assert_eq!(location::check(place), Ok(()), "{place}");
        }
        let broken = kept_form(&format!("{{ no: [yaml # password: {HIDDEN}")).unwrap();
        assert!(!broken.text.contains(HIDDEN), "{}", broken.text);
    }
}
