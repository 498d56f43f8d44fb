//! Laws of exact splitting and division, compared with arbitrary-precision integers.
#![expect(clippy::arithmetic_side_effects, reason = "tests compute expectations, an overflow there fails the test")]

use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;
use apportion_spec::decimal_text::MAX_UNSCALED;

/// 10^24 units of 10^-12: a million million.
const HUGE: i128 = 1_000_000_000_000_000_000_000_000;
/// 10^26: a weight of 10^14 with 12 decimals.
const HEAVY: i128 = 100 * HUGE;

/// Costs from single units of 10^-12 to 10^12, either sign, none scale dominating.
fn cost() -> impl Strategy<Value = i128> {
    prop_oneof![-1_000_i128..=1_000, -HUGE / 1_000_000_000_000..=HUGE / 1_000_000_000_000, -HUGE..=HUGE]
}

/// Weights of any size, also whole numbers as telemetry counts them.
fn weights() -> impl Strategy<Value = Vec<i128>> {
    let whole = (0_i128..=HEAVY / WEIGHT_UNIT).prop_map(|weight| weight * WEIGHT_UNIT);
    let weight = prop_oneof![Just(0_i128), 0_i128..=10, 0_i128..=HUGE, 0_i128..=HEAVY, whole];
    prop::collection::vec(weight, 1..40).prop_filter("some weight", |weights| weights.iter().sum::<i128>() > 0)
}

/// The parts of `cost` for each weight, in order.
fn split(cost: i128, weights: &[i128]) -> Vec<i128> {
    let total = weights.iter().sum();
    let mut before = 0;
    weights
        .iter()
        .map(|weight| {
            let upto = before + weight;
            let part = apportion(cost, before, upto, total).unwrap();
            before = upto;
            part
        })
        .collect()
}

/// `left * right / divisor`, half away from zero, by schoolbook rules.
fn reference(left: i128, right: i128, divisor: i128) -> BigInt {
    let product = BigInt::from(left) * BigInt::from(right);
    let divisor = BigInt::from(divisor);
    let negative = (product < BigInt::ZERO) != (divisor < BigInt::ZERO);
    let (product, divisor): (BigInt, BigInt) = (product.magnitude().clone().into(), divisor.magnitude().clone().into());
    let rounded: BigInt = (product * 2 + &divisor) / (divisor * 2);
    if negative { -rounded } else { rounded }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn parts_add_up_to_the_cost(cost in cost(), weights in weights()) {
        prop_assert_eq!(split(cost, &weights).iter().sum::<i128>(), cost);
    }

    #[test]
    fn a_zero_weight_gets_nothing(cost in cost(), weights in weights()) {
        for (weight, part) in weights.iter().zip(split(cost, &weights)) {
            prop_assert!(*weight != 0 || part == 0);
        }
    }

    #[test]
    fn every_part_is_within_one_unit_of_its_share(cost in cost(), weights in weights()) {
        let total: i128 = weights.iter().sum();
        for (weight, part) in weights.iter().zip(split(cost, &weights)) {
            let error = BigInt::from(part) * total - BigInt::from(cost) * *weight;
            prop_assert!(error.magnitude() < BigInt::from(total).magnitude());
        }
    }

    #[test]
    fn scaling_all_weights_changes_nothing(cost in cost(), weights in weights(), factor in 1_i128..=1_000_000) {
        let scaled: Vec<_> = weights.iter().map(|weight| weight * factor).collect();
        prop_assert_eq!(split(cost, &weights), split(cost, &scaled));
    }

    #[test]
    fn a_refund_mirrors_its_charge(cost in cost(), weights in weights()) {
        let mirrored: Vec<_> = split(-cost, &weights).iter().map(|part| -part).collect();
        prop_assert_eq!(split(cost, &weights), mirrored);
    }

    #[test]
    fn merging_neighbours_adds_their_parts(cost in cost(), weights in weights()) {
        let parts = split(cost, &weights);
        let mut merged = weights.clone();
        if merged.len() > 1 {
            let first = merged.remove(0);
            merged[0] += first;
            prop_assert_eq!(split(cost, &merged)[0], parts[0] + parts[1]);
        }
    }

    #[test]
    fn division_agrees_with_big_integers(left in any::<i128>(), right in any::<i128>()) {
        let (left, right) = (left % MAX_UNSCALED, right % MAX_UNSCALED);
        let found = divide_round(left, right);
        if right == 0 {
            prop_assert_eq!(found, Ok(None));
        } else {
            let expected = i128::try_from(reference(left, PRICE_UNIT, right)).map_err(|_| Inexact::Overflow).and_then(fits);
            prop_assert_eq!(found, expected.map(Some));
        }
    }

    #[test]
    fn multiplication_agrees_with_big_integers(left in any::<i128>(), right in any::<i128>(), shift in 0_u32..120) {
        let (left, right) = (left % MAX_UNSCALED, (right >> shift) % MAX_UNSCALED);
        let expected = i128::try_from(reference(left, right, PRICE_UNIT)).map_err(|_| Inexact::Overflow).and_then(fits);
        prop_assert_eq!(multiply_round(left, right), expected);
    }

    #[test]
    fn splitting_agrees_with_big_integers(cost in any::<i128>(), weight in any::<i128>(), total in any::<i128>()) {
        let (cost, total) = (cost % MAX_UNSCALED, (total % MAX_UNSCALED).abs().max(1));
        let weight = weight.checked_abs().unwrap_or(0) % (total + 1);
        let expected = i128::try_from(reference(cost, weight, total)).unwrap();
        prop_assert_eq!(apportion(cost, 0, weight, total), Ok(expected));
    }
}

#[test]
fn a_hundred_in_three_is_the_published_example() {
    assert_eq!(split(10_000, &[1, 1, 1]), [3_333, 3_334, 3_333]);
    assert_eq!(split(-10_000, &[1, 1, 1]), [-3_333, -3_334, -3_333]);
    assert_eq!(split(1, &[1, 1]), [1, 0]);
}

proptest! {
    #[test]
    fn whole_weights_take_the_short_way_to_the_same_parts(
        cost in any::<i128>(),
        weights in prop::collection::vec(1_i128..=HEAVY / WEIGHT_UNIT, 2),
    ) {
        let cost = cost % MAX_UNSCALED;
        let (weight, total) = (weights[0] * WEIGHT_UNIT, (weights[0] + weights[1]) * WEIGHT_UNIT);
        let expected = i128::try_from(reference(cost, weight, total)).unwrap();
        prop_assert_eq!(apportion(cost, 0, weight, total), Ok(expected));
    }
}

#[test]
fn impossible_weights_are_refused() {
    for (before, upto, total) in [(0, 0, 0), (0, 1, -1), (2, 1, 3), (0, 4, 3), (-1, 1, 3)] {
        assert_eq!(apportion(1, before, upto, total), Err(Inexact::Weights));
    }
}

#[test]
fn overflow_is_an_error_and_never_another_number() {
    assert_eq!(apportion(MAX_UNSCALED, 0, MAX_UNSCALED, MAX_UNSCALED), Ok(MAX_UNSCALED));
    assert_eq!(apportion(MAX_UNSCALED, 1, MAX_UNSCALED, MAX_UNSCALED), Ok(MAX_UNSCALED - 1));
    assert_eq!(divide_round(MAX_UNSCALED, 1), Err(Inexact::Overflow));
    assert_eq!(multiply_round(MAX_UNSCALED, MAX_UNSCALED), Err(Inexact::Overflow));
}
