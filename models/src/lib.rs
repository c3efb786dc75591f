//! The transition of midair as a model: every order in which its steps can happen is gone through.
//!
//! The steps are those at which threads meet: one load or store of what they share. They are taken
//! one after another, by whoever can, in every order; what processors and compilers may do beyond
//! that, the loom tests of `midair-trampolines` go through.
//!
//! # What is a step here, and where it stands in the code
//!
//! | here | there |
//! |---|---|
//! | `Begin` of `Call` | the load of the wrapper, `FunctionRecord::target` |
//! | `Settle` | the shim: `FunctionHead::settle`, its `resume` read before |
//! | `PassClock`, `PassStore`, `PassAgain` | `Pin::pass`, from `scope::decided` |
//! | `LookAgain`, `Route`, `Newest` | `FunctionHead::route`: the slot again, `Routes::at`, `Routes::newest` |
//! | `Restore` | `Pin::restore` |
//! | `ReadClock`, `StorePin`, `ReadAgain`, `TakeBack` | `Pin::enter` |
//! | `WaitAtGate` | `enter_slowly`, which tries again |
//! | `SetView`, `SetDepth` | the end of `scope::enter`; apart only where a signal may come in |
//! | `Unpin` | `unpin`, from `scope::leave` and `checkpoint` |
//! | `Register` | `Pins::register` |
//! | `Begin` of `End`, `LeaveToOthers` | `Pin::give_back`, from the thread's destructor |
//! | `Own`, `StepInto`, `StepOut`, `Release` | `Pins::own`, `step_into`, `step_out`, `Pins::release` |
//! | `Announce`, `Publish`, `Route`, `Swap`, `Count`, `Flip`, `Side` | `Domain::change` |
//! | `Scan` of the writer, `OpenGate` | `ClosedGate::close`, its drop |
//! | `SetBack`, `Hooks` | `Domain::announce_reversal`, and what runs between it and the flip |
//! | `CountBack`, `FlipBack`, `SideBack` | `Domain::reverse` |
//! | `Scan` of the drainer, `Settle`, `Clear` | `Domain::finish` |
//! | `Fork` | `Domain::renew`, `Pins::forget_others`, `FunctionHead::rearm` |
//!
//! # What must be true
//!
//! A call in a scope runs the code of the scope's generation. A call outside of one runs code that
//! was current at some instant between its load and the moment when its code was known: so all of
//! them change at the flip. While no transition is under way every slot leads straight to the code
//! that runs, also after `Busy`. When state is swapped nobody is in a scope. The gate does not stay
//! closed. And from every state in which nobody can go on, everybody has done all they wanted but
//! for those who sleep for ever, and no transition is left that nobody delays.
//!
//! # Where it differs
//!
//! A drain that finds somebody begins anew; here it waits where it is, and so looks less often.
//! Whoever ends transitions gives way to a reversal at any moment before it has seen everybody
//! gone. There are two functions, three threads and one signal; guarded code, which differs in how
//! it is entered, is not told apart. Of a fork the child's story is told; that of the parent is the
//! one without it.

mod caller;
pub mod explore;
mod fork;
pub mod model;
mod mutant;
mod scenario;
pub mod scenarios;
mod world;
mod writer;

pub use mutant::Mutant;
pub use scenario::{Op, Order, Scenario};
pub use world::{Fault, World};
