use midair::persist;
use std::cell::Cell;
use std::sync::Mutex;

#[persist]
static mut COUNTER: u64 = 0;

#[persist]
static CELL: Cell<u64> = Cell::new(0);

#[persist]
const LIMIT: u64 = 3;

#[persist(keep)]
static KEPT: Mutex<u64> = Mutex::new(0);

#[persist(migrate = grown)]
static GROWN: Mutex<u64> = Mutex::new(0);

#[persist(from = u32)]
static FROM: Mutex<u64> = Mutex::new(0);

#[persist(migrate)]
static SILENT: Mutex<u64> = Mutex::new(0);

#[persist(scoped)]
thread_local! {
    static LOCAL: Cell<u64> = Cell::new(0);
}

fn grown(old: &Mutex<u32>) -> Result<Mutex<u64>, String> {
    Ok(Mutex::new(u64::from(*old.lock().unwrap())))
}

fn main() {}
