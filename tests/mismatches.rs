//! A corpus of single edits to one library, each with its verdict: what would break a running
//! program is refused, what would not is taken.
#![cfg(all(target_os = "linux", feature = "debuginfo"))]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::path::Path;

use lab::{Fixture, Host};

/// The crate two crates away.
const FAR: &str = "
pub struct Far { pub id: u32, pub weight: u32 }
";

/// The crate between.
const NEAR: &str = "
pub struct Near { pub far: far_types::Far, pub name: String }
";

/// The library that is edited.
const GAME: &str = "
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

pub struct World {
    pub players: Vec<Player>,
    pub boss: Box<Boss>,
    pub shared: Arc<Shared>,
    pub counted: Rc<Counted>,
    pub by_id: HashMap<u32, Item>,
    pub by_name: BTreeMap<String, Quest>,
    pub event: Event,
    pub near: near_types::Near,
    pub shape: Box<dyn Shape>,
    pub list: Option<Box<Node>>,
    pub pair: (Pair, u8),
    pub grid: [Cell; 4],
    pub generic: Holder<Inner>,
    pub state: State,
    pub raw: *const Raw,
    pub bits: Bits,
    pub unused: u8,
}
pub struct Player { pub hp: u32, pub mana: u32 }
pub struct Boss { pub rage: u64 }
pub struct Shared { pub count: u32, pub limit: u32 }
pub struct Counted { pub count: u16, pub limit: u16 }
pub struct Item { pub price: u32, pub weight: u32 }
pub struct Quest { pub step: u16 }
pub enum Event { Hit(u32), Moved { x: i32, y: i32 }, Nothing }
pub struct Node { pub value: u64, pub next: Option<Box<Node>> }
pub struct Pair { pub a: u16, pub b: u16 }
pub struct Cell { pub height: u16, pub depth: u16 }
pub struct Holder<T> { pub value: T, pub used: bool }
pub struct Inner { pub x: f32, pub y: f32 }
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
pub enum State { Idle = 0, Running = 1, Done = 2 }
pub struct Raw { pub first: u8, pub second: u8 }
pub union Bits { pub word: u32, pub float: f32 }
pub trait Shape { fn area(&self) -> f32; fn edges(&self, of: Measure) -> u32; }
pub struct Measure { pub unit: u32 }
pub struct Square(pub f32);
impl Shape for Square {
    fn area(&self) -> f32 { self.0 * self.0 }
    fn edges(&self, of: Measure) -> u32 { of.unit * 4 }
}
type Distance = u64;
type Alias = Box<Boss>;
#[allow(dead_code)]
type Name = &'static str;
#[midair::hotpatch]
pub fn keep(name: &str) -> u64 { name.len() as u64 }

#[midair::hotpatch]
pub fn update(world: &mut World, step: u32) -> u64 { world.players.len() as u64 + u64::from(step) }
#[midair::hotpatch]
pub fn measure(from: Distance, to: u64) -> u64 { to - from as u64 }
#[midair::hotpatch]
pub fn meet(boss: Alias) -> u64 { boss.rage }
#[midair::hotpatch]
pub fn each(values: &[Pair], with: &dyn Fn(u32) -> u32) -> u32 { with(values.len() as u32) }
#[midair::hotpatch]
pub unsafe fn raw(of: *const Raw) -> u8 { unsafe { (*of).first } }
#[midair::hotpatch]
pub extern \"C\" fn foreign(x: u32, y: u64) -> u64 { u64::from(x) + y }
#[midair::hotpatch]
pub fn borrow<'a>(text: &'a str, _other: &str) -> &'a str { text }
#[midair::hotpatch]
pub async fn later(x: u32) -> u32 { x }
pub fn helper(x: u64) -> u64 { x }

#[unsafe(no_mangle)]
pub extern \"C\" fn call(x: u64) -> u64 { measure(x as _, (x + 7) as _) as u64 + helper(0) }
#[unsafe(no_mangle)]
pub extern \"C\" fn area(x: u64) -> u64 {
    let shape: Box<dyn Shape> = Box::new(Square(x as f32));
    shape.area() as u64 + u64::from(shape.edges(unsafe { std::mem::zeroed() }))
}
";

