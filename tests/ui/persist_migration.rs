use midair::persist;
use std::sync::Mutex;

#[persist(migrate = grown, from = Mutex<u16>)]
static WRONG_ARGUMENT: Mutex<u64> = Mutex::new(0);

#[persist(migrate = shrunk, from = Mutex<u32>)]
static WRONG_RESULT: Mutex<u64> = Mutex::new(0);

fn grown(old: &Mutex<u32>) -> Result<Mutex<u64>, String> {
    Ok(Mutex::new(u64::from(*old.lock().unwrap())))
}

fn shrunk(old: &Mutex<u32>) -> Mutex<u32> {
    Mutex::new(*old.lock().unwrap())
}

fn main() {}
