//! "Did you mean": the name nearest to what was written.

/// The most letters that may be wrong for a name to be suggested, as a share of its length: one in three.
const LETTERS_PER_SLIP: usize = 3;

/// The candidate nearest to `given` by edit distance (a swap of neighbours counts once), if any is near enough.
///
/// Case, `_` and `-` do not count. A candidate that contains the given word, or is contained in it, is near too.
pub fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| parameter_name(text).chars().collect::<Vec<_>>();
    let given = plain(given);
    let slips_max = (given.len() / LETTERS_PER_SLIP).max(1);
    let near = candidates.into_iter().filter_map(|candidate| {
        let letters = plain(candidate);
        let distance = distance(&given, &letters);
        let part = given.len() >= LETTERS_PER_SLIP && (contains(&letters, &given) || contains(&given, &letters) && letters.len() >= LETTERS_PER_SLIP);
        let rank = if distance <= slips_max { Some(distance) } else { part.then_some(slips_max + distance) };
        rank.map(|rank| (rank, candidate))
    });
    near.min_by_key(|(rank, _)| *rank).map(|(_, candidate)| candidate)
}

/// The name that a parameter goes by, however a caller spells it: `zoneId` and `zone_id` are `zoneid`.
#[must_use]
pub fn parameter_name(given: &str) -> String {
    given.chars().filter(|letter| !matches!(letter, '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn contains(whole: &[char], part: &[char]) -> bool {
    !part.is_empty() && whole.windows(part.len()).any(|window| window == part)
}

/// The optimal string alignment distance: a swap of neighbours counts once.
pub(crate) fn distance<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, right) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&above, j + 1) + 1).min(at(&row, j) + 1).min(at(&above, j) + usize::from(left != right));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(right) && b.get(j - 1) == Some(left);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_find_their_word() {
        let names = ["zoneid", "zonename", "serviceofferingid", "name"];
        assert_eq!(closest("zoneid2", names), Some("zoneid"));
        assert_eq!(closest("zonied", names), Some("zoneid"));
        assert_eq!(closest("service_offering_id", names), Some("serviceofferingid"));
        assert_eq!(closest("offeringid", names), Some("serviceofferingid"));
        assert_eq!(closest("colour", names), None);
    }
}
