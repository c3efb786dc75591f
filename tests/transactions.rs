//! Transactions: stages, generations, rollback, scopes and levels, in live programs.

mod lab;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lab::{Fixture, Host, PATIENCE};

/// Two hot functions that change together, and everything that a program may want of midair.
const PROGRAM: &str = r#"
use midair::Level;
use midair::transaction::Artifact;
use std::ffi::{CStr, c_char};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

#[midair::hotpatch]
fn one() -> u64 { 1 }
#[midair::hotpatch]
fn two() -> u64 { 1 }

#[unsafe(no_mangle)]
pub extern "C" fn both(_: u64) -> u64 { one() * 10 + two() }

/// A constructor that leaves a trace in the file that CANARY names.
extern "C" fn trace() {
    if midair::is_hotpatched() {
        if let Ok(path) = std::env::var("CANARY") {
            let _ = std::fs::write(path, "ran");
        }
    }
}
#[used]
#[unsafe(link_section = ".init_array")]
static TRACE: extern "C" fn() = trace;

fn number(outcome: Result<u64, midair::Error>) -> String {
    match outcome {
        Ok(number) => number.to_string(),
        Err(error) => format!("{:?}: {}", error.kind(), error.explain()),
    }
}

fn command(words: &str) -> String {
    let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
    match word {
        "rollback" => number(midair::rollback()),
        "rollback_to" => number(midair::rollback_to(rest.parse().unwrap())),
        "generation" => midair::generation().to_string(),
        "active" => midair::active().unwrap().to_string(),
        "history" => midair::history()
            .unwrap()
            .iter()
            .map(|record| {
                let digest = record.digest.map_or(String::new(), |digest| format!(" {digest}"));
                format!("{record}{digest}")
            })
            .collect::<Vec<_>>()
            .join(" | "),
        "level" => {
            let level = match rest {
                "scoped" => Level::Scoped,
                "immediate" => Level::Immediate,
                millis => Level::Quiescent { deadline: Duration::from_millis(millis.parse().unwrap()) },
            };
            format!("{:?}", midair::Runtime::builder().level(level).start().is_ok())
        }
        "stage" => stage(rest),
        "trial" => trial(rest),
        "overlapping" => number(overlapping(rest)),
        "gone" => number(gone(rest)),
        "ill_late" => ill_late(rest),
        "forked_stage" => forked_stage(rest),
        "hold" => hold(),
        "ask" => ask(),
        "checkpoint" => tell("checkpoint"),
        "release" => release(),
        "progress" => format!("{:?}", midair::transition().unwrap().progress()),
        "stragglers" => {
            let stragglers = midair::transition().unwrap().stragglers();
            stragglers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        "drained" => format!("{:?}", midair::transition().unwrap().wait(Duration::from_secs(20)).is_ok()),
        "awaited" => {
            hold();
            let releasing = std::thread::spawn(|| {
                sleep(Duration::from_millis(300));
                release()
            });
            let outcome = reloaded(rest);
            format!("{outcome}, the holder then saw {}", releasing.join().unwrap())
        }
        "inside" => midair::scope(|| reloaded(rest)),
        "reload" => reloaded(rest),
        "within" => within(),
        "pinned" => pinned(rest),
        "unwound" => unwound(),
        "watched" => watched(rest),
        "fork" => fork(),
        _ => format!("what is {words:?}?"),
    }
}

fn reloaded(path: &str) -> String {
    match midair::reload(path) {
        Ok(report) => format!("ok {}{} {}", report.generation, if report.repeated { " repeated" } else { "" }, report.drained),
        Err(error) => format!("{:?}: {}", error.kind(), error.explain()),
    }
}

/// Takes a patch as far as `how` says, then drops it.
fn stage(words: &str) -> String {
    let (how, path) = words.split_once(' ').unwrap();
    let answer = (|| {
        let artifact = Artifact::open(path)?;
        if how == "artifact" { return Ok(both(0)); }
        let checked = artifact.check()?;
        assert!(checked.report().function("one").unwrap().body_changed);
        if how == "checked" { return Ok(both(0)); }
        let loaded = checked.trust()?.load()?;
        if how == "loaded" { return Ok(both(0)); }
        let prepared = loaded.prepare()?;
        if how == "busy" {
            let other = std::thread::spawn({
                let path = path.to_owned();
                move || midair::reload(path).map(|report| report.generation)
            });
            assert!(matches!(midair::reload(path), Err(midair::Error::Busy)));
            drop(prepared);
            return other.join().unwrap();
        }
        if how == "prepared" { return Ok(both(0)); }
        let provisional = prepared.commit(Level::Scoped)?;
        let seen = both(0);
        if how == "accepted" { provisional.accept()?; }
        Ok(seen)
    })();
    format!("{} then {}", number(answer), both(0))
}

/// Keeps a patch if it is well.
fn trial(words: &str) -> String {
    let (how, path) = words.split_once(' ').unwrap();
    let outcome = (|| {
        let prepared = Artifact::open(path)?.check()?.trust()?.load()?.prepare()?;
        let mut asked = 0;
        prepared.commit(Level::Immediate)?.accept_within(Duration::from_millis(50), || {
            asked += 1;
            match how {
                "ill" if asked == 3 => Err("the answer is too large".to_owned()),
                "panics" => panic!("no health today"),
                _ => Ok(()),
            }
        })
    })();
    match outcome {
        Ok(report) => format!("ok {}", report.generation),
        Err(error) => error.explain(),
    }
}

fn provisional(path: &str) -> Result<midair::transaction::Provisional, midair::Error> {
    Artifact::open(path)?.check()?.trust()?.load()?.prepare()?.commit(Level::Scoped)
}

/// Accepts one patch while the next is under way, and takes that one back.
fn overlapping(words: &str) -> Result<u64, midair::Error> {
    let (one, two) = words.split_once(' ').unwrap();
    let first = provisional(one)?;
    let second = Artifact::open(two)?.check()?.trust()?.load()?;
    first.accept()?;
    second.prepare()?.commit(Level::Scoped)?.roll_back("not this one")?;
    Ok(both(0))
}

/// Accepts a patch that somebody else has taken back.
fn gone(path: &str) -> Result<u64, midair::Error> {
    let provisional = provisional(path)?;
    midair::rollback()?;
    provisional.accept().map(|report| report.generation)
}

/// A patch is found unwell while the next one, which mends it, is on its way.
fn ill_late(words: &str) -> String {
    let (one, two) = words.split_once(' ').unwrap();
    static COMPLAIN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let complaint = || if COMPLAIN.load(std::sync::atomic::Ordering::Relaxed) { Err("ill") } else { Ok(()) };
    midair::Runtime::builder().accept_within(Duration::from_secs(1), complaint).start().unwrap();
    midair::reload(one).unwrap();
    let next = Artifact::open(two).unwrap().check().unwrap().trust().unwrap().load().unwrap();
    COMPLAIN.store(true, std::sync::atomic::Ordering::Relaxed);
    sleep(Duration::from_millis(200));
    let next = next.prepare().unwrap().commit(Level::Immediate).unwrap();
    let accepted = next.accept().map(|report| report.generation);
    sleep(Duration::from_millis(500));
    format!("{} then {}", number(accepted), both(0))
}

static HOLDER: Mutex<Option<(Sender<&'static str>, Receiver<u64>, JoinHandle<()>)>> = Mutex::new(None);

/// Starts a thread that stays in a scope.
fn hold() -> String {
    let (send, orders) = channel();
    let (answers, receive) = channel();
    let thread = std::thread::Builder::new().name("holder".to_owned()).spawn(move || {
        let scope = midair::Scope::enter();
        answers.send(both(0)).unwrap();
        for order in orders {
            if order == "checkpoint" { assert!(midair::checkpoint()); }
            if order == "release" { break; }
            answers.send(midair::scope(|| both(0)) + midair::generation() * 1000).unwrap();
        }
        drop(scope);
        answers.send(both(0)).unwrap();
    }).unwrap();
    let seen = receive.recv().unwrap();
    *HOLDER.lock().unwrap() = Some((send, receive, thread));
    seen.to_string()
}

fn tell(order: &'static str) -> String {
    let holder = HOLDER.lock().unwrap();
    let (send, receive, _) = holder.as_ref().unwrap();
    send.send(order).unwrap();
    receive.recv().unwrap().to_string()
}

fn ask() -> String { tell("ask") }

fn release() -> String {
    let answer = tell("release");
    let (_, _, thread) = HOLDER.lock().unwrap().take().unwrap();
    thread.join().unwrap();
    answer
}

/// Scopes that end with a panic.
fn unwound() -> String {
    let caught = std::panic::catch_unwind(|| midair::scope(|| { let _inner = midair::Scope::enter(); panic!("out") }));
    format!("{} {}", caught.is_err(), midair::checkpoint())
}

#[midair::scope]
fn whole(path: &str) -> (u64, String, u64) { (both(0), reloaded(path), both(0)) }

#[midair::scope]
async fn late() -> u64 {
    let before = both(0);
    let mut polled = false;
    std::future::poll_fn(|_| if polled { std::task::Poll::Ready(()) } else { polled = true; std::task::Poll::Pending }).await;
    before * 100 + both(0)
}

/// A task that is polled before and after a patch.
fn pinned(path: &str) -> String {
    let mut task = Box::pin(late());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(task.as_mut().poll(&mut context).is_pending());
    let (first, outcome, last) = whole(path);
    let outside = both(0);
    let polled = std::thread::spawn(move || {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match task.as_mut().poll(&mut context) {
            std::task::Poll::Ready(seen) => seen,
            std::task::Poll::Pending => 0,
        }
    }).join().unwrap();
    format!("{first} {outcome} {last} then {outside}, the task {polled}")
}

/// What a generation that is pinned by hand shows.
fn within() -> String {
    let pin = midair::pin_owned();
    let seen = std::thread::spawn(move || (pin.scope(|| both(0)), both(0))).join().unwrap();
    format!("{seen:?}")
}

/// Follows `path` with a health check that wants small answers.
fn watched(path: &str) -> String {
    let builder = midair::Runtime::builder().artifact(path).accept_within(Duration::from_millis(100), || {
        if both(0) > 90 { Err("too large") } else { Ok(()) }
    });
    format!("{:?} {}", builder.start().is_ok(), both(0))
}

/// What a forked child sees; its first word is the child's.
fn fork() -> String { in_child(|| both(0)) }

/// A child drops its copy of a patch that its parent goes on with.
fn forked_stage(path: &str) -> String {
    let mut prepared = Artifact::open(path).and_then(|artifact| artifact.check()?.trust()?.load()?.prepare()).ok();
    let seen = in_child(|| { prepared = None; both(0) });
    let accepted = prepared.unwrap().commit(Level::Scoped).and_then(|provisional| provisional.accept());
    format!("{seen} then {} {}", number(accepted.map(|report| report.generation)), both(0))
}

/// The number that `child` returns in a forked child.
fn in_child(child: impl FnOnce() -> u64) -> String {
    unsafe extern "C" { fn fork() -> i32; fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32; fn _exit(code: i32) -> !; }
    match unsafe { fork() } {
        0 => unsafe { _exit(child() as i32) },
        child => {
            let mut status = 0;
            unsafe { waitpid(child, &mut status, 0) };
            format!("{}", status >> 8)
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn tell_midair(words: *const c_char, out: *mut u8, len: usize) -> usize {
    let words = unsafe { CStr::from_ptr(words) }.to_str().unwrap();
    let answer = command(words);
    let len = answer.len().min(len);
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), out, len) };
    sleep(Duration::ZERO);
    len
}
"#;

/// A program, and editions of it in which each hot function gives its number.
struct Program {
    fixture: Fixture,
    editions: tempfile::TempDir,
    first: PathBuf,
}

impl Program {
    /// The program with editions 2 to `last`.
    fn new(name: &str, last: u64) -> Self {
        let fixture = Fixture::new(name, PROGRAM);
        let editions = tempfile::tempdir().expect("a temporary folder can be made");
        let first = editions.path().join("1.so");
        fixture.build_to(&first);
        let program = Self { fixture, editions, first };
        for number in 2..=last {
            program.edit(number - 1, number);
            program.fixture.build_to(&program.edition(number));
        }
        program
    }

    fn edit(&self, from: u64, to: u64) {
        for name in ["one", "two"] {
            let text = |number| format!("fn {name}() -> u64 {{ {number} }}");
            self.fixture.edit(&text(from), &text(to));
        }
    }

    /// Where edition `number` is.
    fn edition(&self, number: u64) -> PathBuf {
        self.editions.path().join(format!("{number}.so"))
    }

    /// A host that runs edition 1 and watches nothing.
    fn host(&self) -> Host {
        let mut host = Host::start_with(|command| {
            command.env("MIDAIR_ARTIFACT", self.editions.path().join("nothing.so"));
            command.env("CANARY", self.canary());
        });
        host.load(&self.first);
        assert_eq!(host.call("both", 0), 11);
        host
    }

    fn canary(&self) -> PathBuf {
        self.editions.path().join("canary")
    }
}

/// Says `words` to the program.
fn tell(host: &mut Host, words: &str) -> String {
    host.say(&["text", "tell_midair", words])
}

fn reload(host: &mut Host, path: &Path) -> String {
    tell(host, &format!("reload {}", path.display()))
}

#[test]
fn generations_are_gone_back_to_and_on_to() {
    let program = Program::new("lab_generations", 3);
    let mut host = program.host();
    assert_eq!(
        tell(&mut host, "rollback"),
        "NoGeneration: there is no generation 0 to go back to; \
                                             see `midair::history()` for those that there are"
    );
    assert_eq!(reload(&mut host, &program.edition(2)), "ok 1 true");
    assert_eq!(reload(&mut host, &program.edition(2)), "ok 1 repeated true");
    assert_eq!(reload(&mut host, &program.edition(3)), "ok 2 true");
    assert_eq!((host.call("both", 0), tell(&mut host, "generation")), (33, "2".to_owned()));
    assert_eq!(tell(&mut host, "rollback"), "1");
    assert_eq!((host.call("both", 0), tell(&mut host, "generation")), (22, "1".to_owned()));
    assert_eq!(tell(&mut host, "rollback_to 0"), "0");
    assert_eq!(host.call("both", 0), 11);
    assert_eq!(tell(&mut host, "rollback_to 2"), "2");
    assert_eq!(host.call("both", 0), 33);
    assert!(tell(&mut host, "rollback_to 7").starts_with("NoGeneration"));
    std::fs::write(program.edition(9), "no library").unwrap();
    assert!(reload(&mut host, &program.edition(9)).starts_with("Artifact"));
    assert_eq!(tell(&mut host, "rollback_to 1"), "1");
    // What follows builds on what runs, not on what was loaded last.
    assert_eq!(reload(&mut host, &program.edition(3)), "ok 3 true");
    assert_eq!(tell(&mut host, "rollback"), "1");

    let history = tell(&mut host, "history");
    let entries: Vec<_> = history.split(" | ").collect();
    let begins = [
        "generation 0: superseded",
        "generation 1: active, ",
        "generation 2: rolled back, ",
        "generation 2: refused, ",
        "generation 3: rolled back, ",
    ];
    assert_eq!(entries.len(), begins.len(), "{history}");
    for (entry, begin) in entries.iter().zip(begins) {
        assert!(entry.starts_with(begin), "{entry:?} does not begin with {begin:?}");
    }
    assert!(entries[1].contains("changed lab_generations::one, lab_generations::two"), "{history}");
    assert!(entries[2].contains("(the program asked for it)"), "{history}");
    let digest = midair::Digest::of(&std::fs::read(program.edition(2)).unwrap());
    assert!(entries[1].ends_with(&digest.to_string()), "{} is not in {history}", digest);
    assert!(tell(&mut host, "active").starts_with("generation 1: active"));
    host.quit();
}

#[test]
fn whatever_is_dropped_on_the_way_is_undone() {
    let program = Program::new("lab_stages", 3);
    let mut host = program.host();
    let stage = |host: &mut Host, how: &str, number: u64| {
        tell(host, &format!("stage {how} {}", program.edition(number).display()))
    };
    for how in ["artifact", "checked"] {
        assert_eq!(stage(&mut host, how, 2), "11 then 11");
        assert!(!program.canary().exists(), "{how}: something of the patch ran");
    }
    assert_eq!(stage(&mut host, "loaded", 2), "11 then 11");
    assert!(program.canary().exists(), "its constructors run when it is loaded");
    assert_eq!(stage(&mut host, "prepared", 2), "11 then 11");
    assert_eq!(lab::files_below(host.copies()), Vec::<PathBuf>::new());
    assert_eq!(stage(&mut host, "provisional", 2), "22 then 11");
    assert_eq!(tell(&mut host, "generation"), "0");
    assert_eq!(stage(&mut host, "accepted", 2), "22 then 22");
    assert_eq!(tell(&mut host, "rollback"), "0");
    // Another thread waits for the transaction, the same one is told so at once.
    assert_eq!(stage(&mut host, "busy", 3), "3 then 33");
    assert!(tell(&mut host, "history").contains("generation 1: rolled back"));
    host.quit();
}

#[test]
fn what_was_accepted_is_gone_back_to_whatever_was_under_way() {
    let program = Program::new("lab_overlap", 3);
    let mut host = program.host();
    let (two, three) = (program.edition(2), program.edition(3));
    let paths = format!("{} {}", two.display(), three.display());
    assert_eq!(tell(&mut host, &format!("overlapping {paths}")), "22");
    assert_eq!(tell(&mut host, "rollback"), "0");
    let gone = tell(&mut host, &format!("gone {}", two.display()));
    let words = "Unhealthy: generation 3 was taken back: the program asked for it";
    assert!(gone.starts_with(words), "{gone}");
    assert_eq!(host.call("both", 0), 11);
    // A complaint about one patch does not take back the one that came after it.
    assert_eq!(tell(&mut host, &format!("ill_late {paths}")), "5 then 33");
    host.quit();
}

#[test]
fn a_child_that_drops_its_parents_patch_takes_nothing_from_it() {
    let program = Program::new("lab_forked_stage", 2);
    let mut host = program.host();
    let told = tell(&mut host, &format!("forked_stage {}", program.edition(2).display()));
    assert_eq!(told, "11 then 1 22");
    let copies = lab::files_below(host.copies());
    let whole = std::fs::metadata(program.edition(2)).unwrap().len();
    let sizes: Vec<_> = copies.iter().map(|copy| std::fs::metadata(copy).unwrap().len()).collect();
    assert_eq!(sizes, [whole], "the copy of what runs is there: {copies:?}");
    host.quit();
}

#[test]
fn a_patch_that_is_found_unwell_is_taken_back() {
    let program = Program::new("lab_trials", 3);
    let mut host = program.host();
    let trial = |host: &mut Host, how: &str, number: u64| {
        tell(host, &format!("trial {how} {}", program.edition(number).display()))
    };
    assert_eq!(trial(&mut host, "well", 2), "ok 1");
    assert_eq!(host.call("both", 0), 22);
    let ill = trial(&mut host, "ill", 3);
    assert!(ill.starts_with("generation 2 was taken back: the answer is too large"), "{ill}");
    assert_eq!(host.call("both", 0), 22);
    let panics = trial(&mut host, "panics", 3);
    assert!(panics.contains("the health check panicked: no health today"), "{panics}");
    assert_eq!(host.call("both", 0), 22);
    let history = tell(&mut host, "history");
    assert!(
        history.contains("generation 2: rolled back") && history.contains("too large"),
        "{history}"
    );
    host.quit();
}

#[test]
fn an_automatic_patch_that_is_found_unwell_is_taken_back() {
    let program = Program::new("lab_watched", 2);
    program.edit(2, 9);
    program.fixture.build_to(&program.edition(9));
    let mut host = program.host();
    let followed = program.editions.path().join("followed.so");
    let words = format!("watched {}", followed.display());
    assert_eq!(tell(&mut host, &words), "true 11");
    host.until_log("following");
    std::fs::copy(program.edition(2), &followed).unwrap();
    host.until("both", 0, 22);
    let started = Instant::now();
    while !tell(&mut host, "active").starts_with("generation 1: active") {
        assert!(started.elapsed() < PATIENCE, "it is never accepted");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_file(&followed).unwrap();
    std::fs::copy(program.edition(9), &followed).unwrap();
    host.until_log("generation 2 was taken back: too large");
    assert_eq!(host.call("both", 0), 22);
    host.quit();
}

#[test]
fn a_scope_sees_one_generation_and_is_named_when_it_delays() {
    let program = Program::new("lab_scopes", 3);
    let mut host = program.host();
    assert_eq!(tell(&mut host, "hold"), "11");
    assert_eq!(reload(&mut host, &program.edition(2)), "ok 1 false");
    assert_eq!(host.call("both", 0), 22, "outside of scopes the new code runs");
    assert_eq!(tell(&mut host, "ask"), "11", "a scope goes on with what it saw, nested ones too");
    let stragglers = tell(&mut host, "stragglers");
    assert!(stragglers.starts_with("thread \"holder\" ("), "{stragglers}");
    assert!(stragglers.contains(") in a scope of generation 0, waited for "), "{stragglers}");
    let progress = tell(&mut host, "progress");
    assert!(progress.contains("from: 0, to: 1, slots: 4"), "{progress}");
    // One transition at a time.
    let began = Instant::now();
    let second = reload(&mut host, &program.edition(3));
    assert!(second.starts_with("Draining: the change to generation 1 has not ended"), "{second}");
    assert!(second.contains("holder") && second.contains("midair::checkpoint()"), "{second}");
    assert!(began.elapsed() >= Duration::from_secs(9), "it was not given time to end");
    // The transition is reversed without waiting for anybody.
    assert_eq!(tell(&mut host, "rollback"), "0");
    assert_eq!((host.call("both", 0), tell(&mut host, "ask")), (11, "11".to_owned()));
    assert_eq!(tell(&mut host, "rollback_to 1"), "1", "and once more");
    assert_eq!((host.call("both", 0), tell(&mut host, "ask")), (22, "11".to_owned()));
    assert_eq!(tell(&mut host, "checkpoint"), "1022", "who asks for it sees what is new");
    assert_eq!(tell(&mut host, "drained"), "true");
    assert_eq!(tell(&mut host, "progress"), "None");
    assert_eq!(tell(&mut host, "release"), "22");
    tell(&mut host, "level scoped");
    let awaited = tell(&mut host, &format!("awaited {}", program.edition(3).display()));
    assert_eq!(awaited, "ok 2 true, the holder then saw 33", "old scopes are waited for");
    assert_eq!(tell(&mut host, "unwound"), "true false", "a panic leaves its scopes");
    assert_eq!(tell(&mut host, "within"), "(33, 33)");
    host.quit();
}

#[test]
fn a_scope_that_patches_does_not_wait_for_itself() {
    let program = Program::new("lab_inside", 4);
    let mut host = program.host();
    let inside = |host: &mut Host, number: u64| {
        tell(host, &format!("inside {}", program.edition(number).display()))
    };
    assert_eq!(inside(&mut host, 2), "ok 1 false");
    assert_eq!(tell(&mut host, "drained"), "true");
    assert_eq!(host.call("both", 0), 22);
    // A task and a function of the attribute keep what they saw first.
    let pinned = tell(&mut host, &format!("pinned {}", program.edition(3).display()));
    assert_eq!(pinned, "22 ok 2 false 22 then 33, the task 2222");
    assert_eq!(tell(&mut host, "drained"), "true");
    host.quit();
}

#[test]
fn a_quiescent_patch_waits_for_scopes_and_is_busy_otherwise() {
    let program = Program::new("lab_quiescent", 3);
    let mut host = program.host();
    tell(&mut host, "level 200");
    assert_eq!(reload(&mut host, &program.edition(2)), "ok 1 true");
    assert_eq!(tell(&mut host, "hold"), "22");
    let busy = reload(&mut host, &program.edition(3));
    assert!(busy.starts_with("NotQuiescent: no moment without scopes came within 200ms"), "{busy}");
    assert!(busy.contains("thread \"holder\""), "{busy}");
    assert_eq!((host.call("both", 0), tell(&mut host, "generation")), (22, "1".to_owned()));
    assert_eq!(tell(&mut host, "ask"), "1022", "the gate is open again for nested and new scopes");
    let inside = tell(&mut host, &format!("inside {}", program.edition(3).display()));
    assert!(inside.starts_with("NotQuiescent"), "{inside}");
    assert_eq!(tell(&mut host, "release"), "22");
    assert_eq!(reload(&mut host, &program.edition(3)), "ok 2 true");
    assert_eq!(host.call("both", 0), 33);
    assert_eq!(lab::files_below(host.copies()).len(), 2, "what was refused left its copy");
    host.quit();
}

#[test]
fn a_forked_child_has_the_generation_of_its_parent() {
    let program = Program::new("lab_forked", 3);
    let mut host = program.host();
    tell(&mut host, "hold");
    assert_eq!(tell(&mut host, "fork"), "11");
    assert_eq!(reload(&mut host, &program.edition(2)), "ok 1 false");
    assert_eq!(tell(&mut host, "fork"), "22", "in the middle of a transition");
    assert_eq!(tell(&mut host, "rollback"), "0");
    assert_eq!(tell(&mut host, "fork"), "11", "in the middle of its reversal");
    tell(&mut host, "release");
    assert_eq!(tell(&mut host, "drained"), "true");
    assert_eq!(tell(&mut host, "fork"), "11");
    host.quit();
}

#[test]
fn a_function_that_was_away_is_compared_when_it_comes_back() {
    let source = "use midair::hotpatch;
        #[hotpatch] fn value() -> u64 { 1 }
        #[unsafe(no_mangle)] pub extern \"C\" fn call_value(_: u64) -> u64 { value() }";
    let fixture = Fixture::new("lab_away", source);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fixture.build_to(&path("1.so"));
    let with = |helper: &str| format!("{source}\n#[hotpatch] fn helper{helper}");
    for (name, text) in [
        ("2.so", with("(a: u64) -> u64 { a }").replace("{ 1 }", "{ helper(2) }")),
        ("3.so", source.replace("{ 1 }", "{ 3 }")),
        (
            "4.so",
            with("(a: &str) -> usize { a.len() }").replace("{ 1 }", "{ helper(\"four\") as u64 }"),
        ),
    ] {
        fixture.write(&text);
        fixture.build_to(&path(name));
    }
    let mut host = Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", path("nothing.so"));
    });
    host.load(&path("1.so"));
    assert_eq!(host.call("call_value", 0), 1);
    for (name, value) in [("2.so", 2), ("3.so", 3)] {
        assert!(host.reload(&path(name)).starts_with("ok"), "{name}");
        assert_eq!(host.call("call_value", 0), value);
    }
    // A thread may still run edition 2, which calls the helper as it was.
    let refused = host.reload(&path("4.so"));
    assert!(refused.contains("helper") && refused.starts_with("Refused"), "{refused}");
    host.quit();
}

#[test]
fn a_delta_fits_on_what_it_names_and_on_nothing_else() {
    let source = "use midair::hotpatch;
        #[hotpatch] fn one() -> u64 { 1 }
        #[hotpatch] fn two() -> u64 { 1 }
        #[unsafe(no_mangle)] pub extern \"C\" fn both(_: u64) -> u64 { one() * 10 + two() }";
    let fixture = Fixture::new("lab_delta", source);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let build = |name: &str, source: &str| {
        fixture.write(source);
        fixture.build_to(&path(name));
        midair::Digest::of(&std::fs::read(path(name)).unwrap())
    };
    let first = build("1.so", source);
    let whole = source.replace("one() -> u64 { 1 }", "one() -> u64 { 2 }");
    let second = build("2.so", &whole);
    let delta = |base: midair::Digest, value: u64| {
        format!(
            "midair::delta!(base = \"{base}\");
            #[midair::hotpatch] fn two() -> u64 {{ {value} }}"
        )
    };
    build("on_first.so", &delta(first, 5));
    build("on_second.so", &delta(second, 7));
    let mut host = Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", path("nothing.so"));
    });
    host.load(&path("1.so"));
    assert_eq!(host.call("both", 0), 11);
    let refused = host.reload(&path("on_second.so"));
    assert!(refused.starts_with("Base: "), "{refused}");
    assert!(refused.contains(&format!("is a delta on {second}, but {first} runs")), "{refused}");
    assert!(host.reload(&path("on_first.so")).starts_with("ok 1 "));
    assert_eq!(host.call("both", 0), 15, "the function that it lacks goes on");
    let again = host.reload(&path("on_first.so"));
    assert!(again.starts_with("ok 1"), "there is nothing to do: {again}");
    assert!(host.reload(&path("2.so")).starts_with("ok 2 "));
    assert_eq!(host.call("both", 0), 21, "a whole patch replaces both");
    assert!(host.reload(&path("on_first.so")).starts_with("Base: "));
    assert!(host.reload(&path("on_second.so")).starts_with("ok 3 "));
    assert_eq!(host.call("both", 0), 27, "the other one is that of what it builds on");
    host.quit();
}
