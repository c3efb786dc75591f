//! The `midair` section of a loaded image: where it lies, and a snapshot of its records.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::function::FunctionHead;
use crate::hook::HookHead;
use crate::persist::StaticHead;

/// The address range of a loaded image's `midair` section.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Section {
    start: usize,
    len: usize,
}

impl Section {
    /// The section between two symbols that the linker made.
    ///
    /// # Safety
    /// - Every byte from `start` up to `stop` belongs to the `midair` section of one image, which
    ///   is never unloaded, and both are 8-aligned.
    #[must_use]
    pub unsafe fn between(start: *const u8, stop: *const u8) -> Self {
        Self { start: start.addr(), len: stop.addr().saturating_sub(start.addr()) }
    }

    /// Address of the first byte.
    #[must_use]
    pub const fn start(&self) -> usize {
        self.start
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the section holds no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of its bytes as they are now, for [`records`](crate::record::records).
    ///
    /// Other threads may be storing into slots meanwhile: the copy is made word by word with
    /// atomic loads, and nothing that is read from it later is one of those words.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let words = self.start as *const AtomicU64;
        (0..self.len / 8)
            .flat_map(|index| {
                // SAFETY: inside the section, by the contract of `between`.
                let word = unsafe { words.add(index) };
                // SAFETY: 8-aligned and mapped for ever; every writer of the section stores whole
                // atomic words.
                let word = unsafe { &*word };
                // Relaxed: what other threads store is not read from the copy.
                word.load(Ordering::Relaxed).to_le_bytes()
            })
            .collect()
    }

    /// The address of the record at `offset`.
    ///
    /// # Panics
    /// When `offset` lies outside the section.
    #[must_use]
    pub fn record(&self, offset: usize) -> *const u8 {
        assert!(offset < self.len, "a record lies inside its section");
        (self.start + offset) as *const u8
    }

    /// The live function record at `offset`.
    ///
    /// # Safety
    /// - A function record of this format stands at `offset`: it was read from this section's
    ///   [`snapshot`](Self::snapshot).
    #[must_use]
    pub unsafe fn function(&self, offset: usize) -> &'static FunctionHead {
        // SAFETY: the caller vouches for the record; images are never unloaded.
        unsafe { &*self.record(offset).cast::<FunctionHead>() }
    }

    /// The live record of a persistent static at `offset`.
    ///
    /// # Safety
    /// - A static record of this format stands at `offset`, as for [`function`](Self::function).
    #[must_use]
    pub unsafe fn persistent(&self, offset: usize) -> &'static StaticHead {
        // SAFETY: the caller vouches for the record; images are never unloaded.
        unsafe { &*self.record(offset).cast::<StaticHead>() }
    }

    /// The live record of a hook at `offset`.
    ///
    /// # Safety
    /// - A hook record of this format stands at `offset`, as for [`function`](Self::function).
    #[must_use]
    pub unsafe fn hook(&self, offset: usize) -> &'static HookHead {
        // SAFETY: the caller vouches for the record; images are never unloaded.
        unsafe { &*self.record(offset).cast::<HookHead>() }
    }
}

/// The section of the image that this is expanded in.
///
/// Macro-made code passes its *own* image's section to the runtime: the runtime crate may live in
/// another image.
#[macro_export]
macro_rules! own_section {
    () => {{
        unsafe extern "C" {
            #[cfg_attr(target_vendor = "apple", link_name = "\u{1}section$start$__DATA$__midair")]
            #[cfg_attr(not(target_vendor = "apple"), link_name = "__start_midair")]
            static __MIDAIR_START: u8;
            #[cfg_attr(target_vendor = "apple", link_name = "\u{1}section$end$__DATA$__midair")]
            #[cfg_attr(not(target_vendor = "apple"), link_name = "__stop_midair")]
            static __MIDAIR_STOP: u8;
        }
        // SAFETY: the linker defines both around this image's own `midair` section, and an image
        // with hot functions is pinned when its runtime starts.
        unsafe {
            $crate::section::Section::between(&raw const __MIDAIR_START, &raw const __MIDAIR_STOP)
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::Section;

    #[test]
    fn a_snapshot_is_the_bytes() {
        static WORDS: [u64; 2] = [0x0807_0605_0403_0201, 0x100f_0e0d_0c0b_0a09];
        let start = WORDS.as_ptr().cast::<u8>();
        let stop = WORDS.as_ptr_range().end.cast();
        // SAFETY: one array that lives for ever.
        let section = unsafe { Section::between(start, stop) };
        assert_eq!(section.snapshot(), (1..=16).collect::<Vec<u8>>());
        assert_eq!(section.len(), 16);
    }
}
