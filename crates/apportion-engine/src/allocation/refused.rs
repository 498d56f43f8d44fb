//! The charge behind an expression of a pipeline that could not be computed.
//!
//! A plan that fails knows neither the rule nor the charge: conditions of all rules are computed side by side, over
//! thousands of charges at a time. So after a failure, and only then, every expression is computed once more on its
//! own, dimensions first, until one fails: for the whole batch, then charge by charge, then part by part.
//! The trap avoided: to blame a part that a CASE keeps from being computed. A part is only looked into when it fails
//! for the same reason as what it is part of.

use std::collections::BTreeSet;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::{Expr, Operator, TryCast, ident};
use datafusion::prelude::SessionContext;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::CustomDialectBuilder;
use futures::TryStreamExt;

use super::expression::computable;
use super::frames::failed;
use super::plan::{AllocationPlan, Written};
use crate::fault::{innermost, text};

/// What tells charges apart for the people who look for one.
const NAMED_BY: [(&str, &str); 2] = [("charge", "x_ChargeId"), ("source", "x_Source")];
/// Characters of a value that an error shows.
const SHOWN: usize = 80;

/// The error that names expression, charge and value, where one of the plan's own expressions is the reason.
pub(super) async fn explain(context: &SessionContext, plan: &AllocationPlan, error: Error) -> Error {
    if !matches!(error.kind(), ErrorKind::ContractViolated | ErrorKind::SqlInvalid | ErrorKind::Internal) {
        return error;
    }
    // Charges that cannot be read a second time are no reason to forget why the first time failed.
    first(context, plan).await.ok().flatten().unwrap_or(error)
}

async fn first(context: &SessionContext, plan: &AllocationPlan) -> Result<Option<Error>> {
    let step = failed("look for the charge that an expression cannot be computed for");
    let charges = context.table("focus_charges").await.map_err(&step)?;
    let rules = plan.rules.iter().flat_map(|rule| rule.when.iter().chain(&rule.to));
    let read = plan.dimensions.iter().map(|(_, value)| value).chain(rules).flat_map(|value| value.column_refs());
    let read: BTreeSet<&str> = read.map(|column| column.name.as_str()).chain(NAMED_BY.map(|(_, name)| name)).collect();
    let known = charges.schema().fields().iter().map(|field| field.name()).filter(|name| read.contains(name.as_str()));
    let columns: Vec<Expr> = known.map(ident).collect();
    let mut batches = charges.select(columns).map_err(&step)?.execute_stream().await.map_err(&step)?;
    while let Some(batch) = batches.try_next().await.map_err(&step)? {
        if let Some((written, expression, charges)) = failing(context, plan, batch).map_err(&step)? {
            return Ok(refusal(context, plan, &written, &expression, &charges));
        }
    }
    Ok(None)
}

/// The first expression that cannot be computed for a batch, with the charges it was computed for.
fn failing(
    context: &SessionContext,
    plan: &AllocationPlan,
    mut batch: RecordBatch,
) -> Result<Option<(Written, Expr, RecordBatch)>, DataFusionError> {
    let charges = batch.clone();
    for (column, value) in &plan.dimensions {
        match evaluated(context, value, &charges) {
            Ok(values) => batch = with_column(&batch, column, values)?,
            Err(_) => return Ok(Some((Written::Dimension(column.clone()), value.clone(), charges))),
        }
    }
    let mut is_free = BooleanArray::from(vec![true; batch.num_rows()]);
    for rule in &plan.rules {
        let matches = match rule.when.as_ref().map(|when| (when, evaluated(context, when, &batch))) {
            Some((_, Ok(matches))) => matches,
            Some((when, Err(_))) => return Ok(Some((Written::When(rule.id.clone()), when.clone(), batch))),
            None => Arc::new(BooleanArray::from(vec![true; batch.num_rows()])),
        };
        let matches = matches.as_boolean();
        let holds = |row: usize| matches.is_valid(row) && matches.value(row);
        let taken: BooleanArray = (0..batch.num_rows()).map(|row| Some(is_free.value(row) && holds(row))).collect();
        is_free = (0..batch.num_rows()).map(|row| Some(is_free.value(row) && !holds(row))).collect();
        if let Some(to) = &rule.to {
            let own = filter_record_batch(&batch, &taken)?;
            if evaluated(context, to, &own).is_err() {
                return Ok(Some((Written::To(rule.id.clone()), to.clone(), own)));
            }
        }
    }
    Ok(None)
}

fn with_column(batch: &RecordBatch, name: &str, values: ArrayRef) -> Result<RecordBatch, DataFusionError> {
    let added = Arc::new(Field::new(name, values.data_type().clone(), true));
    let fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().chain([added]).collect();
    let columns = batch.columns().iter().cloned().chain([values]).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn evaluated(context: &SessionContext, expression: &Expr, batch: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
    let schema = DFSchema::try_from(batch.schema())?;
    computable(context, expression.clone(), &schema)?.evaluate(batch)?.into_array(batch.num_rows())
}

/// Why an expression has no value, in plain words.
pub(super) fn reason(error: &DataFusionError) -> String {
    let root = innermost(error);
    match root {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => "division by zero".to_owned(),
            ArrowError::CastError(message)
            | ArrowError::ComputeError(message)
            | ArrowError::ParseError(message)
            | ArrowError::InvalidArgumentError(message)
            | ArrowError::ArithmeticOverflow(message) => message.clone(),
            other => other.to_string(),
        },
        other => text(other),
    }
}

