//! `midair inspect`: what a library says of itself.

use std::path::PathBuf;

use midair::inspect::{Described, Function, Identity, Library, Sizes, Type};
use midair::{Allocator, Depth};

use crate::config::Output;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::Json;
use crate::screen::{Screen, Style};

/// What is to be inspected, and how it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) file: PathBuf,
    pub(crate) output: Output,
}

/// Tells what the file says of itself.
pub(crate) fn run(options: &Options, screen: &mut Screen) -> Result<Exit, Error> {
    let library = Library::open(&options.file).map_err(Error::Library)?;
    match options.output {
        Output::Json => screen.line(json(&library).to_string())?,
        Output::Text => text(&library, screen)?,
    }
    Ok(Exit::Success)
}

fn text(library: &Library, screen: &mut Screen) -> Result<(), Error> {
    let sizes = library.sizes();
    screen.styled(Style::Title, library.path().display().to_string())?;
    screen.plain(&format!(
        "  {} for {}, {}, of which {} are loaded",
        library.format(),
        library.machine(),
        bytes(sizes.file),
        bytes(sizes.mapped)
    ))?;
    for (label, value) in facts(&library.identity(), &sizes, library.needed()) {
        screen.plain(&format!("  {label:<11}{value}"))?;
    }
    let functions = library.functions();
    let hot = if functions.len() == 1 { "hot function" } else { "hot functions" };
    screen.title(format!("{} {hot}", functions.len()))?;
    for function in &functions {
        show(function, screen)?;
    }
    let described = library.described();
    if !described.is_empty() {
        let types = if described.len() == 1 { "described type" } else { "described types" };
        screen.title(format!("{} {types}", described.len()))?;
    }
    for ty in &described {
        screen.faint(&format!("  {}", type_line(ty)))?;
    }
    let warnings = library.warnings();
    if !warnings.is_empty() {
        screen.title("Warnings")?;
    }
    for warning in &warnings {
        screen.paragraph(Style::Old, "  ", &warning.to_string())?;
    }
    Ok(())
}

fn show(function: &Function, screen: &mut Screen) -> Result<(), Error> {
    let Function { name, signature, version, file, line, depth, shallow, .. } = function;
    screen.plain(&format!("  {name}: {signature}"))?;
    screen.faint(&format!("    {file}:{line}, version {version}"))?;
    screen.faint(&match (depth, shallow) {
        (Depth::DebugInfo, _) => "    types known field by field, by debug info".to_owned(),
        (Depth::Derive, _) => "    types known field by field, by derive".to_owned(),
        (_, why) => {
            let why = why.as_deref().unwrap_or("nothing tells of them");
            format!("    types known by size and alignment only: {why}")
        }
    })?;
    for Type { place, text, size, align, .. } in &function.types {
        let place = if *place == 0 { "result".to_owned() } else { format!("argument {place}") };
        let size = size.map_or("unsized".to_owned(), |size| format!("size {size}, align {align}"));
        screen.faint(&format!("    {place}: {text}, {size}"))?;
    }
    screen.faint(&format!(
        "    signature {:016x}, layout {:016x}, body {:016x}",
        function.signature_hash, function.layout_hash, function.body_hash
    ))?;
    Ok(())
}

/// `game::Player: size 16, align 8, 2 parts, layout 0123456789abcdef`.
fn type_line(ty: &Described) -> String {
    let Described { name, size, align, parts, hash, .. } = ty;
    let size = size.map_or("unsized".to_owned(), |size| format!("size {size}, align {align}"));
    let parts = match parts {
        0 => String::new(),
        1 => ", 1 part".to_owned(),
        many => format!(", {many} parts"),
    };
    format!("{name}: {size}{parts}, layout {hash:016x}")
}

/// How far types are known, in a word for scripts.
pub(crate) fn word(depth: Depth) -> &'static str {
    match depth {
        Depth::DebugInfo => "debug-info",
        Depth::Derive => "derive",
        _ => "shallow",
    }
}

