//! Detours of aarch64 functions.
