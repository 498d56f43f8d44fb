//! The functions as SQL sees them: NULLs, constants, coercion and messages.

use apportion_engine::udf;
use datafusion::common::ScalarValue;
use datafusion::prelude::{SessionConfig, SessionContext};

fn context() -> SessionContext {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    let context = SessionContext::new_with_config(config);
    udf::register_all(&context);
    context
}

/// Evaluates an expression twice, as a constant and over a column of rows, and compares.
async fn eval(expression: &str) -> Result<String, String> {
    let context = context();
    let mut results = Vec::new();
    for query in [
        format!("select {expression} as v"),
        format!("select {expression} as v from (values (1), (2)) as t(x)"),
        // The column keeps the optimizer from folding the call into a constant.
        format!("select v from (select case when x > 0 then {expression} end as v from (values (1)) as t(x))"),
    ] {
        let frame = context.sql(&query).await.map_err(|error| error.strip_backtrace())?;
        let batches = frame.collect().await.map_err(|error| error.strip_backtrace())?;
        let value = ScalarValue::try_from_array(batches[0].column(0), 0).unwrap();
        results.push(if value.is_null() { "NULL".to_owned() } else { value.to_string() });
    }
    assert!(results.iter().all(|result| *result == results[0]), "{expression}: {results:?}");
    Ok(results.remove(0))
}

