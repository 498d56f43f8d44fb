//! The objects of the in-memory server, all behind one mutex.
//!
//! One lock for everything makes conditional writes atomic, which is the promise the sinks rely
//! on and the reason the popular file-backed test servers cannot be used.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

/// One stored object.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) content: Bytes,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
}

/// What a conditional write demands of the object that is there now.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    /// `If-None-Match: *`: nothing may be there.
    pub(super) absent: bool,
    /// `If-Match: <etag>`: exactly this version must be there.
    pub(super) etag: Option<String>,
}

/// Why a write was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    NoBucket,
    Condition,
    NoUpload,
    BadPart,
}

#[derive(Debug, Default)]
struct Upload {
    parts: BTreeMap<i32, (Bytes, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Objects {
    buckets: BTreeMap<String, BTreeMap<String, Stored>>,
    uploads: HashMap<String, Upload>,
}

/// Shared state of one server.
#[derive(Debug, Default)]
pub(super) struct State {
    objects: Mutex<Objects>,
    next_upload: AtomicU64,
    pub(super) ignore_conditions: AtomicBool,
}

pub(super) fn etag_of(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn create_bucket(&self, bucket: &str) {
        self.lock().buckets.entry(bucket.to_owned()).or_default();
    }

    pub(super) fn has_bucket(&self, bucket: &str) -> bool {
        self.lock().buckets.contains_key(bucket)
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Option<Stored> {
        self.lock().buckets.get(bucket)?.get(key).cloned()
    }

    /// Keys of a bucket in order with what is stored under them.
    pub(super) fn list(&self, bucket: &str) -> Option<Vec<(String, Stored)>> {
        let objects = self.lock();
        let bucket = objects.buckets.get(bucket)?;
        Some(bucket.iter().map(|(key, stored)| (key.clone(), stored.clone())).collect())
    }

    pub(super) fn put(
        &self,
        bucket: &str,
        key: &str,
        content: Bytes,
        etag: Option<String>,
        condition: &Condition,
    ) -> Result<String, Refused> {
        let ignore = self.ignore_conditions.load(Ordering::SeqCst);
        let mut objects = self.lock();
        let bucket = objects.buckets.get_mut(bucket).ok_or(Refused::NoBucket)?;
        if !ignore {
            let current = bucket.get(key).map(|stored| stored.etag.as_str());
            let wrong_version = condition.etag.as_deref().is_some_and(|etag| current != Some(etag));
            if (condition.absent && current.is_some()) || wrong_version {
                return Err(Refused::Condition);
            }
        }
        let etag = etag.unwrap_or_else(|| etag_of(&content));
        let modified = SystemTime::now();
        bucket.insert(key.to_owned(), Stored { content, etag: etag.clone(), modified });
        Ok(etag)
    }

    /// Sets when an object was written; says whether it exists.
    pub(super) fn set_modified(&self, bucket: &str, key: &str, modified: SystemTime) -> bool {
        let mut objects = self.lock();
        let stored = objects.buckets.get_mut(bucket).and_then(|bucket| bucket.get_mut(key));
        stored.map(|stored| stored.modified = modified).is_some()
    }

    pub(super) fn delete(&self, bucket: &str, key: &str) -> Result<(), Refused> {
        let mut objects = self.lock();
        objects.buckets.get_mut(bucket).ok_or(Refused::NoBucket)?.remove(key);
        Ok(())
    }

    pub(super) fn start_upload(&self, bucket: &str) -> Result<String, Refused> {
        if !self.has_bucket(bucket) {
            return Err(Refused::NoBucket);
        }
        let id = format!("upload-{}", self.next_upload.fetch_add(1, Ordering::SeqCst));
        self.lock().uploads.insert(id.clone(), Upload::default());
        Ok(id)
    }

    pub(super) fn put_part(&self, upload: &str, part: i32, content: Bytes) -> Result<String, Refused> {
        let etag = etag_of(&content);
        let mut objects = self.lock();
        let upload = objects.uploads.get_mut(upload).ok_or(Refused::NoUpload)?;
        upload.parts.insert(part, (content, etag.clone()));
        Ok(etag)
    }

    pub(super) fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        parts: &[i32],
        condition: &Condition,
    ) -> Result<String, Refused> {
        let mut content = BytesMut::new();
        {
            let objects = self.lock();
            let upload = objects.uploads.get(upload).ok_or(Refused::NoUpload)?;
            for part in parts {
                let (bytes, _) = upload.parts.get(part).ok_or(Refused::BadPart)?;
                content.extend_from_slice(bytes);
            }
        }
        let content = content.freeze();
        let etag = format!("{}-{}", etag_of(&content), parts.len());
        let etag = self.put(bucket, key, content, Some(etag), condition)?;
        self.lock().uploads.remove(upload);
        Ok(etag)
    }

    pub(super) fn abort_upload(&self, upload: &str) {
        self.lock().uploads.remove(upload);
    }

    pub(super) fn open_uploads(&self) -> usize {
        self.lock().uploads.len()
    }
}
