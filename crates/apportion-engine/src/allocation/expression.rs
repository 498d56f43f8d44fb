//! Expressions written in a pipeline: conditions, targets and dimensions, planned once.
//!
//! They are parsed by the engine's own SQL parser and planned onto the columns of a charge, never
//! pasted into SQL text, so a rule can do nothing but look at one charge. `tag('x')` is short for
//! `tag(Tags, 'x')`, and a dimension's name stands for its column. The trap avoided: an expression
//! that plans but depends on the clock, on other rows or on another table.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use apportion_spec::did_you_mean;
use arrow::array::{RecordBatch, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, Result as PlanResult, SchemaError};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility, cast, ident};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, visit_expressions};

use super::refused::reason;
use crate::decimal_round;
use crate::sql_depth::refuse_too_deep;

/// What an expression has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// True or false.
    Condition,
    /// A text.
    Text,
}

/// The names an expression may use.
#[derive(Debug)]
pub(super) struct Names {
    charge: SchemaRef,
    /// Column by dimension name.
    dimensions: BTreeMap<String, String>,
}

impl Names {
    pub(super) const fn new(charge: SchemaRef, dimensions: BTreeMap<String, String>) -> Self {
        Self { charge, dimensions }
    }

    /// The column of a dimension or of a charge.
    pub(super) fn column<'a>(&'a self, name: &'a str) -> &'a str {
        self.dimensions.get(name).map_or(name, String::as_str)
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.dimensions.keys().map(String::as_str).chain(self.charge.fields().iter().map(|field| field.name().as_str()))
    }