fn facts(identity: &Identity, sizes: &Sizes, needed: &[String]) -> Vec<(&'static str, String)> {
    let std = identity.shared_std.clone().unwrap_or_else(|| "a copy of its own".to_owned());
    let sizes = format!(
        "code {}, data {}, zeroed data {}, each thread {}",
        bytes(sizes.code),
        bytes(sizes.data),
        bytes(sizes.zeroed),
        bytes(sizes.thread_local)
    );
    let needed = if needed.is_empty() { "nothing".to_owned() } else { needed.join(", ") };
    vec![
        ("rustc", identity.rustc.clone()),
        ("target", identity.target.clone()),
        ("features", identity.features.clone()),
        ("panic", identity.panic.clone()),
        ("std", std),
        ("allocator", allocator(identity.allocator).1.to_owned()),
        ("midair", identity.midair.clone()),
        ("needs", needed),
        ("sizes", sizes),
    ]
}

/// The word for scripts, and the words for people.
fn allocator(allocator: Allocator) -> (&'static str, &'static str) {
    match allocator {
        Allocator::System => ("system", "the system's"),
        Allocator::Own => ("own", "one of its own"),
        _ => ("unknown", "not known: the file does not tell"),
    }
}

fn json(library: &Library) -> Json {
    let (identity, sizes) = (library.identity(), library.sizes());
    let warnings = library.warnings().into_iter().map(|warning| {
        Json::Object(vec![("kind", warning.key().into()), ("text", warning.to_string().into())])
    });
    Json::Object(vec![
        ("path", library.path().display().to_string().into()),
        ("format", library.format().to_string().into()),
        ("machine", library.machine().to_string().into()),
        (
            "sizes",
            Json::Object(vec![
                ("file", sizes.file.into()),
                ("mapped", sizes.mapped.into()),
                ("code", sizes.code.into()),
                ("data", sizes.data.into()),
                ("zeroed", sizes.zeroed.into()),
                ("thread_local", sizes.thread_local.into()),
            ]),
        ),
        (
            "identity",
            Json::Object(vec![
                ("rustc", identity.rustc.into()),
                ("target", identity.target.into()),
                ("features", Json::list(identity.features.split(','))),
                ("panic", identity.panic.into()),
                ("shared_std", identity.shared_std.into()),
                ("allocator", allocator(identity.allocator).0.into()),
                ("midair", identity.midair.into()),
            ]),
        ),
        ("needed", Json::list(library.needed().iter().cloned())),
        ("functions", Json::List(library.functions().into_iter().map(function).collect())),
        ("described", Json::List(library.described().into_iter().map(described).collect())),
        ("warnings", Json::List(warnings.collect())),
    ])
}

fn described(ty: Described) -> Json {
    Json::Object(vec![
        ("name", ty.name.into()),
        ("size", ty.size.into()),
        ("align", ty.align.into()),
        ("parts", (ty.parts as u64).into()),
        ("hash", Json::hash(ty.hash)),
    ])
}

fn function(function: Function) -> Json {
    let depth = word(function.depth);
    let ty = |ty: Type| {
        Json::Object(vec![
            ("place", u64::from(ty.place).into()),
            ("type", ty.text.into()),
            ("size", ty.size.into()),
            ("align", u64::from(ty.align).into()),
        ])
    };
    Json::Object(vec![
        ("name", function.name.into()),
        ("signature", function.signature.into()),
        ("version", function.version.into()),
        ("file", function.file.into()),
        ("line", u64::from(function.line).into()),
        ("signature_hash", Json::hash(function.signature_hash)),
        ("layout_hash", Json::hash(function.layout_hash)),
        ("body_hash", Json::hash(function.body_hash)),
        ("depth", depth.into()),
        ("shallow_because", function.shallow.into()),
        ("types", Json::List(function.types.into_iter().map(ty).collect())),
    ])
}

/// For a person to read.
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..1_000_000 => format!("{:.1} KB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}
