//! Whether anything of a unit could not be read in full.
//!
//! Functions see values and neither rows nor objects, and the engine may call them several times for
//! the same row. So they only raise a flag; who asks afterwards reads the columns once more, object by
//! object, and only then.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the functions of a unit share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doubts(Arc<AtomicBool>);

impl Doubts {
    /// Notes that a value could not be read in full.
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether any was.
    pub(crate) fn are_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl PartialEq for Doubts {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Doubts {}

impl Hash for Doubts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}
