//! One page of ListObjectsV2: prefix, delimiter, start-after and continuation at 1000 entries.
//!
//! The continuation token is the last key or common prefix of the page before, so paging stays
//! right when objects appear or vanish between two pages.

use s3s::dto::{CommonPrefix, ETag, ListObjectsV2Input, ListObjectsV2Output, Object, Timestamp};

use super::state::Stored;

const PAGE: i32 = 1000;

enum Entry<'a> {
    Object(&'a str, &'a Stored),
    Prefix(String),
}

impl Entry<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Object(key, _) => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

fn entries<'a>(input: &ListObjectsV2Input, objects: &'a [(String, Stored)]) -> Vec<Entry<'a>> {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().unwrap_or_default();
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (key, stored) in objects {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            None => entries.push(Entry::Object(key, stored)),
            Some(at) => {
                let end = prefix.len() + at + delimiter.len();
                let common = key.get(..end).unwrap_or(key);
                if entries.last().is_none_or(|last| last.name() != common) {
                    entries.push(Entry::Prefix(common.to_owned()));
                }
            }
        }
    }
    entries
}

/// The page the request asks for.
pub(super) fn page(input: ListObjectsV2Input, objects: &[(String, Stored)]) -> ListObjectsV2Output {
    let limit = input.max_keys.unwrap_or(PAGE).clamp(1, PAGE);
    let after = input.continuation_token.as_deref().or(input.start_after.as_deref()).unwrap_or_default();
    let mut all = entries(&input, objects);
    all.retain(|entry| entry.name() > after);
    let truncated = all.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = all.last().filter(|_| truncated).map(|entry| entry.name().to_owned());
    let mut contents = Vec::new();
    let mut prefixes = Vec::new();
    for entry in &all {
        match entry {
            Entry::Object(key, stored) => contents.push(Object {
                key: Some((*key).to_owned()),
                size: i64::try_from(stored.content.len()).ok(),
                e_tag: Some(ETag::Strong(stored.etag.clone())),
                last_modified: Some(Timestamp::from(stored.modified)),
                ..Object::default()
            }),
            Entry::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(prefix.clone()) }),
        }
    }
    ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: input.prefix,
        delimiter: input.delimiter,
        max_keys: Some(limit),
        key_count: i32::try_from(all.len()).ok(),
        continuation_token: input.continuation_token,
        start_after: input.start_after,
        is_truncated: Some(truncated),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        ..ListObjectsV2Output::default()
    }
}
