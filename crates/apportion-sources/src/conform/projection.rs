//! The expressions that turn scanned columns into contract columns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DataFusionError, Result};
use datafusion::functions::core::expr_fn::{coalesce, get_field};
use datafusion::logical_expr::{Expr, ScalarUDF, cast, lit};
use datafusion::scalar::ScalarValue;

use super::check::{self, Found};
use super::doubts::Doubts;
use super::fold::FoldMap;
use super::json_map::JsonMap;
use super::lists::ListShape;
use super::moment::Moment;
use super::plain::{Holds, PlainText};
use crate::contract::{ColumnKind, SourceColumn, SourceContract, entry_fields, is_text};
use crate::scan::name_apart;
use crate::words::NullWords;

/// What the relation looks like beyond one part of its objects.
#[derive(Debug, Default)]
pub(super) struct Relation {
    /// The form every amount has.
    pub(super) amounts: BTreeMap<String, DataType>,
    /// Column and value that tell the dataset of this part.
    pub(super) dataset: Option<(&'static str, String)>,
    /// Whether the part is a copy of CSV, which has no other way to say NULL than in words.
    pub(super) written: bool,
    /// What such words are.
    pub(super) words: NullWords,
    /// Raised where a map in text cannot be read in full.
    pub(super) doubts: Doubts,
}

/// One expression per contract column, in contract order.
pub(super) fn expressions(contract: &SourceContract, found: &Found, relation: &Relation) -> Result<Vec<Expr>> {
    contract
        .columns
        .iter()
        .map(|column| Ok(expression(column, contract, found, relation)?.alias(&column.name)))
        .collect()
}

fn expression(column: &SourceColumn, contract: &SourceContract, found: &Found, relation: &Relation) -> Result<Expr> {
    let target = match column.kind {
        ColumnKind::Amount => relation.amounts.get(&column.name).cloned().unwrap_or(DataType::Float64),
        kind => kind.data_type(),
    };
    if let Some((name, dataset)) = &relation.dataset
        && *name == column.name
    {
        return Ok(lit(dataset.as_str()));
    }
    if contract.kept == Some(column.name.as_str()) && !found.kept.is_empty() {
        let keys = found.kept.iter().map(|name| Arc::from(name.as_str())).collect();
        let texts = found.kept.iter().map(|name| cast(scanned(name), DataType::Utf8)).collect();
        return Ok(ScalarUDF::from(FoldMap::new(ColumnKind::TextMap, keys)).call(texts));
    }
    if let Some(names) = found.columns.get(&column.name) {
        let mut parts: Vec<Expr> =
            names.iter().map(|(_, name)| delivered(name, column, &target, found, relation)).collect::<Result<_>>()?;
        return match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            Some(last) => {
                parts.push(last);
                Ok(coalesce(parts))
            }
            None => null(&target),
        };
    }
    match found.folded.get(column.name.as_str()) {
        Some(names) => Ok(folded(column, contract, names)),
        None => null(&target),
    }
}

fn delivered(name: &str, column: &SourceColumn, target: &DataType, found: &Found, relation: &Relation) -> Result<Expr> {
    let top = found.schema.field_with_name(name).map_err(DataFusionError::from)?.data_type();
    let leaf = check::leaf(column, top).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let Some(leaf) = leaf else { return null(target) };
    let value = column.path.iter().skip(1).fold(scanned(name), |value, name| get_field(value, *name));
    let cast_to = |value: Expr, found: &DataType, wanted: &DataType| {
        if found == wanted { value } else { cast(value, wanted.clone()) }
    };
    let plain = |holds, value| ScalarUDF::from(PlainText::new(holds, relation.words.clone())).call(vec![value]);
    let in_text = is_text(leaf) && *leaf != DataType::Null;
    Ok(match column.kind {
        ColumnKind::Text => {
            let holds = Holds::Text { written: relation.written, own: column.own_words };
            plain(holds, cast_to(value, leaf, target))
        }
        ColumnKind::Amount => {
            let form = check::amount_type(leaf);
            let value = cast_to(value, leaf, &form);
            let value = if form == DataType::Utf8 { plain(Holds::Value, value) } else { value };
            cast_to(value, &form, target)
        }
        ColumnKind::Time if in_text => {
            let value = cast_to(value, leaf, &DataType::Utf8);
            ScalarUDF::from(Moment::new(relation.words.clone())).call(vec![value])
        }
        ColumnKind::TextMap | ColumnKind::NumberMap if in_text => {
            let map = JsonMap::new(column, relation.words.clone(), relation.doubts.clone());
            ScalarUDF::from(map).call(vec![cast_to(value, leaf, &DataType::Utf8)])
        }
        ColumnKind::Credits if in_text => {
            let shape = ListShape::new(column.kind, relation.words.clone(), relation.doubts.clone());
            ScalarUDF::from(shape).call(vec![cast_to(value, leaf, &DataType::Utf8)])
        }
        ColumnKind::TextMap | ColumnKind::Credits if entry_fields(leaf).is_some() => {
            let shape = ListShape::new(column.kind, relation.words.clone(), relation.doubts.clone());
            ScalarUDF::from(shape).call(vec![value])
        }
        _ => cast_to(value, leaf, target),
    })
}

fn folded(column: &SourceColumn, contract: &SourceContract, names: &BTreeSet<String>) -> Expr {
    let prefix = contract.folds.iter().find(|fold| fold.map == column.name).map_or("", |fold| fold.prefix);
    let keys: Vec<Arc<str>> = names.iter().map(|name| Arc::from(name.strip_prefix(prefix).unwrap_or(name))).collect();
    ScalarUDF::from(FoldMap::new(column.kind, keys)).call(names.iter().map(|name| scanned(name)).collect())
}

fn scanned(name: &str) -> Expr {
    Expr::Column(Column::new(Some("objects"), name_apart(name)))
}

fn null(data_type: &DataType) -> Result<Expr> {
    Ok(lit(ScalarValue::try_new_null(data_type)?))
}
