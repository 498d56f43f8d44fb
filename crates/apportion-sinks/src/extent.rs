//! How much a month of charges holds: what a new version of it is compared with.
//!
//! Kept in the index of units and again in the certificate, so that losing one does not lose it. It is
//! a high-water mark: the most that any version since the last acceptance had, because a month that
//! loses a little every night is as suspicious as one that loses much at once.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::ledger::LedgerSum;

/// Rows, costs and days of the charges of one source in one billing period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extent {
    /// Number of charges.
    pub rows: u64,
    /// Billed and effective cost by currency.
    pub sums: Vec<LedgerSum>,
    /// Days on which charges lie, as ranges of their first and last day, in order.
    pub days: Vec<(NaiveDate, NaiveDate)>,
}
