//! What holds of whatever bytes there are.

use std::iter;

use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind};
use proptest::prelude::*;

use super::super::{Defect, Function, Means, Original, Refusal, Tier};
use super::streams::{ADDRESS, stream};
use super::{BREAKPOINT, Moved, Plan, Prologue};

/// One in reach of everything, one at the edge of reach, one beyond it.
const TRAMPOLINES: [u64; 3] = [ADDRESS + 0x10_0000, ADDRESS - 0x7fff_ff80, 0x1000_0003];

fn plans(code: &[u8]) -> Vec<Plan> {
    let function = Function::sized(ADDRESS, code, code.len());
    let Ok(prologue) = Prologue::decode(&function, &()) else { return Vec::new() };
    let tier = |tier| Plan::with_tier(&prologue, Means::ALL, tier).ok();
    Tier::LADDER.into_iter().filter_map(tier).collect()
}

fn moved(plan: &Plan, to: u64) -> Option<Moved> {
    match plan.relocate(to) {
        Ok(moved) => Some(moved),
        Err(Refusal::OutOfReach { .. }) => None,
        Err(other) => panic!("planned, but then: {other}"),
    }
}

/// The instructions and the literals behind them.
fn meaning(original: &Original) -> (Vec<Instruction>, &[u8]) {
    let (code, literals) = original.bytes.split_at(original.code.min(original.bytes.len()));
    let decoder = Decoder::with_ip(64, code, original.address, DecoderOptions::NONE);
    (decoder.into_iter().collect(), literals)
}

fn refused(moved: Original, plan: &Plan) -> Result<(), TestCaseError> {
    let verdict = Moved(moved.clone()).verify(plan);
    prop_assert!(verdict.is_err(), "{moved:x?} for {plan:x?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_planned_moves_and_means_the_same(code in stream()) {
        for plan in plans(&code) {
            for moved in TRAMPOLINES.iter().filter_map(|to| moved(&plan, *to)) {
                let original = moved.verify(&plan);
                prop_assert!(original.is_ok(), "{:?} of {:x?}", original, plan);
            }
        }
    }

    #[test]
    fn every_place_where_a_thread_may_stand_is_a_breakpoint(code in stream()) {
        for plan in plans(&code) {
            let free = [ADDRESS - 0x7fff_0000..ADDRESS - 0x1000, ADDRESS + 0x1000..ADDRESS + 0x7fff_0000];
            let Some(relay) = plan.relays(free).next() else { continue };
            let patch = plan.patch(relay).unwrap();
            let Some(moved) = moved(&plan, TRAMPOLINES[0]) else { continue };
            let original = moved.verify(&plan).unwrap();
            let first = code.get(..4) == Some(&[0xf3, 0x0f, 0x1e, 0xfa]);
            prop_assert_eq!(patch.address, ADDRESS + if first { 4 } else { 0 });
            let at = (patch.address - ADDRESS) as usize;
            let known = patch.old.len().min(code.len() - at);
            prop_assert_eq!(&patch.old[..known], &code[at..at + known]);
            if plan.tier() == Tier::StopTheWorld {
                continue;
            }
            for it in &mut Decoder::with_ip(64, &code[at..], patch.address, DecoderOptions::NONE) {
                let offset = (it.ip() - patch.address) as usize;
                if offset > 0 && offset < patch.new.len() {
                    prop_assert_eq!(patch.new[offset], BREAKPOINT);
                    prop_assert!(original.resume(it.ip()).is_some());
                }
                let loops = it.op0_kind() == OpKind::NearBranch64 && !it.is_call_near()
                    && (ADDRESS..=patch.address).contains(&it.near_branch_target());
                if loops && offset >= patch.new.len() {
                    prop_assert!(patch.traps.contains(&it.ip()));
                    prop_assert!(original.resume(it.ip()).is_some());
                }
            }
        }
    }

    #[test]
    fn no_bit_can_change_unseen(code in stream(), place: prop::sample::Index) {
        for plan in plans(&code) {
            let Some(Moved(good)) = moved(&plan, TRAMPOLINES[place.index(3)]) else { continue };
            for bit in 0..good.bytes.len() * 8 {
                let mut bad = good.clone();
                bad.bytes[bit / 8] ^= 1 << (bit % 8);
                // Some bits mean nothing: those of prefixes that an instruction does not use.
                if meaning(&bad) != meaning(&good) {
                    refused(bad, &plan)?;
                }
            }
        }
    }

    #[test]
    fn no_place_and_no_length_can_change_unseen(code in stream(), which: prop::sample::Index) {
        for plan in plans(&code) {
            let Some(Moved(good)) = moved(&plan, TRAMPOLINES[1]) else { continue };
            let which = which.index(good.places.len());
            let defects: [fn(&mut Original, usize); 8] = [
                |bad, which| bad.places[which].to += 1,
                |bad, which| bad.places[which].from += 1,
                |bad, which| bad.places[which].calls ^= true,
                |bad, which| bad.places.truncate(which),
                |bad, _| bad.address += 16,
                |bad, _| bad.code -= 1,
                |bad, _| bad.bytes.truncate(bad.bytes.len() - 1),
                |bad, _| bad.bytes.push(BREAKPOINT),
            ];
            for plant in defects {
                let mut bad = good.clone();
                plant(&mut bad, which);
                let relative = bad.address != good.address;
                // Code that depends on no place at all is right at any other; its map is not.
                prop_assert!(!relative || bad.places == good.places);
                refused(bad, &plan)?;
            }
        }
    }

    #[test]
    fn no_bytes_are_too_strange(code: Vec<u8>, size: Option<u8>, above: Vec<u8>) {
        let size = size.map(|size| usize::from(size).min(code.len()));
        let function = Function { address: u64::MAX - 150, code: &code, size, above: &above };
        if let Ok(prologue) = Prologue::decode(&function, &()) {
            let _ = prologue.branches_back().chain(None).count();
            let _ = Plan::new(&prologue, Means::ALL).map(|plan| plan.relays(iter::once(0..100)).next());
        }
    }
}

