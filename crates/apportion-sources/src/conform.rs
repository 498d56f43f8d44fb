//! Brings the objects of a period into the shape of the source contract.
//!
//! Types are compared with the contract before anything is read, because the engine casts
//! silently. Then one scan over all objects of a shape feeds one projection: absent columns are typed
//! NULL, empty strings are NULL, columns named by prefix become maps, nested fields become columns.
//! Only CSV is copied; for Parquet, pruning and projection go through to the scan.

mod check;
mod datasets;
mod doubts;
mod fold;
mod json_map;
mod lists;
mod members;
pub(crate) mod moment;
mod nulls;
mod plain;
mod projection;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result, did_you_mean};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use datafusion::catalog::view::ViewTable;
use datafusion::common::{Column, DataFusionError};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::scalar::ScalarValue;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::contract::{ColumnKind, PeriodColumn, SourceColumn, SourceContract, entry_fields, is_text};
use crate::csv::{self, Copies};
use crate::discover::{Days, DiscoveredUnit, is_csv, only_of};
use crate::objects::{self, Footer, footers};
use crate::offender::{self, Suspect};
use crate::registry::Reading;
use crate::repeats::{self, Candidate};
use crate::scan::ObjectTable;
use crate::store::Location;
use crate::unreadable::Unreadable;
use crate::words::NullWords;

use doubts::Doubts;
pub(crate) use json_map::doubt as json_doubt;
pub(crate) use lists::doubt as list_doubt;

/// What was found in the objects of a unit, for the run report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Rows according to the footers.
    pub rows: u64,
    /// Compressed bytes of all objects.
    pub bytes: u64,
    /// Version of the export format where the columns tell it.
    pub version: Option<String>,
    /// Delivered columns the contract does not know; they are left out.
    pub unknown_columns: Vec<String>,
    /// Contract columns no object has; they are NULL.
    pub absent_columns: Vec<String>,
    /// Notes of discovery and conformance.
    pub notes: Vec<String>,
}

/// A unit as a relation of its contract.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// Relation name SQL reads.
    pub relation: &'static str,
    /// The relation, to be registered under that name.
    pub table: Arc<dyn TableProvider>,
    /// What was found.
    pub report: SourceReport,
    location: Location,
    unit: DiscoveredUnit,
    candidates: Vec<Candidate>,
    contract: &'static SourceContract,
    words: NullWords,
    doubts: Doubts,
    /// Copies of CSV objects, kept until the relation is dropped.
    copies: Option<Copies>,
}

impl SourceTable {
    /// Checks after reading that no object was replaced or removed meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] naming the object.
    pub async fn verify_unchanged(&self) -> Result<()> {
        objects::verify_unchanged(&self.location, &self.unit.objects).await
    }

    /// Notes about rows that several objects have alike, where rows have no id. Reads a few columns of every
    /// object, and all that are known where these repeat.
    ///
    /// # Errors
    /// [`ErrorKind::ContractViolated`] when every row of an object is in other objects too, as after two runs
    /// of one export.
    pub async fn repeated_rows(&self) -> Result<Vec<String>> {
        repeats::judge(&self.candidates, self.unit.is_named).await
    }

    /// The error that names the first value of a number or a time that cannot be read: its column, row and
    /// object. `None` when all can be. For a query that failed; it reads those columns once more.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub async fn offending_value(&self) -> Result<Option<Error>> {
        for meta in &self.unit.objects {
            let (location, footer, object) = self.opened(meta).await?;
            let is_copy = is_csv(meta.location.as_ref());
            let suspects = Suspect::of_contract(self.contract, &footer, is_copy);
            let found = offender::first(location, &footer, &suspects, &self.words, &object).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Notes about rows whose maps are no JSON in full, such as tags: how many, and where the first are. To be
    /// asked after a query over the relation; only where that met one are objects read once more.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub async fn unreadable_maps(&self) -> Result<Vec<String>> {
        let mut unreadable = Unreadable::default();
        if self.doubts.are_raised() {
            for meta in &self.unit.objects {
                let (location, footer, object) = self.opened(meta).await?;
                unreadable.add(location, &footer, self.contract, &self.words, &object).await?;
            }
        }
        Ok(unreadable.notes())
    }

