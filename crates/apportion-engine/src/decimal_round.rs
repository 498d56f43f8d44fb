//! Gives `round(amount, places)` one type, from planning to execution.
//!
//! DataFusion takes the decimals of the result from `places` where it is a literal, and from `amount` where it is
//! not. A literal is no literal for a while: the planner first casts `2` to the width the function wants and folds
//! the cast later, so the type changes after comparisons were planned on it, and `round(x, 2) > 1` failed for every
//! row. Here constants are folded before there are types, and what is no constant never becomes one.
//! The trap avoided: a comparison made to fit by way of a float.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::functions::math::round::RoundFunc;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::analyzer::function_rewrite::ApplyFunctionRewrites;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

/// The rules by which a session looks at a plan, with this one before there are types.
pub(crate) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let first: Arc<dyn AnalyzerRule + Send + Sync> = Arc::new(ApplyFunctionRewrites::new(vec![Arc::new(DecimalRound)]));
    std::iter::once(first).chain(Analyzer::new().rules).collect()
}

#[derive(Debug)]
struct DecimalRound;

impl FunctionRewrite for DecimalRound {
    fn name(&self) -> &str {
        "decimal_round"
    }

    fn rewrite(&self, expr: Expr, _: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        settled(expr)
    }
}

/// An expression that is planned outside of a query, with every `round` settled.
pub(crate) fn settle(expr: Expr) -> Result<Expr> {
    Ok(expr.transform_up(settled)?.data)
}

fn settled(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(ScalarFunction { func, mut args }) = expr else { return Ok(Transformed::no(expr)) };
    let is_round = func.name() == "round" && args.len() == 2;
    let Some(places) = args.get_mut(1).filter(|_| is_round) else {
        return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })));
    };
    if let Some(constant) = constant(places)? {
        let is_new = *places != constant;
        *places = constant;
        let round = Expr::ScalarFunction(ScalarFunction { func, args });
        return Ok(if is_new { Transformed::yes(round) } else { Transformed::no(round) });
    }
    let by_row = func.inner().is::<RoundByRow>();
    let func = if by_row { func } else { Arc::new(ScalarUDF::from(RoundByRow::default())) };
    let round = Expr::ScalarFunction(ScalarFunction { func, args });
    Ok(if by_row { Transformed::no(round) } else { Transformed::yes(round) })
}

/// `round` to as many decimals as each row says: the amount keeps its scale, also where the optimizer finds out that
/// all rows say the same.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct RoundByRow {
    round: RoundFunc,
}

impl ScalarUDFImpl for RoundByRow {
    fn name(&self) -> &str {
        self.round.name()
    }

    fn signature(&self) -> &Signature {
        self.round.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.round.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let scalar_arguments = vec![None; arguments.arg_fields.len()];
        let arguments = ReturnFieldArgs { scalar_arguments: &scalar_arguments, ..arguments };
        self.round.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.round.invoke_with_args(arguments)
    }
}

/// The literal, in the width that `round` wants, of an expression that reads nothing.
fn constant(places: &Expr) -> Result<Option<Expr>> {
    let reads_nothing = places.column_refs().is_empty() && !places.is_volatile();
    if !reads_nothing {
        return Ok(None);
    }
    let simplifier = ExprSimplifier::new(SimplifyContext::default());
    let folded = simplifier.coerce(places.clone(), &DFSchema::empty()).and_then(|it| simplifier.simplify(it));
    // What cannot be computed, or is no number, is refused by the planner as well.
    let Ok(Expr::Literal(value, _)) = folded else { return Ok(None) };
    let is_whole = value.data_type().is_integer() || value.is_null();
    Ok(value.cast_to(&DataType::Int32).ok().filter(|_| is_whole).map(lit))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::pretty::pretty_format_batches;

    use crate::fault::from_datafusion;
    use crate::{Engine, EngineOptions};

    /// The rows of an answer over a table of two amounts, one line each.
    async fn answer(sql: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let context = Engine::try_new(&EngineOptions::new(directory.path())).unwrap().new_context();
        let amounts = "create view amounts as select cast(column1 as decimal(38, 12)) as Cost, column2 as Places \
                       from (values ('1.005', 1), ('-2.5', 2))";
        context.sql(amounts).await.unwrap();
        let batches = context.sql(sql).await.unwrap().collect().await.map_err(|error| from_datafusion(&error)).unwrap();
        let text = pretty_format_batches(&batches).unwrap().to_string();
        let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(" ");
        let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect();
        lines.sort();
        lines
    }

    #[tokio::test]
    async fn rounded_amounts_compare_with_whatever_is_a_number() {
        for (condition, expected) in [
            ("round(Cost, 2) > 1", "1.005000000000"),
            ("round(Cost, 2) = 1.01", "1.005000000000"),
            ("round(Cost, 1 + 1) >= 1.01", "1.005000000000"),
            ("1 < round(Cost, 2)", "1.005000000000"),
            ("round(Cost, -1) = 0 and round(Cost) = 1", "1.005000000000"),
            ("round(Cost, 2) in (1, 1.01)", "1.005000000000"),
            ("round(Cost, 2) between 1 and 1e3", "1.005000000000"),
            ("round(Cost, 2) > cast(1 as bigint) and abs(round(Cost, 2)) > 0", "1.005000000000"),
            ("round(Cost, 2) <> Cost", "1.005000000000"),
            ("round(Cost, Places) = 1 or round(Cost, Places) = 1.0", "1.005000000000"),
            ("round(Cost, 0) < -2 and round(Cost, 0) = -3", "-2.500000000000"),
            ("case when round(Cost, 2) < 0 then round(Cost, 1) else 0 end < 0", "-2.500000000000"),
            ("coalesce(round(Cost, 2), 0) + 1 < 0", "-2.500000000000"),
        ] {
            assert_eq!(answer(&format!("select Cost from amounts where {condition}")).await, [expected], "{condition}");
        }
    }

    #[tokio::test]
    async fn sums_of_rounded_amounts_and_rounded_sums_compare_and_keep_their_decimals() {
        let sums = "select round(sum(Cost), 2) as a, sum(round(Cost, 1)) as b from amounts";
        for (having, found) in
            [("round(sum(Cost), 2) = -1.5", 1), ("round(sum(Cost), 2) > 0", 0), ("sum(round(Cost, 1)) < 0", 1)]
        {
            assert_eq!(answer(&format!("{sums} having {having}")).await, vec!["-1.50 -1.5"; found], "{having}");
        }
        let typed = "select distinct arrow_typeof(round(Cost, 2)), arrow_typeof(round(Cost, 2) > 1) from amounts";
        assert_eq!(answer(typed).await, ["Decimal128(38, 2) Boolean"]);
        let named = "select round(Cost, p) > 1 as x from (select Cost, 2 as p from amounts where Cost > 0)";
        assert_eq!(answer(named).await, ["true"]);
        let twice = "select round(sum(x), 2) = 1.01 from (select round(Cost, 2) as x from amounts where Cost > 0)";
        assert_eq!(answer(twice).await, ["true"]);
    }
}
