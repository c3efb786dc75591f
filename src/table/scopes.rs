//! Scopes across images: a thread's scopes are the domain's, whichever image it enters them in.

use midair_trampolines::function::FunctionHead;
use midair_trampolines::routes::Code;
use midair_trampolines::scope::{
    Before, Epoch, Here, OwnedPin, PINS, checkpoint, enter, leave, step_into, step_out,
};

use super::{Remote, Table};

/// The domain's scopes, for other images.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Scopes {
    enter: extern "C" fn(),
    leave: extern "C" fn(),
    checkpoint: extern "C" fn() -> u32,
    pin: extern "C" fn() -> OwnedPin,
    release: extern "C" fn(&OwnedPin),
    step_into: extern "C" fn(u64) -> Before,
    step_out: extern "C" fn(Before),
    route: extern "C" fn(&'static FunctionHead) -> Code,
}

pub(super) const OWN: Scopes = Scopes {
    enter: own_enter,
    leave: own_leave,
    checkpoint: own_checkpoint,
    pin: own_pin,
    release: own_release,
    step_into: own_step_into,
    step_out: own_step_out,
    route: own_route,
};

extern "C" fn own_enter() {
    enter();
}

extern "C" fn own_leave() {
    leave();
}

extern "C" fn own_checkpoint() -> u32 {
    u32::from(checkpoint() == Here::Current)
}

extern "C" fn own_pin() -> OwnedPin {
    PINS.own_current()
}

extern "C" fn own_release(pin: &OwnedPin) {
    PINS.release(pin);
}

extern "C" fn own_step_into(epoch: u64) -> Before {
    step_into(Epoch::of_number(epoch).unwrap_or(Epoch::FIRST))
}

extern "C" fn own_step_out(before: Before) {
    step_out(before);
}

extern "C" fn own_route(head: &'static FunctionHead) -> Code {
    head.route()
}

impl Remote {
    /// The address of the domain's table.
    pub(crate) fn address(self) -> *const () {
        std::ptr::from_ref::<Table>(self.0).cast()
    }

    pub(crate) fn enter(self) {
        (self.0.scopes.enter)();
    }

    pub(crate) fn leave(self) {
        (self.0.scopes.leave)();
    }

    pub(crate) fn checkpoint(self) -> Here {
        if (self.0.scopes.checkpoint)() == 0 { Here::Unchanged } else { Here::Current }
    }

    pub(crate) fn pin(self) -> OwnedPin {
        (self.0.scopes.pin)()
    }

    pub(crate) fn release(self, pin: &OwnedPin) {
        (self.0.scopes.release)(pin);
    }

    pub(crate) fn step_into(self, epoch: Epoch) -> Before {
        (self.0.scopes.step_into)(epoch.number())
    }

    pub(crate) fn step_out(self, before: Before) {
        (self.0.scopes.step_out)(before);
    }

    pub(crate) fn route(self, head: &'static FunctionHead) -> Code {
        (self.0.scopes.route)(head)
    }
}