    /// An object, or the copy that is read in its place, and what the user calls it.
    async fn opened(&self, meta: &ObjectMeta) -> Result<(&Location, Footer, String)> {
        let object = self.location.name(&meta.location);
        let copy = self.copies.as_ref().and_then(|copies| Some((&copies.location, copies.of(&meta.location)?)));
        let (location, meta) = copy.unwrap_or((&self.location, meta));
        let footer = footers(location, vec![meta.clone()]).await?.pop();
        let gone = || Error::new(ErrorKind::Internal, "an object has no footer").with("object", &object);
        Ok((location, footer.ok_or_else(gone)?, object))
    }

    /// The unit the relation was made from.
    #[must_use]
    pub fn unit(&self) -> &DiscoveredUnit {
        &self.unit
    }
}

/// Objects that are read by one scan: of one dataset, and with the same nested columns.
struct Part {
    location: Location,
    footers: Vec<Footer>,
    text: bool,
    dataset: Option<String>,
    /// Days whose rows do not count, because a newer delivery states them.
    superseded: Option<Days>,
}

/// Opens a unit as the relation of its contract.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming object and column for a missing or wrongly typed column or
/// an unreadable object, [`ErrorKind::NotFound`] for a missing dataset, and errors of the store.
pub(crate) async fn conform(
    location: &Location,
    unit: DiscoveredUnit,
    contract: &'static SourceContract,
    reading: &Reading,
) -> Result<SourceTable> {
    let kept = reading.kept.as_slice();
    let (words, doubts) = (NullWords::new(reading.null_words.as_deref()), Doubts::default());
    let (parts, copies) = parts(location, &unit, contract).await?;
    let rows = parts.iter().flat_map(|part| &part.footers).map(|footer| footer.metadata.file_metadata().num_rows());
    let rows = rows.filter_map(|rows| u64::try_from(rows).ok()).sum();
    // What the user calls an object, of which a copy may be read.
    let name = |part: &Part, path: &Path| match copies.as_ref().and_then(|copies| copies.original(path)) {
        Some(original) => location.name(original),
        None => part.location.name(path),
    };
    let mut checked = Vec::with_capacity(parts.len());
    for part in parts {
        let found = check::check(&part.footers, contract, kept, part.text, |path: &Path| name(&part, path))?;
        checked.push((part, found));
    }
    for (part, _) in &checked {
        for footer in part.footers.iter().filter(|_| !unit.mixed_periods) {
            let object = name(part, &footer.meta.location);
            only_of(unit.billing_period, &part.location, footer, contract, &object).await?;
        }
        no_copies(part, |path| name(part, path))?;
    }
    let alone = datasets::judge(location, &unit, contract, &checked).await?;
    let single = alone.as_ref().and_then(|alone| alone.note.clone());
    let absent = |column: &&SourceColumn| !checked.iter().any(|(_, found)| found.has(&column.name));
    let delivered = |column: &&SourceColumn| contract.datasets.is_none_or(|datasets| datasets.column != column.name);
    let unknown: BTreeSet<String> = checked.iter().flat_map(|(_, found)| found.unknown.iter().cloned()).collect();
    let report = SourceReport {
        rows,
        bytes: unit.objects.iter().map(|meta| meta.size).sum(),
        version: None,
        unknown_columns: unknown.into_iter().collect(),
        absent_columns: contract
            .columns
            .iter()
            .filter(delivered)
            .filter(absent)
            .map(|column| column.name.clone())
            .collect(),
        notes: unit.notes.iter().cloned().chain(single).chain(not_kept(kept, &checked)).collect(),
    };
    let candidate = |part: &Part, footer: &Footer| {
        let name = name(part, &footer.meta.location);
        // Rows of superseded days are there and do not count, so deliveries are not compared with each other.
        let delivery = part.superseded.as_ref().map(|days| format!("without {days}"));
        let set = [part.dataset.clone(), delivery].into_iter().flatten().collect::<Vec<_>>().join(" ");
        Candidate::new(&part.location, footer, name, (!set.is_empty()).then_some(set), contract)
    };
    let candidates = checked.iter().flat_map(|(part, _)| part.footers.iter().map(move |footer| (part, footer)));
    let candidates = candidates.map(|(part, footer)| candidate(part, footer)).collect();
    let alone = alone.map(|alone| alone.dataset);
    let table = view(checked, &unit, contract, alone, &words, &doubts)
        .map_err(|error| Error::new(ErrorKind::Internal, "the source relation cannot be planned").with_source(error))?;
    Ok(SourceTable {
        relation: contract.relation,
        table,
        report,
        location: location.clone(),
        unit,
        contract,
        words,
        doubts,
        candidates,
        copies,
    })
}

