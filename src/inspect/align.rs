//! Two sequences side by side: what stays, what goes, what comes.

/// The numbers of one pair: in the old sequence, in the new one.
pub(super) type Pair = (Option<usize>, Option<usize>);

/// Pairs what is equal in `old` and `new`, keeping the order of both.
///
/// A longest common subsequence, as long as the middle that differs is of sensible size.
pub(super) fn align(old: &[&str], new: &[&str]) -> Vec<Pair> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(old, new)| old == new)
        .count();
    let middle = (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);
    let mut pairs: Vec<Pair> = (0..start).map(|at| (Some(at), Some(at))).collect();
    let shift = |at: usize| at + start;
    let inner = common(middle.0, middle.1);
    pairs.extend(inner.into_iter().map(|(old, new)| (old.map(shift), new.map(shift))));
    let ends = (0..end).rev().map(|back| (Some(old.len() - 1 - back), Some(new.len() - 1 - back)));
    pairs.extend(ends);
    pairs
}

fn common(old: &[&str], new: &[&str]) -> Vec<Pair> {
    let width = new.len() + 1;
    if old.len().saturating_mul(width) > MOST {
        let gone = (0..old.len()).map(|at| (Some(at), None));
        return beside(gone.chain((0..new.len()).map(|at| (None, Some(at)))).collect());
    }
    // How many pairs are left from each place on.
    let mut left = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            left[at * width + other] = if old[at] == new[other] {
                left[(at + 1) * width + other + 1] + 1
            } else {
                left[(at + 1) * width + other].max(left[at * width + other + 1])
            };
        }
    }
    let (mut at, mut other) = (0, 0);
    let mut pairs = Vec::new();
    while at < old.len() || other < new.len() {
        let gone = |at, other| left[(at + 1) * width + other] >= left[at * width + other + 1];
        if at < old.len() && other < new.len() && old[at] == new[other] {
            pairs.push((Some(at), Some(other)));
            (at, other) = (at + 1, other + 1);
        } else if other == new.len() || (at < old.len() && gone(at, other)) {
            pairs.push((Some(at), None));
            at += 1;
        } else {
            pairs.push((None, Some(other)));
            other += 1;
        }
    }
    beside(pairs)
}

/// What goes beside what comes in its place.
fn beside(pairs: Vec<Pair>) -> Vec<Pair> {
    let mut done = Vec::new();
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for pair in pairs.into_iter().map(Some).chain([None]) {
        match pair {
            Some((Some(old), None)) => gone.push(old),
            Some((None, Some(new))) => come.push(new),
            both => {
                for row in 0..gone.len().max(come.len()) {
                    done.push((gone.get(row).copied(), come.get(row).copied()));
                }
                gone.clear();
                come.clear();
                done.extend(both);
            }
        }
    }
    done
}

/// The most places that a comparison weighs.
const MOST: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn what_changed_stands_side_by_side() {
        let pairs = align(&["a", "b", "c", "d"], &["a", "x", "c", "y", "d"]);
        let expected = [
            (Some(0), Some(0)),
            (Some(1), Some(1)),
            (Some(2), Some(2)),
            (None, Some(3)),
            (Some(3), Some(4)),
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn empty_and_equal_sequences_are_no_trouble() {
        assert_eq!(align(&[], &[]), []);
        assert_eq!(align(&["a"], &[]), [(Some(0), None)]);
        assert_eq!(align(&["a", "a"], &["a"]), [(Some(0), Some(0)), (Some(1), None)]);
    }
}