/// What becomes of an edit: taken, or refused with this text in the reason.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Taken,
    Refused(&'static str),
}
use Verdict::{Refused, Taken};

/// File, old text, new text, verdict.
type Edit = (&'static str, &'static str, &'static str, Verdict);

const EDITS: &[Edit] = &[
    // Signatures.
    (
        "g",
        "from: Distance, to: u64) -> u64 { to - from as u64 }",
        "from: u32, to: u64) -> u64 { to - from as u64 }\n#[allow(dead_code)]\nfn call_u32(x: u32) -> u32 { x }",
        Refused("measure"),
    ),
    (
        "g",
        "measure(from: Distance, to: u64) -> u64 { to - from as u64 }",
        "measure(from: Distance, to: u64) -> i64 { (to - from as u64) as i64 }",
        Refused("measure"),
    ),
    (
        "g",
        "x: u32, y: u64) -> u64 { u64::from(x) + y",
        "y: u64, x: u32) -> u64 { u64::from(x) + y",
        Refused("foreign"),
    ),
    ("g", "pub extern \"C\" fn foreign", "pub fn foreign", Refused("foreign")),
    ("g", "pub unsafe fn raw", "pub fn raw", Refused("raw")),
    ("g", "of: *const Raw", "of: *mut Raw", Refused("raw")),
    (
        "g",
        "pub async fn later(x: u32) -> u32 { x }",
        "pub fn later(x: u32) -> u32 { x }",
        Refused("later"),
    ),
    (
        "g",
        "pub fn update(world: &mut World, step: u32)",
        "pub fn update(world: &mut World, step: u32, _more: u8)",
        Refused("update"),
    ),
    ("g", "pub fn update(world: &mut World", "pub fn update(world: &World", Refused("update")),
    (
        "g",
        "text: &'a str, _other: &str) -> &'a str { text }",
        "_other: &'a str, text: &'a str) -> &'a str { text }",
        Refused("borrow"),
    ),
    ("g", "type Distance = u64;", "type Distance = i64;", Refused("measure")),
    ("g", "type Alias = Box<Boss>;", "type Alias = std::rc::Rc<Boss>;", Refused("meet")),
    (
        "g",
        "Fn(u32) -> u32) -> u32 { with(values.len() as u32)",
        "Fn(u64) -> u32) -> u32 { with(values.len() as u64)",
        Refused("each"),
    ),
    // An alias that hides how long a borrow lasts: new code might keep what old callers lend.
    ("g", "keep(name: &str)", "keep(name: Name)", Refused("keep")),
    ("g", "keep(name: &str)", "keep(name: &std::primitive::str)", Taken),
    // Layouts.
    (
        "g",
        "pub hp: u32, pub mana: u32 }",
        "pub hp: u32, pub mana: u32, pub name: u64 }",
        Refused("field name: u64 new at 0; size 8 -> 16"),
    ),
    ("g", "pub hp: u32, pub mana: u32 }", "pub hp: u32 }", Refused("field mana: u32 gone from 4")),
    (
        "g",
        "pub hp: u32, pub mana: u32 }",
        "pub mana: u32, pub hp: u32 }",
        Refused("field hp: u32 moved from 0 to 4"),
    ),
    (
        "g",
        "pub hp: u32, pub mana: u32 }",
        "pub hp: u32, pub magic: u32 }",
        Refused(
            "Player (lab_corpus_game::Player): field mana: u32 renamed to magic; reached through argument 1, &mut World -> players: Vec<Player>",
        ),
    ),
    ("g", "pub hp: u32, pub mana: u32 }", "pub hp: u32, pub mana: f32 }", Refused("players")),
    (
        "g",
        "pub hp: u32, pub mana: u32 }",
        "pub hp: u64, pub mana: u32 }",
        Refused("field hp widened: u32 -> u64; field mana: u32 moved from 4 to 8; size 8 -> 16"),
    ),
    (
        "g",
        "pub rage: u64 }",
        "pub rage: u64, pub fear: u64 }",
        Refused(
            "Boss (lab_corpus_game::Boss): field fear: u64 new at 8; size 8 -> 16; reached through argument 1, Box<Boss>; used by `meet` and `update` (in ",
        ),
    ),
    (
        "g",
        "pub count: u32, pub limit: u32 }",
        "pub limit: u32, pub count: u32 }",
        Refused("Shared"),
    ),
    (
        "g",
        "pub count: u16, pub limit: u16 }",
        "pub limit: u16, pub count: u16 }",
        Refused("Counted"),
    ),
    (
        "g",
        "pub price: u32, pub weight: u32 }",
        "pub weight: u32, pub price: u32 }",
        Refused("Item"),
    ),
    ("g", "pub step: u16 }", "pub step: i16 }", Refused("Quest")),
    (
        "g",
        "pub price: u32, pub weight: u32 }",
        "pub price: u32, pub weight: u32, pub kind: u8 }",
        Refused("Item"),
    ),
    (
        "g",
        "Event { Hit(u32), Moved",
        "Event { Missed, Hit(u32), Moved",
        Refused("variant Missed new"),
    ),
    (
        "g",
        "Moved { x: i32, y: i32 }, Nothing }",
        "Moved { x: i32, y: i32 }, Nothing, Won }",
        Refused("variant Won new"),
    ),
    (
        "g",
        "Event { Hit(u32), Moved { x: i32, y: i32 }",
        "Event { Moved { x: i32, y: i32 }, Hit(u32)",
        Refused("Event"),
    ),
    (
        "g",
        "Moved { x: i32, y: i32 }",
        "Moved { x: i32, z: i32 }",
        Refused(
            "field y: i32 renamed to z; reached through argument 1, &mut World -> event: Event -> Moved",
        ),
    ),
    ("g", "Moved { x: i32, y: i32 }", "Moved { y: i32, x: i32 }", Refused("event: Event -> Moved")),
    ("g", "Hit(u32)", "Hit(i32)", Refused("Hit")),
    ("g", "Hit(u32)", "Hit(std::num::NonZero<u32>)", Refused("Event")),
    ("g", "Idle = 0, Running = 1", "Idle = 1, Running = 0", Refused("State")),
    ("g", "Done = 2 }", "Done = 2, Gone = 3 }", Refused("Gone")),
    (
        "f",
        "pub id: u32, pub weight: u32",
        "pub weight: u32, pub id: u32",
        Refused("far_types::Far"),
    ),
    (
        "f",
        "pub id: u32, pub weight: u32",
        "pub id: u32, pub weight: u32, pub more: u32",
        Refused("far_types::Far"),
    ),
    (
        "n",
        "pub far: far_types::Far, pub name: String",
        "pub far: far_types::Far, pub name: String, pub n: u8",
        Refused("near_types::Near"),
    ),
    ("n", "pub name: String", "pub name: Vec<u8>", Refused("near")),
    ("g", "pub value: u64, pub next", "pub value: i64, pub next", Refused("list")),
    ("g", "pub a: u16, pub b: u16", "pub b: u16, pub a: u16", Refused("Pair")),
    ("g", "pub height: u16, pub depth: u16", "pub depth: u16, pub height: u16", Refused("Cell")),
    ("g", "pub grid: [Cell; 4]", "pub grid: [Cell; 5]", Refused("World")),
    ("g", "pub x: f32, pub y: f32 }", "pub y: f32, pub x: f32 }", Refused("Inner")),
    (
        "g",
        "Holder<T> { pub value: T, pub used: bool }",
        "Holder<T> { pub value: T, pub used: u8 }",
        Refused("generic"),
    ),
    ("g", "pub generic: Holder<Inner>", "pub generic: Holder<Pair>", Refused("World")),
    ("g", "pub first: u8, pub second: u8", "pub second: u8, pub first: u8", Refused("Raw")),
    ("g", "pub word: u32, pub float: f32", "pub word: u32, pub float: i32", Refused("bits")),
    (
        "g",
        "pub union Bits { pub word: u32,",
        "pub union Bits { pub wide: u64, pub word: u32,",
        Refused("Bits"),
    ),
    (
        "g",
        "pub unused: u8,",
        "pub unused: i8,",
        Refused(
            "World (lab_corpus_game::World): field unused: u8 -> i8; reached through argument 1, &mut World",
        ),
    ),
    ("g", "pub shape: Box<dyn Shape>", "pub shape: Rc<dyn Shape>", Refused("shape")),
    (
        "g",
        "fn area(&self) -> f32; fn edges(&self, of: Measure) -> u32; }",
        "fn edges(&self, of: Measure) -> u32; fn area(&self) -> f32; }",
        Refused("another order"),
    ),
    (
        "g",
        "fn area(&self) -> f32; fn",
        "fn area(&self) -> f32; fn inside(&self) -> bool { true } fn",
        Refused("Shape"),
    ),
    (
        "g",
        "pub struct Measure { pub unit: u32 }",
        "#[derive(Default)]\npub struct Measure { pub unit: u32, pub scale: u64 }",
        Refused("Measure"),
    ),
    // What changes nothing for old code.
    ("g", "{ to - from as u64 }", "{ to - from as u64 + 1 }", Taken),
    (
        "g",
        "measure(from: Distance, to: u64) -> u64 { to - from as u64 }",
        "measure(start: Distance, end: u64) -> u64 { end - start as u64 }",
        Taken,
    ),
    ("g", "measure(from: Distance, to: u64)", "measure(\n    from :Distance ,to: u64 , )", Taken),
    ("g", "measure(from: Distance, to: u64)", "measure(from: u64, to: Distance)", Taken),
    ("g", "boss: Alias", "boss: Box<Boss>", Taken),
    ("g", "boss: Alias", "boss: std::boxed::Box<self::Boss>", Taken),
    (
        "g",
        "borrow<'a>(text: &'a str, _other: &str) -> &'a str",
        "borrow<'t>(text: &'t str, _other: &str) -> &'t str",
        Taken,
    ),
    (
        "g",
        "pub fn helper(x: u64) -> u64 { x }",
        "pub fn helper(x: u64) -> u64 { more(x) }\nfn more(x: u64) -> u64 { x }",
        Taken,
    ),
    ("g", "pub fn helper", "#[midair::hotpatch]\npub fn fresh(_: u8) {}\npub fn helper", Taken),
    ("g", "pub struct Player", "/// Someone.\n#[allow(dead_code)]\npub struct Player", Taken),
    ("g", "type Alias", "pub struct Unrelated { pub a: u64 }\ntype Alias", Taken),
    (
        "g",
        "impl Shape for Square",
        "impl Player { pub fn dead(&self) -> bool { self.hp == 0 } }\nimpl Shape for Square",
        Taken,
    ),
    (
        "g",
        "impl Shape for Square",
        "pub struct Circle(pub f32);\nimpl Shape for Circle {\n    fn area(&self) -> f32 { self.0 }\n    fn edges(&self, _: Measure) -> u32 { 0 }\n}\nimpl Shape for Square",
        Taken,
    ),
    (
        "g",
        "pub async fn later(x: u32) -> u32 { x }",
        "pub async fn later(x: u32) -> u32 { std::future::ready(()).await; x + 1 }",
        Taken,
    ),
];

/// Three crates: the library and two that it has types of.
struct Corpus {
    game: Fixture,
    near: Fixture,
    far: Fixture,
    source: Source,
}

/// What tells of types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Debug info, of types that nobody annotated.
    DebugInfo,
    /// Derives on every type, in libraries without debug info.
    Derive,
}