    fn schema<'a>(&'a self, dimensions: impl Iterator<Item = &'a String>) -> PlanResult<DFSchema> {
        let charge = self.charge.fields().iter().map(|field| field.as_ref().clone());
        let fields: Vec<Field> = charge.chain(dimensions.map(|name| Field::new(name, DataType::Utf8, true))).collect();
        DFSchema::try_from(Schema::new(fields))
    }

    /// Plans `text`; the message says what is wrong with it, in the words of its author.
    pub(super) fn plan(&self, context: &SessionContext, text: &str, wanted: Wanted) -> Result<Expr, String> {
        refuse_too_deep(text)?;
        no_subquery(context, text)?;
        let named = self.schema(self.dimensions.keys()).map_err(|error| error.to_string())?;
        let parsed = context.parse_sql_expr(text, &named).map_err(|error| self.explain(&error))?;
        let parsed = self.resolve(parsed).map_err(|error| self.explain(&error))?;
        row_local(&parsed)?;
        let planned = self.schema(self.dimensions.values()).map_err(|error| error.to_string())?;
        let parsed = decimal_round::settle(parsed).map_err(|error| self.explain(&error))?;
        let computed = computable(context, parsed.clone(), &planned).map_err(|error| self.explain(&error))?;
        let typed = computed.data_type(planned.as_arrow()).map_err(|error| self.explain(&error))?;
        // What fails for a charge without any value fails for every charge, and needs no data to be told.
        evaluate_on_nothing(computed.as_ref(), planned.as_arrow()).map_err(|error| self.explain(&error))?;
        match wanted {
            Wanted::Condition if typed == DataType::Boolean => Ok(parsed),
            Wanted::Condition => Err(format!("expected a condition, found {}", described(&typed))),
            Wanted::Text if is_text(&typed) => Ok(cast(parsed, DataType::Utf8)),
            Wanted::Text => Err(format!("expected a text, found {}", described(&typed))),
        }
    }

    /// Expands `tag('x')` and puts columns in the place of dimension names.
    fn resolve(&self, parsed: Expr) -> PlanResult<Expr> {
        let resolved = parsed.transform_up(|node| {
            Ok(match node {
                Expr::Column(column) if self.dimensions.contains_key(&column.name) => {
                    Transformed::yes(ident(self.column(&column.name)))
                }
                Expr::ScalarFunction(mut call) if call.func.name() == "tag" && call.args.len() == 1 => {
                    call.args.insert(0, ident("Tags"));
                    Transformed::yes(Expr::ScalarFunction(call))
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(resolved.data)
    }

    /// One line for the author of the expression, with the nearest valid name.
    fn explain(&self, error: &DataFusionError) -> String {
        match error {
            DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => self.explain(inner),
            DataFusionError::Collection(all) => all.iter().map(|one| self.explain(one)).collect::<Vec<_>>().join("; "),
            DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
                SchemaError::FieldNotFound { field, .. } => {
                    let hint = did_you_mean(&field.name, self.all());
                    format!("`{}` is neither a dimension nor a FOCUS column{hint}", field.name)
                }
                other => other.to_string(),
            },
            error @ DataFusionError::ArrowError(..) => format!("cannot be computed: {}", reason(error)),
            other => {
                let text = other.strip_backtrace();
                text.lines().next().unwrap_or_default().to_owned()
            }
        }
    }
}

/// An expression that can be computed for batches of this schema. Some functions only exist once it is simplified.
pub(super) fn computable(
    context: &SessionContext,
    expression: Expr,
    schema: &DFSchema,
) -> PlanResult<Arc<dyn PhysicalExpr>> {
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build());
    let simplified = simplifier.simplify(simplifier.coerce(expression, schema)?)?;
    context.create_physical_expr(simplified, schema)
}

fn evaluate_on_nothing(computed: &dyn PhysicalExpr, schema: &Schema) -> PlanResult<()> {
    let nullable: Vec<Field> = schema.fields().iter().map(|it| it.as_ref().clone().with_nullable(true)).collect();
    let nothing = nullable.iter().map(|field| new_null_array(field.data_type(), 1)).collect();
    computed.evaluate(&RecordBatch::try_new(Arc::new(Schema::new(nullable)), nothing)?)?;
    Ok(())
}

fn is_text(found: &DataType) -> bool {
    matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

fn described(found: &DataType) -> String {
    match found {
        DataType::Boolean => "a condition".to_owned(),
        found if is_text(found) => "a text".to_owned(),
        found if found.is_numeric() => "a number".to_owned(),
        other => format!("a value of type {other}"),
    }
}

/// Refuses a subquery before planning, where it would only be an unknown table.
fn no_subquery(context: &SessionContext, text: &str) -> Result<(), String> {
    let state = context.state();
    let dialect = state.config_options().sql_parser.dialect;
    let parsed = state.sql_to_expr(text, &dialect).map_err(|error| {
        let reason = error.strip_backtrace();
        format!("`{text}` is not an expression: {reason}")
    })?;
    let found = visit_expressions(&parsed, |node| match node {
        SqlExpr::Subquery(_) | SqlExpr::Exists { .. } | SqlExpr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    if found.is_break() {
        Err("a rule looks at one charge at a time; subqueries are not possible".to_owned())
    } else {
        Ok(())
    }
}

/// Checks that the value depends on nothing but the charge.
fn row_local(planned: &Expr) -> Result<(), String> {
    let mut wrong = None;
    let visited = planned.apply(|node| {
        wrong = match node {
            Expr::AggregateFunction(call) => {
                Some(format!("`{}` needs many charges; a rule looks at one at a time", call.func.name()))
            }
            Expr::WindowFunction(_) => {
                Some("window functions need many charges; a rule looks at one at a time".to_owned())
            }
            Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => Some(format!(
                "`{}` gives another result on another day; a rule depends on the charge only",
                call.func.name()
            )),
            Expr::Placeholder(_) | Expr::ScalarVariable(..) => Some("a rule has no parameters".to_owned()),
            Expr::Unnest(_) | Expr::GroupingSet(_) => Some("a rule gives one value per charge".to_owned()),
            _ => None,
        };
        Ok(if wrong.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    match (visited, wrong) {
        (Err(error), _) => Err(error.to_string()),
        (Ok(_), Some(message)) => Err(message),
        (Ok(_), None) => Ok(()),
    }
}

/// What an expression reads of a charge: whole columns, and single tags where it only asks for
/// those. Reading a tag must not make every other tag part of a cell's identity.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Columns of charges and of dimensions.
    pub(super) columns: BTreeSet<String>,
    /// Calls of `tag(Tags, 'x')` by key.
    pub(super) tags: BTreeMap<String, Expr>,
}

impl Reads {
    /// Adds what `planned` reads.
    pub(super) fn add(&mut self, planned: &Expr) -> PlanResult<()> {
        planned.apply(|node| {
            if let Some(key) = constant_tag(node) {
                self.tags.insert(key, node.clone());
                return Ok(TreeNodeRecursion::Jump);
            }
            if let Expr::Column(Column { name, .. }) = node {
                self.columns.insert(name.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }
}

/// The key, when the node is a `tag` call on the tags of the charge with a constant key.
fn constant_tag(node: &Expr) -> Option<String> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = node else { return None };
    match (func.name(), args.as_slice()) {
        ("tag", [Expr::Column(column), Expr::Literal(key, _)]) if column.name == "Tags" => {
            key.try_as_str().flatten().map(str::to_owned)
        }
        _ => None,
    }
}
