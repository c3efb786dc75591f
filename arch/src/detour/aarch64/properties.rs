//! What holds of whatever words there are.

use proptest::prelude::*;

use super::super::{Defect, Function, Means, Original, Refusal, Tier};
use super::word::{Kind, Word};
use super::{Moved, Plan, Prologue};

const ADDRESS: u64 = 0x7f00_0040_1000;
/// In reach of everything, of jumps only, of nothing.
const TRAMPOLINES: [u64; 3] = [ADDRESS + 0x4000, ADDRESS + 0x200_0004, 0x1000_0004];

/// An instruction that depends on its place, with a distance that often stays in the function.
fn relative() -> impl Strategy<Value = u32> {
    let forms = [
        0x1400_0000_u32,
        0x9400_0000,
        0x5400_0000,
        0x5400_000e,
        0x3400_0000,
        0xb500_0000,
        0x3600_0000,
        0xb700_0000,
        0x1000_0000,
        0x9000_0000,
        0x1800_0000,
        0x5800_0000,
        0x9800_0000,
        0xd800_0000,
        0x1c00_0000,
        0x5c00_0000,
        0x9c00_0000,
    ];
    let near =
        (prop::sample::select(forms.to_vec()), 0..32u32, -6i64..12).prop_map(
            |(form, register, words)| {
                let word =
                    Word(form | if form >> 26 == 5 || form >> 24 == 0x54 { 0 } else { register });
                let page = word.kind() == Kind::Page;
                let target = (ADDRESS & if page { !0xfff } else { !0 })
                    .wrapping_add_signed(if page { words * 4096 } else { words * 4 });
                word.with_target(ADDRESS, target).unwrap().0
            },
        );
    let far = (prop::sample::select(forms.to_vec()), any::<u32>())
        .prop_map(|(form, bits)| form | bits & 0x00ff_ffff);
    prop_oneof![near, far]
}

fn function() -> impl Strategy<Value = Vec<u8>> {
    let pads = prop::sample::select(vec![0xd503_245f, 0xd503_233f, 0xd503_237f, 0xd503_24df]);
    let pad = prop::option::weighted(0.3, pads);
    let word = prop_oneof![2 => any::<u32>(), 3 => relative(), 1 => Just(0xd503_201f)];
    (pad, prop::collection::vec(word, 1..10))
        .prop_map(|(pad, words)| pad.into_iter().chain(words).flat_map(u32::to_le_bytes).collect())
}

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

