//! Reads single contract columns of an object, under whatever name and nesting it delivers them.

use std::sync::Arc;

use apportion_spec::{BillingPeriod, Result};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use futures::TryStreamExt;

use super::{compact_month, coverage};
use crate::conform::moment;
use crate::contract::{ColumnKind, SourceContract};
use crate::objects::{Footer, batches};
use crate::store::Location;

/// Rows of an object, of which contract columns can be asked for.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    batch: &'a RecordBatch,
    contract: &'a SourceContract,
}

impl<'a> Rows<'a> {
    pub(crate) const fn new(batch: &'a RecordBatch, contract: &'a SourceContract) -> Self {
        Self { batch, contract }
    }

    /// A contract column, if the rows have it.
    pub(crate) fn column(&self, name: &str) -> Option<ArrayRef> {
        let wanted = self.contract.column(name)?;
        let schema = self.batch.schema();
        let fields = schema.fields().iter().enumerate();
        let ranked = fields.filter_map(|(index, field)| Some((self.contract.rank(field.name(), wanted)?, index)));
        let mut found = Arc::clone(self.batch.columns().get(ranked.min()?.1)?);
        for name in wanted.path.iter().skip(1) {
            found = Arc::clone(found.as_struct_opt()?.column_by_name(name)?);
        }
        Some(found)
    }
}

/// Reads the named contract columns of an object and hands them over in batches.
///
/// # Errors
/// When the object cannot be read.
pub(super) async fn visit(
    location: &Location,
    footer: &Footer,
    object: &str,
    contract: &SourceContract,
    names: &[&str],
    mut each: impl FnMut(Rows<'_>),
) -> Result<()> {
    let wanted = |field: &str| {
        let named = names.iter().filter_map(|name| contract.column(name));
        named.into_iter().any(|column| contract.rank(field, column).is_some())
    };
    let fields = footer.schema.fields().iter().enumerate();
    let roots: Vec<usize> = fields.filter(|(_, field)| wanted(field.name())).map(|(index, _)| index).collect();
    let mut batches = Box::pin(batches(location, footer, roots, object)?);
    while let Some(batch) = batches.try_next().await? {
        each(Rows::new(&batch, contract));
    }
    Ok(())
}

/// Microseconds of moments, delivered as such or as text; `None` where there is none that can be read.
pub(crate) fn moments(found: &ArrayRef) -> Vec<Option<i64>> {
    if let Some(texts) = texts(found) {
        let mut last: (String, Option<i64>) = (String::new(), None);
        let read = |text: Option<&str>| {
            let text = text?;
            if last.0 != text {
                last = (text.to_owned(), moment::parse(text));
            }
            last.1
        };
        return texts.as_string::<i32>().iter().map(read).collect();
    }
    match cast(found, &ColumnKind::Time.data_type()) {
        Ok(times) => times.as_primitive::<TimestampMicrosecondType>().iter().collect(),
        Err(_) => vec![None; found.len()],
    }
}

/// The billing periods that rows name by a moment or by `YYYYMM`.
pub(super) fn periods(found: &ArrayRef) -> Vec<Option<BillingPeriod>> {
    let months = texts(found)
        .map(|texts| texts.as_string::<i32>().iter().map(|text| text.and_then(compact_month)).collect::<Vec<_>>());
    let containing = |micros: Option<i64>| micros.and_then(coverage::day).map(BillingPeriod::containing);
    let moments = moments(found).into_iter().map(containing);
    match months {
        Some(months) => months.into_iter().zip(moments).map(|(month, moment)| month.or(moment)).collect(),
        None => moments.collect(),
    }
}

fn texts(found: &ArrayRef) -> Option<ArrayRef> {
    let is_text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let text = match found.data_type() {
        DataType::Dictionary(_, values) => is_text(values),
        other => is_text(other),
    };
    if text { cast(found, &DataType::Utf8).ok() } else { None }
}