fn refusal(
    context: &SessionContext,
    plan: &AllocationPlan,
    written: &Written,
    expression: &Expr,
    batch: &RecordBatch,
) -> Option<Error> {
    let Culprit { part, row, why } = Culprit::find(context, expression, batch)?;
    let place = plan.places.get(written)?;
    let mut message = format!("{place}: {why} in `{}`", shown(&part));
    let Some(row) = row else {
        return Some(Error::new(ErrorKind::SqlInvalid, message).with("table", "focus_charges"));
    };
    let said = |operand: &Expr| Some(format!("`{}` is {}", shown(operand), value(context, operand, &row)?));
    let values: Vec<String> = operands(&part).iter().filter_map(said).collect();
    if !values.is_empty() {
        message.push_str(&format!(", where {}", values.join(" and ")));
    }
    if let Some(advice) = advice(&part, &why) {
        message.push_str(&format!("; {advice}"));
    }
    let mut error = Error::new(ErrorKind::SqlInvalid, message);
    for (key, column) in NAMED_BY {
        if let Some(name) = row.column_by_name(column).and_then(|name| name.as_string_opt::<i32>()) {
            error = error.with(key, name.value(0));
        }
    }
    Some(error.with("table", "focus_charges"))
}

/// The part of an expression that fails, and the charge for which it does.
struct Culprit {
    part: Expr,
    /// One charge; none where only charges together fail.
    row: Option<RecordBatch>,
    why: String,
}

impl Culprit {
    /// `a AND b` may compute `b` for charges that `a` excludes, and then no charge fails alone: the part is found in
    /// the batch, and its charge after it.
    fn find(context: &SessionContext, expression: &Expr, batch: &RecordBatch) -> Option<Self> {
        let fails = |part: &Expr, batch: &RecordBatch| Some(reason(&evaluated(context, part, batch).err()?));
        let inner = |whole: &Expr, batch: &RecordBatch, why: &str| {
            parts(whole).into_iter().find(|part| fails(part, batch).is_some_and(|found| found == why))
        };
        let alone = |part: &Expr| {
            (0..batch.num_rows()).map(|row| batch.slice(row, 1)).find_map(|row| Some((fails(part, &row)?, row)))
        };
        let mut part = expression.clone();
        let mut why = fails(&part, batch)?;
        let mut row = alone(&part);
        while row.is_none() {
            let Some(found) = inner(&part, batch, &why) else { return Some(Self { part, row: None, why }) };
            part = found;
            row = alone(&part);
        }
        if let Some((found, row)) = &row {
            why.clone_from(found);
            while let Some(found) = inner(&part, row, &why) {
                part = found;
            }
        }
        Some(Self { part, row: row.map(|(_, row)| row), why })
    }
}

/// The direct parts of an expression.
fn parts(whole: &Expr) -> Vec<Expr> {
    let mut parts = Vec::new();
    // The visit itself cannot fail.
    let _ = whole.apply_children(|part| {
        parts.push(part.clone());
        Ok(TreeNodeRecursion::Continue)
    });
    parts
}

/// The parts that have a value of their own.
fn operands(whole: &Expr) -> Vec<Expr> {
    let mut operands = parts(whole);
    operands.retain(|operand| !matches!(operand, Expr::Literal(..)));
    operands
}

/// The value of an expression for one charge.
fn value(context: &SessionContext, expression: &Expr, row: &RecordBatch) -> Option<String> {
    let values = evaluated(context, expression, row).ok()?;
    if values.is_null(0) {
        return Some("NULL".to_owned());
    }
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(values.as_ref(), &options).ok()?.value(0).to_string();
    let text: String = text.chars().take(SHOWN).collect();
    Some(match values.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => format!("'{text}'"),
        found if found.is_decimal() && text.contains('.') => {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => text,
    })
}

/// An expression as its author wrote it, or nearly so.
fn shown(expression: &Expr) -> String {
    let short = expression.clone().transform_up(|node| {
        Ok(match node {
            Expr::ScalarFunction(mut call)
                if call.func.name() == "tag" && call.args.first() == Some(&ident("Tags")) =>
            {
                call.args.remove(0);
                Transformed::yes(Expr::ScalarFunction(call))
            }
            other => Transformed::no(other),
        })
    });
    let short = short.map_or_else(|_: DataFusionError| expression.clone(), |short| short.data);
    // Identifiers without quotes, as they are written in a pipeline.
    let dialect = CustomDialectBuilder::new().build();
    let sql = Unparser::new(&dialect).with_pretty(true).expr_to_sql(&short);
    sql.map_or_else(|_| short.to_string(), |sql| sql.to_string())
}

/// What gives NULL instead of an error.
fn advice(part: &Expr, why: &str) -> Option<String> {
    match part {
        Expr::BinaryExpr(operation) if matches!(operation.op, Operator::Divide | Operator::Modulo) => {
            let divisor = format!("`nullif({}, 0)`", shown(&operation.right));
            why.contains("by zero").then(|| format!("with {divisor} as divisor it is NULL there"))
        }
        Expr::Cast(cast) => {
            let tried = Expr::TryCast(TryCast::new_from_field(cast.expr.clone(), Arc::clone(&cast.field)));
            Some(format!("`{}` is NULL there", shown(&tried)))
        }
        _ => {
            let is_implicit = why.to_lowercase().contains("cast");
            is_implicit.then(|| "`try_cast(… AS …)` is NULL where a text is no such value".to_owned())
        }
    }
}
