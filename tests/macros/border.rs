//! The way over the border to another standard library: everything that works works there too,
//! at once and by way of the routes of a transition.
#![cfg(target_os = "linux")]

use std::panic::{UnwindSafe, catch_unwind, panic_any};
use std::process::Command;

use midair::hotpatch;
use midair_trampolines::function::FunctionHead;
use midair_trampolines::scope::Epoch;

use crate::records::{find, heads};

/// Names, in a child process, how calls are to reach their functions.
const ROAD: &str = "MIDAIR_TEST_ROAD";

/// Before `main`, and so before any call.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = {
    extern "C" fn constructor() {
        let Some(road) = std::env::var_os(ROAD) else { return };
        for head in heads() {
            // To its own callers a twin of the record is that of another image.
            // SAFETY: the record consists of numbers and pointers to what lives for ever.
            let twin: &'static _ = Box::leak(Box::new(unsafe { std::ptr::read(head) }));
            let edition = FunctionHead::edition(twin, true);
            if road == "at once" {
                head.lead_to(edition);
            } else {
                head.routes().set(Epoch::FIRST, edition);
                head.lead_through_router();
            }
        }
    }
    constructor
};

fn tests_pass_over(road: &str) {
    let tests =
        ["asynchronous::", "border::panics", "foreign_traits::", "functions::", "methods::"];
    let program = std::env::current_exe().expect("a test has a program");
    let child = Command::new(program).args(tests).env(ROAD, road).output().expect("it starts");
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{told}{}", String::from_utf8_lossy(&child.stderr));
    let passed = told.split_once("test result: ok. ").and_then(|(_, rest)| rest.split_once(' '));
    let passed = passed.and_then(|(number, _)| number.parse::<u32>().ok());
    assert!(passed > Some(20), "{told}");
}

#[test]
fn everything_works_over_the_border() {
    tests_pass_over("at once");
}

#[test]
fn everything_works_over_the_border_in_a_transition() {
    tests_pass_over("routes");
}

#[derive(Debug, PartialEq)]
struct Custom(u32);

#[hotpatch]
fn fails(how: u32) -> String {
    match how {
        0 => "no panic".to_owned(),
        1 => panic!("a literal"),
        2 => panic!("formatted {how}"),
        _ => panic_any(Custom(how)),
    }
}

#[hotpatch]
extern "C-unwind" fn fails_over_c(how: u32) -> u32 {
    fails(how).len() as u32
}

#[hotpatch]
fn never(how: u32) -> ! {
    fails(how);
    panic!("it returned");
}

#[hotpatch]
extern "C" fn cannot_fail(x: u32) -> u32 {
    x + 1
}

#[hotpatch]
async fn fails_later(how: u32) -> usize {
    std::future::ready(()).await;
    fails(how).len()
}

struct Failing<'a>(&'a str);

#[hotpatch]
impl<'a> Failing<'a> {
    fn fails(&mut self, how: u32) -> &'a str {
        fails(how);
        self.0
    }

    fn ends(self) -> ! {
        never(3)
    }
}

fn text<R>(call: impl FnOnce() -> R + UnwindSafe) -> String {
    let payload = catch_unwind(|| drop(call())).expect_err("it panics");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&'static str>().expect("a text")).to_owned(),
    }
}

fn custom<R>(call: impl FnOnce() -> R + UnwindSafe) -> Custom {
    *catch_unwind(|| drop(call())).expect_err("it panics").downcast().expect("our own type")
}

#[test]
fn panics_arrive_as_they_are() {
    assert_eq!(fails(0), "no panic");
    assert_eq!(text(|| fails(1)), "a literal");
    assert_eq!(text(|| fails(2)), "formatted 2");
    assert_eq!(custom(|| fails(3)), Custom(3));
    assert_eq!(fails_over_c(0), 8);
    assert_eq!(text(|| fails_over_c(1)), "a literal");
    assert_eq!(custom(|| fails_over_c(4)), Custom(4));
    assert_eq!(text(|| never(0)), "it returned");
    assert_eq!(custom(|| never(5)), Custom(5));
    assert_eq!(cannot_fail(1), 2);
    assert_eq!(Failing("here").fails(0), "here");
    assert_eq!(custom(|| Failing("here").fails(6)), Custom(6));
    assert_eq!(custom(|| Failing("here").ends()), Custom(3));
}

#[test]
fn panics_of_async_functions_arrive_as_they_are() {
    use crate::asynchronous::block_on;
    assert_eq!(block_on(fails_later(0)), 8);
    assert_eq!(text(|| block_on(fails_later(2))), "formatted 2");
    assert_eq!(custom(|| block_on(fails_later(7))), Custom(7));
}

#[test]
fn only_what_a_panic_can_leave_is_guarded() {
    let guarded = |name| find(name).1.guarded();
    assert!(guarded("border::fails").is_some());
    assert!(guarded("border::fails_over_c").is_some());
    assert!(guarded("border::never").is_some());
    assert!(guarded("::ends").is_some());
    assert_eq!(guarded("border::cannot_fail"), None);
    assert_eq!(guarded("border::fails_later"), None, "its future hands panics over itself");
}
