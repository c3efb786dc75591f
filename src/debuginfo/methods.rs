//! The methods of traits: debug info names no trait's methods, but the tables that types bring for
//! a trait hold their addresses in order, and the functions at those addresses have names.

use std::collections::HashMap;

use gimli::UnitOffset;

use super::sections::Sections;
use super::unit::Scanned;

/// Drop, size and alignment come before the first method.
const HEAD: u64 = 3;

/// The most methods that are looked for in one table.
const MAX_METHODS: u64 = 256;

/// The method tables of an image, by trait.
pub(super) struct Tables {
    tables: HashMap<String, Vec<Option<Place>>>,
}

/// Where a function is described: the number of its unit, and its entry.
pub(super) type Place = (usize, UnitOffset);

impl Tables {
    /// The tables that the units tell of.
    pub(super) fn new(units: &[Scanned<'_>], sections: &Sections<'_>) -> Self {
        let mut starts: Vec<(u64, &str)> = units
            .iter()
            .flat_map(|unit| &unit.tables)
            .filter_map(|(name, address)| Some((*address, trait_of_table(name)?)))
            .collect();
        starts.sort_unstable();
        let within = |place: u64| {
            let before = starts.partition_point(|(start, _)| *start <= place);
            before > 0 && place - starts[before - 1].0 < (HEAD + MAX_METHODS) * 8
        };
        let pointers = sections.pointers(within);
        let functions: HashMap<u64, Place> = units
            .iter()
            .enumerate()
            .flat_map(|(number, unit)| {
                unit.functions.iter().map(move |(address, entry)| (*address, (number, *entry)))
            })
            .collect();
        let mut tables: HashMap<String, Vec<Option<Place>>> = HashMap::new();
        for (start, name) in starts {
            let methods = (HEAD..HEAD + MAX_METHODS)
                .map_while(|slot| pointers.get(&(start + slot * 8)))
                .map(|address| functions.get(address).copied())
                .collect::<Vec<_>>();
            let known = tables.entry(name.to_owned()).or_default();
            // The table whose methods are described best tells most.
            let described = |methods: &[Option<Place>]| methods.iter().flatten().count();
            if described(&methods) > described(known) {
                *known = methods;
            }
        }
        Self { tables }
    }

    /// The methods of the trait called `name`, where any table was found; at most `count`.
    pub(super) fn of(&self, name: &str, count: usize) -> Option<&[Option<Place>]> {
        let methods = self.tables.get(name)?;
        Some(&methods[..methods.len().min(count)])
    }
}

/// `game::Shape` of `<game::Square as game::Shape>::{vtable}`.
fn trait_of_table(name: &str) -> Option<&str> {
    let inner = name.strip_suffix(">::{vtable}")?;
    // The type may itself be written with `as`; the trait comes after the last one outside of
    // brackets.
    let mut depth = 0_i32;
    let mut found = None;
    for (at, byte) in inner.bytes().enumerate().skip(1) {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' if at > 0 && inner.as_bytes()[at - 1] == b'-' => {}
            b'>' | b')' | b']' => depth -= 1,
            b' ' if depth == 0 && inner[at..].starts_with(" as ") => found = Some(at + 4),
            _ => {}
        }
    }
    found.map(|at| &inner[at..])
}

#[cfg(test)]
mod tests {
    use super::trait_of_table;

    #[test]
    fn the_trait_is_found_behind_any_type() {
        assert_eq!(trait_of_table("<g::Sq as g::Shape>::{vtable}"), Some("g::Shape"));
        assert_eq!(trait_of_table("<Vec<<A as B>::C> as g::Is<u8>>::{vtable}"), Some("g::Is<u8>"));
        assert_eq!(trait_of_table("<fn() -> u8 as g::Call>::{vtable}"), Some("g::Call"));
    }
}