impl Source {
    /// The source with what it has to say of types.
    fn annotated(self, source: &str) -> String {
        if self == Self::DebugInfo {
            return source.to_owned();
        }
        let mut annotated = String::new();
        for line in source.lines() {
            let is_type = ["pub struct", "pub enum", "pub union"];
            if is_type.iter().any(|start| line.starts_with(start)) {
                annotated.push_str("#[derive(midair::Layout)]\n");
            } else if line.starts_with("pub trait") {
                annotated.push_str("#[midair::layout]\n");
            }
            annotated.push_str(line);
            annotated.push('\n');
        }
        annotated
    }

    /// The one line of a dependency on midair, where a crate of types needs it.
    fn need(self) -> String {
        match self {
            Self::DebugInfo => String::new(),
            Self::Derive => format!("midair = {{ path = {:?} }}\n", env!("CARGO_MANIFEST_DIR")),
        }
    }
}

impl Corpus {
    fn new(source: Source) -> Self {
        let names = match source {
            Source::DebugInfo => "lab_corpus_game",
            Source::Derive => "lab_corpus_derived",
        };
        let rlib = "crate-type = [\"rlib\"]";
        let far = Fixture::plain("far_types", FAR, rlib, &source.need());
        let need = |name: &str, of: &Fixture| format!("{name} = {{ path = {:?} }}\n", of.dir());
        let needs = need("far_types", &far) + &source.need();
        let near = Fixture::plain("near_types", NEAR, rlib, &needs);
        let game = Fixture::with_manifest(
            names,
            GAME,
            "crate-type = [\"cdylib\"]",
            "[profile.deep]\ninherits = \"dev\"\ndebug = 2\n[profile.deep.package.\"*\"]\ndebug = 0\n\
             [profile.deep.package.near_types]\ndebug = 2\n[profile.deep.package.far_types]\ndebug = 2\n",
        );
        game.depend(&need("near_types", &near));
        let mut corpus = Self { game, near, far, source };
        if source == Source::DebugInfo {
            corpus.game.arguments = vec!["--profile".into(), "deep".into()];
            corpus.game.output = lab::target_dir().join("deep").join(lab::library(names));
        }
        corpus.reset();
        corpus
    }

