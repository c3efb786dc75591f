use midair::hotpatch;

#[hotpatch]
#[hotpatch]
fn update() {}

fn main() {
    update();
}
