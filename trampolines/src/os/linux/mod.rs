//! Linux x86_64 with glibc: images through `dl_iterate_phdr`, their `midair` section through a note.

mod barrier;
mod threads;

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::slice;

use super::{Image, Unsupported};
use crate::section::Section;

pub use barrier::{process_barrier, register_process_barrier};
pub use threads::{name_thread, start_holding_image, thread_name, thread_number, without_signals};

/// The note through which an image tells where its `midair` section is.
///
/// Section headers are not mapped in a running program, notes are. The name takes 12 bytes, so
/// that the description is aligned under both of the rules that linkers and readers follow.
#[repr(C)]
#[derive(Debug)]
pub struct Note {
    name_len: u32,
    description_len: u32,
    kind: u32,
    name: [u8; 12],
    start: Pointer,
    stop: Pointer,
}

#[repr(transparent)]
#[derive(Debug)]
struct Pointer(*const u8);

// SAFETY: an address that is only read.
unsafe impl Sync for Pointer {}

const NAME: [u8; 12] = *b"midair-note\0";
const KIND: u32 = 1;

impl Note {
    /// The note of an image whose section lies between these two symbols.
    #[must_use]
    pub const fn new(start: *const u8, stop: *const u8) -> Self {
        Self {
            name_len: NAME.len() as u32,
            description_len: 16,
            kind: KIND,
            name: NAME,
            start: Pointer(start),
            stop: Pointer(stop),
        }
    }
}

/// The images of this process whose base is `wanted`, in the order in which they were loaded.
///
/// # Errors
/// None here; [`Unsupported`] on other platforms.
pub fn images(wanted: impl Fn(usize) -> bool) -> Result<Vec<Image>, Unsupported> {
    let mut images: Vec<Image> = Vec::new();
    each_image(&mut |info| {
        if wanted(info.dlpi_addr as usize) {
            images.push(image(info));
        }
        0
    });
    if let Some(program) = images.iter_mut().find(|image| image.is_program) {
        program.path = std::env::current_exe().unwrap_or_default();
    }
    Ok(images)
}

/// The image that was loaded from `path`, by exactly this name.
///
/// # Errors
/// None here; [`Unsupported`] on other platforms.
pub fn image_named(path: &Path) -> Result<Option<Image>, Unsupported> {
    let mut found = None;
    each_image(&mut |info| {
        if name_of(info).to_bytes() == path.as_os_str().as_bytes() {
            found = Some(image(info));
        }
        i32::from(found.is_some())
    });
    Ok(found)
}

/// The inode of the file that is mapped at `address`, if a file is.
#[must_use]
pub fn mapped_inode(address: usize) -> Option<u64> {
    inode_in(&std::fs::read_to_string("/proc/self/maps").ok()?, address)
}

/// Runs `decide` while no other image of this process can.
///
/// Copies of midair in libraries that cannot see each other's symbols still share the system's
/// loader, so its lock is the one lock that all of them have: `dl_iterate_phdr` holds it during
/// the callback, and takes it recursively when `decide` looks at the images.
///
/// # Errors
/// None here; [`Unsupported`] on other platforms.
pub fn rendezvous<R>(decide: impl FnOnce() -> R) -> Result<R, Unsupported> {
    let mut decide = Some(decide);
    let mut decision = None;
    each_image(&mut |_| {
        decision = decide.take().map(|decide| decide());
        1
    });
    decision.ok_or(Unsupported { what: "a process without a single image" })
}

type EachImage<'a> = &'a mut dyn FnMut(&libc::dl_phdr_info) -> c_int;

fn each_image(mut visit: EachImage<'_>) {
    extern "C" fn callback(
        info: *mut libc::dl_phdr_info,
        _size: libc::size_t,
        visit: *mut c_void,
    ) -> c_int {
        // SAFETY: `visit` is the address of the `EachImage` below, which outlives the call.
        let visit = unsafe { &mut *visit.cast::<EachImage<'_>>() };
        // SAFETY: the loader passes a valid description for the time of the callback.
        visit(unsafe { &*info })
    }
    // SAFETY: the callback matches the declared type and gets what it expects.
    unsafe { libc::dl_iterate_phdr(Some(callback), (&raw mut visit).cast()) };
}

fn name_of(info: &libc::dl_phdr_info) -> &CStr {
    if info.dlpi_name.is_null() {
        return c"";
    }
    // SAFETY: the loader's name of the image is a C string that lives as long as the image.
    unsafe { CStr::from_ptr(info.dlpi_name) }
}

fn image(info: &libc::dl_phdr_info) -> Image {
    let base = info.dlpi_addr as usize;
    let name = name_of(info);
    let headers = if info.dlpi_phdr.is_null() {
        &[]
    } else {
        // SAFETY: the loader's own pointer and count.
        unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) }
    };
    let ends = headers.iter().filter(|header| header.p_type == libc::PT_LOAD).map(|header| {
        let start = base.wrapping_add(header.p_vaddr as usize);
        (start, start.wrapping_add(header.p_memsz as usize))
    });
    let span =
        ends.fold((usize::MAX, 0), |span, (start, end)| (span.0.min(start), span.1.max(end)));
    let mut image = Image {
        path: PathBuf::from(OsStr::from_bytes(name.to_bytes())),
        base,
        span,
        needed: Vec::new(),
        section: None,
        is_program: name.is_empty(),
    };
    for header in headers {
        let start = base.wrapping_add(header.p_vaddr as usize);
        let inside = start >= span.0 && start.saturating_add(header.p_memsz as usize) <= span.1;
        match header.p_type {
            libc::PT_NOTE if inside => {
                let section = section_of(start, header.p_memsz as usize, span);
                image.section = image.section.or(section);
            }
            libc::PT_DYNAMIC if inside => {
                image.needed = needed(start, header.p_memsz as usize, base, span);
            }
            _ => {}
        }
    }
    image
}