    fn reset(&self) {
        self.far.write_plain(&self.source.annotated(FAR));
        self.near.write_plain(&self.source.annotated(NEAR));
        self.game.write(&self.source.annotated(GAME));
    }

    /// Makes one edit, in the source as people would write it.
    fn edit(&self, file: &str, old: &str, new: &str) {
        let source = match file {
            "f" => FAR,
            "n" => NEAR,
            _ => GAME,
        };
        assert!(source.contains(old), "the fixture does not contain {old:?}");
        let edited = self.source.annotated(&source.replacen(old, new, 1));
        match file {
            "f" => self.far.write_plain(&edited),
            "n" => self.near.write_plain(&edited),
            _ => self.game.write(&edited),
        }
    }
}

#[test]
fn every_edit_has_its_verdict() {
    verdicts(Source::DebugInfo, |_| {});
}

#[test]
fn every_edit_has_its_verdict_by_derives_alone() {
    verdicts(Source::Derive, |library| {
        let library = midair::inspect::Library::open(library).unwrap();
        for function in library.functions() {
            assert_eq!(function.depth, midair::Depth::Derive, "{function:?}");
        }
    });
}

fn verdicts(source: Source, check: impl Fn(&Path)) {
    let corpus = Corpus::new(source);
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first.so");
    corpus.game.build_to(&first);
    check(&first);
    let mut wrong = Vec::new();
    for (file, old, new, verdict) in EDITS {
        corpus.edit(file, old, new);
        let next = dir.path().join("next.so");
        if let Err(errors) = corpus.game.try_build() {
            wrong.push(format!("{old:?} -> {new:?}\n  does not compile: {errors}"));
            corpus.reset();
            continue;
        }
        std::fs::copy(&corpus.game.output, &next).unwrap();
        let mut host = Host::start_with(|command| {
            command.env("MIDAIR_ARTIFACT", dir.path().join("none.so"));
        });
        host.load(&first);
        assert_eq!(host.call("call", 1), 7);
        let answer = host.reload(&next).replace("lab_corpus_derived", "lab_corpus_game");
        let right = match verdict {
            Taken => answer.starts_with("ok 1 "),
            Refused(reason) => answer.starts_with("Refused: ") && answer.contains(reason),
        };
        if !right {
            wrong.push(format!("{old:?} -> {new:?}\n  wanted {verdict:?}\n  got {answer}"));
        }
        host.quit();
        corpus.reset();
    }
    assert!(EDITS.len() >= 60, "{} edits", EDITS.len());
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), EDITS.len(), wrong.join("\n"));
}
