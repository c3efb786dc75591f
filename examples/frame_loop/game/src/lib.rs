//! What happens in a frame. Change it while the program runs.

use std::fmt::Write;

use frame_loop_world::{Frame, World};
use midair::hotpatch;

const GRAVITY: f32 = -1.5;

/// Moves the world on by `dt` seconds.
#[hotpatch]
#[unsafe(no_mangle)]
pub extern "C" fn update(world: &mut World, dt: f32) {
    world.frame += 1;
    world.speed += GRAVITY * dt;
    world.height += world.speed * dt;
    if world.height < 0.0 {
        world.height = 0.0;
        world.speed = bounce(world.speed);
    }
}

/// Draws the world as one line.
#[hotpatch]
#[unsafe(no_mangle)]
pub extern "C" fn draw(world: &World, frame: &mut Frame) {
    let column = (world.height * 40.0) as usize;
    // A frame takes all that fits, so there is no error to pass on.
    let _ = write!(frame, "frame {:>6} |{:column$}o", world.frame, "");
}

/// Not hot by itself: what a hot function calls in the same library comes along with it.
fn bounce(speed: f32) -> f32 {
    if speed > -0.2 { 1.7 } else { -speed }
}
