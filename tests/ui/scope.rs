#[midair::scope]
const fn early() {}

#[midair::scope(nested)]
fn argument() {}

struct Player;

#[midair::scope]
impl Player {
    fn hit(&self) {}
}

#[midair::scope]
fn right<'a>(text: &'a str) -> Option<&'a str> {
    let first = text.lines().next()?;
    Some(first)
}

fn main() {
    early();
    argument();
    Player.hit();
    right("");
}
