//! The dynamic section: what the loader is asked for, by tags that each have one meaning.

use goblin::elf::dynamic as dt;
use goblin::elf::program_header as ph;

use super::segments::Segments;
use super::tags;
use super::words::{name, words};
use crate::format::{Binding, Fault, Table};

const TABLE: Table = Table::Dynamic;
/// The most entries that are accepted: the loader keeps a list of that length on its stack.
const LIMIT: usize = 1_024;
/// The longest name of a library, or list of folders, in bytes: the loader keeps it on its stack.
const NAME: usize = 4_096;

/// The dynamic section, its tags and its names checked.
pub(super) struct Dynamic<'a> {
    entries: Vec<(u64, u64)>,
    /// How many of them come before the end mark.
    used: usize,
    /// Where in the file it is, in bytes.
    offset: usize,
    /// Where in memory it is.
    pub(super) place: (u64, u64),
    pub(super) strings: &'a [u8],
}

impl<'a> Dynamic<'a> {
    pub(super) fn read(segments: &Segments<'a>) -> Result<Self, Fault> {
        let segment = segments.one(ph::PT_DYNAMIC).ok_or(Fault::NotShared)?;
        let words = words(segments.bytes_of(segment)?);
        if words.len() / 2 > LIMIT {
            return Err(TABLE.too_many(words.len() / 2, LIMIT));
        }
        let word = |pair: &[[u8; 8]], at: usize| u64::from_le_bytes(pair[at]);
        let pairs = words.chunks_exact(2);
        let entries: Vec<_> = pairs.map(|pair| (word(pair, 0), word(pair, 1))).collect();
        let used = entries.iter().position(|entry| entry.0 == dt::DT_NULL);
        let mut dynamic = Self {
            used: used.ok_or(TABLE.fault("it has no end"))?,
            entries,
            offset: segment.p_offset as usize,
            place: (segment.p_vaddr, segment.p_vaddr.saturating_add(segment.p_memsz)),
            strings: &[],
        };
        tags::check(dynamic.used())?;
        dynamic.strings = dynamic
            .table(segments, dt::DT_STRTAB, dt::DT_STRSZ, Table::Strings)?
            .filter(|strings| strings.last() == Some(&0))
            .ok_or(Table::Strings.fault("it is missing, or has no end"))?;
        dynamic.check_names()?;
        dynamic.check_code(segments)?;
        Ok(dynamic)
    }

    fn used(&self) -> &[(u64, u64)] {
        &self.entries[..self.used]
    }

    pub(super) fn value(&self, tag: u64) -> Option<u64> {
        self.used().iter().find(|entry| entry.0 == tag).map(|entry| entry.1)
    }

    /// The bytes of the table that two tags name.
    pub(super) fn table(
        &self,
        segments: &Segments<'a>,
        address: u64,
        size: u64,
        table: Table,
    ) -> Result<Option<&'a [u8]>, Fault> {
        match (self.value(address), self.value(size)) {
            (Some(address), Some(len)) => segments.at(address, len, table).map(Some),
            _ => Ok(None),
        }
    }

    fn check_names(&self) -> Result<(), Fault> {
        for (index, (tag, at)) in self.used().iter().enumerate() {
            let list = matches!(*tag, dt::DT_RUNPATH | dt::DT_RPATH);
            if list || matches!(*tag, dt::DT_NEEDED | dt::DT_SONAME) {
                let name = name(self.strings, *at, NAME);
                let name = name.filter(|name| list || !name.is_empty());
                name.ok_or(TABLE.at(index, "a name outside the string table, or too long"))?;
            }
        }
        Ok(())
    }

    fn check_code(&self, segments: &Segments<'_>) -> Result<(), Fault> {
        for tag in [dt::DT_INIT, dt::DT_FINI] {
            if self.value(tag).is_some_and(|address| !segments.is_executable(address)) {
                return Err(Table::Constructors.fault("code that runs at loading is no code"));
            }
        }
        Ok(())
    }

    /// The libraries that it asks for, as bytes.
    pub(super) fn needed_names(&self) -> impl Iterator<Item = &'a [u8]> {
        let needed = self.used().iter().filter(|entry| entry.0 == dt::DT_NEEDED);
        needed.map(|entry| name(self.strings, entry.1, NAME).unwrap_or_default())
    }

    /// The libraries that it asks for.
    pub(super) fn needed(&self) -> Vec<String> {
        self.needed_names().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// How `DF_SYMBOLIC` gets into the private copy: the library's own references then find its
    /// own symbols first, whatever an earlier generation or a preloaded library exports under
    /// that name.
    pub(super) fn binding(&self) -> Binding {
        const DF_SYMBOLIC: u64 = 2;
        let offset = |entry: usize| self.offset.saturating_add(entry * 16);
        if let Some(at) = self.used().iter().position(|entry| entry.0 == dt::DT_FLAGS) {
            let value = self.entries[at].1 | DF_SYMBOLIC;
            return Binding::Edit { offset: offset(at) + 8, bytes: value.to_le_bytes().to_vec() };
        }
        if self.value(dt::DT_SYMBOLIC).is_some() {
            return Binding::Own;
        }
        // The linker leaves room for more than one end mark: the first may become an entry.
        if self.entries.get(self.used + 1).is_some_and(|entry| entry.0 == dt::DT_NULL) {
            let mut bytes = dt::DT_SYMBOLIC.to_le_bytes().to_vec();
            bytes.extend([0; 8]);
            return Binding::Edit { offset: offset(self.used), bytes };
        }
        Binding::AskLoader
    }
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use goblin::elf::dynamic as dt;

    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn tags_are_known_single_and_complete() {
        let specimen = Specimen::get();
        let own = Table::Dynamic;
        let retagged = |from: u64, to: u64, what| {
            specimen.refused(specimen.tag(from), &to.to_le_bytes(), own, what);
        };
        retagged(dt::DT_RELACOUNT, 0x7777, "a tag that no linker writes");
        retagged(dt::DT_RELACOUNT, dt::DT_RELA, "there are two of this tag");
        retagged(dt::DT_RELAENT, dt::DT_DEBUG, "lacks another");
        retagged(dt::DT_VERSYM, dt::DT_DEBUG, "without a table that defines them");
        let valued = |tag: u64, value: u64, table, what| {
            specimen.refused(specimen.tag(tag) + 8, &value.to_le_bytes(), table, what);
        };
        valued(dt::DT_RELAENT, 16, own, "the size or kind");
        valued(dt::DT_NEEDED, u64::MAX, own, "a name outside");
        valued(dt::DT_NEEDED, 0, own, "a name outside");
        valued(dt::DT_STRTAB, 1 << 40, Table::Strings, "outside what is loaded");
        valued(dt::DT_INIT, 64, Table::Constructors, "no code");
        let text = specimen.section(".text").start as u64 + 0x1001;
        valued(dt::DT_INIT, text, Table::Constructors, "contradict");
    }
}
