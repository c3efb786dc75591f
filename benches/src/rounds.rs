//! Many short rounds, each of which runs every candidate once, in an order that changes.
//!
//! On a noisy machine times mean little. Within one round of some hundred microseconds the noise
//! hits all alike, so each round gives one ratio, and the median of the rounds is what counts. The
//! fixtures of the peers compile this file, too.

use std::hint::black_box;
use std::time::Instant;

/// Something that can be called many times in a row.
pub(crate) struct Candidate<'a> {
    /// The name of its row.
    pub(crate) name: &'a str,
    /// Makes that number of calls.
    pub(crate) run: Box<dyn Fn(u64) -> u64 + 'a>,
    /// How many calls make a round; fewer for what is slow.
    pub(crate) calls: u64,
}

/// What the rounds say of one candidate.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// The name of its row.
    pub(crate) name: String,
    /// The median time of one call, in nanoseconds.
    pub(crate) nanos: f64,
    /// The median over all rounds of its time divided by the base's in the same round.
    pub(crate) ratio: f64,
}

impl<'a> Candidate<'a> {
    /// A candidate that costs no more than a few nanoseconds a call.
    pub(crate) fn new(name: &'a str, run: impl Fn(u64) -> u64 + 'a) -> Self {
        Self { name, run: Box::new(run), calls: 100_000 }
    }
}

/// Measures all of `candidates`; `candidates[base]` is what they are compared with.
pub(crate) fn compare(candidates: &[Candidate<'_>], base: usize, rounds: usize) -> Vec<Figure> {
    let mut times = vec![Vec::with_capacity(rounds); candidates.len()];
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..rounds + rounds / 10 {
        shuffle(&mut order, &mut random);
        let warm_up = round < rounds / 10;
        for &index in &order {
            let candidate = &candidates[index];
            let started = Instant::now();
            black_box((candidate.run)(black_box(candidate.calls)));
            let nanos = started.elapsed().as_nanos() as f64 / candidate.calls as f64;
            if !warm_up {
                times[index].push(nanos);
            }
        }
    }
    let figure = |(candidate, nanos): (&Candidate<'_>, &Vec<f64>)| Figure {
        name: candidate.name.to_owned(),
        nanos: median(nanos),
        ratio: median(&nanos.iter().zip(&times[base]).map(|(a, b)| a / b).collect::<Vec<_>>()),
    };
    candidates.iter().zip(&times).map(figure).collect()
}

/// The value in the middle; not a number when there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

/// Fisher and Yates, with xorshift for the dice.
fn shuffle(order: &mut [usize], random: &mut u64) {
    for last in (1..order.len()).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        order.swap(last, (*random % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, compare, median};

    #[test]
    fn the_base_is_one() {
        let candidates =
            [Candidate::new("base", |calls| calls), Candidate::new("other", |calls| calls + 1)];
        let figures = compare(&candidates, 0, 10);
        assert_eq!(figures[0].ratio, 1.0);
        assert_eq!(figures[1].name, "other");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
