//! The methods of traits: debug info names no trait's methods, but the tables that types bring for
//! a trait hold their addresses in order, and the functions at those addresses have names.

use gimli::UnitOffset;

use super::Absent;
use super::sections::Sections;
use super::units::Units;

/// Drop, size and alignment come before the first method.
const HEAD: u64 = 3;

/// The most tables of one trait that are looked at.
const MAX_TABLES: usize = 8;

/// The most methods that are looked for in one table.
const MAX_METHODS: u64 = 256;

/// Where a function is described: the number of its unit, and its entry.
pub(super) type Place = (usize, UnitOffset);

/// The methods of the trait called `name`, where any table of it is found.
///
/// Of several tables the one whose methods are described best tells most.
pub(super) fn methods_of(
    units: &mut Units<'_, '_>,
    sections: &Sections<'_>,
    name: &str,
) -> Result<Option<Vec<Option<Place>>>, Absent> {
    let numbers = units.with_name(&format!(" as {name}>::{{vtable}}"))?;
    let starts: Vec<u64> = numbers
        .iter()
        .flat_map(|number| &units.get(*number).tables)
        .filter(|(table, _)| trait_of_table(table) == Some(name))
        .map(|(_, address)| *address)
        .take(MAX_TABLES)
        .collect();
    let mut best: Option<Vec<Option<Place>>> = None;
    for start in starts {
        // A hostile file may place a table at the very end of all addresses.
        let end = start.saturating_add((HEAD + MAX_METHODS) * 8);
        units.bounds.search(sections.get(".rela.dyn").len())?;
        let pointers = sections.pointers(|place| start <= place && place < end);
        let addresses = (HEAD..HEAD + MAX_METHODS)
            .map_while(|slot| pointers.get(&start.wrapping_add(slot * 8)));
        let methods =
            addresses.map(|address| described(units, *address)).collect::<Result<Vec<_>, _>>()?;
        let told = |methods: &[Option<Place>]| methods.iter().flatten().count();
        if best.as_ref().is_none_or(|best| told(&methods) > told(best)) {
            best = Some(methods);
        }
    }
    Ok(best)
}

/// Where the function at `address` is described.
fn described(units: &mut Units<'_, '_>, address: u64) -> Result<Option<Place>, Absent> {
    let numbers = units.with_address(address)?;
    Ok(numbers.into_iter().find_map(|number| {
        let functions = &units.get(number).functions;
        functions.iter().find(|(at, _)| *at == address).map(|(_, entry)| (number, *entry))
    }))
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
