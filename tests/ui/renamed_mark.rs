use midair::hotpatch as hot;

struct Player(u32);

#[hot]
impl Player {
    #[hot]
    fn health(&self) -> u32 {
        self.0
    }

    #[hot]
    fn full() -> u32 {
        100
    }

    fn other(&self) {}
}

fn main() {
    let _ = (Player(1).health(), Player::full());
    Player(1).other();
}
