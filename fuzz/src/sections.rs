//! Debug info as the bytes that a fuzzer changes, and a library that holds it.

/// The sections of debug info, in the order in which their lengths begin the bytes.
pub const DEBUG_INFO: [&str; 7] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line_str",
    ".debug_str_offsets",
    ".debug_addr",
    ".debug_line",
];

type Sections<'a> = [&'a [u8]; DEBUG_INFO.len()];

/// The bytes that [`split`] makes `sections` of: a length of two bytes for each, then all of them.
///
/// # Panics
/// When one is longer than two bytes can tell.
pub fn joined(sections: &Sections<'_>) -> Vec<u8> {
    let len = |section: &&[u8]| u16::try_from(section.len()).expect("a section of 64 KiB at most");
    let lengths = sections.iter().flat_map(|section| len(section).to_le_bytes());
    lengths.chain(sections.concat()).collect()
}

/// The sections in `bytes`: none is longer than what is left.
pub(crate) fn split(bytes: &[u8]) -> Sections<'_> {
    let (lengths, mut rest) = bytes.split_at(bytes.len().min(DEBUG_INFO.len() * 2));
    let mut lengths = lengths.as_chunks().0.iter().map(|len| usize::from(u16::from_le_bytes(*len)));
    DEBUG_INFO.map(|_| {
        let section;
        (section, rest) = rest.split_at(lengths.next().unwrap_or(0).min(rest.len()));
        section
    })
}

/// Address and content of the section called `name` in the 64-bit ELF file `file`.
pub fn section<'a>(file: &'a [u8], name: &str) -> Option<(u64, &'a [u8])> {
    let table = Table::of(file);
    let names = table.content(table.names);
    let mut headers = (0..table.count).map(|number| table.header(number));
    let found = headers.find(|header| {
        let at = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        names[at..].strip_prefix(name.as_bytes()).is_some_and(|rest| rest[0] == 0)
    })?;
    Some((word(found, 16) as u64, &file[word(found, 24)..word(found, 24) + word(found, 32)]))
}

const HEADER: usize = 64;

/// The table of sections of a file that is known to be whole.
struct Table<'a> {
    file: &'a [u8],
    start: usize,
    count: usize,
    /// The number of the section of their names.
    names: usize,
}

impl<'a> Table<'a> {
    fn of(file: &'a [u8]) -> Self {
        let quarter = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
        Self { file, start: word(file, 40), count: quarter(60), names: quarter(62) }
    }

    fn header(&self, number: usize) -> &'a [u8] {
        &self.file[self.start + number * HEADER..][..HEADER]
    }

    fn content(&self, number: usize) -> &'a [u8] {
        let header = self.header(number);
        &self.file[word(header, 24)..][..word(header, 32)]
    }
}

fn word(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize
}

/// The file `library` with `contents` for its debug info, and a table of sections that tells of it.
pub(crate) fn replaced(library: &[u8], contents: &Sections<'_>) -> Vec<u8> {
    let table = Table::of(library);
    let mut headers = library[table.start..][..table.count * HEADER].to_vec();
    let mut strings = table.content(table.names).to_vec();
    let mut file = library.to_vec();
    let mut place = |headers: &mut [u8], at: usize, bytes: &[u8]| {
        headers[at + 24..at + 32].copy_from_slice(&(file.len() as u64).to_le_bytes());
        headers[at + 32..at + 40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        file.extend(bytes);
    };
    for (name, bytes) in DEBUG_INFO.iter().zip(contents) {
        let at = headers.len();
        headers.extend([0; HEADER]);
        headers[at..at + 4].copy_from_slice(&(strings.len() as u32).to_le_bytes());
        // Bytes of the program, that nothing loads.
        headers[at + 4] = 1;
        strings.extend(name.as_bytes());
        strings.push(0);
        place(&mut headers, at, bytes);
    }
    place(&mut headers, table.names * HEADER, &strings);
    file.resize(file.len().next_multiple_of(8), 0);
    let start = file.len() as u64;
    file[40..48].copy_from_slice(&start.to_le_bytes());
    file[60..62].copy_from_slice(&((headers.len() / HEADER) as u16).to_le_bytes());
    file.extend(headers);
    file
}