#[test]
fn a_jump_that_leads_elsewhere_is_told() {
    // test edi, edi; je +6; nop; ..
    let code = [0x85, 0xff, 0x74, 6, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3, 0xc3];
    let plan = plans(&code).remove(0);
    let Some(Moved(mut moved)) = moved(&plan, TRAMPOLINES[0]) else { unreachable!() };
    moved.bytes[4] ^= 1;
    let Err(Defect::Differs { from, expected, found, .. }) = Moved(moved).verify(&plan) else {
        panic!("it is not seen")
    };
    assert_eq!(from, ADDRESS + 2);
    assert_eq!(expected, "je short 0x7F000040100A");
    assert_eq!(found, "je 0x7F000040100B");
}

#[test]
fn nothing_hides_before_a_literal() {
    // jmp, moved out of reach: notrack jmp [rip+1]; a byte to align; the address.
    let plan = plans(&[0xe9, 0, 0x10, 0, 0]).remove(0);
    let Some(Moved(mut moved)) = moved(&plan, 0x1000_0000) else { unreachable!() };
    assert_eq!(moved.bytes[..8], [0x3e, 0xff, 0x25, 1, 0, 0, 0, BREAKPOINT]);
    moved.bytes[3] += 8;
    moved.bytes.splice(7..7, [BREAKPOINT; 8]);
    let verdict = Moved(moved).verify(&plan);
    assert_eq!(verdict, Err(Defect::Leftover { at: 0x1000_0007 }));
}

#[test]
fn a_relay_that_does_not_fit_is_refused() {
    // push rbp; mov rbp, rsp; pop rbp; ret
    let plan = plans(&[0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3]).remove(0);
    assert_eq!(plan.tier(), Tier::Punned);
    let free = [ADDRESS - 0x7fff_0000..ADDRESS, ADDRESS + 0x1000..ADDRESS + 0x7fff_0000];
    let relay = plan.relays(free).next().unwrap();
    assert!(plan.patch(relay).is_ok());
    for relay in [relay + 1, relay - (1 << 24), ADDRESS + (1 << 40)] {
        let refused = Err(Refusal::RelayDoesNotFit { address: ADDRESS, relay });
        assert_eq!(plan.patch(relay), refused);
    }
}
