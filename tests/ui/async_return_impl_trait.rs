use midair::hotpatch;

#[hotpatch]
async fn numbers() -> Option<impl Iterator<Item = u32> + Send> {
    Some(0..3)
}

fn main() {}
