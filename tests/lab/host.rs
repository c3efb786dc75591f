//! The host of the laboratory: a program that knows nothing of midair. It loads a library, calls
//! what the dialogue on its standard input asks for, and answers on its standard output.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlclose(handle: *mut c_void) -> c_int;
    fn dlerror() -> *const c_char;
    fn fork() -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn pthread_sigmask(how: c_int, set: *const [u64; 16], old: *mut c_void) -> c_int;
    fn sigwait(set: *const [u64; 16], got: *mut c_int) -> c_int;
    fn kill(process: c_int, signal: c_int) -> c_int;
    fn setrlimit(what: c_int, limit: *const [u64; 2]) -> c_int;
}

type Call = extern "C" fn(u64) -> u64;
type Text = extern "C" fn(*const c_char, *mut u8, usize) -> usize;

struct Callers {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    wrong: Arc<AtomicU64>,
    threads: Vec<JoinHandle<u64>>,
}

fn main() {
    let mut libraries: Vec<*mut c_void> = Vec::new();
    let mut callers: Option<Callers> = None;
    let mut churner: Option<JoinHandle<()>> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split('\t').collect();
        let answer = match &words[..] {
            ["load", path] => load(path, &mut libraries),
            ["close"] => {
                unsafe { dlclose(libraries.pop().unwrap()) };
                "ok".to_owned()
            }
            // The place of the library stays, so that the others keep their numbers.
            ["close first"] => {
                unsafe { dlclose(libraries[0]) };
                "ok".to_owned()
            }
            ["call", name, number] => match symbol(&libraries, name) {
                Some(address) => {
                    let call: Call = unsafe { std::mem::transmute(address) };
                    call(number.parse().unwrap()).to_string()
                }
                None => "no such symbol".to_owned(),
            },
            ["text", name, argument] => match symbol(&libraries, name) {
                Some(address) => text(address, argument),
                None => "no such symbol".to_owned(),
            },
            // A panic of the program itself, under whatever the function calls.
            ["callback panics", name] => {
                extern "C-unwind" fn callback() -> u64 {
                    panic!("the program's own panic")
                }
                type Callback = extern "C-unwind" fn() -> u64;
                let call: extern "C-unwind" fn(Callback) -> u64 =
                    unsafe { std::mem::transmute(symbol(&libraries, name).unwrap()) };
                let payload = std::panic::catch_unwind(|| call(callback)).unwrap_err();
                (*payload.downcast::<&str>().unwrap()).to_owned()
            }
            // A thread calls and is gone; the library is closed at once.
            ["call and close", name, number] => {
                let address = symbol(&libraries, name).unwrap() as usize;
                let number = number.parse().unwrap();
                let caller = std::thread::spawn(move || {
                    let call: Call = unsafe { std::mem::transmute(address) };
                    call(number)
                });
                let answer = caller.join().unwrap();
                unsafe { dlclose(libraries.pop().unwrap()) };
                answer.to_string()
            }
            // Opens and closes a library again and again, calling it each time.
            ["churn", path, name, times] => {
                let (path, name) = (path.to_string(), name.to_string());
                let times: u32 = times.parse().unwrap();
                churner = Some(std::thread::spawn(move || {
                    for _ in 0..times {
                        let mut own = Vec::new();
                        assert_eq!(load(&path, &mut own), "ok");
                        let call: Call =
                            unsafe { std::mem::transmute(symbol(&own, &name).unwrap()) };
                        call(1);
                        unsafe { dlclose(own.pop().unwrap()) };
                    }
                }));
                "ok".to_owned()
            }
            ["churned"] => {
                churner.take().unwrap().join().unwrap();
                "ok".to_owned()
            }
            // The way of services: the signal is blocked everywhere and waited for.
            ["wait for signal"] => {
                const SIGTERM: c_int = 15;
                const SIG_BLOCK: c_int = 0;
                let mut set = [0_u64; 16];
                set[0] = 1 << (SIGTERM - 1);
                let mut got = 0;
                unsafe { pthread_sigmask(SIG_BLOCK, &set, std::ptr::null_mut()) };
                unsafe { kill(std::process::id() as c_int, SIGTERM) };
                std::thread::sleep(std::time::Duration::from_millis(100));
                unsafe { sigwait(&set, &mut got) };
                got.to_string()
            }
            ["fork", name, number] => {
                if unsafe { fork() } == 0 {
                    // The child goes on with the dialogue's own copy of the library.
                    let call: Call =
                        unsafe { std::mem::transmute(symbol(&libraries, name).unwrap()) };
                    let number = number.parse().unwrap();
                    let first = call(number);
                    println!("child {first}");
                    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
                    while call(number) == first && std::time::Instant::now() < end {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    }
                    println!("child {}", call(number));
                    std::process::exit(0);
                }
                "forked".to_owned()
            }
            ["start", threads, name] => {
                let address = symbol(&libraries, name).unwrap() as usize;
                callers = Some(start(threads.parse().unwrap(), address));
                "ok".to_owned()
            }
            ["stop"] => stop(callers.take().unwrap()),
            ["file size limit", bytes] => {
                const SIGXFSZ: c_int = 25;
                const IGNORE: usize = 1;
                const RLIMIT_FSIZE: c_int = 1;
                unsafe { signal(SIGXFSZ, IGNORE) };
                let limit = [bytes.parse().unwrap(), u64::MAX];
                unsafe { setrlimit(RLIMIT_FSIZE, &limit) }.to_string()
            }
            ["threads"] => std::fs::read_dir("/proc/self/task").unwrap().count().to_string(),
            ["descriptors"] => std::fs::read_dir("/proc/self/fd").unwrap().count().to_string(),
            ["quit"] => break,
            other => format!("unknown: {other:?}"),
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}

fn load(path: &str, libraries: &mut Vec<*mut c_void>) -> String {
    const RTLD_NOW: c_int = 2;
    let path = CString::new(path).unwrap();
    let handle = unsafe { dlopen(path.as_ptr(), RTLD_NOW) };
    if handle.is_null() {
        return unsafe { CStr::from_ptr(dlerror()) }.to_string_lossy().into_owned();
    }
    libraries.push(handle);
    "ok".to_owned()
}

/// Looks in the library that was loaded last, or, for `name@0`, in the one loaded first.
fn symbol(libraries: &[*mut c_void], name: &str) -> Option<*mut c_void> {
    let (name, index) = match name.split_once('@') {
        Some((name, index)) => (name, index.parse().unwrap()),
        None => (name, libraries.len() - 1),
    };
    let name = CString::new(name).unwrap();
    let address = unsafe { dlsym(libraries[index], name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

fn text(address: *mut c_void, argument: &str) -> String {
    let text: Text = unsafe { std::mem::transmute(address) };
    let argument = CString::new(argument).unwrap();
    let mut answer = vec![0; 1 << 16];
    let len = text(argument.as_ptr(), answer.as_mut_ptr(), answer.len());
    String::from_utf8_lossy(&answer[..len]).replace('\n', " | ")
}

/// Threads that call without pause. What they call returns `(n << 32) | argument`, with an `n`
/// that never goes back: any other result is wrong.
fn start(threads: usize, address: usize) -> Callers {
    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU64::new(0));
    let wrong = Arc::new(AtomicU64::new(0));
    let threads = (0..threads)
        .map(|_| {
            let (stop, calls, wrong) = (stop.clone(), calls.clone(), wrong.clone());
            std::thread::spawn(move || {
                let call: Call = unsafe { std::mem::transmute(address) };
                let mut newest = 0;
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    let argument = count & 0xffff_ffff;
                    let result = call(argument);
                    if result & 0xffff_ffff != argument || result >> 32 < newest {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                    newest = result >> 32;
                    count += 1;
                }
                calls.fetch_add(count, Ordering::Relaxed);
                newest
            })
        })
        .collect();
    Callers { stop, calls, wrong, threads }
}

/// `calls wrong newest newest ..`
fn stop(callers: Callers) -> String {
    callers.stop.store(true, Ordering::Relaxed);
    let newest: Vec<String> =
        callers.threads.into_iter().map(|thread| thread.join().unwrap().to_string()).collect();
    let (calls, wrong) = (callers.calls.load(Ordering::Relaxed), callers.wrong.load(Ordering::Relaxed));
    format!("{calls} {wrong} {}", newest.join(" "))
}
