//! Days of charges, worked out by hand.

use super::*;

const HOUR: i64 = 3_600_000_000;

fn days(start: i64, end: i64) -> Vec<(i32, i128, i128, i128)> {
    charge_days(start, end)
        .unwrap()
        .map(|day| (day.date, day.before / SECOND_UNSCALED, day.upto / SECOND_UNSCALED, day.total / SECOND_UNSCALED))
        .collect()
}

#[test]
fn an_hour_belongs_to_its_day() {
    assert_eq!(days(23 * HOUR, 24 * HOUR), [(0, 0, 3_600, 3_600)]);
}

#[test]
fn midnight_divides_a_charge() {
    assert_eq!(days(23 * HOUR, 26 * HOUR), [(0, 0, 3_600, 10_800), (1, 3_600, 10_800, 10_800)]);
}

#[test]
fn a_month_has_equal_days() {
    let january = days(0, 31 * DAY_MICROS);
    assert_eq!(january.len(), 31);
    assert_eq!(january[30], (30, 30 * 86_400, 31 * 86_400, 31 * 86_400));
}

#[test]
fn a_charge_without_duration_is_one_whole_day() {
    assert_eq!(days(5 * DAY_MICROS, 5 * DAY_MICROS), [(5, 0, 1, 1)]);
    assert_eq!(days(-1, -1), [(-1, 0, 1, 1)]);
}

#[test]
fn microseconds_are_exact() {
    let day: Vec<_> = charge_days(-1, 2).unwrap().collect();
    assert_eq!(day[0], ChargeDay { date: -1, before: 0, upto: 1_000_000, total: 3_000_000 });
    assert_eq!(day[1], ChargeDay { date: 0, before: 1_000_000, upto: 3_000_000, total: 3_000_000 });
}

#[test]
fn impossible_periods_are_refused() {
    assert!(charge_days(1, 0).is_err());
    assert!(charge_days(0, 4_000 * DAY_MICROS).is_err());
    assert!(charge_days(i64::MIN, i64::MAX).is_err());
}