fn refused(moved: Original, plan: &Plan) -> Result<(), TestCaseError> {
    let verdict = Moved(moved.clone()).verify(plan);
    prop_assert!(verdict.is_err(), "{moved:x?} for {plan:x?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_planned_moves_and_means_the_same(code in function()) {
        for plan in plans(&code) {
            for moved in TRAMPOLINES.iter().filter_map(|to| moved(&plan, *to)) {
                let original = moved.verify(&plan);
                prop_assert!(original.is_ok(), "{:x?} of {:x?}", original, plan);
            }
        }
    }

    #[test]
    fn no_bit_can_change_unseen(code in function(), place: prop::sample::Index) {
        for plan in plans(&code) {
            let Some(Moved(good)) = moved(&plan, TRAMPOLINES[place.index(3)]) else { continue };
            for bit in 0..good.bytes.len() * 8 {
                let mut bad = good.clone();
                bad.bytes[bit / 8] ^= 1 << (bit % 8);
                refused(bad, &plan)?;
            }
        }
    }

    #[test]
    fn no_place_and_no_length_can_change_unseen(code in function(), which: prop::sample::Index) {
        for plan in plans(&code) {
            let Some(Moved(good)) = moved(&plan, TRAMPOLINES[which.index(3)]) else { continue };
            let which = which.index(good.places.len());
            let defects: [fn(&mut Original, usize); 8] = [
                |bad, which| bad.places[which].to += 4,
                |bad, which| bad.places[which].from += 4,
                |bad, which| bad.places[which].calls ^= true,
                |bad, which| bad.places.truncate(which),
                |bad, _| bad.address += 8,
                |bad, _| bad.code -= 4,
                |bad, _| bad.bytes.truncate(bad.bytes.len() - 4),
                |bad, _| bad.bytes.extend([0; 4]),
            ];
            for plant in defects {
                let mut bad = good.clone();
                plant(&mut bad, which);
                refused(bad, &plan)?;
            }
        }
    }

    #[test]
    fn every_loop_back_to_the_entry_is_known(code in function()) {
        for plan in plans(&code) {
            let Some(relay) = plan.relays([0..ADDRESS, ADDRESS + 0x1000..u64::MAX]).next() else { continue };
            let patch = plan.patch(relay).unwrap();
            let Some(moved) = moved(&plan, TRAMPOLINES[0]) else { continue };
            let original = moved.verify(&plan).unwrap();
            for (number, word) in code.as_chunks().0.iter().enumerate() {
                let (at, word) = (ADDRESS + 4 * number as u64, Word(u32::from_le_bytes(*word)));
                let branches = matches!(word.kind(), Kind::Jump | Kind::Conditional);
                let back = word.target(at).is_some_and(|to| (ADDRESS..=patch.address).contains(&to));
                if branches && back && at > patch.address {
                    prop_assert!(plan.tier() == Tier::StopTheWorld || patch.traps.contains(&at));
                    prop_assert!(original.resume(at).is_some());
                }
            }
        }
    }

    #[test]
    fn operands_say_what_was_put_into_them(word in relative(), at: u32, target: u64) {
        let (word, at) = (Word(word), u64::from(at) & !3);
        let to = word.target(at).unwrap();
        prop_assert_eq!(word.with_target(at, to), Some(word));
        if let Some(other) = word.with_target(at, target) {
            prop_assert_eq!(other.target(at), Some(target));
            prop_assert_eq!(other.kind(), word.kind());
        }
    }

    #[test]
    fn no_bytes_are_too_strange(code: Vec<u8>, size: Option<u8>) {
        let size = size.map(|size| usize::from(size).min(code.len()));
        let function = Function { address: u64::MAX - 151, code: &code, size, above: &[] };
        if let Ok(prologue) = Prologue::decode(&function, &()) {
            let _ = Plan::new(&prologue, Means::ALL).map(|plan| plan.relocate(4));
        }
    }
}

#[test]
fn a_branch_that_leads_elsewhere_is_told() {
    // cbz x5, #0x40; ret
    let code: Vec<u8> = [0xb400_0205_u32, 0xd65f_03c0].map(u32::to_le_bytes).concat();
    let plan = plans(&code).remove(0);
    let Some(Moved(mut moved)) = moved(&plan, TRAMPOLINES[0]) else { unreachable!() };
    moved.bytes[0] ^= 0x20;
    let Err(Defect::Differs { from, expected, found, .. }) = Moved(moved).verify(&plan) else {
        panic!("it is not seen")
    };
    assert_eq!(from, ADDRESS);
    assert_eq!(expected, "cbz 0x7f0000401040 (b4000205)");
    assert_eq!(found, "cbz 0x7f0000401044 (b4fe0225)");
}

/// `b #0x1000`, moved out of reach: `ldr x17, #8; ret x17` and the address.
fn far_jump() -> (Plan, Original) {
    let plan = plans(&0x1400_0400_u32.to_le_bytes()).remove(0);
    let Some(Moved(moved)) = moved(&plan, 0x1000_0000) else { unreachable!() };
    assert_eq!(moved.bytes[..8], [0x5800_0051_u32, 0xd65f_0220].map(u32::to_le_bytes).concat());
    (plan, moved)
}

#[test]
fn the_long_way_takes_no_register_that_may_be_in_use() {
    let (plan, mut moved) = far_jump();
    let words = [0x5800_0049_u32, 0xd65f_0120].map(u32::to_le_bytes).concat();
    moved.bytes[..8].copy_from_slice(&words);
    assert!(matches!(Moved(moved).verify(&plan), Err(Defect::Differs { .. })));
}

#[test]
fn nothing_hides_before_a_literal() {
    let (plan, mut moved) = far_jump();
    moved.bytes[..4].copy_from_slice(&0x5800_0091_u32.to_le_bytes());
    let hidden: Vec<u8> = [0xd503_201f_u32; 2].map(u32::to_le_bytes).concat();
    moved.bytes.splice(8..8, hidden);
    let verdict = Moved(moved).verify(&plan);
    assert_eq!(verdict, Err(Defect::Leftover { at: 0x1000_0008 }));
}
