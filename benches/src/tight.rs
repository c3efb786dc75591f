//! The loop in which every call is measured. The fixtures compile this file, too, so that each
//! candidate is called from the same code.

/// Calls `call` with `0..calls`, and sums up what it returns.
///
/// The arguments do not depend on earlier results, so nothing hides the cost of the call itself.
#[inline(never)]
pub(crate) fn tight(calls: u64, call: impl Fn(u64) -> u64) -> u64 {
    let mut sum = 0_u64;
    for x in 0..calls {
        sum = sum.wrapping_add(call(x));
    }
    sum
}
