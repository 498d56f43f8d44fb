//! Doubles and texts become the decimals a person would write, checked against big integers.
#![expect(clippy::arithmetic_side_effects, reason = "tests compute expectations, an overflow there fails the test")]

use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;

/// Rounds plain decimal text (`-12.345`) to `scale` decimals, half away from zero.
fn reference(text: &str, scale: usize) -> BigInt {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let kept: String = decimals.chars().chain(std::iter::repeat('0')).take(scale).collect();
    let mut value: BigInt = format!("{whole}{kept}").parse().unwrap();
    if decimals.as_bytes().get(scale).is_some_and(|digit| *digit >= b'5') {
        value += 1;
    }
    if negative { -value } else { value }
}

/// Plain shortest text: Rust prints doubles without an exponent.
fn plain(value: f64) -> String {
    format!("{value}")
}

/// Bills' numbers: an integer of up to 17 digits over a power of ten, plus raw bit patterns.
fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-99_999_999_999_999_999_i64..=99_999_999_999_999_999, 0_i32..24).prop_map(|(digits, decimals)| format!(
            "{digits}e-{decimals}"
        )
        .parse()
        .unwrap()),
        (-9_999_999_i64..=9_999_999, 0_i32..11)
            .prop_map(|(digits, decimals)| format!("{digits}e-{decimals}").parse().unwrap()),
        (-1e12..1e12_f64),
        (-1.0..1.0_f64),
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_double_is_its_shortest_text_rounded(value in double()) {
        let expected = i128::try_from(reference(&plain(value), 12))
            .map_err(|_| Inexact::Overflow)
            .and_then(fits);
        prop_assert_eq!(amount_of_double(value), expected);
    }

    #[test]
    fn the_shortcut_equals_the_text(value in double()) {
        if let Some(fast) = amount_by_arithmetic(value) {
            prop_assert_eq!(Ok(fast), amount_by_text(value));
        }
    }

    #[test]
    fn the_residual_is_what_rounding_left_over(value in double()) {
        if let Ok(amount) = amount_of_double(value) {
            let left_over = reference(&plain(value), 36) - BigInt::from(amount) * MONEY_IN_RESIDUALS;
            prop_assert_eq!(BigInt::from(residual_of_double(value).unwrap()), left_over);
        }
    }

    #[test]
    fn text_is_read_as_written(digits in "[0-9]{1,19}", decimals in "[0-9]{0,40}", negative in any::<bool>()) {
        let sign = if negative { "-" } else { "" };
        let text = format!("{sign}{digits}.{decimals}");
        let expected = i128::try_from(reference(&text, 18)).unwrap();
        prop_assert_eq!(DecimalText::parse(&text).unwrap().rounded(18), Ok(expected));
    }

    #[test]
    fn an_exponent_moves_the_point(digits in 0_u64..=u64::MAX, exponent in -40_i32..=-18) {
        let text = format!("{digits}e{exponent}");
        let plain = format!("0.{digits:0>width$}", width = usize::try_from(-exponent).unwrap());
        if exponent <= -20 {
            let expected = i128::try_from(reference(&plain, 18)).unwrap();
            prop_assert_eq!(DecimalText::parse(&text).unwrap().rounded(18), Ok(expected));
        }
    }
}

#[test]
fn doubles_of_a_bill() {
    let cases: [(f64, i128); 10] = [
        (0.1, 100_000_000_000),
        (2e-7, 200_000),
        (-0.0, 0),
        (0.0000000000005, 1),
        (-0.0000000000005, -1),
        (0.0000000000004999, 0),
        (0.1 + 0.2, 300_000_000_000),
        (12_345.67, 12_345_670_000_000_000),
        (1.2345678901235678, 1_234_567_890_124),
        (1e25, 10_000_000_000_000_000_000_000_000_000_000_000_000),
    ];
    for (value, expected) in cases {
        assert_eq!(amount_of_double(value), Ok(expected), "{value:e}");
    }
}

#[test]
fn what_cannot_be_stored_is_an_error() {
    assert_eq!(amount_of_double(f64::NAN), Err(Inexact::NotFinite));
    assert_eq!(amount_of_double(f64::NEG_INFINITY), Err(Inexact::NotFinite));
    assert_eq!(amount_of_double(1e26), Err(Inexact::Overflow));
    assert_eq!(amount_of_double(f64::MAX), Err(Inexact::Overflow));
    assert_eq!(amount_of_double(f64::MIN_POSITIVE), Ok(0));
    assert_eq!(residual_of_double(f64::MIN_POSITIVE), Ok(0));
}

#[test]
fn residual_of_fifteen_and_more_decimals() {
    // 0.123456789012345: stored 0.123456789012, left over 0.000000000000345.
    assert_eq!(residual_of_double(0.123456789012345), Ok(345 * 10_i128.pow(21)));
    // 0.1234567890126789: stored 0.123456789013, left over -0.0000000000003211.
    assert_eq!(residual_of_double(0.1234567890126789), Ok(-3_211 * 10_i128.pow(20)));
    assert_eq!(residual_of_double(-0.1234567890126789), Ok(3_211 * 10_i128.pow(20)));
}

#[test]
fn text_that_is_no_number_is_none() {
    for text in ["", " ", "-", ".", "e5", "1e", "1.2.3", "NaN", "inf", "1,5", "0x1", "1 2", "--1", "١"] {
        assert!(DecimalText::parse(text).is_none(), "{text}");
    }
    for (text, expected) in [
        ("2e-7", 200_000_000_000),
        (" 1 ", 10_i128.pow(18)),
        ("+.5", 5 * 10_i128.pow(17)),
        ("5.", 5 * 10_i128.pow(18)),
        ("0e999", 0),
    ] {
        assert_eq!(DecimalText::parse(text).unwrap().rounded(18), Ok(expected), "{text}");
    }
    assert_eq!(DecimalText::parse("1e2147483647").unwrap().rounded(18), Err(Inexact::Overflow));
    assert_eq!(DecimalText::parse("1e-2147483648").unwrap().rounded(18), Ok(0));
}
