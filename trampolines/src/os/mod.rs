//! What midair asks of the operating system, one file a platform.
//!
//! Every file offers the same functions; what a platform lacks is [`Unsupported`], a typed error.

use std::path::PathBuf;

use crate::section::Section;

pub mod barrier;

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod linux;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub use linux::{
    Note, at_exit, at_fork_child, find, image_named, images, kill_this_process, mapped_inode,
    name_thread, owned_by_us, pin, pin_code, private_directory, process_age, process_barrier,
    register_process_barrier, rendezvous, say, start_holding_image, thread_name, thread_number,
    user, variable, without_signals,
};

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
mod other;
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
pub use other::{
    at_exit, at_fork_child, find, image_named, images, kill_this_process, mapped_inode,
    name_thread, owned_by_us, pin, pin_code, private_directory, process_age, process_barrier,
    register_process_barrier, rendezvous, say, start_holding_image, thread_name, thread_number,
    user, variable, without_signals,
};

/// One executable or library in this process.
#[derive(Clone, Debug)]
pub struct Image {
    /// The file it was loaded from, as the loader names it.
    pub path: PathBuf,
    /// What the loader added to the file's addresses.
    pub base: usize,
    /// The addresses it spans: first and one past the last.
    pub span: (usize, usize),
    /// The names of the libraries that it asks for.
    pub needed: Vec<String>,
    /// Whether it is the executable itself.
    pub is_program: bool,
    /// Its `midair` section, where it has one that is complete.
    pub section: Option<Section>,
}

/// This platform cannot do what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not supported on this platform")]
pub struct Unsupported {
    /// What was asked.
    pub what: &'static str,
}
