//! `midair inspect`, `check` and `diff` on real libraries of several systems, and on damaged ones.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod check;
mod diff;
mod hostile;
mod lab;
mod library;
