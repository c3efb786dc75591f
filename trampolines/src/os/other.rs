//! Platforms whose part is not written yet: each question is answered with a typed error.

use std::ffi::c_void;
use std::io;
use std::path::Path;

use super::{Image, Unsupported};

/// The images of this process.
///
/// # Errors
/// Always [`Unsupported`].
pub fn images(_wanted: impl Fn(usize) -> bool) -> Result<Vec<Image>, Unsupported> {
    Err(Unsupported { what: "finding the images of a process" })
}

/// The image that was loaded from `path`.
///
/// # Errors
/// Always [`Unsupported`].
pub fn image_named(_path: &Path) -> Result<Option<Image>, Unsupported> {
    Err(Unsupported { what: "finding the images of a process" })
}

/// The inode of the file that is mapped at `address`; never known here.
#[must_use]
pub fn mapped_inode(_address: usize) -> Option<u64> {
    None
}

/// Runs `decide` while no other image of this process can.
///
/// # Errors
/// Always [`Unsupported`].
pub fn rendezvous<R>(_decide: impl FnOnce() -> R) -> Result<R, Unsupported> {
    Err(Unsupported { what: "the rendezvous of a process's images" })
}

/// Keeps an image mapped for ever; never possible here.
#[must_use]
pub fn pin(_image: &Image) -> bool {
    false
}

/// The value of a variable of the environment.
#[must_use]
pub fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Runs `start`.
pub fn without_signals<R>(start: impl FnOnce() -> R) -> R {
    start()
}

/// Does nothing here.
pub fn name_thread(_name: &str) {}

/// Starts a thread that holds its image.
///
/// # Errors
/// Always `Unsupported`.
///
/// # Safety
/// - `argument` may be used from another thread.
pub unsafe fn start_holding_image(
    _entry: extern "C" fn(*mut c_void) -> *mut c_void,
    _argument: *mut c_void,
) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Keeps the image that `code` lies in mapped for ever.
pub fn pin_code(_code: *const ()) {}

/// Where `needle` first stands in `bytes`.
#[must_use]
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len().max(1)).position(|window| window == needle)
}

/// Writes `text` to standard error.
pub fn say(text: &[u8]) {
    let _ = io::Write::write_all(&mut io::stderr(), text);
}

/// Ends this process at once.
pub fn kill_this_process() -> ! {
    std::process::abort()
}

/// Does nothing here.
pub fn at_exit(_handler: extern "C" fn()) {}

/// Does nothing here.
pub fn at_fork_child(_handler: unsafe extern "C" fn()) {}

/// The number of the user; always 0 here.
#[must_use]
pub fn user() -> u32 {
    0
}

/// Whether `path` is a folder of this user that nobody else may enter.
#[must_use]
pub fn owned_by_us(_path: &Path) -> bool {
    false
}

/// Makes a folder that nobody else may enter.
///
/// # Errors
/// Whatever the system reports.
pub fn private_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// A number that tells two processes of the same id apart; `None` when there is no such process.
#[must_use]
pub fn process_age(_pid: u32) -> Option<u64> {
    None
}

/// The number by which the system knows the calling thread; always 0 here.
#[must_use]
pub fn thread_number() -> u64 {
    0
}

/// The name of a thread; never known here.
#[must_use]
pub fn thread_name(_number: u64) -> Option<String> {
    None
}

/// Asks for barriers in all threads; there are none here, so both sides pay for a fence.
#[must_use]
pub fn register_process_barrier() -> bool {
    false
}

/// A barrier in all threads; there is none here.
#[must_use]
pub fn process_barrier() -> bool {
    false
}
