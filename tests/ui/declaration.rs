use midair::hotpatch;

extern "C" {
    #[hotpatch]
    fn abs(a: i32) -> i32;
}

fn main() {}
