use midair::hotpatch;

#[hotpatch]
unsafe extern "C" fn print(format: *const u8, args: ...) {
    let _ = (format, args);
}

fn main() {}