#[tokio::test]
async fn functions_give_exact_values() {
    let cases = [
        ("decimal_from_double(cast('0.1' as double))", "0.100000000000"),
        ("decimal_from_double(cast('2e-7' as double))", "0.000000200000"),
        ("decimal_from_double(null)", "NULL"),
        ("decimal_residual(cast('0.1' as double))", "0.000000000000000000000000000000000000"),
        ("decimal_residual(cast('0.123456789012345' as double))", "0.000000000000345000000000000000000000"),
        ("decimal_from_text('2e-7')", "0.000000200000000000"),
        ("decimal_from_text('')", "NULL"),
        ("decimal_from_text('free')", "NULL"),
        ("decimal_from_text(arrow_cast(' 12.5 ', 'Utf8View'))", "12.500000000000000000"),
        ("apportion(100, 0, 1, 3)", "33.333333333333"),
        ("apportion(100, 1, 2, 3)", "33.333333333334"),
        ("apportion(-100, 2, 3, 3)", "-33.333333333333"),
        ("apportion(10.00, 0, 0, 3)", "0.000000000000"),
        ("apportion(null, 0, 1, 3)", "NULL"),
        ("divide_round(10, 3)", "3.333333333333333333"),
        ("divide_round(-2, 3)", "-0.666666666666666667"),
        ("divide_round(1, 0)", "NULL"),
        ("multiply_round(0.000000000000000001, 1000000000000)", "0.000001000000"),
        ("multiply_round(0.0000000000005, 1)", "0.000000000001"),
        ("tag('{\"team\":\"a\"}', 'team')", "a"),
        (
            "members_json('x_Team', 'a\"b', 'x_Service', null, 'x_Region', 'eu')",
            "{\"x_Team\":\"a\\\"b\",\"x_Region\":\"eu\"}",
        ),
        ("members_json('x_Team', null)", "NULL"),
        ("members_of('{\"x_Team\":\"a\",\"x_Service\":\"s\"}', 'x_Region,x_Team')", "{\"x_Team\":\"a\"}"),
        ("members_of('{\"x_Team\":\"a\"}', 'x_Tea')", "NULL"),
        ("members_of('{\"x_Team\":\"a\"}', null)", "NULL"),
        ("members_of(null, 'x_Team')", "NULL"),
        ("map_value(map(['a', 'b'], ['1', '2']), 'b')", "2"),
        ("map_json(map(['b', 'a'], ['1', '2']))", "{\"a\":\"2\",\"b\":\"1\"}"),
        ("tags_json(map(['user_team', 'aws_x'], ['a', 'b']))", "{\"aws:x\":\"b\",\"team\":\"a\"}"),
    ];
    for (expression, expected) in cases {
        let found = eval(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(found, expected, "{expression}");
    }
}

#[tokio::test]
async fn identities_tell_values_nulls_and_boundaries_apart() {
    let calls = ["'ab', 'c'", "'a', 'bc'", "'abc'", "'abc', ''", "'abc', null", "'', 'abc'", "null", "''"];
    let mut seen = Vec::new();
    for call in calls {
        let id = eval(&format!("charge_id({call})")).await.unwrap();
        assert_eq!(id.len(), 32);
        assert!(!seen.contains(&id), "{call}");
        seen.push(id);
    }
    // The first half of sha256(04 616263), computed with another implementation.
    assert_eq!(seen[2], SHA256_OF_ABC);
    assert_eq!(eval("charge_id(arrow_cast('abc', 'Dictionary(Int32, Utf8)'))").await.unwrap(), seen[2]);
    assert_eq!(eval("charge_id(12)").await.unwrap(), eval("charge_id('12')").await.unwrap());
}

const SHA256_OF_ABC: &str = "c8961b21b2ee347d6fae91d71653ab8f";

#[tokio::test]
async fn what_would_lose_digits_is_refused() {
    let cases = [
        ("decimal_from_double('NaN'::double)", "decimal_from_double(NaN): the value is not a finite number"),
        ("decimal_from_double(cast('1e30' as double))", "does not fit a decimal of 38 digits"),
        ("decimal_from_double(cast(1 as real))", "decimal_from_double expects DOUBLE here, found Float32"),
        ("apportion(1, 2, 1, 3)", "weights must satisfy 0 <= before <= upto <= total"),
        ("apportion(1, 0, 0, 0)", "total must be positive"),
        ("apportion(cast(1 as decimal(38, 18)), 0, 1, 2)", "found Decimal128(38, 18)"),
        ("apportion(cast(1 as double), 0, 1, 2)", "found Float64"),
        ("apportion(1, 0, 1)", "apportion takes 4 argument(s), found 3"),
        ("divide_round(99999999999999999999999999, 0.000000000001)", "does not fit a decimal of 38 digits"),
        ("charge_id(cast(1 as double))", "found Float64"),
        ("decimal_from_text('1e30')", "decimal_from_text('1e30')"),
        (
            "charge_days(timestamp '2026-01-02T00:00:00Z', timestamp '2026-01-01T00:00:00Z')",
            "the charge period ends before it starts",
        ),
    ];
    for (expression, expected) in cases {
        let error = eval(expression).await.unwrap_err();
        assert!(error.contains(expected), "{expression}: {error}");
    }
}

#[tokio::test]
async fn a_fee_is_split_over_its_days_and_adds_up() {
    let query = "
        select cast(day['ChargeDate'] as varchar) as d,
            cast(apportion(31.00, day['SecondsBefore'], day['SecondsUpTo'], day['SecondsTotal']) as varchar) as c
        from (select unnest(charge_days(
            timestamp '2026-01-30T12:00:00Z', timestamp '2026-02-02T00:00:00Z')) as day)
        order by d";
    let batches = context().sql(query).await.unwrap().collect().await.unwrap();
    let text = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let rows: Vec<String> = text.lines().filter(|line| line.contains("2026")).map(str::to_owned).collect();
    assert_eq!(
        rows,
        ["| 2026-01-30 | 6.200000000000  |", "| 2026-01-31 | 12.400000000000 |", "| 2026-02-01 | 12.400000000000 |",]
    );
}

#[tokio::test]
async fn results_claim_to_be_present_only_when_they_are() {
    let context = context();
    let frame = context
        .sql(
            "select charge_id('a') as a, apportion(x, 0, 1, 2) as b, decimal_from_text('1') as c, \
             decimal_from_double(y) as d \
             from (select cast(1 as decimal(38, 12)) as x, cast(null as double) as y)",
        )
        .await
        .unwrap();
    let nullable: Vec<bool> = frame.schema().fields().iter().map(|field| field.is_nullable()).collect();
    assert_eq!(nullable, [false, false, true, true]);
}
