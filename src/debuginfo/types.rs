//! Types out of the entries of a unit.
#![expect(non_upper_case_globals, reason = "gimli names its constants as DWARF does")]

use std::collections::HashMap;
use std::path::Path;

use gimli::{
    AttributeValue, DW_AT_alignment, DW_AT_byte_size, DW_AT_const_value, DW_AT_count,
    DW_AT_data_member_location, DW_AT_decl_file, DW_AT_decl_line, DW_AT_discr, DW_AT_discr_value,
    DW_AT_encoding, DW_AT_type, DW_TAG_array_type, DW_TAG_base_type, DW_TAG_const_type,
    DW_TAG_enumeration_type, DW_TAG_enumerator, DW_TAG_formal_parameter, DW_TAG_member,
    DW_TAG_pointer_type, DW_TAG_structure_type, DW_TAG_subrange_type, DW_TAG_subroutine_type,
    DW_TAG_template_type_parameter, DW_TAG_typedef, DW_TAG_union_type, DW_TAG_variant,
    DW_TAG_variant_part, DebuggingInformationEntry, DwAt, UnitOffset,
};

use super::methods::{Place, methods_of};
use super::sections::Sections;
use super::unit::{Scanned, joined, name};
use super::units::Units;
use super::{Absent, MAX_TYPES, Slice};
use crate::types::{Field, Graph, Kind, Method, Type, TypeId, Variant};

type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// Reads types out of the units of an image.
pub(super) struct Reader<'r, 'a> {
    units: Units<'r, 'a>,
    sections: &'r Sections<'a>,
    graph: &'r mut Graph,
    traits: HashMap<String, Option<Vec<Option<Place>>>>,
    known: HashMap<Place, TypeId>,
    waiting: Vec<(Place, TypeId)>,
}

impl<'r, 'a> Reader<'r, 'a> {
    /// A reader that adds to `graph`.
    pub(super) fn new(
        units: Units<'r, 'a>,
        sections: &'r Sections<'a>,
        graph: &'r mut Graph,
    ) -> Self {
        let (traits, known, waiting) = (HashMap::new(), HashMap::new(), Vec::new());
        Self { units, sections, graph, traits, known, waiting }
    }

    /// The function whose result and arguments the type of a record names as a tuple.
    pub(super) fn function_of_record(&mut self, record: Place) -> Result<Option<TypeId>, Absent> {
        let children = self.children(record)?;
        let parameter = children.iter().find(|child| child.tag() == DW_TAG_template_type_parameter);
        let Some(function) = parameter.and_then(|parameter| reference(parameter, DW_AT_type))
        else {
            return Ok(None);
        };
        let mut fields = self.fields((record.0, function))?;
        // `__0` is the result; the tuple's layout may have them in any order.
        fields.sort_by_key(|field| field.name.trim_start_matches('_').parse::<u32>().ok());
        let mut types = fields.into_iter().map(|field| field.ty);
        let result = types.next();
        let kind = Kind::Function { arguments: types.collect(), result };
        let function = self.graph.reserve();
        let name = "the function".to_owned();
        self.graph
            .define(function, Type { name, size: None, align: None, kind, parameters: Vec::new() });
        while let Some((place, id)) = self.waiting.pop() {
            let ty = self.read(place)?;
            self.graph.define(id, ty);
            if let Some(line) = declared(self.units.get(place.0), &self.entry(place)?) {
                self.graph.declare(id, line);
            }
        }
        Ok(Some(function))
    }

    /// The number of the type at `place`, which is read later if it was not met before.
    fn reach(&mut self, place: Place) -> Result<TypeId, Absent> {
        if let Some(id) = self.known.get(&place) {
            return Ok(*id);
        }
        if self.graph.len() >= MAX_TYPES {
            return Err(Absent::TooLarge { what: "types", limit: MAX_TYPES });
        }
        let id = self.graph.reserve();
        self.known.insert(place, id);
        self.waiting.push((place, id));
        Ok(id)
    }