/// Refuses two objects with the same content, which a copied or repeated export leaves behind: formats
/// whose rows have no id would count them twice. Equal footers (rows, sizes and statistics of every
/// column) tell; a single row may repeat by chance, and without statistics too little is known.
fn no_copies(part: &Part, name: impl Fn(&Path) -> String) -> Result<()> {
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for footer in part.footers.iter().filter(|footer| footer.metadata.file_metadata().num_rows() > 1) {
        let columns = footer.metadata.row_groups().iter().flat_map(|group| group.columns());
        if columns.clone().all(|column| column.statistics().is_none()) {
            continue;
        }
        let content: Vec<String> = columns
            .map(|column| format!("{} {} {:?}", column.num_values(), column.uncompressed_size(), column.statistics()))
            .collect();
        let path = &footer.meta.location;
        if let Some(first) = seen.insert(content.join("\n"), path) {
            let message = format!(
                "the object has the same content as `{}`, so its rows would count twice; remove one of them",
                name(first)
            );
            return Err(Error::new(ErrorKind::ContractViolated, message).with("object", name(path)));
        }
    }
    Ok(())
}

/// A note for every column that is to be kept and that no object has.
fn not_kept(kept: &[String], parts: &[(Part, check::Found)]) -> Vec<String> {
    let has = |name: &&String| parts.iter().any(|(_, found)| found.kept.iter().any(|it| it.eq_ignore_ascii_case(name)));
    let missing = |name: &String| {
        let delivered = parts.iter().flat_map(|(_, found)| found.unknown.iter().map(String::as_str));
        format!("column `{name}` is to be kept, but no object has it{}", did_you_mean(name, delivered))
    };
    kept.iter().filter(|name| !has(name)).map(missing).collect()
}

async fn parts(
    location: &Location,
    unit: &DiscoveredUnit,
    contract: &SourceContract,
) -> Result<(Vec<Part>, Option<Copies>)> {
    let (written, plain): (Vec<ObjectMeta>, Vec<ObjectMeta>) =
        unit.objects.iter().cloned().partition(|meta| is_csv(meta.location.as_ref()));
    let copies = if written.is_empty() { None } else { Some(csv::copies(location, &written).await?) };
    let mut read: Vec<(&Location, bool, Path, Footer)> = Vec::new();
    for mut footer in footers(location, plain).await? {
        let object = location.name(&footer.meta.location);
        nulls::mark(location, &mut footer, contract, false, &object).await?;
        read.push((location, false, footer.meta.location.clone(), footer));
    }
    if let Some(copies) = &copies {
        let copied = footers(&copies.location, copies.objects.clone()).await?;
        for (original, footer) in written.iter().zip(copied) {
            read.push((&copies.location, true, original.location.clone(), footer));
        }
    }
    let mut parts: Vec<Part> = Vec::new();
    for (location, text, original, footer) in read {
        let (dataset, superseded) = (unit.datasets.get(&original), unit.superseded.get(&original));
        let shape = shape(&footer.checked, contract);
        let fits = |part: &&mut Part| {
            let first = part.footers.first().map(|first| self::shape(&first.checked, contract));
            let same = part.dataset.as_ref() == dataset && part.superseded.as_ref() == superseded;
            part.text == text && same && first.as_ref() == Some(&shape)
        };
        match parts.iter_mut().find(fits) {
            Some(part) => part.footers.push(footer),
            None => parts.push(Part {
                location: location.clone(),
                footers: vec![footer],
                text,
                dataset: dataset.cloned(),
                superseded: superseded.cloned(),
            }),
        }
    }
    Ok((parts, copies))
}