/// Looks for our note in the note segment of `len` bytes at `start`.
fn section_of(start: usize, len: usize, span: (usize, usize)) -> Option<Section> {
    let mut offset = 0;
    while offset + size_of::<Note>() <= len {
        let note = (start + offset) as *const Note;
        if !note.is_aligned() && !(start + offset).is_multiple_of(4) {
            return None;
        }
        // SAFETY: inside the segment, which is mapped; notes are at least 4-aligned, and the read
        // asks for no alignment.
        let note = unsafe { note.read_unaligned() };
        if note.name_len == 12 && note.kind == KIND && note.name == NAME {
            let range = (note.start.0.addr(), note.stop.0.addr());
            let whole = range.0 >= span.0 && range.0 < range.1 && range.1 <= span.1;
            // An image that another thread is still loading has no relocated addresses yet.
            // SAFETY: both symbols come from the linker, around one section of this image. Whoever
            // reads the section pins the image first and looks whether it still is this one.
            return whole.then(|| unsafe { Section::between(note.start.0, note.stop.0) });
        }
        let name = (note.name_len as usize).next_multiple_of(4);
        let description = (note.description_len as usize).next_multiple_of(4);
        offset += 12 + name + description;
    }
    None
}

/// The `DT_NEEDED` names in the dynamic section of `len` bytes at `start`.
fn needed(start: usize, len: usize, base: usize, span: (usize, usize)) -> Vec<String> {
    const NULL: u64 = 0;
    const NEEDED: u64 = 1;
    const STRTAB: u64 = 5;
    const STRSZ: u64 = 10;
    let count = len / 16;
    // SAFETY: the image's own dynamic section: mapped, 8-aligned, `count` entries of two words.
    let entries = unsafe { slice::from_raw_parts(start as *const [u64; 2], count) };
    let entries: Vec<_> = entries.iter().take_while(|entry| entry[0] != NULL).collect();
    let value = |tag| entries.iter().find(|entry| entry[0] == tag).map(|entry| entry[1] as usize);
    let (Some(table), Some(size)) = (value(STRTAB), value(STRSZ)) else { return Vec::new() };
    // glibc adds the base to the address in place; the vDSO's and other loaders' stay relative.
    let table = if table < span.0 { table.wrapping_add(base) } else { table };
    if table < span.0 || table.saturating_add(size) > span.1 {
        return Vec::new();
    }
    // SAFETY: the string table lies inside the image, which is mapped.
    let strings = unsafe { slice::from_raw_parts(table as *const u8, size) };
    entries
        .iter()
        .filter(|entry| entry[0] == NEEDED)
        .filter_map(|entry| CStr::from_bytes_until_nul(strings.get(entry[1] as usize..)?).ok())
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// The inode that `maps` shows at `address`.
fn inode_in(maps: &str, address: usize) -> Option<u64> {
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        let inode = fields.nth(3)?.parse().ok()?;
        (start <= address && address < end && inode != 0).then_some(inode)
    })
}

/// Keeps `image` mapped for ever, even when its host closes it; whether it is still there.
///
/// It waits while another thread loads a library.
#[must_use]
pub fn pin(image: &Image) -> bool {
    // The executable itself is never closed, and is known to the loader by no name.
    image.is_program
        || std::ffi::CString::new(image.path.as_os_str().as_bytes())
            .is_ok_and(|path| pin_named(&path))
}

/// Keeps the image that `code` lies in mapped for ever, even when its host closes it.
///
/// It waits while another thread loads a library. For the executable itself it does nothing.
pub fn pin_code(code: *const ()) {
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address may be asked for; the answer goes into our own variable.
    let found = unsafe { libc::dladdr(code.cast(), info.as_mut_ptr()) };
    if found == 0 {
        return;
    }
    // SAFETY: filled in, as the result says.
    let name = unsafe { info.assume_init() }.dli_fname;
    if !name.is_null() {
        // SAFETY: the loader's name of an image, which cannot go while its code runs here.
        pin_named(unsafe { CStr::from_ptr(name) });
    }
}

fn pin_named(path: &CStr) -> bool {
    let flags = libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
    // SAFETY: a C string; NOLOAD never maps anything, it only marks what is loaded already.
    !unsafe { libc::dlopen(path.as_ptr(), flags) }.is_null()
}

