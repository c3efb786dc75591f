//! Bytes as a function of either machine: whatever is planned moves, is proven, and leaves a
//! breakpoint wherever a thread may stand.
#![no_main]

use midair_arch::detour::{Function, Means, Memory, Refusal, aarch64, x86_64};

const ADDRESS: u64 = 0x7f00_0040_1000;
/// In reach of everything, of jumps, of nothing.
const TRAMPOLINES: [u64; 3] = [ADDRESS + 0x4000, ADDRESS + 0x200_0004, 0x1000_0000];

/// Jump tables are read from the input as well.
struct Tables<'a>(&'a [u8]);

impl Memory for Tables<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let at = address as usize % (self.0.len() + 1);
        let Some(bytes) = self.0.get(at..at + into.len()) else { return false };
        into.copy_from_slice(bytes);
        true
    }
}

/// The same for both machines, which have the same steps.
macro_rules! check {
    ($machine:ident, $function:expr, $memory:expr) => {
        if let Ok(prologue) = $machine::Prologue::decode($function, $memory)
            && let Ok(plan) = $machine::Plan::new(&prologue, Means::ALL)
        {
            for to in TRAMPOLINES {
                match plan.relocate(to) {
                    Ok(moved) => drop(moved.verify(&plan).expect("what is written is right")),
                    Err(Refusal::OutOfReach { .. }) => {}
                    Err(other) => panic!("planned, but then: {other}"),
                }
            }
            let free = [0x1_0000..ADDRESS - 0x1000, ADDRESS + 0x10_0000..ADDRESS + 0x8000_0000];
            let relay = plan.relays(free).next().expect("there is room everywhere");
            let patch = plan.patch(relay).expect("a relay that was offered fits");
            assert_eq!(patch.old.len(), patch.new.len());
            assert!(patch.boundaries.iter().all(|at| patch.new[*at] == x86_64::BREAKPOINT));
        }
    };
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [how, len, rest @ ..] = bytes else { return };
    let above = usize::from(how >> 4).min(rest.len());
    let (above, code) = rest.split_at(above);
    let size = (how & 1 == 1).then_some(usize::from(*len).min(code.len()));
    let function = Function { address: ADDRESS, code, size, above };
    if how & 2 == 0 {
        check!(x86_64, &function, &Tables(code));
    } else {
        check!(aarch64, &function, &Tables(code));
    }
});