    fn entry(&self, place: Place) -> Result<Entry<'a>, Absent> {
        let entry = self.units.get(place.0).unit.entry(place.1)?;
        self.units.bounds.entry(entry.attrs.len(), 0)?;
        Ok(entry)
    }

    fn children(&self, place: Place) -> Result<Vec<Entry<'a>>, Absent> {
        let mut entries = self.units.get(place.0).unit.entries_raw(Some(place.1))?;
        let mut found = Vec::new();
        let mut first = true;
        while !entries.is_empty() {
            let (offset, depth) = (entries.next_offset(), entries.next_depth());
            if depth <= 0 && !first {
                break;
            }
            first = false;
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            let attributes = abbreviation.attributes();
            self.units.bounds.entry(attributes.len(), depth.unsigned_abs())?;
            if depth == 1 {
                let mut entry = Entry::null();
                (entry.tag, entry.offset, entry.depth) = (abbreviation.tag(), offset, depth);
                entry.has_children = abbreviation.has_children();
                entries.read_attributes(attributes, &mut entry.attrs)?;
                found.push(entry);
            } else {
                entries.skip_attributes(attributes)?;
            }
        }
        Ok(found)
    }

    /// The entry at `place`; of aliases, that of the type behind them.
    fn behind(&self, mut place: Place) -> Result<(Place, Entry<'a>), Absent> {
        for _ in 0..MAX_ALIASES {
            let entry = self.entry(place)?;
            let alias = matches!(entry.tag(), DW_TAG_typedef | DW_TAG_const_type);
            match reference(&entry, DW_AT_type).filter(|_| alias) {
                Some(to) => place.1 = to,
                None => return Ok((place, entry)),
            }
        }
        let reason = "a type is an alias of itself".to_owned();
        Err(Absent::Damaged { reason })
    }

    fn read(&mut self, place: Place) -> Result<Type, Absent> {
        let (place, entry) = self.behind(place)?;
        let unit = self.units.get(place.0);
        let own = name(&unit.dwarf, &unit.unit, &entry, &self.units.bounds)?.unwrap_or_default();
        let path = unit.paths.get(&place.1).map_or("", |path| &**path);
        let mut ty = Type {
            // Pointers and the like have names that spell what they lead to.
            name: if path.is_empty() || own.contains(' ') { own } else { joined(path, &own) },
            size: unsigned(&entry, DW_AT_byte_size),
            align: unsigned(&entry, DW_AT_alignment),
            kind: Kind::Opaque,
            parameters: self.parameters(place, &entry)?,
        };
        self.units.bounds.text(ty.name.len())?;
        ty.kind = match entry.tag() {
            DW_TAG_base_type => {
                let encoding = match entry.attr_value(DW_AT_encoding) {
                    Some(AttributeValue::Encoding(encoding)) => u64::from(encoding.0),
                    _ => 0,
                };
                Kind::Base { encoding }
            }
            DW_TAG_structure_type => self.structure(place, &ty.name)?,
            DW_TAG_union_type => Kind::Union { fields: self.fields(place)? },
            DW_TAG_enumeration_type => Kind::Names { values: self.values(place)? },
            DW_TAG_pointer_type => {
                ty.size = ty.size.or(Some(8));
                let target = reference(&entry, DW_AT_type);
                Kind::Pointer { target: target.map(|to| self.reach((place.0, to))).transpose()? }
            }
            DW_TAG_array_type => self.array(place, &entry)?,
            DW_TAG_subroutine_type => self.function(place, 0)?,
            _ => Kind::Opaque,
        };
        Ok(ty)
    }

    fn parameters(&mut self, place: Place, entry: &Entry<'a>) -> Result<Vec<TypeId>, Absent> {
        if !matches!(entry.tag(), DW_TAG_structure_type | DW_TAG_union_type) {
            return Ok(Vec::new());
        }
        let children = self.children(place)?;
        let named = children.iter().filter(|c| c.tag() == DW_TAG_template_type_parameter);
        named
            .filter_map(|parameter| reference(parameter, DW_AT_type))
            .map(|ty| self.reach((place.0, ty)))
            .collect()
    }

    fn structure(&mut self, place: Place, name: &str) -> Result<Kind, Absent> {
        if let Some(of) = name.strip_prefix("dyn ").or_else(|| name.strip_prefix("(dyn ")) {
            return self.trait_object(of);
        }
        let part = self.children(place)?.into_iter().find(|c| c.tag() == DW_TAG_variant_part);
        match part {
            Some(part) => self.variants((place.0, part.offset())),
            None => Ok(Kind::Struct { fields: self.fields(place)? }),
        }
    }

    fn fields(&mut self, place: Place) -> Result<Vec<Field>, Absent> {
        let mut fields = Vec::new();
        for child in self.children(place)? {
            if child.tag() == DW_TAG_member {
                fields.extend(self.field(place.0, &child)?);
            }
        }
        Ok(fields)
    }

    fn field(&mut self, unit: usize, member: &Entry<'a>) -> Result<Option<Field>, Absent> {
        let Some(ty) = reference(member, DW_AT_type) else { return Ok(None) };
        let scanned = self.units.get(unit);
        Ok(Some(Field {
            name: name(&scanned.dwarf, &scanned.unit, member, &self.units.bounds)?
                .unwrap_or_default(),
            offset: unsigned(member, DW_AT_data_member_location).unwrap_or_default(),
            ty: self.reach((unit, ty))?,
        }))
    }

    fn variants(&mut self, part: Place) -> Result<Kind, Absent> {
        let mut discriminant = None;
        if let Some(tag) = reference(&self.entry(part)?, DW_AT_discr) {
            let member = self.entry((part.0, tag))?;
            discriminant = self.field(part.0, &member)?;
        }
        let mut variants = Vec::new();
        for variant in self.children(part)? {
            if variant.tag() != DW_TAG_variant {
                continue;
            }
            let value = unsigned(&variant, DW_AT_discr_value);
            for field in self.fields((part.0, variant.offset()))? {
                variants.push(Variant { name: field.name, value, ty: field.ty });
            }
        }
        Ok(Kind::Enum { discriminant, variants })
    }

    fn values(&self, place: Place) -> Result<Vec<(String, u64)>, Absent> {
        let unit = self.units.get(place.0);
        let mut values = Vec::new();
        for child in self.children(place)? {
            if child.tag() == DW_TAG_enumerator {
                let name =
                    name(&unit.dwarf, &unit.unit, &child, &self.units.bounds)?.unwrap_or_default();
                values.push((name, unsigned(&child, DW_AT_const_value).unwrap_or_default()));
            }
        }
        Ok(values)
    }

    fn array(&mut self, place: Place, entry: &Entry<'a>) -> Result<Kind, Absent> {
        let Some(element) = reference(entry, DW_AT_type) else { return Ok(Kind::Opaque) };
        let range = self.children(place)?.into_iter().find(|c| c.tag() == DW_TAG_subrange_type);
        let count = range.and_then(|range| unsigned(&range, DW_AT_count));
        Ok(Kind::Array { element: self.reach((place.0, element))?, count })
    }

    /// The function described at `place`, without its first `skip` arguments.
    fn function(&mut self, place: Place, skip: usize) -> Result<Kind, Absent> {
        let result = reference(&self.entry(place)?, DW_AT_type);
        let result = result.map(|result| self.reach((place.0, result))).transpose()?;
        let mut arguments = Vec::new();
        for child in self.children(place)? {
            if child.tag() == DW_TAG_formal_parameter
                && let Some(ty) = reference(&child, DW_AT_type)
            {
                arguments.push((place.0, ty));
            }
        }
        let arguments = arguments.into_iter().skip(skip).map(|ty| self.reach(ty));
        Ok(Kind::Function { arguments: arguments.collect::<Result<_, _>>()?, result })
    }

    /// The methods of `dyn of`.
    fn trait_object(&mut self, of: &str) -> Result<Kind, Absent> {
        let principal = of.split(" + ").next().unwrap_or(of).trim_end_matches(')');
        if !self.traits.contains_key(principal) {
            let methods = methods_of(&mut self.units, self.sections, principal)?;
            self.traits.insert(principal.to_owned(), methods);
        }
        let Some(methods) = self.traits.get(principal).cloned().flatten() else {
            return Ok(Kind::Trait { methods: None });
        };
        let mut found = Vec::new();
        for method in methods {
            let Some(place) = method else {
                found.push(Method { name: "?".to_owned(), ty: None });
                continue;
            };
            let entry = self.entry(place)?;
            let unit = self.units.get(place.0);
            let own =
                name(&unit.dwarf, &unit.unit, &entry, &self.units.bounds)?.unwrap_or_default();
            let kind = self.function(place, 1)?;
            let id = self.graph.reserve();
            let ty = Type {
                name: own.clone(),
                size: Some(8),
                align: None,
                kind,
                parameters: Vec::new(),
            };
            self.graph.define(id, ty);
            found.push(Method { name: own, ty: Some(id) });
        }
        Ok(Kind::Trait { methods: Some(found) })
    }
}

