//! Visits every state that a system can reach, breadth first, so that the way to the first broken
//! one is a shortest way.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Something that goes from state to state.
pub trait System {
    /// All that decides what can come next.
    type State: Clone + Hash;
    /// What leads from one state to the next.
    type Step: Copy;
    /// Why a state is broken.
    type Fault;

    /// Where it starts.
    fn initial(&self) -> Self::State;

    /// Adds every state that may come next, each with the step that leads there.
    fn steps(&self, state: &Self::State, next: &mut Vec<(Self::Step, Self::State)>);

    /// What `step` does in `state`, for people.
    fn name(&self, state: &Self::State, step: Self::Step) -> String;

    /// What is wrong with `state`; `is_last` when nothing can come next.
    fn fault(&self, state: &Self::State, is_last: bool) -> Option<Self::Fault>;
}

/// What a visit of all states came to.
#[derive(Debug)]
pub struct Visit<F> {
    /// How many different states were seen.
    pub states: usize,
    /// How many steps lie between the first state and the farthest.
    pub depth: usize,
    /// Whether these are all; else there are more, farther away.
    pub is_whole: bool,
    /// The first broken state, and the steps that lead to it.
    pub broken: Option<(F, Vec<String>)>,
}

/// Visits every state of `system`, the nearest first, up to the first that is broken or to `limit`.
///
/// States are told apart by 64 bits of their hash: two of ten million are taken for one with a
/// probability of 1 to 370,000.
pub fn visit<S: System>(system: &S, limit: usize) -> Visit<S::Fault> {
    let first = system.initial();
    let mut seen = Seen::default();
    seen.insert(print(&first), 0);
    let mut waiting = VecDeque::from([(first, 0)]);
    let mut next = Vec::new();
    let mut depth = 0;
    while let Some((state, far)) = waiting.pop_front() {
        depth = far;
        next.clear();
        system.steps(&state, &mut next);
        if let Some(fault) = system.fault(&state, next.is_empty()) {
            let way = way_to(system, &seen, print(&state));
            return Visit {
                states: seen.len(),
                depth,
                is_whole: false,
                broken: Some((fault, way)),
            };
        }
        let from = print(&state);
        for (_, to) in next.drain(..) {
            let place = print(&to);
            if let std::collections::hash_map::Entry::Vacant(vacant) = seen.entry(place) {
                vacant.insert(from);
                waiting.push_back((to, far + 1));
            }
        }
        if seen.len() > limit {
            return Visit { states: seen.len(), depth, is_whole: false, broken: None };
        }
    }
    Visit { states: seen.len(), depth, is_whole: true, broken: None }
}

/// Each state that was seen, and the one that it was first reached from.
type Seen = HashMap<u64, u64, BuildHasherDefault<AsItIs>>;

/// The names of the steps that lead to the state `last`.
fn way_to<S: System>(system: &S, seen: &Seen, last: u64) -> Vec<String> {
    let mut prints = vec![last];
    while let Some(&from) = seen.get(&prints[prints.len() - 1])
        && from != 0
    {
        prints.push(from);
    }
    let mut state = system.initial();
    let mut way = Vec::new();
    for wanted in prints.iter().rev().skip(1) {
        let mut next = Vec::new();
        system.steps(&state, &mut next);
        let step = next.into_iter().find(|(_, state)| print(state) == *wanted);
        let (step, to) = step.expect("it was reached from there");
        way.push(system.name(&state, step));
        state = to;
    }
    way
}

fn print(state: &impl Hash) -> u64 {
    let mut hasher = Folded::default();
    state.hash(&mut hasher);
    // 0 is where the first state comes from.
    hasher.finish().max(1)
}

/// States are a hundred small numbers: each is folded in by one wide multiplication.
#[derive(Default)]
struct Folded(u64);

impl Folded {
    fn fold(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = (wide as u64).rotate_left(23) ^ (wide >> 64) as u64;
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.fold(u64::from(number));
    }

    fn finish(&self) -> u64 {
        let mut last = Self(self.0);
        last.fold(0);
        last.fold(1);
        last.0
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only prints of states are keys");
    }

    fn write_u64(&mut self, print: u64) {
        self.0 = print;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{System, visit};

    /// Two counters that go up to `top` in any order; the pair `bad` is broken.
    struct Counters {
        top: u8,
        bad: Option<(u8, u8)>,
    }

    impl System for Counters {
        type State = (u8, u8);
        type Step = &'static str;
        type Fault = &'static str;

        fn initial(&self) -> (u8, u8) {
            (0, 0)
        }

        fn steps(&self, &(left, right): &(u8, u8), next: &mut Vec<(&'static str, (u8, u8))>) {
            if left < self.top {
                next.push(("left", (left + 1, right)));
            }
            if right < self.top {
                next.push(("right", (left, right + 1)));
            }
        }

        fn name(&self, _: &(u8, u8), step: &'static str) -> String {
            step.to_owned()
        }

        fn fault(&self, state: &(u8, u8), is_last: bool) -> Option<&'static str> {
            if Some(*state) == self.bad {
                return Some("bad");
            }
            (is_last && *state != (self.top, self.top)).then_some("ends early")
        }
    }

    #[test]
    fn every_state_is_visited_once() {
        let visit = visit(&Counters { top: 9, bad: None }, 100);
        assert_eq!((visit.states, visit.depth), (100, 18));
        assert!(visit.is_whole && visit.broken.is_none());
    }

    #[test]
    fn a_broken_state_is_found_by_a_shortest_way() {
        let visit = visit(&Counters { top: 9, bad: Some((2, 1)) }, 100);
        let (fault, way) = visit.broken.unwrap();
        assert_eq!(fault, "bad");
        assert_eq!(way.len(), 3);
        assert_eq!(way.iter().filter(|name| *name == "left").count(), 2);
    }

    #[test]
    fn a_visit_that_was_cut_short_says_so() {
        let visit = visit(&Counters { top: 9, bad: None }, 50);
        assert!(!visit.is_whole && visit.broken.is_none());
    }
}