/// The columns of an object that are read by their form: the engine adapts plain columns to one schema, but
/// nested ones are read as they are, times and maps may be text, and columns without a value are not read at
/// all. So objects that differ in them are scanned apart.
fn shape(schema: &Schema, contract: &SourceContract) -> Vec<(String, DataType)> {
    let nested = |field: &&FieldRef| {
        contract.columns.iter().any(|column| {
            let in_text = column.kind == ColumnKind::Time || column.kind.is_map() || column.kind == ColumnKind::Credits;
            let apart = column.path.len() > 1
                || entry_fields(field.data_type()).is_some()
                || in_text && is_text(field.data_type())
                || *field.data_type() == DataType::Null;
            apart && contract.rank(field.name(), column).is_some()
        })
    };
    schema.fields().iter().filter(nested).map(|field| (field.name().clone(), field.data_type().clone())).collect()
}

fn view(
    parts: Vec<(Part, check::Found)>,
    unit: &DiscoveredUnit,
    contract: &SourceContract,
    alone: Option<&'static str>,
    words: &NullWords,
    doubts: &Doubts,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let amounts = amounts(&parts, contract);
    let mut whole: Option<LogicalPlanBuilder> = None;
    for (part, found) in parts {
        let dataset = alone.map(str::to_owned).or(part.dataset);
        let dataset = contract.datasets.and_then(|datasets| Some((datasets.column, dataset?)));
        let relation = projection::Relation {
            amounts: amounts.clone(),
            dataset,
            written: part.text,
            words: words.clone(),
            doubts: doubts.clone(),
        };
        let raw = ObjectTable::new(&part.location, Arc::clone(&found.schema), &part.footers).apart();
        let mut plan = LogicalPlanBuilder::scan("objects", provider_as_source(Arc::new(raw)), None)?
            .project(projection::expressions(contract, &found, &relation)?)?;
        if let Some(days) = &part.superseded {
            plan = plan.filter(not_of(days, contract))?;
        }
        whole = Some(match whole {
            Some(others) => others.union(plan.build()?)?,
            None => plan,
        });
    }
    let Some(mut plan) = whole else { return Ok(Arc::new(EmptyTable::new(contract.schema()))) };
    if unit.mixed_periods {
        plan = plan.filter(in_period(unit, contract))?;
    }
    Ok(Arc::new(ViewTable::new(plan.build()?, None)))
}

/// The one form of each amount over all parts.
fn amounts(parts: &[(Part, check::Found)], contract: &SourceContract) -> BTreeMap<String, DataType> {
    let mut forms: BTreeMap<String, DataType> = BTreeMap::new();
    for column in contract.columns.iter().filter(|column| column.kind == ColumnKind::Amount) {
        for (_, found) in parts {
            for (_, name) in found.columns.get(&column.name).into_iter().flatten() {
                let top = found.schema.field_with_name(name).map(Field::data_type);
                let Ok(Some(leaf)) = top.map_or(Ok(None), |top| check::leaf(column, top)) else { continue };
                let form = check::amount_type(leaf);
                let common = forms.get(&column.name).map(|other| check::common_amount(other, &form));
                forms.insert(column.name.clone(), common.unwrap_or(form));
            }
        }
    }
    forms
}

/// Rows that are charged on none of the days; a row that names no day is kept.
fn not_of(days: &Days, contract: &SourceContract) -> Expr {
    let inside = days.ranges().into_iter().map(|(first, last)| {
        let end = last.succ_opt().unwrap_or(last);
        let start_of = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        within(contract.delivery.day, start_of(first), start_of(end))
    });
    inside.fold(lit(false), Expr::or).is_not_true()
}

fn in_period(unit: &DiscoveredUnit, contract: &SourceContract) -> Expr {
    let period = unit.billing_period;
    match contract.period {
        PeriodColumn::Time(column) => within(column, period.start(), period.end()),
        PeriodColumn::Month(column) => {
            Expr::Column(Column::from_name(column)).eq(lit(period.start().format("%Y%m").to_string()))
        }
    }
}

/// Rows whose moment lies from `start` on and before `end`.
fn within(column: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> Expr {
    let column = || Expr::Column(Column::from_name(column));
    let moment =
        |at: DateTime<Utc>| lit(ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), Some("UTC".into())));
    column().gt_eq(moment(start)).and(column().lt(moment(end)))
}