/// The value of a variable of the environment, unless this process has more rights than the user
/// who set it.
#[must_use]
pub fn variable(name: &str) -> Option<std::ffi::OsString> {
    // SAFETY: reads a number that the system passed to this process.
    let privileged = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    std::env::var_os(name).filter(|value| !privileged && !value.is_empty())
}

/// Where `needle` first stands in `bytes`: the system's own search, which is fast even in a build
/// without optimisation.
#[must_use]
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    // SAFETY: pointers and lengths of two slices.
    let found = unsafe {
        libc::memmem(bytes.as_ptr().cast(), bytes.len(), needle.as_ptr().cast(), needle.len())
    };
    (!found.is_null()).then(|| found.addr() - bytes.as_ptr().addr())
}

/// Writes `text` to standard error at once, past every lock and buffer: a forked child may have
/// inherited std's lock in the hands of a thread that it does not have.
pub fn say(text: &[u8]) {
    // SAFETY: pointer and length of one slice. What cannot be written is nobody's concern.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

/// Ends this process at once, as `kill -9` does: nothing is flushed, closed or removed.
pub fn kill_this_process() -> ! {
    // SAFETY: sends a signal and touches no memory; the number is this process's own.
    unsafe { libc::kill(std::process::id().cast_signed(), libc::SIGKILL) };
    // It may take a moment to arrive.
    loop {
        std::thread::park();
    }
}

/// Calls `handler` when the process ends in the ordinary way.
pub fn at_exit(handler: extern "C" fn()) {
    // SAFETY: a plain function of an image that is pinned.
    unsafe { libc::atexit(handler) };
}

/// Calls `handler` in each child that `fork` makes, before it goes on.
pub fn at_fork_child(handler: unsafe extern "C" fn()) {
    // SAFETY: a plain function of an image that is pinned.
    unsafe { libc::pthread_atfork(None, None, Some(handler)) };
}

/// The number of the user on whose behalf this process acts.
#[must_use]
pub fn user() -> u32 {
    // SAFETY: always succeeds and touches no memory.
    unsafe { libc::geteuid() }
}

/// Whether `path` is a folder of this user, not a link to one, that nobody else may enter.
#[must_use]
pub fn owned_by_us(path: &Path) -> bool {
    let user = user();
    std::fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == user && meta.mode() & 0o077 == 0)
}

/// Makes a folder that nobody else may enter.
///
/// # Errors
/// Whatever the system reports, also when the folder is there already.
pub fn private_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

/// When process `pid` started, in clock ticks since boot: tells two processes of the same id
/// apart. `None` when there is no such process.
#[must_use]
pub fn process_age(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in the second field may hold anything, so the fields are counted after it.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{
        images, inode_in, mapped_inode, owned_by_us, private_directory, process_age, rendezvous,
    };

    #[test]
    fn the_executable_comes_first_and_asks_for_libc() {
        let images = images(|_| true).unwrap();
        assert_eq!(images[0].path, std::env::current_exe().unwrap());
        assert!(images[0].needed.iter().any(|name| name.starts_with("libc.so")));
        let here = the_executable_comes_first_and_asks_for_libc as *const () as usize;
        let inode =
            std::os::unix::fs::MetadataExt::ino(&std::fs::metadata("/proc/self/exe").unwrap());
        assert_eq!(mapped_inode(here), Some(inode));
        assert!(images[0].span.0 <= here && here < images[0].span.1);
    }

    #[test]
    fn a_rendezvous_lets_one_thread_decide_at_a_time() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static INSIDE: AtomicUsize = AtomicUsize::new(0);
        let decide = || {
            for _ in 0..200 {
                rendezvous(|| {
                    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                    // Looking at the images from inside must not deadlock.
                    assert!(!images(|_| true).unwrap().is_empty());
                    INSIDE.fetch_sub(1, Ordering::SeqCst);
                })
                .unwrap();
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(decide);
            }
        });
    }

    #[test]
    fn a_private_folder_is_told_from_one_that_others_may_enter() {
        let base = std::env::temp_dir().join(format!("midair-os-{}", std::process::id()));
        private_directory(&base).unwrap();
        assert!(owned_by_us(&base));
        let open = base.join("open");
        std::fs::create_dir(&open).unwrap();
        let mut mode = std::fs::metadata(&open).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(&open, mode).unwrap();
        assert!(!owned_by_us(&open));
        let link = base.join("link");
        std::os::unix::fs::symlink(&base, &link).unwrap();
        assert!(!owned_by_us(&link));
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn this_process_has_an_age_and_no_process_has_none() {
        assert!(process_age(std::process::id()).is_some());
        assert_eq!(process_age(u32::MAX), None);
    }

    #[test]
    fn a_needle_is_found_where_it_first_stands() {
        assert_eq!(super::find(b"abcabc", b"ca"), Some(2));
        assert_eq!(super::find(b"abc", b"x"), None);
    }

    #[test]
    fn maps_lines_are_read_by_address() {
        let maps = "1000-2000 r-xp 00000000 fe:01 77 /a b\n3000-4000 rw-p 00000000 00:00 0 \n";
        assert_eq!(inode_in(maps, 0x1fff), Some(77));
        assert_eq!(inode_in(maps, 0x3000), None);
    }
}
