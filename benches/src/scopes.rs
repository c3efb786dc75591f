//! What scopes cost: entering one, and calls inside and outside, beside what others do to know who
//! still reads.

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::args::Effort;
use crate::error::Error;
use crate::rounds::{Candidate, Figure, compare};
use crate::table::{Row, Table};
use crate::tight::tight;

const DIRECT: &str = "direct call";
const OUTSIDE: &str = "hot call outside of scopes";
const INSIDE: &str = "hot call inside a scope";
const ENTERING: &str = "direct call in a scope of its own";

#[midair::hotpatch]
fn hot(x: u64) -> u64 {
    x.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (x >> 7)
}

#[inline(never)]
fn direct(x: u64) -> u64 {
    x.wrapping_mul(0x9e37_79b9_7f4a_7c17) ^ (x >> 7)
}

/// Measures what scopes cost.
pub(crate) fn run(effort: Effort) -> Result<Table, Error> {
    let off = midair::Runtime::builder().watch(midair::Watch::Off).start();
    off.map_err(|source| Error::Patch { source: Box::new(source) })?;
    let shared = ArcSwap::from(Arc::new(7_u64));
    let candidates = [
        Candidate::new(DIRECT, |calls| tight(calls, direct)),
        Candidate::new(OUTSIDE, |calls| tight(calls, hot)),
        Candidate::new(INSIDE, |calls| midair::scope(|| tight(calls, hot))),
        Candidate::new(ENTERING, |calls| tight(calls, |x| midair::scope(|| direct(x)))),
        Candidate::new("hot call in a scope of its own", |calls| {
            tight(calls, |x| midair::scope(|| hot(x)))
        }),
        Candidate::new("scope inside a scope", |calls| {
            midair::scope(|| tight(calls, |x| midair::scope(|| direct(x))))
        }),
        Candidate::new("direct call, crossbeam-epoch pin", |calls| {
            tight(calls, |x| {
                let _pin = black_box(crossbeam_epoch::pin());
                direct(x)
            })
        }),
        Candidate::new("direct call, arc-swap guard", |calls| {
            tight(calls, |x| {
                let _guard = black_box(shared.load());
                direct(x)
            })
        }),
    ];
    eprintln!("measuring scopes");
    let figures = compare(&candidates, 0, effort.of(2000));
    let mut table = Table::new("scopes");
    let named = |name: &str| figures.iter().find(|figure| figure.name == name);
    for figure in &figures {
        let row = Row::new(figure.name.clone(), figure.nanos, "ns");
        table.push(match figure.name.as_str() {
            DIRECT => row,
            INSIDE => match named(OUTSIDE) {
                Some(outside) => {
                    row.ratio(figure.ratio / outside.ratio, OUTSIDE).ratio_at_most(1.1)
                }
                None => row,
            },
            _ => row.ratio(figure.ratio, DIRECT),
        });
    }
    if let (Some(direct), Some(entering)) = (named(DIRECT), named(ENTERING)) {
        table.push(entering_row(direct, entering));
    }
    Ok(table)
}

/// What remains when the call is taken away from the call in a scope of its own.
fn entering_row(direct: &Figure, entering: &Figure) -> Row {
    Row::new("entering and leaving a scope", entering.nanos - direct.nanos, "ns").at_most(2.0)
}
