//! Nearest valid choice for a misspelled name, used by every error that names one.

/// The candidate closest to `wanted` by edit distance (case ignored), when it is close enough to
/// be what the user meant: at most a third of the longer name, and at least one edit allowed.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted_lower = wanted.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted_lower, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= (wanted.len().max(candidate.len()) / 3).max(1))
        .min_by_key(|(edits, candidate)| (*edits, *candidate))
        .map(|(_, candidate)| candidate)
}

/// `, did you mean `x`?`, or nothing when no candidate is close.
pub fn did_you_mean<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, candidates).map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

/// Optimal string alignment distance: insertions, deletions, substitutions, neighbouring swaps.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, to) in right.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&previous, j + 1) + 1).min(at(&current, j) + 1).min(at(&previous, j) + usize::from(from != to));
            if i > 0 && j > 0 && left.get(i - 1) == Some(to) && right.get(j - 1) == Some(from) {
                best = best.min(at(&before_previous, j - 1) + 1);
            }
            current.push(best);
        }
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_a_stranger_is_not() {
        let columns = ["BilledCost", "EffectiveCost", "ServiceName"];
        assert_eq!(nearest("Billedcost", columns), Some("BilledCost"));
        assert_eq!(nearest("ServiecName", columns), Some("ServiceName"));
        assert_eq!(nearest("Region", columns), None);
        assert_eq!(did_you_mean("EfectiveCost", columns), ", did you mean `EffectiveCost`?");
    }
}
