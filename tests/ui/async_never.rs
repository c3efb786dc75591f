use midair::hotpatch;

#[hotpatch]
async fn serve() -> ! {
    loop {}
}

fn main() {}
