//! A rebuilt library reaches the running program, by every road that users take.
#![cfg(target_os = "linux")]

mod lab;

use std::path::Path;
use std::process::Command;

use lab::{Fixture, Host, cargo, library, target_dir};

/// A library with one hot function and one way into it.
const VALUE: &str = "
#[midair::hotpatch]
unsafe fn value(x: u64) -> u64 { x + VERSION }
const VERSION: u64 = 1;
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { unsafe { value(x) } }
";

#[test]
fn annotate_rebuild_live() {
    let fixture = Fixture::new("lab_live", VALUE);
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("call_value", 10), 11);
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value", 10, 12);
    assert_eq!(host.call("lab_generation", 0), 1);
    assert_eq!(host.call("lab_is_hotpatched", 0), 0, "the first library is not a patch");
    // The same path again: the loader must not hand out the old library.
    fixture.edit("VERSION: u64 = 2", "VERSION: u64 = 3");
    fixture.build();
    host.until("call_value", 10, 13);
    let log = host.quit();
    assert!(log.contains("patch 2: 1 functions now run new code"), "{log}");
}