/// The line that a type is declared in, of which compilers tell only when they are asked to: the
/// file as seen from where the compiler ran, which is the package or its workspace.
fn declared(unit: &Scanned<'_>, entry: &Entry<'_>) -> Option<String> {
    let line = unsigned(entry, DW_AT_decl_line)?;
    let AttributeValue::FileIndex(file) = entry.attr_value(DW_AT_decl_file)? else { return None };
    let header = unit.unit.line_program.as_ref()?.header();
    let file = header.file(file)?;
    let text = |value| Some(unit.dwarf.attr_string(&unit.unit, value).ok()?.to_string_lossy());
    let name = text(file.path_name())?;
    let folder = file.directory(header).and_then(text).unwrap_or_default();
    let path = Path::new(&*folder).join(&*name);
    let root = unit.unit.comp_dir.map(|root| root.to_string_lossy()).unwrap_or_default();
    let path = path.strip_prefix(&*root).unwrap_or(&path);
    Some(format!("{}:{line}", path.display()))
}

/// The most aliases of aliases that are looked behind.
const MAX_ALIASES: usize = 64;

fn reference(entry: &Entry<'_>, name: DwAt) -> Option<UnitOffset> {
    match entry.attr_value(name)? {
        AttributeValue::UnitRef(offset) => Some(offset),
        _ => None,
    }
}

fn unsigned(entry: &Entry<'_>, name: DwAt) -> Option<u64> {
    let value = entry.attr_value(name)?;
    value.udata_value().or_else(|| value.sdata_value().map(i64::cast_unsigned))
}
