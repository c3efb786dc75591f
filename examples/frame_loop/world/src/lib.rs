//! The types that the program and its library share, with a layout that both agree on.

use std::fmt;

/// What the program keeps as long as it runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Frames so far.
    pub frame: u64,
    /// Where the ball is, from 0 to 1.
    pub height: f32,
    /// How fast it rises, per second.
    pub speed: f32,
}

impl World {
    /// A ball held high.
    pub const fn new() -> Self {
        Self { frame: 0, height: 1.0, speed: 0.0 }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// One line of the screen. What does not fit is cut off.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    bytes: [u8; Self::WIDTH],
    len: usize,
}

impl Frame {
    /// The most bytes that a line takes.
    pub const WIDTH: usize = 120;

    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; Self::WIDTH], len: 0 }
    }

    /// What was drawn.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.len]).into_owned()
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Frame {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = &mut self.bytes[self.len..];
        let len = text.len().min(free.len());
        free[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        Ok(())
    }
}
