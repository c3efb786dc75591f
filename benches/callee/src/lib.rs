//! A hot function whose caller is compiled in another crate: its slot is then reached through the
//! global offset table, where the linker does not take that step away.

/// Costs as much as every other callee of the bench.
#[midair::hotpatch]
pub fn elsewhere(x: u64) -> u64 {
    x.wrapping_mul(0x9e37_79b9_7f4a_7c2b) ^ (x >> 7)
}
